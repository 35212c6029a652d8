"""Request bodies: of a known length or chunked, read whole or as they arrive."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from typing import ClassVar

from lambda_sim.errors import LambdaSimError
from lambda_sim.sync import Deadline
from lambda_sim.wire.heads import Headers, parse_fields
from lambda_sim.wire.incoming import MAX_HEAD, RECEIVE, Incoming, RequestRefused

MAX_CHUNK_LINE = 4 * 1024
DRAINED = 64 * 1024
"""So many bytes of a body nobody read are thrown away to keep the connection."""
SOON = 0.1
"""Seconds they have to come in."""
MOST = 8 * 1024 * 1024
"""Bytes one call may gather into one buffer, whatever length the peer announced."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t -~\x80-\xff]*)?")


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
        # The kernel fills the whole buffer, so one call does; after a timeout it hands over what
        # came, and only a call that gets nothing says that the body stalls.
        first = self._piece(min(size, MOST), socket.MSG_WAITALL) if size > 0 else b""
        size -= len(first)
        if self.is_over or not first or size <= 0:
            return first
        # Not a list of pieces, which may be many millions of a byte or two.
        whole = bytearray(first)
        while size > 0 and (piece := self._piece(min(size, MOST), socket.MSG_WAITALL)):
            size -= len(piece)
            whole += piece
        return bytes(whole)

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
        found: dict[str, list[str]] = {}
        for _, name, value in fields:
            found.setdefault(name.lower(), []).append(value)
        self.trailers |= {name: ", ".join(values) for name, values in found.items()}

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
