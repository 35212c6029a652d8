"""What children print, line by line, in order, and never later than it is asked for."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import IO, Protocol, TypeVar

import attrs

from lambda_sim.process.child import ManagedProcess
from lambda_sim.process.door import LogDoor, OnStream
from lambda_sim.process.echo import Echo
from lambda_sim.process.frames import FrameCutter
from lambda_sim.process.lines import LineCutter
from lambda_sim.sync import Monitor, Worker

if sys.platform != "win32":
    import fcntl
    import termios

__all__ = ["CAN_HEAR", "OnLine", "Output", "Pipe"]

CAN_HEAR = hasattr(select, "poll")
"""Whether many pipes can be listened to at once; on Windows what children print is not captured."""

T = TypeVar("T")

OnLine = Callable[[ManagedProcess, str], None]

CHUNK = 65_536
NOTHING = bytes(4)
JOIN_TIME = 5.0

BREATH_MS = 100
"""Milliseconds until it is tried again to let in somebody whom no descriptor was left for."""


class Cutter(Protocol):
    """Cuts bytes into lines, or into other events."""

    @property
    def has_rest(self) -> bool: ...

    def feed(self, data: bytes) -> Iterator[str]: ...

    def flush(self) -> Iterator[str]: ...


class Ears:
    """Tells which of some pipes have something, without waiting. Any thread may ask."""

    def __init__(self) -> None:
        # Asked twice an invocation: what lasts costs a fifth of what is made each time.
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._files: set[int] = set()

    def add(self, fd: int) -> None:
        if self._epoll is not None:
            self._epoll.register(fd, select.EPOLLIN)
        else:
            self._files.add(fd)

    def forget(self, fd: int) -> None:
        """Before the file is closed: its number may be another's at once."""
        if self._epoll is not None:
            self._epoll.unregister(fd)
        else:
            self._files.discard(fd)

    def ready(self) -> list[int]:
        """Those that have something, or never will have; none once closed."""
        if self._epoll is None:
            return [fd for fd, _ in _poll(list(self._files)).poll(0)]
        try:
            return [fd for fd, _ in self._epoll.poll(0)]
        except (OSError, ValueError):
            if self._epoll.closed:  # meanwhile: all there was is with its reader
                return []
            raise

    def close(self) -> None:
        if self._epoll is not None:
            self._epoll.close()


