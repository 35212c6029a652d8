"""For those who write tests: a base class, doubles, a telemetry receiver, a clock to turn."""

from __future__ import annotations

from lambda_sim.testing.case import LambdaTestCase
from lambda_sim.testing.clock import ManualClock
from lambda_sim.testing.doubles import ScriptedExtension, ScriptedRuntime
from lambda_sim.testing.receiver import TelemetryReceiver
from lambda_sim.testing.tcp_receiver import TcpTelemetryReceiver

__all__ = [
    "LambdaTestCase",
    "ManualClock",
    "ScriptedExtension",
    "ScriptedRuntime",
    "TcpTelemetryReceiver",
    "TelemetryReceiver",
]
