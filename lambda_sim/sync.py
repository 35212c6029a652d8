"""Waiting: clocks, deadlines, monitors and workers. No other file says Condition or Thread."""

from __future__ import annotations

import threading
import time
from _thread import RLock
from collections.abc import Callable, Hashable
from typing import ClassVar, Protocol, Self, TypeVar

import attrs

from lambda_sim.errors import ShuttingDown, WaitTimeout

__all__ = [
    "LONGEST_SLEEP",
    "NEVER",
    "SYSTEM_CLOCK",
    "Clock",
    "Deadline",
    "Eagerness",
    "Monitor",
    "Topic",
    "Worker",
    "this_thread",
]

T = TypeVar("T")

Topic = Hashable
"""What a waiter waits for: an enum member, or an id for a question about one thing."""

this_thread = threading.get_ident
"""Who is running: a number that no other live thread has."""

ANY: Topic = "any change"


class Clock(Protocol):
    """Where time comes from: one hand to measure durations, another to read printed times off."""

    def monotonic(self) -> float:
        """Seconds that only grow, from an unknown start."""

    def time(self) -> float:
        """Seconds since the epoch, UTC: what AWS prints."""

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        """Sleep on a held condition until notified, or until the monotonic hand stands there. It
        may end earlier: who waits asks again."""


class SystemClock:
    """The machine's own time."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        condition.wait(None if until is None else until - time.monotonic())


SYSTEM_CLOCK = SystemClock()


@attrs.frozen
class Deadline:
    """A moment on a clock's monotonic hand; ``at=None`` never comes."""

    at: float | None
    clock: Clock = SYSTEM_CLOCK

    @classmethod
    def after(cls, seconds: float | None, clock: Clock = SYSTEM_CLOCK) -> Deadline:
        """The moment so many seconds from now; None is never."""
        return cls(None if seconds is None else clock.monotonic() + seconds, clock)

    def remaining(self) -> float | None:
        """Seconds left, never negative; None when the moment never comes."""
        return None if self.at is None else max(0.0, self.at - self.clock.monotonic())

    def earlier_of(self, other: Deadline) -> Deadline:
        """Whichever of the two comes first."""
        if self.at is None or (other.at is not None and other.at < self.at):
            return other
        return self


NEVER = Deadline(None)


LONGEST_SLEEP = 1.0
"""Seconds. A signal that comes when the main thread is just about to sleep is only seen after it:
Ctrl-C must not have to wait for long."""


class _Condition(threading.Condition):
    """Wakes the main thread from time to time, too; whoever waits asks anyhow what he is woken for.

    Only that thread runs the handlers of signals.
    """

    def wait(self, timeout: float | None = None) -> bool:
        if this_thread() == threading.main_thread().ident:
            timeout = LONGEST_SLEEP if timeout is None else min(timeout, LONGEST_SLEEP)
        return super().wait(timeout)


class _Waiters:
    """One topic's condition, and how many sleep on it."""

    __slots__ = ("condition", "count")

    def __init__(self, lock: RLock) -> None:
        self.condition = _Condition(lock)
        self.count = 0