class Pipe:
    """Our end of a child's stdout or stderr.

    Its reading lock is held from reading bytes to handing over the last of their lines, so that
    lines stay in order, and whoever gets the lock knows that all lines read so far are with their
    reader. So it is always taken before the lock that ``on_line`` takes, and never inside it.
    Reading under it is no wait: nothing is read that has not been written.
    """

    def __init__(
        self,
        child: ManagedProcess,
        file: IO[bytes],
        *,
        copy_to: str | None,
        echo: Echo,
        on_line: OnLine,
        cutter: Cutter,
        ears: Ears,
        debtors: set[Pipe],
    ) -> None:
        """
        :param debtors: where it is as long as it may owe something.
        """
        self.child = child
        self.fd = file.fileno()
        self._ears = ears
        self._debtors = debtors
        ears.add(self.fd)
        os.set_blocking(self.fd, False)
        self._echo = echo
        # A frame need not end in a newline, and what is printed after it is not its last line.
        self._copies_whole_lines = isinstance(cutter, FrameCutter)
        self._hearers: list[Callable[[str], None]] = [partial(on_line, child)]
        if copy_to is not None:
            self._hearers.append(partial(self._copy, stream=copy_to))
        self._reading = Monitor()
        # Guarded by _reading, all of it:
        self._file = file
        self._lines = cutter
        self._is_busy = False
        self._has_rest = False

    def may_owe(self, *, flush: bool) -> bool:
        """Whether something that was read already may not be handed over yet; needs no lock."""
        return self._is_busy or (flush and self._has_rest)

    def read(self) -> bool:
        """Hand over some of what was written; whether there may ever be more."""
        return self._in_turn(self._read_some_locked)

    def drain(self, *, flush: bool) -> None:
        """Hand over all that was written before this call, and if told so an unfinished line."""
        self._in_turn(partial(self._drain_locked, flush=flush))

    def finish(self) -> None:
        """Hand over what is there and hear no more, whoever still holds the other end."""
        self._in_turn(self._finish_locked)

    def _in_turn(self, work: Callable[[], T]) -> T:
        # Not in a context manager of Python's, which Ctrl-C would leave in the middle.
        with self._reading:
            # Before the pipe looks empty, until its lines are handed over.
            self._is_busy = True
            self._debtors.add(self)
            try:
                return work()
            finally:
                self._has_rest = self._lines.has_rest
                self._is_busy = False
                if not self._has_rest:
                    self._debtors.discard(self)

    def _read_some_locked(self) -> bool:
        if self._file.closed:
            return False
        try:
            data = self._read_locked(CHUNK)
        except BlockingIOError:
            return True  # somebody drained it first
        if not data:
            self._close_locked()
        return bool(data)

    def _drain_locked(self, *, flush: bool = False) -> None:
        if self._file.closed:
            return
        # Asking for the number also keeps us from running after a child that writes on and on.
        count = fcntl.ioctl(self.fd, termios.FIONREAD, NOTHING)
        if count != NOTHING:
            self._read_locked(int.from_bytes(count, sys.byteorder))
        if flush:
            self._hand_over(self._lines.flush())

    def _finish_locked(self) -> None:
        if not self._file.closed:
            self._drain_locked()
            self._close_locked()

    def _read_locked(self, size: int) -> bytes:
        data = os.read(self.fd, size)
        self._hand_over(self._lines.feed(data))
        return data

    def _close_locked(self) -> None:
        try:
            self._hand_over(self._lines.flush())
        finally:
            self._ears.forget(self.fd)
            self._file.close()

    def _hand_over(self, lines: Iterable[str]) -> None:
        hearers = self._hearers
        failures: list[BaseException] = []
        for line in lines:
            for hear in hearers:
                try:
                    hear(line)
                except Exception as error:  # the other lines are not lost for it
                    failures.append(error)
                except BaseException as error:  # nor for Ctrl-C; but they are shown to nobody
                    failures.insert(0, error)
                    hearers = hearers[:1]
        if failures:
            raise failures[0]

    def _copy(self, line: str, stream: str) -> None:
        is_open = self._copies_whole_lines and not line.endswith("\n")
        self._echo.print(f"{line}\n" if is_open else line, stream)


@attrs.frozen(eq=False)
class Doorway:
    """A child's door, and what becomes of those who come in."""

    child: ManagedProcess
    door: LogDoor
    on_stream: OnStream

    @property
    def fd(self) -> int:
        return self.door.fd

    def read(self) -> bool:
        """Let in who stands there; whether anybody may ever come."""
        return self.door.admit(self.on_stream)

    def finish(self) -> None:
        """Let in who stands there, and nobody more."""
        self.door.admit(self.on_stream)
        self.door.close()


