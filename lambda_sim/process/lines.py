"""Bytes in, lines out; pure."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["MAX_LINE_BYTES", "LineCutter"]

MAX_LINE_BYTES = 256 * 1024


class LineCutter:
    """Cuts a stream into lines of text, each with its newline, however the bytes arrive.

    What is not UTF-8 becomes U+FFFD. A line that is too long comes in pieces.
    """

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._rest = bytearray()

    @property
    def has_rest(self) -> bool:
        """Whether an unfinished line is held."""
        return bool(self._rest)

    def feed(self, data: bytes) -> Iterator[str]:
        """Take what arrived; the lines it completes. To be exhausted."""
        *complete, rest = data.split(b"\n")
        for line in complete:
            self._rest += line
            yield from self._pieces()
            self._rest += b"\n"
            yield from self.flush()
        self._rest += rest
        yield from self._pieces()

    def flush(self) -> Iterator[str]:
        """What is held of an unfinished line, if anything."""
        if self._rest:
            yield self._take(len(self._rest))

    def _pieces(self) -> Iterator[str]:
        while len(self._rest) > self._limit:
            end = self._limit
            # Never within a character: its later bytes are 10xxxxxx, three at most.
            while end > self._limit - 3 and self._rest[end] & 0xC0 == 0x80:
                end -= 1
            yield self._take(end)

    def _take(self, size: int) -> str:
        piece = self._rest[:size].decode(errors="replace")
        del self._rest[:size]
        return piece
