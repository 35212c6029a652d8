"""Raising something in a thread from outside it, and what keeps it away for a while."""

from __future__ import annotations

import _thread
import contextlib
import functools
import os
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import FrameType, MethodType, TracebackType
from typing import Any, NamedTuple, Self

from . import stacks

__all__ = ["Interruption", "Shield", "Target", "Watch"]

SIGNAL: int = getattr(signal, "SIGRTMAX", 0) or getattr(signal, "SIGUSR2", 0)
"""What wakes the main thread. Not SIGALRM, which functions use for time limits of their own."""

WHOLE = (
    __name__,
    "concurrent.futures._base",
    "contextlib",
    "importlib._bootstrap",
    "logging",
    "queue",
    "threading",
)
"""Modules in which no step is torn from the next. They take locks for others, and let go of them,
by functions in Python: what is raised as one begins or ends leaves the lock held for ever. And so
what was taken out of a queue is handed over."""

TAKERS = ("__enter__", "_acquireLock", "_acquire_restore", "acquire")
"""Functions of theirs that wait for a lock, and may have it by the time that one looks."""


class Interruption(BaseException):
    """Raised into work that has to end now.

    Not an Exception, so that ``except Exception`` lets it pass. It can be made without arguments:
    Python raises nothing but a class in another thread.
    """

    def __init__(self, message: str, stack: Sequence[str] = ()) -> None:
        self._stack = list(stack)
        super().__init__(message)

    def keep_stack(self) -> None:
        """Remember where the code was, whatever becomes of the traceback."""
        self._stack = self.stack

    @property
    def stack(self) -> list[str]:
        """Where the code was, the innermost frame last, each as Python prints it."""
        return self._stack or stacks.of_traceback(self.__traceback__, also_last=True)


class _Order(NamedTuple):
    """What is to be raised, and which entry of a watch wants it."""

    kind: type[Interruption]
    by: object


class Target:
    """A thread that may be interrupted: the current one, by ``Target.here()``.

    The thread itself opens and closes it, as often as it likes, and shields itself. Any other
    thread may ``interrupt`` it in between. No lock is shared between the two: what interrupts
    a thread might do so while that holds the lock, or is just about to let go of it.
    """

    def __init__(self) -> None:
        self.ident = threading.get_ident()
        self.shields = 0
        self._open: list[object] = []
        # Who is about to interrupt. They look at the shields after they are in this list, and the
        # thread looks at this list after it has put up a shield: so one of the two sees the other.
        self._knocking: list[object] = []
        self.held: _Order | None = None
        """What came while the thread was shielded."""
        self._sent: _Order | None = None

    @staticmethod
    def here() -> Target:
        """The current thread's own."""
        if (target := _threads.target) is None:
            is_main = threading.current_thread() is threading.main_thread()
            by_signal = is_main and hasattr(signal, "pthread_kill")
            target = _threads.target = _MainThread() if by_signal else Target()
        return target

    def open(self, entry: object) -> None:
        """From here on whoever has this entry may interrupt. The thread is shielded."""
        if not self._open:
            self._prepare()
        self._open.append(entry)

    def quiet(self) -> None:
        """Settle, and hold what was sent and did not arrive yet. The thread is shielded."""
        self.settle()
        sent, self._sent = self._sent, None
        if sent is not None:
            self._take_back(sent)

    def close(self, entry: object) -> None:
        """From here on it may not. The thread is shielded and quiet."""
        self._open.remove(entry)
        self.settle()
        if self.held is not None and self.held.by is entry:
            self.held = None
        if not self._open:
            self._restore()

    def settle(self) -> None:
        """Wait until nobody is about to interrupt, and so until no interruption can come any more.

        The thread has just put up a shield. What was sent before may be raised in here.
        """
        while self._knocking:
            time.sleep(0)

    def interrupt(self, kind: type[Interruption], by: object) -> None:
        """Raise this in the thread as soon as Python can; later, if it is shielded.

        Called from other threads.

        :param by: the entry of a watch; one that ended interrupts nothing.
        """
        knock = object()
        self._knocking.append(knock)
        try:
            if by not in self._open:
                return
            order = _Order(kind, by)
            if self.shields:
                self.held = order
            else:
                self._sent = order
                self._send(order)
        finally:
            self._knocking.remove(knock)

    @property
    def is_missed(self) -> bool:
        """Whether what was sent may be lost on a wait that began just then: send it again."""
        return False

    def raise_held(self) -> None:
        """Raise what came meanwhile, if anything did. The thread is not shielded any more."""
        order, self.held = self.held, None
        if order is not None:
            raise order.kind

    def frame(self) -> FrameType | None:
        """Where the thread is; None once it ended."""
        return sys._current_frames().get(self.ident)

    def is_handling(self) -> bool:
        """Whether it is in an ``except`` or ``finally`` that an interruption led to."""
        found: Any = sys._current_exceptions().get(self.ident)
        error = found[1] if isinstance(found, tuple) else found  # a tuple up to Python 3.11
        while error is not None:
            if isinstance(error, Interruption):
                return True
            error = error.__context__
        return False

    def _prepare(self) -> None:
        """Make ready to be interrupted."""

    def _restore(self) -> None:
        """Undo what ``_prepare`` did."""

    def _send(self, order: _Order) -> None:
        # It comes when the thread runs Python code again, so not in the middle of a wait.
        _set_async_exception(self.ident, order.kind)

    def _take_back(self, sent: _Order) -> None:
        # Whether it had arrived, nobody tells. If so, it was swallowed or is on its way out.
        # Another takes its place and comes at once: with none in its place Python would look for
        # one at every step, and Python 3.11 would hang in the first function that is traced.
        with contextlib.suppress(_TakenBack):
            _set_async_exception(self.ident, _TakenBack)
        self.held = self.held or sent


