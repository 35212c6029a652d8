"""For those who write tests: a base class, doubles, a telemetry receiver, a clock to turn."""

from __future__ import annotations

from lambda_sim.testing.clock import ManualClock

__all__ = ["ManualClock"]
