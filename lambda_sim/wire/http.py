"""HTTP/1.1 over one socket: heads and bodies that come in, and answers as they go out."""

from __future__ import annotations

import logging
import re
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote_to_bytes

import attrs

from lambda_sim.errors import LambdaSimError
from lambda_sim.sync import SYSTEM_CLOCK, Deadline

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

__all__ = [
    "Answer",
    "BodyError",
    "BodyMalformed",
    "BodyTimeout",
    "BodyTooLarge",
    "BodyTruncated",
    "DateLine",
    "Headers",
    "Incoming",
    "RequestBody",
    "RequestRefused",
    "SendFailed",
    "parse_headers",
    "parse_request_line",
    "timeout_option",
]

_LOG = logging.getLogger(__name__)

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers, and of a chunked body's trailers."""
MAX_REQUEST_LINE = 16 * 1024
MAX_CHUNK_LINE = 4 * 1024
RECEIVE = 64 * 1024
"""Bytes asked for at a time: a small request arrives with its body in one."""
DRAINED = 64 * 1024
"""So many bytes of a body nobody read are thrown away to keep the connection."""
SOON = 0.1
"""Seconds they have to come in."""
MOST = 8 * 1024 * 1024
"""Bytes one call may gather into one buffer, whatever length the peer announced."""

BLANK_LINE = b"\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~\x80-\xff]+) (HTTP/1\.[01])")
ABSOLUTE_FORM = re.compile(r"https?://([^/?#]+)([^?]*)", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
LENGTH = re.compile(r"[0-9]{1,18}")
OF_THE_SERVER = frozenset(("connection", "content-length", "date", "transfer-encoding"))
"""An application's headers that say something to the server, too."""
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t -~\x80-\xff]*)?")

# A timeout set on the socket in the kernel needs no poll() before each recv().
TIMEOUTS_ARE_MILLISECONDS = sys.platform == "win32"


class RequestRefused(Exception):
    """A request that can't be understood or is not allowed; ``status`` is its answer's."""

    def __init__(self, status: str, why: str) -> None:
        self.status = status
        super().__init__(why)


def bad_request(why: str) -> RequestRefused:
    return RequestRefused("400 Bad Request", why)


class BodyError(LambdaSimError):
    """A request body that did not come whole. ``status`` answers it if the application doesn't."""

    status: ClassVar[str] = "400 Bad Request"


class BodyTooLarge(BodyError):
    """More bytes than ``limit``, noticed before they were read."""

    status = "413 Content Too Large"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"the request body is larger than {limit} bytes")


class BodyTruncated(BodyError):
    """The peer closed before the announced length or the last chunk."""


class BodyMalformed(BodyError):
    """The chunks or trailers are not as RFC 9112 has them."""


class BodyTimeout(BodyError, TimeoutError):
    """Nothing came for longer than the body's timeout."""

    status = "408 Request Timeout"


def timeout_option(seconds: float | None) -> bytes:
    """The value of SO_RCVTIMEO and SO_SNDTIMEO; None waits for ever."""
    # Zero would mean for ever, too.
    milliseconds = 0 if seconds is None else max(1, int(seconds * 1000))
    if TIMEOUTS_ARE_MILLISECONDS:
        return struct.pack("@L", milliseconds)
    return struct.pack("@ll", milliseconds // 1000, milliseconds % 1000 * 1000)


class Incoming:
    """What one socket sends, in order; bytes read too far are kept for whoever reads next.

    One thread reads. ``data[at:]`` is what was received and not used yet.
    """

    __slots__ = ("_seconds", "at", "data", "socket")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.data = b""
        self.at = 0
        self._seconds: float | None = None

    def wait_at_most(self, seconds: float | None) -> None:
        """Let each recv from now on wait so long; None for ever."""
        if seconds != self._seconds:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout_option(seconds))
            self._seconds = seconds

    def head(self, timeout: float) -> bytes:
        """The next request's lines without the blank one at their end; b"" when none will come.

        A peer may be idle as long as it likes before the first byte.

        :param timeout: seconds for the whole head, from its first byte.
        :raises RequestRefused: too long or too slow.
        """
        data = self.data[self.at :]
        while True:
            if not data:
                self.data = b""
                if self._seconds is not None:
                    self.wait_at_most(None)
                data = self.socket.recv(RECEIVE)
                if not data:
                    return b""
            if not data.startswith(b"\r\n"):
                break
            data = data.lstrip(b"\r\n")  # RFC 9112, 2.2: blank lines before a request are ignored
        end = data.find(BLANK_LINE)
        if end < 0:
            data = self._whole_head(data, timeout)
            end = data.find(BLANK_LINE)
        if end > MAX_HEAD:
            raise too_long(data)
        self.data = data
        self.at = end + 4
        return data[:end] if end > 0 else b""

    def _whole_head(self, begun: bytes, timeout: float) -> bytes:
        """Receive until the blank line is there; b"" if the peer went away before."""
        deadline = Deadline.after(timeout)
        data = bytearray(begun)
        searched = 0
        while data.find(BLANK_LINE, searched) < 0:
            if data.find(b"\n\n", searched) >= 0:
                raise bad_request("lines end with CR LF")
            if len(data) > MAX_HEAD:
                raise too_long(data)
            searched = max(0, len(data) - 3)
            more = self._receive_by(deadline)
            if not more:
                return b""
            data += more
        return bytes(data.lstrip(b"\r\n"))

    def _receive_by(self, deadline: Deadline) -> bytes:
        if (left := deadline.remaining()) != 0.0:
            self.wait_at_most(left)
            try:
                return self.socket.recv(RECEIVE)
            except (BlockingIOError, TimeoutError):
                pass
        raise RequestRefused("408 Request Timeout", "the request did not come whole in time")