class _MainThread(Target):
    """The main thread, which a signal calls out of sleeps, sockets and waits for locks."""

    def __init__(self) -> None:
        super().__init__()
        self._wanted: _Order | None = None
        self._seen: tuple[FrameType, int, _Order] | None = None
        """Where it was when something was last put off, and what that was."""
        self._theirs: Any = None

    @property
    def is_missed(self) -> bool:
        return self._wanted is not None

    def _prepare(self) -> None:
        self._theirs = signal.signal(SIGNAL, self._on_signal)

    def _restore(self) -> None:
        # None is a handler that was not set from Python, and can't be.
        signal.signal(SIGNAL, signal.SIG_DFL if self._theirs is None else self._theirs)
        self._seen = None

    def _send(self, order: _Order) -> None:
        self._wanted = order
        signal.pthread_kill(self.ident, SIGNAL)

    def _take_back(self, sent: _Order) -> None:
        # The system hands a signal over at the end of the next call at the latest; then it meets
        # our handler, and not what will be in its place, which may be to end the process.
        os.getppid()
        self._wanted = None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        order, self._wanted = self._wanted, None
        if order is None:
            if callable(self._theirs) and self._sent is None:
                self._theirs(number, frame)
        elif self.shields:
            self.held = order
        elif frame is not None and self._is_whole(frame, order):
            self._wanted = order
            # It comes again at the next step. Unpacked: after a call it would come right here.
            [_] = map(_thread.interrupt_main, (SIGNAL,))  # type: ignore[arg-type]  # it is an int
        else:
            self.held = self._wanted = self._seen = None
            raise order.kind

    def _is_whole(self, frame: FrameType, order: _Order) -> bool:
        """Whether the step that comes now must not be torn from the one before."""
        if frame.f_globals.get("__name__") not in WHOLE:
            return False
        seen, self._seen = self._seen, (frame, frame.f_lasti, order)
        if seen is None or seen[:2] != (frame, frame.f_lasti) or seen[2] is order:
            return True
        # It was sent again, and not one step was made in between: this one waits for something.
        return frame.f_code.co_name in TAKERS


