"""What a function logs and prints in this process, line by line, as Lambda would log it."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from .client import Event
from .failure import ErrorReport
from .logs import start_logging

__all__ = ["LogCapture"]

LOGGING = ("AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL")


class LogCapture:
    """Takes what comes to ``sys.stdout``, ``sys.stderr`` and the root logger, inside ``with``.

    Other handlers of the root logger get their records as well. What does not go through Python's
    streams, such as the output of other processes, stays where it was.

    There is no lock: the guard and Ctrl-C interrupt who prints, too, and would leave it held.

    :param tell: called with each line, in the thread that wrote it.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._lines: list[str] = []
        self._taken = 0
        self._streams: list[_Stream] = []
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            for name in ("stdout", "stderr"):
                stream = _Stream(name, self._add)
                self._streams.append(stream)
                undo.callback(stream.end)
                undo.callback(setattr, sys, name, getattr(sys, name))
                # As much at once as was written at once, and that at once.
                text = io.TextIOWrapper(
                    stream, "utf-8", "backslashreplace", newline="\n", write_through=True
                )
                setattr(sys, name, text)
            root = logging.getLogger()
            undo.callback(root.setLevel, root.level)
            wanted = {name: os.environ[name] for name in LOGGING if name in os.environ}
            self._log = start_logging(wanted)
            undo.callback(root.removeHandler, self._log)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._undo.close()

    @property
    def lines(self) -> tuple[str, ...]:
        """All there were."""
        return tuple(self._lines)

    def begin(self, event: Event) -> None:
        """From here on, what is logged belongs to this invocation."""
        self._log.begin(event)

    def write_error(self, report: ErrorReport) -> None:
        """Log what ended an invocation."""
        self._log.write_error(report)

    def look(self) -> tuple[str, ...]:
        """The lines since those that were taken last."""
        return tuple(self._lines[self._taken :])

    def take(self) -> tuple[str, ...]:
        """The same, with a last one that has no line break; the next time, those after them."""
        for stream in self._streams:
            stream.break_line()
        found = self.look()
        self._taken += len(found)
        return found

    def _add(self, line: str) -> None:
        self._lines.append(line)
        self._tell(line)


class _Stream(io.RawIOBase):
    """In place of one of Python's streams. Any thread may write, and its lines stay whole.

    Whoever keeps it longer than it is in place, as a logging handler does, writes to what is in
    place then.
    """

    def __init__(self, name: str, add: Callable[[str], None]) -> None:
        self.name = name
        self._add = add
        self._rests: dict[int, bytes] = {}  # of each thread, what has no line break yet
        self._is_over = False

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        added = bytes(memoryview(data))  # type: ignore[arg-type]
        if self._is_over:
            getattr(sys, self.name).write(_text(added))
            return len(added)
        thread = threading.get_ident()
        *lines, rest = (self._rests.pop(thread, b"") + added).split(b"\n")
        if rest:
            self._rests[thread] = rest
        for line in lines:
            self._add(_text(line))
        return len(added)

    def break_line(self) -> None:
        """Take what was written without a line break for a line."""
        for thread in tuple(self._rests):
            if rest := self._rests.pop(thread, b""):
                self._add(_text(rest))

    def end(self) -> None:
        """It is not in place any more."""
        self.break_line()
        self._is_over = True


def _text(line: bytes) -> str:
    return line.decode(errors="backslashreplace")
