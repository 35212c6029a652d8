"""The memory watch: an invocation fails shortly before the kernel would end the process."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Self

from lambda_sim.errors import ConfigurationError

from .interruption import Interruption, Target, Watch
from .usage import Source, find_source
from .watchdog import Watchdog

__all__ = ["MemoryPressure", "MemoryWatch"]

CLOSER = 10
"""How many times as often memory is looked at once the soft limit is passed."""

_MEGABYTE = 1024 * 1024

_logger = logging.getLogger(__name__)


class MemoryPressure(Interruption):
    """The memory was as good as full: the kernel would have ended the process, and posted nothing.

    :ivar used_bytes: how much was in use.
    :ivar limit_bytes: how much there is.
    :ivar stack: where the code was, the innermost frame last.
    """

    used_bytes = 0
    limit_bytes = 0

    def __init__(
        self,
        used_bytes: int | None = None,
        limit_bytes: int | None = None,
        stack: Sequence[str] = (),
    ) -> None:
        if used_bytes is not None:
            self.used_bytes = used_bytes
        if limit_bytes is not None:
            self.limit_bytes = limit_bytes
        used, limit = (f"{size / _MEGABYTE:.0f}" for size in (self.used_bytes, self.limit_bytes))
        super().__init__(
            f"Lambda failed by running out of memory: {used} of {limit} MB used", stack
        )

    @classmethod
    def with_facts(cls, used_bytes: int, limit_bytes: int) -> type[Self]:
        """A class whose every error tells this: for threads, in which only classes are raised."""
        facts = {"used_bytes": used_bytes, "limit_bytes": limit_bytes}
        return type(cls.__name__, (cls,), {**facts, "__module__": cls.__module__})


class MemoryWatch(Watch):
    """Raises MemoryPressure in work that is about to use up the function's memory.

    A function that the kernel ends for its memory posts no error of its own, and nobody learns
    where it was. ``with MemoryWatch(limit) as memory:`` the work, in the thread that does it; it
    may be entered again, for the next invocation. What can be interrupted, and what can't, is
    said at ``DeadlineGuard``. Memory that is taken faster than the watch looks goes unseen.

    At the soft limit ``on_soft`` is called, once for each time it is passed; at the hard limit the
    work is interrupted, again and again while it swallows that and the memory stays full.

    :param limit_bytes: what the function has; where its container has less, that counts.
    :param soft: the part of it at which ``on_soft`` is called.
    :param hard: the part of it at which the work is interrupted.
    :param interval: seconds between two looks; a tenth of that beyond the soft limit.
    :param on_soft: gets the bytes in use, from another thread; by default a warning is logged.
    :param source: gives the bytes in use; by default the cgroup where the container has a limit
        of its own, else what the process and those below it hold.
    :param watchdog: whose thread looks, such as a guard's; by default one of its own, for as long
        as the work takes.
    :raises ConfigurationError: a value out of its range, or no source on this system.
    """

    def __init__(
        self,
        limit_bytes: int,
        *,
        soft: float = 0.9,
        hard: float = 0.97,
        interval: float = 0.05,
        on_soft: Callable[[int], None] | None = None,
        source: Source | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        if limit_bytes <= 0:
            raise ConfigurationError("limit_bytes", limit_bytes, "bytes, more than zero")
        if not 0 < soft <= hard <= 1:
            raise ConfigurationError("soft and hard", (soft, hard), "0 < soft <= hard <= 1")
        if not 0 < interval < math.inf:
            raise ConfigurationError("interval", interval, "seconds, more than zero")
        if source is None:
            source, limit_bytes = find_source(limit_bytes)
        self.limit_bytes = limit_bytes
        self._source = source
        self._soft_bytes = soft * limit_bytes
        self._hard_bytes = hard * limit_bytes
        self._interval = interval
        self._on_soft = on_soft or self._warn
        self._is_sharing = watchdog is not None
        self._watchdog = watchdog or Watchdog()
        self._is_warned = False
        self._looked_at = -math.inf
        self._peak = 0

    @property
    def peak_bytes(self) -> int:
        """The most that was seen in use, since the first work began."""
        return self._peak

    def look(self, now: float) -> float | None:
        """See how much is in use; warn, or interrupt the work."""
        entry = self.entry  # before: the work may end, and another begin, while this is measured
        used = self._measure(now)
        is_much = used >= self._soft_bytes
        if is_much and not self._is_warned:
            self._on_soft(used)
        self._is_warned = is_much
        if used >= self._hard_bytes and not self._target.is_handling():
            self._target.interrupt(MemoryPressure.with_facts(used, self.limit_bytes), entry)
        return now + (self._interval / CLOSER if is_much else self._interval)

    def _begin(self, target: Target) -> None:
        if not self._is_sharing:
            self._watchdog = Watchdog()
        # Many short invocations in a row are looked at as often as a long one.
        self._watchdog.add(self, self._looked_at + self._interval)

    def _end(self, error: BaseException | None) -> None:
        self._watchdog.remove(self)
        if not self._is_sharing:
            self._watchdog.close()
        now = self._watchdog.clock.monotonic()
        if now >= self._looked_at + self._interval:
            self._measure(now)

    def _measure(self, now: float) -> int:
        self._looked_at = now
        used = self._source()
        self._peak = max(self._peak, used)
        return used

    def _warn(self, used: int) -> None:
        used_mb, limit_mb = used / _MEGABYTE, self.limit_bytes / _MEGABYTE
        _logger.warning("memory is nearly full: %.0f of %.0f MB used", used_mb, limit_mb)
