"""Frames of an AWS event stream, in which a streamed response reaches its caller. Pure.

AWS: *Amazon Transcribe*, Event stream encoding, the one page that shows the format.
"""

from __future__ import annotations

import struct
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_FRAMING_BYTES = 16  # two lengths and two checksums
_TEXT = 7  # a header value's type


def event(event_type: str, payload: bytes, content_type: str) -> bytes:
    """One event as a frame: lengths and their checksum, headers, payload, a checksum of it all."""
    headers = b"".join(
        (
            _header(":event-type", event_type),
            _header(":content-type", content_type),
            _header(":message-type", "event"),
        )
    )
    lengths = struct.pack("!II", _FRAMING_BYTES + len(headers) + len(payload), len(headers))
    frame = b"".join((lengths, struct.pack("!I", crc32(lengths)), headers, payload))
    return frame + struct.pack("!I", crc32(frame))


def _header(name: str, value: str) -> bytes:
    size = struct.pack("!BH", _TEXT, len(value))
    return b"".join((struct.pack("!B", len(name)), name.encode(), size, value.encode()))
