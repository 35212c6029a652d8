"""Lines with framed log events between them; pure.

AWS: the framing protocol is told by ``FramedTelemetryLogSink`` in *awslambdaric*.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from lambda_sim.process.lines import MAX_LINE_BYTES, LineCutter, Pieces

__all__ = ["LOG_FD", "FrameCutter"]

LOG_FD = "_LAMBDA_TELEMETRY_LOG_FD"
"""The variable that tells a runtime the number of the descriptor it may write frames to."""

MARK = b"\xa5\x5a\x00"
KINDS = frozenset(b"\x02\x03\x0a\x0b\x0e\x0f\x12\x13\x16\x17\x1a\x1b")
"""The last byte of a frame's type: JSON or text, without a level, or from DEBUG to FATAL."""

HEADER = struct.Struct(">3sBIQ")
"""Mark and kind, which are the type; length; time in microseconds, which nobody asks for yet."""


class FrameCutter:
    """Cuts a stream into lines, and into frames wherever one begins; each frame is one event.

    The message of a frame comes as it was written, with newlines within and perhaps none at its
    end. A frame may come within a line, which then goes on after it. The mark of a frame is no
    text in UTF-8 that anybody prints, so it needs no quoting. What looks like a frame and is of no
    known kind is text; of a frame that is cut short all that came of its message is handed over.
    """

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._lines = LineCutter(limit)
        self._message = Pieces(limit)
        self._missing = 0  # bytes of the message
        self._unclear = b""  # may be the begin of a frame

    @property
    def has_rest(self) -> bool:
        """Whether an unfinished line or message is held."""
        return bool(self._lines.has_rest or self._message or self._unclear)

    def feed(self, data: bytes) -> Iterator[str]:
        """Take what arrived; the lines and messages it completes. To be exhausted."""
        data = self._unclear + data
        self._unclear = b""
        at = 0
        while at < len(data):
            if self._missing:
                part = data[at : at + self._missing]
                at += len(part)
                self._missing -= len(part)
                yield from self._message.add(part)
                if not self._missing:
                    yield from self._message.take()
            elif (end := _end_of_text(data, at)) > at:
                yield from self._lines.feed(data[at:end])
                at = end
            elif len(data) - at < HEADER.size:
                self._unclear, at = data[at:], len(data)
            else:
                _, _, self._missing, _ = HEADER.unpack_from(data, at)
                at += HEADER.size

    def flush(self) -> Iterator[str]:
        """What is held of an unfinished line or message, if anything."""
        if len(self._unclear) < len(MARK):  # more likely the end of a letter like å
            yield from self._lines.feed(self._unclear)
            self._unclear = b""
        yield from self._lines.flush()
        yield from self._message.take()


def _end_of_text(data: bytes, start: int) -> int:
    """Where what is a frame begins, or may turn out as one when more comes."""
    at = data.find(MARK, start)
    while 0 <= at < len(data) - len(MARK) and data[at + len(MARK)] not in KINDS:
        at = data.find(MARK, at + 1)
    if at >= 0:
        return at
    held = next((n for n in (2, 1) if data.endswith(MARK[:n], start)), 0)
    return len(data) - held
