"""The descriptor on which Lambda takes log events whole, newlines and all.

AWS: the framing is that of ``FramedTelemetryLogSink`` in *awslambdaric*.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import MutableMapping
from typing import Self

__all__ = ["FrameSink"]

VARIABLE = "_LAMBDA_TELEMETRY_LOG_FD"

HEADER = struct.Struct(">IIQ")
"""Type, length and microseconds since the epoch."""

TEXT = 0xA55A0003
JSON = 0xA55A0002


class FrameSink:
    """Writes events, each with its length before it. Any thread may write."""

    def __init__(self, fd: int, *, is_json: bool) -> None:
        self._fd = fd
        self._type = JSON if is_json else TEXT

    @classmethod
    def of(cls, environ: MutableMapping[str, str], *, is_json: bool) -> Self | None:
        """The descriptor that Lambda gave us, if it did; nobody below us is to use it too."""
        number = environ.pop(VARIABLE, "")
        try:
            os.set_inheritable(fd := int(number), False)
        except (ValueError, OverflowError, OSError):
            return None  # there is none, or it is not open
        return cls(fd, is_json=is_json)

    def write(self, text: str) -> None:
        message = text.encode(errors="backslashreplace")
        frame = HEADER.pack(self._type, len(message), time.time_ns() // 1000) + message
        sent: list[int] = []
        try:
            self._send_rest(frame, sent)
        except BaseException:
            if sent:  # what is missing would be taken from what comes next
                self._send_rest(frame, sent)
            raise

    def _send_rest(self, frame: bytes, sent: list[int]) -> None:
        while rest := frame[sum(sent) :]:
            # Counted in C: also who is interrupted at the next step knows.
            sent.extend(map(os.write, (self._fd,), (rest,)))
