"""A SnapStart environment's snapshot: whether it is to be restored, and what is told. Pure.

AWS: *Improving startup performance with Lambda SnapStart*; *Lambda SnapStart runtime hooks*.
"""

from __future__ import annotations

from lambda_sim.lifecycle.chronicle import Chronicle
from lambda_sim.lifecycle.failures import Failure
from lambda_sim.model.telemetry import RestoreReport, RestoreRuntimeDone, RestoreStart, Status
from lambda_sim.sync import Clock


class Snapshot:
    """What one generation's init leaves to be restored, once."""

    def __init__(self, clock: Clock, chronicle: Chronicle) -> None:
        self.is_wanted = False
        """Whether a restore was asked for before there was anything to restore."""
        self.started = 0.0
        self._clock = clock
        self._chronicle = chronicle

    def begin(self) -> None:
        """The restore begins, and with it its time."""
        self.started = self._clock.monotonic()
        self._chronicle.tell(RestoreStart(time=self._clock.time()))

    def end(self, failure: Failure | None) -> float:
        """The runtime is back, or never will be; the milliseconds that it took."""
        took_ms = (self._clock.monotonic() - self.started) * 1000
        at = self._clock.time()
        status = failure.status if failure else Status.SUCCESS
        error_type = failure.telemetry_type if failure else None
        done = RestoreRuntimeDone(time=at, status=status, error_type=error_type)
        report = RestoreReport(time=at, status=status, error_type=error_type, duration_ms=took_ms)
        self._chronicle.tell(done)
        self._chronicle.tell(report)
        return took_ms
