"""Answers: what an application starts, framed and sent."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

from lambda_sim.sync import SYSTEM_CLOCK
from lambda_sim.wire.request_body import RequestBody

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_LOG = logging.getLogger(__name__)

OF_THE_SERVER = frozenset(("connection", "content-length", "date", "transfer-encoding"))
"""An application's headers that say something to the server, too."""


class Lines(str):
    """An application's headers as they are sent, the body's length among them.

    Ours make them so; servers of others want them one by one.
    """

    __slots__ = ()

    @classmethod
    def of(cls, headers: Sequence[tuple[str, str]]) -> Self:
        """
        :raises ValueError: a line break within a header, which would forge another.
        """
        lines = cls("".join([f"{name}: {value}\r\n" for name, value in headers]))
        if not lines.count("\n") == lines.count("\r") == len(headers):
            raise ValueError("a line break within a header")
        return lines

    def head(self, status: str, date: str, connection: str = "") -> bytes:
        """A whole head, between its status and what the server adds."""
        return f"HTTP/1.1 {status}\r\n{self}{date}{connection}\r\n".encode("latin-1")

    def parsed(self) -> list[tuple[str, str]]:
        pairs = (line.partition(": ") for line in self.split("\r\n")[:-1])
        return [(name, value) for name, _, value in pairs]


class SendFailed(Exception):
    """An answer did not go out; nobody is left to tell."""


DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class DateLine:
    """The Date header's line, formatted once a second."""

    def __init__(self) -> None:
        self._shown = (-1, "")

    def __call__(self) -> str:
        now = int(SYSTEM_CLOCK.time())
        second, line = self._shown
        if now != second:
            line = _date_line(time.gmtime(now))
            self._shown = (now, line)
        return line


def _date_line(at: time.struct_time) -> str:
    # email.utils, which knows this too, takes longer to import than a simulator to start.
    day, month = DAYS[at.tm_wday], MONTHS[at.tm_mon - 1]
    moment = time.strftime("%H:%M:%S", at)
    return f"Date: {day}, {at.tm_mday:02} {month} {at.tm_year} {moment} GMT\r\n"


