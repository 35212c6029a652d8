"""Answers and refusals as status, headers and body: the one place where errors meet HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from lambda_sim.errors import WireError
from lambda_sim.model.protocol import JSON_TYPE
from lambda_sim.wire.answers import Lines

Headers = list[tuple[str, str]]

OK = "200 OK"
_REASONS = {
    200: OK,
    202: "202 Accepted",
    204: "204 No Content",
    400: "400 Bad Request",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    408: "408 Request Timeout",
    410: "410 Gone",
    413: "413 Request Entity Too Large",
    429: "429 Too Many Requests",
    500: "500 Internal Server Error",
    503: "503 Service Unavailable",
}


class Answer(NamedTuple):
    """What an endpoint answers with."""

    status: str
    headers: Headers | Lines
    body: bytes
    undelivered: Callable[[], None] | None = None
    """Called when the answer could not be sent."""
    afterwards: Callable[[], None] | None = None
    """Called when it was sent, or was not: for what its receiver need not wait for."""
    pieces: Iterable[bytes] | None = None
    """A body that is sent as it comes, in place of ``body``."""


def answer(
    status: int,
    body: bytes,
    content_type: str = JSON_TYPE,
    headers: Iterable[tuple[str, str]] = (),
    undelivered: Callable[[], None] | None = None,
) -> Answer:
    """An answer with its content headers."""
    content = ("Content-Type", content_type), ("Content-Length", str(len(body)))
    return Answer(_REASONS[status], Lines.of((*content, *headers)), body, undelivered)


def streamed(
    pieces: Iterable[bytes], content_type: str, headers: Iterable[tuple[str, str]] = ()
) -> Answer:
    """An answer whose body comes bit by bit."""
    return Answer(_REASONS[200], [("Content-Type", content_type), *headers], b"", pieces=pieces)


def json_answer(status: int, value: Any, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """A JSON value, as AWS's servers write it: compact, with a newline behind."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    # Half a surrogate pair, which JSON can name and UTF-8 can't, may come from the request.
    body = text.encode("utf-8", "replace") + b"\n"
    return answer(status, body, JSON_TYPE, headers)


ACCEPTED = json_answer(202, {"status": "OK"})


def refusal(error: WireError) -> Answer:
    """AWS's two-key error object."""
    return json_answer(error.status, error.body())


def not_found() -> Answer:
    body = b"404 page not found\n"
    return answer(404, body, "text/plain; charset=utf-8", [("X-Content-Type-Options", "nosniff")])


def wrong_method(allowed: Iterable[str]) -> Answer:
    headers = [("Allow", ", ".join(sorted(allowed))), ("Content-Length", "0")]
    return Answer(_REASONS[405], headers, b"")


def unavailable() -> Answer:
    """The environment ended; a server of our own hangs up instead."""
    return json_answer(
        503, {"errorMessage": "The environment is gone", "errorType": "ServiceUnavailable"}
    )


def header_text(value: str) -> str:
    """Text for a header: beyond ASCII, its UTF-8 bytes as WSGI carries bytes."""
    return value if value.isascii() else value.encode().decode("latin-1")
