"""The shortest bytes that still do it: requests are left out first, then lines, then bytes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

REQUEST = re.compile(rb"[A-Z]+ [^ ]+ HTTP/")


def shortest(data: bytes, still_fails: Callable[[bytes], bool], seconds: float = 60.0) -> bytes:
    """Fewer and fewer of the bytes, as long as they still fail.

    :param still_fails: plays some bytes; whether what was wrong is wrong again.
    :param seconds: after which the shortest so far is good enough.
    """
    until = time.monotonic() + seconds
    # What a length counts can't be left out bit by bit, but with the whole of a request.
    begins = [match.start() for match in REQUEST.finditer(data)]
    data = next((data[at:] for at in reversed(begins) if still_fails(data[at:])), data)
    for split in (_lines, _words, _bytes):
        data = _without(split(data), still_fails, until)
    return data


def _without(parts: Sequence[bytes], still_fails: Callable[[bytes], bool], until: float) -> bytes:
    """Leave out runs of parts, long ones first."""
    size = len(parts) // 2
    while size:
        at = 0
        while at < len(parts) and time.monotonic() < until:
            fewer = [*parts[:at], *parts[at + size :]]
            if still_fails(b"".join(fewer)):
                parts = fewer
            else:
                at += size
        size //= 2
    return b"".join(parts)


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def _words(data: bytes) -> list[bytes]:
    return data.replace(b" ", b" \0").split(b"\0") if b"\0" not in data else _lines(data)


def _bytes(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]