def too_long(data: bytes | bytearray) -> RequestRefused:
    if data.find(b"\r\n", 0, MAX_REQUEST_LINE + 2) < 0:
        return RequestRefused("414 URI Too Long", "the request line is too long")
    return RequestRefused("431 Request Header Fields Too Large", "the headers are too long")


@lru_cache(maxsize=64)  # a poller's line is always the same
def parse_request_line(line: bytes) -> dict[str, str]:
    """What the first line adds to an environ: copied from, never changed.

    :raises RequestRefused: not a request line of HTTP/1.0 or 1.1.
    """
    if len(line) > MAX_REQUEST_LINE:
        raise too_long(line)
    match = REQUEST_LINE.fullmatch(line.decode("latin-1"))
    if match is None:
        raise bad_request("not an HTTP/1 request line")
    method, target, protocol = match.groups()
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "RAW_URI": target,
        "REQUEST_URI": target,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": protocol,
    }
    if path[:1] != "/" and not (target == "*" and method == "OPTIONS"):
        absolute = ABSOLUTE_FORM.fullmatch(path)
        if absolute is None:
            raise bad_request("not a request target")
        # RFC 9112, 3.2.2: the host in the target counts, not the one in the headers.
        environ["HTTP_HOST"] = absolute[1]
        environ["PATH_INFO"] = path = absolute[2] or "/"
    if "%" in path:
        environ["PATH_INFO"] = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    return environ


@lru_cache(maxsize=512)
def environ_key(name: str) -> str:
    """The environ's key for a header name; "" for one that is ignored.

    :raises RequestRefused: not a name: empty, with spaces, or the continuation of a line.
    """
    if TOKEN.fullmatch(name) is None:
        raise bad_request("not a header name")
    # "X_Y" and "X-Y" would have one key: a way to forge a header that something ahead of us checks.
    if "_" in name:
        return ""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}"


def parse_fields(block: str) -> list[tuple[str, str, str]]:
    """Key, name and value of each line of headers or trailers."""
    fields = []
    lines = block.split("\r\n")
    if CONTROL.search("".join(lines)) is not None:
        raise bad_request("a control character in the headers")
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise bad_request("a header line without a colon")
        if key := environ_key(name):
            fields.append((key, name, value.strip(" \t")))
    return fields


@attrs.frozen(slots=True)
class Headers:
    """One block of header lines, understood. A client mostly sends the same block again."""

    environ: dict[str, Any]
    """What every request with these headers has in common. Copied, never changed."""
    length: int
    is_chunked: bool
    has_body: bool
    expects_continue: bool
    wants_close: bool
    wants_keep_alive: bool

    def for_1_0(self) -> Headers:
        """The same from an HTTP/1.0 client, which knows neither chunks nor 100-continue."""
        if self.is_chunked:
            raise bad_request("Transfer-Encoding in HTTP/1.0")
        return attrs.evolve(self, expects_continue=False) if self.expects_continue else self


def parse_headers(block: bytes, base: Mapping[str, Any]) -> Headers:
    """Understand the lines after the request line, on top of a connection's own environ.

    :raises RequestRefused: malformed, or framing that two readers could understand differently.
    """
    environ = dict(base)
    for key, _, value in parse_fields(block.decode("latin-1")) if block else ():
        if key not in environ:
            environ[key] = value
        elif key not in ("CONTENT_LENGTH", "HTTP_HOST"):
            environ[key] += f", {value}"
        elif environ[key] != value:
            raise bad_request(f"two different values of {key}")
    connection = [word.strip() for word in environ.get("HTTP_CONNECTION", "").lower().split(",")]
    expects = environ.get("HTTP_EXPECT", "").lower()
    if expects not in ("", "100-continue"):
        raise RequestRefused("417 Expectation Failed", "only 100-continue can be expected")
    length = _content_length(environ)
    is_chunked = "HTTP_TRANSFER_ENCODING" in environ
    return Headers(
        environ,
        length=length,
        is_chunked=is_chunked,
        has_body=length > 0 or is_chunked,
        expects_continue=expects != "",
        wants_close="close" in connection,
        wants_keep_alive="keep-alive" in connection,
    )


