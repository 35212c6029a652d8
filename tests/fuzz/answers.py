"""What a server said on one connection, taken apart more strictly than any client does. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [ -~]+")
HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ((?:[!-~\x80-\xff][\t -~\x80-\xff]*)?)")
CHUNK_SIZE = re.compile(rb"[0-9A-F]+")
BODILESS = (204, 304)


class Malformed(ValueError):
    """The bytes are no sequence of whole answers."""


@dataclass(frozen=True)
class Answer:
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def answers_in(
    data: bytes, *, may_lack_bodies: bool = False, may_lack_ends: bool = False
) -> list[Answer]:
    """All final answers, oldest first.

    :param may_lack_bodies: whether some may belong to a HEAD, which nothing in an answer tells.
    :param may_lack_ends: whether the last may end with the connection, as HTTP/1.0 has it.
    :raises Malformed: something is not HTTP/1.1, or is cut off.
    """
    found = []
    while data:
        head, mark, rest = data.partition(b"\r\n\r\n")
        if not mark:
            raise Malformed(f"a head that is not whole: {head[:200]!r}")
        status, headers = _head(head)
        if status < 200:
            data = rest
            continue
        try:
            body, data = _body(status, headers, rest, may_lack_ends)
        except Malformed:
            if not may_lack_bodies:
                raise
            body, data = b"", rest
        else:
            if may_lack_bodies and rest.startswith(b"HTTP/1.1 "):
                body, data = b"", rest
        found.append(Answer(status, headers, body))
    return found


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.split(b"\r\n")
    match = STATUS_LINE.fullmatch(first)
    if match is None:
        raise Malformed(f"not a status line: {first[:200]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        field = HEADER_LINE.fullmatch(line)
        if field is None:
            raise Malformed(f"not a header line: {line[:200]!r}")
        name = field[1].decode().lower()
        if name in headers:
            raise Malformed(f"{name} twice")
        headers[name] = field[2].decode("latin-1")
    return int(match[1]), headers


def _body(
    status: int, headers: dict[str, str], rest: bytes, may_lack_end: bool
) -> tuple[bytes, bytes]:
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if length is not None and coding is not None:
        raise Malformed("two lengths")
    if status in BODILESS:
        return b"", rest
    if coding == "chunked":
        return _chunked(rest)
    if length is not None and coding is None and length.isdecimal():
        size = int(length)
        if len(rest) < size:
            raise Malformed(f"{len(rest)} of {size} bytes of a body")
        return rest[:size], rest[size:]
    if length is None and coding is None and may_lack_end:
        return rest, b""
    raise Malformed(f"an answer without an end: {headers}")


def _chunked(rest: bytes) -> tuple[bytes, bytes]:
    chunks = []
    while True:
        line, mark, rest = rest.partition(b"\r\n")
        if not mark or CHUNK_SIZE.fullmatch(line) is None:
            raise Malformed(f"not the size of a chunk: {line[:200]!r}")
        size = int(line, 16)
        if rest[size : size + 2] != b"\r\n":
            raise Malformed(f"a chunk is not {size} bytes long")
        chunks.append(rest[:size])
        rest = rest[size + 2 :]
        if not size:
            return b"".join(chunks), rest