class Output:
    """The one worker that listens to all children of a sandbox. Any thread may call.

    Each pipe that has something is read once a round, so a chatty child starves nobody.
    """

    def __init__(self, on_line: OnLine) -> None:
        self.failure: Exception | None = None
        self._on_line = on_line
        self._ears = Ears()
        self._echo = Echo()
        self._debtors: set[Pipe] = set()
        self._ear, self._bell = os.pipe()
        if CAN_HEAR:
            os.set_blocking(self._bell, False)
        self._worker = Worker("output", self._run)
        self._monitor = Monitor()
        # Guarded by _monitor; the tuples are replaced, never changed, so reading one needs no lock:
        self._pipes: tuple[Pipe, ...] = ()
        self._doors: tuple[Doorway, ...] = ()
        self._is_closed = False
        # Touched by who closes:
        self._has_ended = False

    def start(self) -> None:
        self._echo.start()
        self._worker.start()

    def add(
        self,
        child: ManagedProcess,
        files: Iterable[IO[bytes] | None],
        *,
        copy: bool,
        has_frames: bool = False,
        door: LogDoor | None = None,
    ) -> None:
        """Listen to a new child's stdout and stderr.

        :param copy: its lines go to our own streams, too.
        :param has_frames: log frames come between the lines of its stdout.
        :param door: whoever connects there is heard as its stdout. It is closed with the child.
        """
        cutters = (FrameCutter() if has_frames else LineCutter(), LineCutter())
        for name, file, cutter in zip(("stdout", "stderr"), files, cutters, strict=True):
            if file is not None:
                self._hear(child, file, cutter, name if copy else None)
        if door is not None:
            copy_to = "stdout" if copy else None
            way = Doorway(child, door, lambda file: self._hear(child, file, LineCutter(), copy_to))
            with self._monitor:
                self._doors += (way,)
            self._ring()

    def _hear(
        self, child: ManagedProcess, file: IO[bytes], cutter: Cutter, copy_to: str | None
    ) -> None:
        pipe = Pipe(
            child,
            file,
            copy_to=copy_to,
            echo=self._echo,
            on_line=self._on_line,
            cutter=cutter,
            ears=self._ears,
            debtors=self._debtors,
        )
        with self._monitor:
            self._pipes += (pipe,)
        self._ring()

    def drain(self, *, flush: bool = False) -> None:
        """Hand over all that children have written so far.

        With nothing written this costs one system call and no lock, and one of each for a door.
        Not to be called under a lock that ``on_line`` takes.
        """
        for way in self._doors:
            way.read()
        pipes = self._pipes
        if not pipes:
            return
        ready = self._ears.ready()
        if not ready and not self._debtors:
            return
        for pipe in pipes:
            if pipe.fd in ready or pipe.may_owe(flush=flush):
                pipe.drain(flush=flush)

    def finish(self, child: ManagedProcess) -> None:
        """Hand over the last of a child that ended, and close its pipes."""
        ways = [way for way in self._doors if way.child is child]
        for way in ways:
            way.finish()
        pipes = [pipe for pipe in self._pipes if pipe.child is child]
        try:
            for pipe in pipes:
                pipe.finish()
        finally:
            self._forget(*ways, *pipes)
            if pipes:
                self._ring()  # a worker that still listens to a pipe keeps it open

    def close(self) -> None:
        """Stop listening. Only a drain may be under way or come after. Twice is fine."""
        with self._monitor:
            self._is_closed = True
        if self._has_ended:
            return
        self._ring()
        if self._worker.join(JOIN_TIME):  # else stuck in somebody's code, with its lock held
            for way in self._doors:
                way.finish()
            for pipe in self._pipes:
                pipe.finish()
            self._has_ended = True
            os.close(self._ear)
            os.close(self._bell)
            self._ears.close()
            self._echo.close()

    def _run(self) -> None:
        while True:
            with self._monitor:
                if self._is_closed:
                    return
                full = [way for way in self._doors if way.door.is_full]
                sources: dict[int, Pipe | Doorway] = {pipe.fd: pipe for pipe in self._pipes}
                sources |= {way.fd: way for way in self._doors if way not in full}
            for fd, _ in _poll((self._ear, *sources)).poll(BREATH_MS if full else None):
                if fd == self._ear:
                    os.read(fd, CHUNK)
                else:
                    self._read(sources[fd])
            for way in full:
                self._read(way)

    def _read(self, source: Pipe | Doorway) -> None:
        try:
            if source.read():
                return
        except Exception as error:  # one bad line must not leave all children unheard
            self.failure = self.failure or error
            return
        self._forget(source)

    def _forget(self, *gone: Pipe | Doorway) -> None:
        with self._monitor:
            self._pipes = tuple(pipe for pipe in self._pipes if pipe not in gone)
            self._doors = tuple(way for way in self._doors if way not in gone)

    def _ring(self) -> None:
        with suppress(BlockingIOError):  # it rings already
            os.write(self._bell, b"!")


def _poll(files: Iterable[int]) -> select.poll:
    poll = select.poll()
    for fd in files:
        poll.register(fd, select.POLLIN)
    return poll
