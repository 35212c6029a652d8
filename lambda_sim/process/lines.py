"""Bytes in, lines out; pure."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["MAX_LINE_BYTES", "LineCutter", "Pieces"]

MAX_LINE_BYTES = 256 * 1024


class Pieces:
    """Bytes that are gathered and taken as text, in pieces where they are too many.

    What is not UTF-8 becomes U+FFFD.
    """

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._rest = bytearray()

    def __bool__(self) -> bool:
        return bool(self._rest)

    def add(self, data: bytes) -> Iterator[str]:
        """Gather more; the pieces that are full. To be exhausted."""
        self._rest += data
        while len(self._rest) > self._limit:
            end = self._limit
            # Never within a character: its later bytes are 10xxxxxx, three at most.
            while end > self._limit - 3 and self._rest[end] & 0xC0 == 0x80:
                end -= 1
            yield self._cut(end)

    def take(self, end: bytes = b"") -> Iterator[str]:
        """All that is held, with its end, if there is anything."""
        self._rest += end
        if self._rest:
            yield self._cut(len(self._rest))

    def _cut(self, size: int) -> str:
        piece = self._rest[:size].decode(errors="replace")
        del self._rest[:size]
        return piece


class LineCutter:
    """Cuts a stream into lines of text, each with its newline, however the bytes arrive.

    A line that is too long comes in pieces.
    """

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._line = Pieces(limit)

    @property
    def has_rest(self) -> bool:
        """Whether an unfinished line is held."""
        return bool(self._line)

    def feed(self, data: bytes) -> Iterator[str]:
        """Take what arrived; the lines it completes. To be exhausted."""
        *complete, rest = data.split(b"\n")
        for line in complete:
            yield from self._line.add(line)
            yield from self._line.take(b"\n")
        yield from self._line.add(rest)

    def flush(self) -> Iterator[str]:
        """What is held of an unfinished line, if anything."""
        return self._line.take()
