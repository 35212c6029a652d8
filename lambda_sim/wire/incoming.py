"""What a socket sends: bytes in order, kept for whoever reads next, within a time."""

from __future__ import annotations

import socket
import struct
import sys

from lambda_sim.sync import Deadline, Eagerness

MAX_HEAD = 1024 * 1024 + 64 * 1024
"""Bytes of request line and headers, and of a chunked body's trailers: Lambda's runtimes send an
X-Ray cause of up to 1 MB in a header."""
MAX_REQUEST_LINE = 16 * 1024
RECEIVE = 64 * 1024
"""Bytes asked for at a time: a small request arrives with its body in one."""
BLANK_LINE = b"\r\n\r\n"

# A timeout set on the socket in the kernel needs no poll() before each recv().
TIMEOUTS_ARE_MILLISECONDS = sys.platform == "win32"


class RequestRefused(Exception):
    """A request that can't be understood or is not allowed; ``status`` is its answer's."""

    def __init__(self, status: str, why: str) -> None:
        self.status = status
        super().__init__(why)


def bad_request(why: str) -> RequestRefused:
    return RequestRefused("400 Bad Request", why)


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

    __slots__ = ("_eagerness", "_seconds", "at", "data", "socket")

    def __init__(self, sock: socket.socket, eagerness: Eagerness | None = None) -> None:
        """
        :param eagerness: that of waits for a request; by default there is none.
        """
        self._eagerness = eagerness
        self.socket = sock
        self.data = b""
        self.at = 0
        self._seconds: float | None = None

    def take_in(self) -> bool:
        """Receive what is there already, for whoever reads next; False if the peer hung up."""
        more: list[bytes] = []
        try:
            # Kept in C: wherever a signal of the caller's cuts in, nothing of it is lost.
            more.extend(map(self.socket.recv, (RECEIVE,), (socket.MSG_DONTWAIT,)))
        except BlockingIOError:
            return True
        finally:
            if more:
                self.data = self.data[self.at :] + more[0]
                self.at = 0
        return more[0] != b""

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
                data = self._begin()
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

    def _begin(self) -> bytes:
        """Sleep until a request begins; b"" when none will."""
        if self._eagerness is None:
            return self.socket.recv(RECEIVE)
        return self._eagerness.wait(self._look, lambda: self.socket.recv(RECEIVE))

    def _look(self) -> bytes | None:
        try:
            return self.socket.recv(RECEIVE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def _whole_head(self, begun: bytes, timeout: float) -> bytes:
        """Receive until the blank line is there; b"" if the peer went away before."""
        deadline = Deadline.after(timeout)
        data = bytearray(begun)
        searched = 0
        while data.find(BLANK_LINE, searched) < 0:
            if data.find(b"\n\n", searched) >= 0:
                raise bad_request("lines end with CR LF")
            if len(data) > MAX_HEAD or _is_line_too_long(data):
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


def _is_line_too_long(data: bytes | bytearray) -> bool:
    most = MAX_REQUEST_LINE + 2
    return len(data) >= most and data.find(b"\r\n", 0, most) < 0


def too_long(data: bytes | bytearray) -> RequestRefused:
    if _is_line_too_long(data):
        return RequestRefused("414 URI Too Long", "the request line is too long")
    return RequestRefused("431 Request Header Fields Too Large", "the headers are too long")