def _content_length(environ: dict[str, Any]) -> int:
    length: str | None = environ.get("CONTENT_LENGTH")
    coding: str | None = environ.get("HTTP_TRANSFER_ENCODING")
    if coding is not None:
        if length is not None:
            raise bad_request("both Content-Length and Transfer-Encoding")
        if coding.lower() != "chunked":
            raise RequestRefused("501 Not Implemented", "the only transfer coding is chunked")
    if length is None:
        return 0
    if LENGTH.fullmatch(length) is None:
        raise bad_request("Content-Length is not a number")
    return int(length)


class RequestBody:
    """``wsgi.input``: one request's body, read from the socket only as somebody asks for it.

    It ends where the body ends, however that is announced. Only the request's own thread reads.
    Reading raises BodyTruncated, BodyTimeout or BodyMalformed when the body does not come whole.
    """

    __slots__ = (
        "_expects_continue",
        "_incoming",
        "_is_broken",
        "_is_chunked",
        "_is_inside",
        "_kept",
        "_left",
        "is_over",
        "timeout",
        "trailers",
    )

    def __init__(
        self, incoming: Incoming, headers: Headers, *, timeout: float | None = None
    ) -> None:
        self.timeout = timeout
        """Seconds without a byte before BodyTimeout; None waits for ever. Set at any time."""
        self.trailers: dict[str, str] = {}
        """What followed a chunked body, names in lower case; there once the body was read."""
        self.is_over = not headers.has_body
        """Whether all of it was received."""
        self._incoming = incoming
        self._is_chunked = headers.is_chunked
        self._left = headers.length  # of the body; of the current chunk, if it has chunks
        self._is_inside = False  # a chunk, whose CR LF is still to come
        self._expects_continue = headers.expects_continue
        self._is_broken = False
        self._kept = b""  # received by readline, and not asked for yet

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, fewer only at the end; all that is left without a size."""
        if size is None or size < 0:
            size = sys.maxsize
        if not self._kept and not self._is_chunked and self._left <= size:
            incoming = self._incoming
            end = incoming.at + self._left
            if end <= len(incoming.data):  # mostly: it came with the head
                piece = incoming.data[incoming.at : end]
                incoming.at = end
                self._left = 0
                self.is_over = True
                return piece
        pieces = []
        # The kernel fills the whole buffer, so one call does; after a timeout it hands over what
        # came, and only a call that gets nothing says that the body stalls.
        while size > 0 and (piece := self._piece(min(size, MOST), socket.MSG_WAITALL)):
            size -= len(piece)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read_all(self, limit: int) -> bytes:
        """All that is left, unless that is more than ``limit`` bytes.

        :raises BodyTooLarge: at once if the length was announced, else as soon as it shows.
        """
        if not self._is_chunked and self._left + len(self._kept) > limit:
            raise BodyTooLarge(limit)
        body = self.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLarge(limit)
        return body

    def chunks(self) -> Iterator[bytes]:
        """The body in pieces of at most 64 KiB, each as soon as it is there."""
        while piece := self._piece(RECEIVE):
            yield piece

    def readline(self, size: int | None = -1) -> bytes:
        """Up to and with the next line feed, or so many bytes; b"" at the end."""
        room = sys.maxsize if size is None or size < 0 else size
        pieces = []
        while room > 0 and (piece := self._piece(min(room, RECEIVE))):
            end = piece.find(b"\n") + 1
            if end:
                self._kept = piece[end:] + self._kept
                piece = piece[:end]
            pieces.append(piece)
            room -= len(piece)
            if end:
                break
        return b"".join(pieces)

    def readlines(self, hint: int | None = None) -> list[bytes]:
        """All lines; the hint is not needed."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    def drain(self) -> bool:
        """Throw the rest away if it is small and comes soon; whether the body is over now."""
        limit = DRAINED
        deadline = Deadline.after(SOON)
        self._kept = b""
        if self._left > limit or self._is_broken or self._expects_continue:
            return self.is_over
        try:
            while not self.is_over and limit >= 0:
                if (left := deadline.remaining()) == 0.0:
                    break
                self.timeout = left
                limit -= len(self._piece(RECEIVE))
        except BodyError:
            pass
        return self.is_over

    def _piece(self, most: int, flags: int = 0) -> bytes:
        """The next bytes of the body, at least one and at most so many; b"" at its end."""
        if self._kept:
            piece, self._kept = self._kept[:most], self._kept[most:]
            return piece
        if self.is_over or (self._is_chunked and not self._left and not self._next_chunk()):
            return b""
        piece = self._take(min(most, self._left), flags)
        self._left -= len(piece)
        if not self._left and not self._is_chunked:
            self.is_over = True
        return piece

    def _take(self, most: int, flags: int) -> bytes:
        incoming = self._incoming
        at = incoming.at
        if at >= len(incoming.data):
            # Straight into its own buffer, except chunks so small that many come at once.
            if not self._is_chunked or most >= RECEIVE:
                return self._receive(most, flags)
            incoming.data = self._receive(RECEIVE)
            at = 0
        piece = incoming.data[at : at + most]
        incoming.at = at + len(piece)
        return piece

    def _next_chunk(self) -> bool:
        """Read up to the next chunk's first byte, or to the body's end; whether there is one."""
        if self._is_inside and self._line(0) != b"":
            raise self._broken(BodyMalformed("a chunk is longer than it said"))
        match = CHUNK_LINE.fullmatch(self._line(MAX_CHUNK_LINE))
        if match is None:
            raise self._broken(BodyMalformed("not a chunk's size"))
        self._is_inside = True
        self._left = int(match[1], 16)
        if not self._left:
            self._read_trailers()
            self.is_over = True
        return self._left > 0

    def _read_trailers(self) -> None:
        lines = []
        room = MAX_HEAD
        while line := self._line(room):
            room = max(0, room - len(line) - 2)
            lines.append(line)
        if not lines:
            return
        try:
            fields = parse_fields(b"\r\n".join(lines).decode("latin-1"))
        except RequestRefused as error:
            raise self._broken(BodyMalformed(f"trailers: {error}")) from error
        for _, name, value in fields:
            before = self.trailers.get(name.lower())
            self.trailers[name.lower()] = value if before is None else f"{before}, {value}"

    def _line(self, most: int) -> bytes:
        incoming = self._incoming
        while (end := incoming.data.find(b"\r\n", incoming.at)) < 0:
            if len(incoming.data) - incoming.at > most + 1:
                break
            incoming.data = incoming.data[incoming.at :] + self._receive(RECEIVE)
            incoming.at = 0
        line = incoming.data[incoming.at : end]
        if end < 0 or len(line) > most:
            raise self._broken(BodyMalformed("a line between chunks is too long"))
        incoming.at = end + 2
        return line

    def _receive(self, most: int, flags: int = 0) -> bytes:
        """At least one byte from the socket."""
        incoming = self._incoming
        try:
            if self._expects_continue:
                self._expects_continue = False
                incoming.socket.sendall(CONTINUE)
            incoming.wait_at_most(self.timeout)
            data = incoming.socket.recv(most, flags)
        except (BlockingIOError, TimeoutError) as error:
            raise self._broken(BodyTimeout(f"no byte came for {self.timeout} s")) from error
        except OSError as error:
            raise self._broken(BodyTruncated(f"the connection broke: {error}")) from error
        if not data:
            raise self._broken(BodyTruncated("the peer closed within the request body"))
        return data

    def _broken(self, error: BodyError) -> BodyError:
        # Where such a body ends can't be known, so nothing after it may be taken for a request.
        self._is_broken = True
        return error


