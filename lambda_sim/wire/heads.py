"""Request lines and headers, read into the environ that WSGI wants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import attrs

from lambda_sim.wire.incoming import MAX_REQUEST_LINE, RequestRefused, bad_request, too_long

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~\x80-\xff]+) (HTTP/1\.[01])")
ABSOLUTE_FORM = re.compile(r"https?://([^/?#]+)([^?]*)", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
LENGTH = re.compile(r"[0-9]{1,18}")


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


known_key = lru_cache(maxsize=512)(environ_key)
LONGEST_KNOWN = 64
"""Longer names are none that come again, and a megabyte of each would be kept."""


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
        if key := known_key(name) if len(name) <= LONGEST_KNOWN else environ_key(name):
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
    repeated: dict[str, list[str]] = {}
    for key, _, value in parse_fields(block.decode("latin-1")) if block else ():
        if key not in environ:
            environ[key] = value
        elif key not in ("CONTENT_LENGTH", "HTTP_HOST"):
            repeated.setdefault(key, [environ[key]]).append(value)
        elif environ[key] != value:
            raise bad_request(f"two different values of {key}")
    # Joined at once: one that came two hundred thousand times would be copied as often.
    environ |= {key: ", ".join(values) for key, values in repeated.items()}
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
            # RFC 9112, 6.3: where chunked is not the last coding, nobody knows the body's end.
            raise bad_request("the only transfer coding is chunked")
    if length is None:
        return 0
    if LENGTH.fullmatch(length) is None:
        raise bad_request("Content-Length is not a number")
    return int(length)
