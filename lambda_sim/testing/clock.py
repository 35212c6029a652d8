"""ManualClock: time that moves when a test says so."""

from __future__ import annotations

import threading

from lambda_sim.errors import ConfigurationError
from lambda_sim.sync import Deadline, Monitor

__all__ = ["ManualClock"]


class ManualClock:
    """A clock whose hands move only by :meth:`advance`, which wakes whoever waits on it.

    Give it to ``Simulator(clock=...)``: timeouts, batching and shutdown budgets then pass in no
    time. Deadlines that real processes read are wall-clock ones all the same.

    :param start: seconds since the epoch on the wall hand.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._monitor = Monitor()
        # Guarded by _monitor:
        self._elapsed = 0.0
        self._start = start
        self._sleeping: dict[threading.Condition, int] = {}

    def monotonic(self) -> float:
        """Seconds that were advanced so far."""
        return self._elapsed

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._start + self._elapsed

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        """Sleep on a held condition until notified, or until the hands moved."""
        with (monitor := self._monitor):
            if until is not None and until <= self._elapsed:
                return  # the hands moved since the caller looked
            self._sleeping[condition] = self._sleeping.get(condition, 0) + 1
            monitor.changed("sleeping")
        try:
            condition.wait()
        finally:
            with (monitor := self._monitor):
                self._sleeping[condition] -= 1
                if not self._sleeping[condition]:
                    del self._sleeping[condition]
                monitor.changed("sleeping")

    def advance(self, seconds: float) -> None:
        """Move the hands on, and wake everyone who waits."""
        if seconds < 0:
            raise ConfigurationError("seconds", seconds, "zero or more: time does not run back")
        with self._monitor:
            self._elapsed += seconds
            sleeping = list(self._sleeping)
        for condition in sleeping:
            with condition:
                condition.notify_all()

    def wait_for_sleepers(self, count: int, timeout: float = 5.0) -> None:
        """Block until so many threads sleep on this clock."""
        with (monitor := self._monitor):
            monitor.wait_until(
                "sleeping",
                lambda: sum(self._sleeping.values()) >= count or None,
                Deadline.after(timeout),
                what=f"{count} sleepers on the clock",
            )