class SendFailed(Exception):
    """An answer did not go out; nobody is left to tell."""


class DateLine:
    """The Date header's line, formatted once a second."""

    def __init__(self) -> None:
        self._shown = (-1, "")

    def __call__(self) -> str:
        now = int(SYSTEM_CLOCK.time())
        second, line = self._shown
        if now != second:
            line = f"Date: {formatdate(now, usegmt=True)}\r\n"
            self._shown = (now, line)
        return line


class Answer:
    """One response: what the application starts, and how its bytes are framed and sent."""

    is_begun = False
    """Whether anything was sent."""
    is_complete = False
    _status: str | None = None
    _headers: Sequence[tuple[str, str]] = ()
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
        headers: list[tuple[str, str]],
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
        head = self._head(len(data))
        if self._left == len(data):
            self._left = 0
            self._send(head, data, b"")
        else:
            self._send_known(head, data)
        self._finish()

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

    def _announced(self) -> int | None:
        for name, value in self._headers:
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
        for name, value in self._headers:
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
        is_1_1 = self._environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        if is_1_1 != self.keeps_alive:
            date += "Connection: close\r\n" if is_1_1 else "Connection: keep-alive\r\n"
        head = f"{text}{date}\r\n".encode("latin-1")
        self.is_begun = True
        return head

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
