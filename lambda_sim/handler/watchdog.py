"""One worker that looks after others when their time comes, and sleeps until then."""

from __future__ import annotations

import logging
import math
from typing import Protocol

from lambda_sim.errors import ShuttingDown
from lambda_sim.sync import SYSTEM_CLOCK, Clock, Deadline, Monitor, Worker

__all__ = ["Watchdog", "Watched"]


SLACK = 0.001
"""Seconds. To be looked at as much later is not worth a wake-up of its own."""

_logger = logging.getLogger(__name__)


class Watched(Protocol):
    """What the watchdog looks after."""

    def look(self, now: float) -> float | None:
        """Its time has come. When it is to be looked at again, by the monotonic hand, if at all.

        Called from the watchdog's thread, perhaps once more just after it was let go.
        """


class Watchdog:
    """Starts its thread with the first that is to be watched, and keeps it until ``close``.

    It is woken only for what is due before it would wake by itself. So thousands of short
    invocations, one after the other, cost one wake-up for as long as one of them may take.
    Any thread may call.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self._monitor = Monitor()
        # Guarded by _monitor:
        self._due: dict[Watched, float] = {}
        self._wakes_at = math.inf
        self._worker: Worker | None = None

    def add(self, watched: Watched, at: float) -> None:
        """Look at this when the monotonic hand stands there.

        :raises ShuttingDown: it was closed.
        """
        with (monitor := self._monitor):
            if monitor.is_closed:
                raise ShuttingDown("the watchdog was closed")
            # It is not alive either in a child that was forked after it was started.
            if self._worker is None or not self._worker.is_alive:
                self._worker = Worker("watchdog", self._run).start()
            elif at < self._wakes_at - SLACK:
                monitor.changed()
            # Last: where no thread can be started, nobody would let go of it again.
            self._due[watched] = at

    def remove(self, watched: Watched) -> None:
        """Let go of this. It may be looked at just now, for the last time."""
        with self._monitor:
            self._due.pop(watched, None)

    def close(self) -> None:
        """Look after nothing any more, and end the thread."""
        with (monitor := self._monitor):
            monitor.close()
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.join()

    def _run(self) -> None:
        while (found := self._next_due()) is not None:
            watched, at = found
            again = self._look_at(watched)
            with self._monitor:
                if self._due.get(watched) == at:  # not let go of meanwhile
                    self._due[watched] = math.inf if again is None else again

    def _look_at(self, watched: Watched) -> float | None:
        try:
            return watched.look(self.clock.monotonic())
        except Exception:  # nobody else is to go unwatched for it
            _logger.exception("what looks after an invocation failed")
            return None

    def _next_due(self) -> tuple[Watched, float] | None:
        """Wait for the first whose time comes; None when closed."""
        with (monitor := self._monitor):
            while not monitor.is_closed:
                first = min(self._due.items(), key=_at, default=None)
                self._wakes_at = math.inf if first is None else first[1]
                if first is not None and first[1] <= self.clock.monotonic():
                    return first
                until = None if self._wakes_at == math.inf else self._wakes_at
                monitor.wait_for_change(monitor.version, Deadline(until, self.clock))
        return None


def _at(item: tuple[Watched, float]) -> float:
    return item[1]
