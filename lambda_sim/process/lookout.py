"""The worker that keeps looking whether the memory limit is kept."""

from __future__ import annotations

import sys

from lambda_sim.process.limit import MemoryLimit
from lambda_sim.sync import Deadline, Monitor, Worker

__all__ = ["Lookout"]

JOIN_TIME = 5.0

LONGEST_PAUSE = 0.1
# A look costs microseconds where the kernel has files for it, and milliseconds elsewhere.
SHORTEST_PAUSE = 0.02 if sys.platform == "linux" else LONGEST_PAUSE


class Lookout:
    """Looks often while processes run, seldom while they rest, and not at all once closed."""

    def __init__(self, limit: MemoryLimit) -> None:
        self._limit = limit
        self._worker = Worker("memory", self._run)
        self._monitor = Monitor()

    @property
    def failure(self) -> BaseException | None:
        """What ended the looking, if anything did."""
        return self._worker.failure

    def start(self) -> None:
        self._worker.start()

    def close(self) -> None:
        """End the looking at once."""
        with (monitor := self._monitor):
            monitor.close()
        self._worker.join(JOIN_TIME)

    def _run(self) -> None:
        pause = SHORTEST_PAUSE
        before: dict[int, float | None] = {}
        while self._rests(pause):
            now = self._limit.activity()
            if now == before and None not in now.values() and not self._limit.is_open:
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            before = now
            pause = SHORTEST_PAUSE
            self._limit.watch()

    def _rests(self, seconds: float) -> bool:
        """Wait for so long; False when it is closed, at once."""
        with (monitor := self._monitor):
            if not monitor.is_closed:
                monitor.wait_for_change(monitor.version, Deadline.after(seconds))
            return not monitor.is_closed
