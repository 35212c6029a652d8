"""The deadline guard: an invocation fails shortly before Lambda would end it."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable
from typing import Self

from lambda_sim import sync
from lambda_sim.errors import ConfigurationError, WaitTimeout
from lambda_sim.sync import SYSTEM_CLOCK, Clock

from .deadline import MARGIN, Deadline, DeadlineExceeded
from .interruption import Target, Watch
from .watchdog import Watchdog

__all__ = ["DeadlineGuard"]

PATIENCE = 10.0
"""Seconds that a handler which came to its end after all waits for whoever is told it is stuck."""

AGAIN = 0.2
"""After so much of the margin, an error that was swallowed is raised again."""

SOONEST = 0.005
"""Seconds between two looks at work whose time is over."""

LEAST = 0.02
"""Seconds before such work is stuck, however small the margin: some waits end at a second look."""

_logger = logging.getLogger(__name__)


class DeadlineGuard:
    """Raises DeadlineExceeded in work that is about to run into Lambda's timeout.

    A function that Lambda ends has posted no error, so its destinations hear nothing of it, and
    nobody learns where it was. The guard fails it ``margin`` seconds earlier, and its error has
    the stack. One guard serves all invocations of a process, also in several threads at once::

        with DeadlineGuard() as guard:
            ...
            with guard.watch(Deadline.from_ms(context.deadline_ms)):
                work()

    *What it can interrupt.* In the main thread any code in Python, and whatever Python itself
    waits for: sleeps, sockets, locks, subprocesses. In another thread code in Python, when it next
    runs. *What it can't:* a long call into C ends first, and so does a wait in another thread. In
    the main thread, taking the lock of a Condition, a queue or a log handler comes to its end, so
    that none stays held.
    Code that swallows the error, by a bare ``except:``, meets it again some time after that block.

    Work that is not out of its block half the margin later is *stuck*: ``on_stuck`` is called,
    from another thread, with an error whose stack shows where it is stuck. From then on
    :attr:`is_poisoned` says that the process should serve no other invocation, and should the
    work end after all, its result is dropped: the block raises DeadlineExceeded. Not even that
    works while C code holds the interpreter's lock; then Lambda's own timeout ends it.

    :param margin: seconds.
    :param on_stuck: may post the error and end the process. What it raises is logged.
    :raises ConfigurationError: a margin that is negative or no number.
    """

    def __init__(
        self,
        margin: float = MARGIN,
        *,
        on_stuck: Callable[[DeadlineExceeded], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if not 0 <= margin < math.inf:
            raise ConfigurationError("margin", margin, "seconds, zero or more")
        self.margin = margin
        self._on_stuck = on_stuck
        self.watchdog = Watchdog(clock)
        self._monitor = sync.Monitor()
        self._is_poisoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def is_poisoned(self) -> bool:
        """Whether a handler was stuck in this process."""
        return self._is_poisoned

    def watch(self, deadline: Deadline) -> Watch:
        """``with guard.watch(deadline):`` the work; in the thread that does it.

        With less than the margin left it is interrupted at once, and stuck half a margin later.
        The main thread may also enter it by an ExitStack. In others the error may come when the
        work is done and its block about to end, and would keep an ExitStack from ending it.

        :raises DeadlineExceeded: at the end of the block, though the work ended, when it had been
            declared stuck.
        :raises ShuttingDown: on entering, when the guard was closed.
        """
        return _GuardedWork(self, deadline)

    def close(self) -> None:
        """Watch nothing any more, and end the guard's thread."""
        self.watchdog.close()

    def _declare_stuck(self, error: DeadlineExceeded) -> None:
        self._is_poisoned = True
        if self._on_stuck is not None:
            try:
                self._on_stuck(error)
            except Exception:
                _logger.exception("on_stuck failed")


class _GuardedWork(Watch):
    """What one invocation does, until its block ends or it is declared stuck."""

    def __init__(self, guard: DeadlineGuard, deadline: Deadline) -> None:
        self._guard = guard
        self._deadline = deadline
        self._again_at = -math.inf
        self._stuck_at = math.inf
        # Guarded by the guard's monitor:
        self._is_over = False
        self._stuck: DeadlineExceeded | None = None
        self._is_told = False

    def look(self, now: float) -> float | None:
        """Interrupt the work, again and again while it swallows that; say once that it is stuck."""
        if now >= self._stuck_at and not self._tell_it_is_stuck():
            return None
        target = self._target
        is_handling = target.is_handling()
        if target.is_missed or (now >= self._again_at and not is_handling):
            target.interrupt(DeadlineExceeded, self.entry)
            is_handling = True
        if is_handling:
            self._again_at = now + self._guard.margin * AGAIN
        return min(now + SOONEST, self._stuck_at)

    def _begin(self, target: Target) -> None:
        guard = self._guard
        left = max(0.0, self._deadline.remaining() - guard.margin)
        due = guard.watchdog.clock.monotonic() + left
        self._stuck_at = due + max(guard.margin / 2, LEAST)
        guard.watchdog.add(self, due)

    def _end(self, error: BaseException | None) -> None:
        guard = self._guard
        guard.watchdog.remove(self)
        with (monitor := guard._monitor):
            self._is_over = True
            if self._stuck is None:
                return
            with contextlib.suppress(WaitTimeout):
                monitor.wait_until(
                    self,
                    lambda: self._is_told or None,
                    sync.Deadline.after(PATIENCE),
                    what="whoever is told of a stuck handler",
                )
        if not isinstance(error, DeadlineExceeded):
            raise self._stuck

    def _tell_it_is_stuck(self) -> bool:
        """Whether it is; not if it came to its end just now."""
        self._stuck_at = math.inf
        guard = self._guard
        error = DeadlineExceeded(self.stack())
        with guard._monitor:
            if self._is_over:
                return False
            self._stuck = error
        guard._declare_stuck(error)
        with (monitor := guard._monitor):
            self._is_told = True
            monitor.changed(self)
        return True