class Answer:
    """One response: what the application starts, and how its bytes are framed and sent."""

    is_begun = False
    """Whether anything was sent."""
    is_complete = False
    _status: str | None = None
    _headers: Sequence[tuple[str, str]] | Lines = ()
    _is_bodiless = False
    _is_chunked = False
    _left: int | None = None  # bytes announced and not sent; None: nobody knows

    def __init__(
        self,
        environ: dict[str, Any],
        body: RequestBody,
        keeps_alive: bool,
        send: Callable[[bytes, bytes, bytes], None],
        date_line: DateLine,
    ) -> None:
        """
        :param body: the request's, which may have to be drained before the answer.
        :param send: sends head, data and tail, or raises SendFailed.
        """
        self.keeps_alive = keeps_alive
        """Whether another request may follow."""
        self._environ = environ
        self._body = body
        self._send = send
        self._date_line = date_line

    def start(
        self,
        status: str,
        headers: list[tuple[str, str]] | Lines,
        exc_info: Any = None,
        /,
    ) -> Callable[[bytes], None]:
        """WSGI's start_response."""
        if exc_info:
            if self.is_begun:
                raise exc_info[1].with_traceback(exc_info[2])
        elif self._status is not None:
            raise RuntimeError("start_response was called twice without exc_info")
        self._status = status
        self._headers = headers
        return self.write

    def run(self, app: WSGIApplication) -> None:
        """Ask the application, and send all it says."""
        pieces = app(self._environ, self.start)
        try:
            if isinstance(pieces, (list, tuple)) and not self.is_begun:
                self.send_whole(b"".join(pieces))
            else:
                for piece in pieces:
                    self.write(piece)
                self._finish()
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    def send_whole(self, data: bytes) -> None:
        """Send head and body, all there is, in one call."""
        if not self._body.is_over:
            self._settle_request()
        if isinstance(self._headers, Lines) and self._environ["REQUEST_METHOD"] != "HEAD":
            self._send_ready(self._headers, data)
            return
        head = self._head(len(data))
        if self._left == len(data):
            self._left = 0
            self._send(head, data, b"")
        else:
            self._send_known(head, data)
        self._finish()

    def _send_ready(self, lines: Lines, data: bytes) -> None:
        """Send what needs no looking at: nearly all that is ever sent."""
        head = lines.head(self._status or "", self._date_line(), self._connection_line())
        self.is_begun = True
        self._send(head, data, b"")
        self.is_complete = True

    def send_instead(self, status: str, kind: str, data: bytes) -> None:
        """Forget what the application began, and send this as the connection's last answer."""
        self._is_bodiless = self._is_chunked = False
        self._status = status
        self._headers = [("Content-Type", kind), ("Connection", "close")]
        self.send_whole(data)

    def write(self, data: bytes) -> None:
        """Send some of the body now: WSGI's write, and each piece of an iterable."""
        if not data:
            return
        head = b""
        if not self.is_begun:
            if not self._body.is_over and self._announced() == len(data):
                self._settle_request()
            head = self._head(None)
        if self._is_chunked:
            self._send(head + b"%X\r\n" % len(data), data, b"\r\n")
        elif self._left is None:
            self._send(head, data, b"")
        else:
            self._send_known(head, data)

    def _send_known(self, head: bytes, data: bytes) -> None:
        """Send no more than was announced."""
        left = self._left or 0
        if len(data) > left:
            if not self._is_bodiless:
                _LOG.error("an application sent more than its Content-Length; the rest is cut off")
                self.keeps_alive = False
            data = data[:left]
        self._left = left - len(data)
        if head or data:
            self._send(head, data, b"")

    def _finish(self) -> None:
        if not self.is_begun:
            self.send_whole(b"")
        elif self._is_chunked:
            self._send(b"0\r\n\r\n", b"", b"")
        elif self._left:
            raise RuntimeError(f"the application sent {self._left} bytes less than it announced")
        self.is_complete = True

    def _settle_request(self) -> None:
        """Before a whole answer: see whether the connection outlives a body nobody read."""
        if not self._body.drain():
            self.keeps_alive = False

    def _pairs(self) -> Sequence[tuple[str, str]]:
        headers = self._headers
        return headers.parsed() if isinstance(headers, Lines) else headers

    def _announced(self) -> int | None:
        for name, value in self._pairs():
            if name.lower() == "content-length":
                return int(value)
        return None

    def _head(self, size: int | None) -> bytes:
        """The head's bytes, and how the body will be framed; size is None for a stream."""
        status = self._status
        if status is None or not status[:3].isdigit():
            raise RuntimeError(f"the application started its answer with {status!r}")
        announced = None
        date = self._date_line()
        lines = [f"HTTP/1.1 {status}\r\n"]
        for name, value in self._pairs():
            lower = name.lower()
            if lower in OF_THE_SERVER:
                if lower == "content-length":
                    announced = int(value)
                elif lower == "date":
                    date = ""
                else:  # Connection says only one thing to the server, Transfer-Encoding none
                    self.keeps_alive &= "close" not in value.lower()
                    continue
            lines.append(f"{name}: {value}\r\n")
        lines.append(self._framing(status[:3], announced, size))
        text = "".join(lines)
        if not text.count("\n") == text.count("\r") == len(lines) - (not lines[-1]):
            raise ValueError("a line break within the status or a header")
        head = f"{text}{date}{self._connection_line()}\r\n".encode("latin-1")
        self.is_begun = True
        return head

    def _connection_line(self) -> str:
        """What is said of the connection, unless it goes without saying."""
        is_1_1 = self._environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        if is_1_1 == self.keeps_alive:
            return ""
        return "Connection: close\r\n" if is_1_1 else "Connection: keep-alive\r\n"

    def _framing(self, status: str, announced: int | None, size: int | None) -> str:
        """Decide how the body's end is told; the header line that does."""
        is_head = self._environ["REQUEST_METHOD"] == "HEAD"
        if is_head or status in ("204", "304") or status[0] == "1":
            self._is_bodiless = True
            self._left = 0
            return f"Content-Length: {size}\r\n" if is_head and size and announced is None else ""
        if announced is not None or size is not None:
            self._left = size if announced is None else announced
            return f"Content-Length: {size}\r\n" if announced is None else ""
        if self._environ["SERVER_PROTOCOL"] == "HTTP/1.1":
            self._is_chunked = True
            return "Transfer-Encoding: chunked\r\n"
        self.keeps_alive = False  # the body's end is the connection's
        return ""