class _Threads(threading.local):
    target: Target | None = None


_threads = _Threads()


class Shield:
    """No interruption reaches this thread inside ``with``; what came is raised at the end.

    :param check: called at the end as well, if the block went through.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check

    def __enter__(self) -> None:
        self._target = target = Target.here()
        target.shields += 1
        try:
            target.settle()
        except BaseException:
            target.shields -= 1
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        target = self._target
        target.shields -= 1
        if kind is None and not target.shields:
            target.raise_held()
            self._check()


class _Exit:
    """``__exit__`` of a watch, which comes about even if an interruption gets there before it.

    Python looks for one as it enters a function, so before a first line that could put up a shield,
    and raises it out of the whole ``with``. But ``with`` lets go of what it was to call then.
    """

    def __init__(self, leave: Callable[..., None]) -> None:
        self._leave = leave

    def __get__(self, watch: Watch | None, owner: type[Watch]) -> Callable[..., None]:
        if watch is None:
            return self._leave
        # ``with`` asks before it enters. Who asks inside may let go and mean nothing by it.
        return (MethodType if watch.is_open else _HeldByWith)(self._leave, watch)


class _HeldByWith(functools.partial[None]):
    """Nobody but ``with`` has it: its frame, when called, would live on in an error's traceback."""

    def __del__(self) -> None:
        [watch] = self.args
        if watch.is_open:
            missed = Interruption("raised on the way out")
            try:
                self.func(watch, Interruption, missed, None)
            except Interruption:
                return  # one is on its way already


class Watch(ABC):
    """The work of one thread, while it is inside ``with`` and may be interrupted."""

    is_open = False
    entry: object
    """Stands for this time that it is entered: it may be again, and what was seen of the work
    before is no reason to interrupt the next."""

    def __enter__(self) -> Self:
        self._target = target = Target.here()
        target.shields += 1
        try:
            target.settle()
            self._outermost = _author_of(sys._getframe(1))
            self.entry = object()
            target.open(self.entry)
            self.is_open = True
            try:
                self._begin(target)
            except BaseException:
                self._close()
                raise
        finally:
            target.shields -= 1
        if (order := target.held) is not None and not target.shields:
            self.__exit__(None, None, None)
            raise order.kind
        return self

    @_Exit
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        target = self._target
        target.shields += 1
        try:
            while True:
                try:
                    target.quiet()
                    break
                except Interruption:  # sent in time, but the work was faster
                    continue
            self._outermost = None
            if isinstance(error, Interruption):
                error.keep_stack()
                target.held = None
            try:
                self._end(error)
            finally:
                self._close()
        finally:
            target.shields -= 1
        if error is None and not target.shields:
            target.raise_held()

    def _close(self) -> None:
        self.is_open = False
        self._target.close(self.entry)

    def stack(self) -> list[str]:
        """Where the work is just now. Any thread may ask."""
        return stacks.of_frame(self._target.frame(), self._outermost)

    @abstractmethod
    def _begin(self, target: Target) -> None:
        """Have somebody look after this thread from now on."""

    @abstractmethod
    def _end(self, error: BaseException | None) -> None:
        """Have nobody do so any more. What is raised here goes to whoever wrote the ``with``."""


def _author_of(frame: FrameType | None) -> FrameType | None:
    """The frame that stays for as long as the work does: an ExitStack's own goes at once."""
    while frame is not None and frame.f_globals is contextlib.__dict__:
        frame = frame.f_back
    return frame


class _TakenBack(BaseException):
    """Comes instead of what was taken back."""


def _set_async_exception(ident: int, kind: type[BaseException]) -> None:
    import ctypes  # noqa: PLC0415 - few threads are interrupted

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(kind))