class Monitor(RLock):  # type: ignore[misc]  # final by its stub only
    """One lock, and a condition for each topic somebody is waiting on just now.

    ``with monitor:`` holds the lock. A topic costs nothing until someone waits for it, so
    there may be as many topics as there are questions.

    It is taken twice only by a signal's handler that comes into its own thread. It is of this kind
    as that one knows whose it is, and takes and lets go of itself in C: Ctrl-C, which may come at
    any step of Python's, comes before or after.
    """

    is_ours: ClassVar[Callable[[Monitor], bool]] = RLock._is_owned  # type: ignore[attr-defined]
    """Whether the caller's thread holds it."""

    def __init__(self) -> None:
        # Guarded by itself, all of it:
        self._waiters: dict[Topic, _Waiters] = {}
        self._spare: _Waiters | None = None  # for whoever waits next
        self._bells: dict[Topic, Callable[[], None]] = {}
        self._closed = False
        self._version = 0

    @property
    def is_closed(self) -> bool:
        """Whether waits end with ShuttingDown, which stays so."""
        return self._closed

    @property
    def version(self) -> int:
        """How many changes were announced. The lock is held."""
        return self._version

    def changed(self, *topics: Topic) -> None:
        """Wake those whose question a change may answer. The lock is held."""
        self.announce(set(topics))

    def announce(self, topics: set[Topic]) -> None:
        """The same for topics that were gathered."""
        self._version += 1
        waiters = self._waiters
        if waiters:
            for topic in topics.intersection(waiters):
                waiters[topic].condition.notify_all()
            if ANY in waiters:
                waiters[ANY].condition.notify_all()
        if self._bells:
            for topic in topics.intersection(self._bells):
                self._bells[topic]()

    def add_bell(self, topic: Topic, ring: Callable[[], None]) -> None:
        """Wake somebody, too, who sleeps on something else, and of whom there is one a topic. The
        lock is held, also when it rings: it only wakes."""
        self._bells[topic] = ring

    def remove_bell(self, topic: Topic, ring: Callable[[], None]) -> None:
        """Ring no more, unless it is another's by now. The lock is held."""
        if self._bells.get(topic) == ring:
            del self._bells[topic]

    def close(self) -> None:
        """End every wait with ShuttingDown, now and from now on. The lock is held."""
        self._closed = True
        self._spare = None
        self._version += 1
        for waiters in self._waiters.values():
            waiters.condition.notify_all()
        for ring in self._bells.values():
            ring()

    def wait_until(
        self,
        topic: Topic,
        find: Callable[[], T | None],
        deadline: Deadline,
        *,
        what: str,
        ends_with_close: bool = True,
    ) -> T:
        """The one wait loop in the house. The lock is held on entry and on exit.

        What is already there is handed over first, also by a monitor that closed.

        :param ends_with_close: False for what is waited for after the close, and soon comes.

        :raises WaitTimeout: the deadline passed and the answer was still None.
        :raises ShuttingDown: the owner closed first.
        """
        while (found := find()) is None:
            if self._closed and ends_with_close:
                raise ShuttingDown(f"closed while waiting for {what}")
            if deadline.remaining() == 0.0:
                raise WaitTimeout(what)
            self._sleep(topic, deadline)
        return found

    def wait_for_change(self, since: int, deadline: Deadline) -> int:
        """Sleep until anything changed after version ``since``; the version now. Lock held."""
        while self._version == since and not self._closed:
            if deadline.remaining() == 0.0:
                break
            self._sleep(ANY, deadline)
        return self._version

    def _sleep(self, topic: Topic, deadline: Deadline) -> None:
        waiters = self._waiters.get(topic)
        if waiters is None:
            waiters = self._spare or _Waiters(self)
            self._spare = None
            self._waiters[topic] = waiters
        waiters.count += 1
        try:
            deadline.clock.wait(waiters.condition, deadline.at)
        finally:
            waiters.count -= 1
            if not waiters.count:
                # It refers to us: one that is closed is gone when nobody refers to it any more.
                self._spare = None if self._closed else waiters
                del self._waiters[topic]


SPIN_SECONDS = 250e-6
_spinning = threading.Lock()


class Eagerness:
    """Whether to look for something again and again for a moment, before sleeping until it comes.

    An idle processor takes tens of microseconds to wake, more than many an answer takes to come.
    It is worth it where the last wait of the kind was that short; so it never is for long where the
    machine is busy, or has only one processor. One thread of the process does it at a time: half of
    that time it holds the interpreter's lock.
    """

    def __init__(self) -> None:
        self._pays = False

    def wait(self, look: Callable[[], T | None], sleep: Callable[[], T]) -> T:
        """What a look finds, or the sleep."""
        began = time.monotonic()
        found = None
        if self._pays and _spinning.acquire(blocking=False):
            try:
                until = began + SPIN_SECONDS
                while not (found := look()) and time.monotonic() < until:
                    pass
            finally:
                _spinning.release()
        found = found or sleep()
        self._pays = time.monotonic() - began < SPIN_SECONDS
        return found


class Worker:
    """A named daemon thread that is joined; what it raises is kept for whoever asks.

    Daemon, so that a forgotten close never hangs the interpreter's exit.
    """

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self.failure: BaseException | None = None
        self._run = run
        self._thread = threading.Thread(
            target=self._guarded, name=f"lambda-sim:{name}", daemon=True
        )

    @property
    def is_current(self) -> bool:
        """Whether the caller is this very worker, which can't join itself."""
        return threading.current_thread() is self._thread

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> Self:
        self._thread.start()
        return self

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the end; whether it came in time. A worker that never started has ended."""
        if self._thread.ident is not None and not self.is_current:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:  # kept, and shown by the owner's close
            self.failure = error
