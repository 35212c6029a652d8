"""Requests that the APIs understand, or nearly: what the fuzzer starts from."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

Pairs = tuple[tuple[bytes, bytes], ...]

# Filled in when a case is played, by what the world knows just then.
REQUEST_ID = b"@request@"
EXTENSION_ID = b"@extension@"
TOKEN = b"@token@"

RUNTIME = b"/2018-06-01/runtime"
EXTENSION = b"/2020-01-01/extension"
INVOKE = b"/2015-03-31/functions/function/invocations"
INVOKE_STREAMING = b"/2021-11-15/functions/function/response-streaming-invocations"

NAMES = ("watcher", "a", "x y", "é", "\t", "n" * 5000, "../../etc", "watcher\x85", "%s%n")
"""``watcher`` is an external extension of the fuzzer's world."""

NASTY_TEXT = (
    "\ud800", "\U0001f600", "\x00", "a\r\nb: c", "\u2028", "\x85", "\x7f", "\x1b[31m", "", "%00",
    "x" * 70_000, "NaN", "${x}", "'\"<>", "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "-1", "1e999",
)  # fmt: skip

NASTY_JSON = (
    b"", b"{", b"null", b"[]", b'""', b"{}", b"NaN", b"[" * 100_000, b'{"a":' * 5_000, b"1" * 5_000,
    b'{"events":["\\ud800"]}', b'{"events":[1]}', b'{"events":{}}', b"\xff\xfe{\x00}\x00", b"\x00",
    b'{"events":["INVOKE"],"events":null}', b"\xef\xbb\xbf{}", b'"\\udfff"', b"\xf0\x9f\x98",
)  # fmt: skip

TRACES = (
    "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
    "Root=;Parent=", "Root", ";;;==;", "Root=é;Sampled=1;Lineage=a:1|b:2", "Self=1;Root=1-2-3", " ",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One request before it is framed; ``chunks`` is how a body is cut if it is sent in chunks."""

    method: bytes
    target: bytes
    headers: Pairs = ()
    body: bytes | None = None
    chunks: tuple[int, ...] | None = None
    trailers: Pairs = ()

    def framed(self) -> bytes:
        """Its bytes."""
        lines = [b"%b %b HTTP/1.1" % (self.method, self.target), b"Host: 127.0.0.1:9001"]
        lines += [b"%b: %b" % pair for pair in self.headers]
        if self.chunks is not None:
            lines.append(b"Transfer-Encoding: chunked")
        elif self.body is not None:
            lines.append(b"Content-Length: %d" % len(self.body))
        head = b"\r\n".join([*lines, b"", b""])
        return head + (self.body or b"" if self.chunks is None else self._chunked())

    def _chunked(self) -> bytes:
        body, pieces = self.body or b"", []
        for size in self.chunks or ():
            chunk, body = body[:size], body[size:]
            if chunk:
                pieces.append(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if body:
            pieces.append(b"%X\r\n%b\r\n" % (len(body), body))
        trailers = b"".join(b"%b: %b\r\n" % pair for pair in self.trailers)
        return b"".join((*pieces, b"0\r\n", trailers, b"\r\n"))


def some_text(random: Random) -> str:
    """A word, or something nobody expects as one."""
    if random.random() < 0.4:
        return random.choice(NASTY_TEXT)
    return "".join(random.choices("abcXYZ019-_.:/ é", k=random.randint(0, 12)))


def some_value(random: Random, depth: int = 3) -> Any:
    """A JSON value, and sometimes what only Python's JSON knows."""
    kinds: list[Callable[[], Any]] = [
        lambda: some_text(random),
        lambda: random.choice((None, True, False, 0, -1, 10**30, 1e308, float("nan"))),
        lambda: random.randint(-(2**70), 2**70),
    ]
    if depth:
        kinds += [
            lambda: [some_value(random, depth - 1) for _ in range(random.randint(0, 3))],
            lambda: {
                some_text(random): some_value(random, depth - 1)
                for _ in range(random.randint(0, 3))
            },
        ]
    return random.choice(kinds)()


def some_json(random: Random, value: Any) -> bytes:
    """A value's text, which is not always what it should be."""
    if random.random() < 0.15:
        return random.choice(NASTY_JSON)
    return json.dumps(value, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")


def some_id(random: Random) -> bytes:
    return str(uuid.UUID(int=random.getrandbits(128), version=4)).encode()


def some_request(random: Random) -> Request:
    """One of any API, which that API understands, or nearly."""
    return random.choice(REQUESTS)(random)


def _maybe(random: Random, name: str, *values: str) -> Pairs:
    """A header now and then."""
    if random.random() < 0.5:
        return ()
    return ((name.encode(), random.choice(values).encode("utf-8", "surrogatepass")),)


def _chunks(random: Random) -> tuple[int, ...] | None:
    if random.random() < 0.6:
        return None
    return tuple(random.choice((1, 2, 7, 100, 5_000)) for _ in range(random.randint(0, 8)))


def _request_id(random: Random) -> bytes:
    return random.choice((REQUEST_ID, REQUEST_ID, some_id(random), b"x"))


def _ping(random: Random) -> Request:
    return Request(b"GET", b"/2018-06-01/ping")


def _next(random: Random) -> Request:
    return Request(b"GET", RUNTIME + b"/invocation/next")


def _response(random: Random) -> Request:
    mode = _maybe(random, "Lambda-Runtime-Function-Response-Mode", "streaming", "x")
    trailers = (
        *_maybe(random, "Lambda-Runtime-Function-Error-Type", "Runtime.Stream", some_text(random)),
        *_maybe(random, "Lambda-Runtime-Function-Error-Body", "e30=", "=", some_text(random)),
    )
    return Request(
        b"POST",
        b"%b/invocation/%b/response" % (RUNTIME, _request_id(random)),
        (
            *_maybe(random, "Content-Type", "application/json", "text/é", some_text(random)),
            *_maybe(random, "Lambda-Runtime-Invocation-Id", str(uuid.UUID(int=1)), "x"),
            *mode,
        ),
        some_json(random, some_value(random)),
        _chunks(random),
        trailers,
    )


def _reported(random: Random, path: bytes) -> Request:
    told = {
        "errorMessage": some_value(random, 1),
        "errorType": some_value(random, 1),
        "stackTrace": some_value(random),
    }
    cause = json.dumps({"working_directory": "/", "exceptions": some_value(random), "paths": []})
    return Request(
        b"POST",
        path,
        (
            *_maybe(random, "Lambda-Runtime-Function-Error-Type", "Runtime.X", some_text(random)),
            *_maybe(random, "Lambda-Runtime-Function-XRay-Error-Cause", cause, "x" * 70_000),
            *_maybe(random, "Content-Type", "application/vnd.aws.lambda.error.cause+json", "x"),
        ),
        some_json(random, told),
        _chunks(random),
    )


def _error(random: Random) -> Request:
    return _reported(random, b"%b/invocation/%b/error" % (RUNTIME, _request_id(random)))


def _init_error(random: Random) -> Request:
    return _reported(random, RUNTIME + b"/init/error")


def _restore_error(random: Random) -> Request:
    return _reported(random, RUNTIME + b"/restore/error")


def _restore_next(random: Random) -> Request:
    return Request(b"GET", RUNTIME + b"/restore/next")


def _register(random: Random) -> Request:
    events = random.choice((["INVOKE"], ["INVOKE", "SHUTDOWN"], [], some_value(random)))
    name = random.choice(NAMES).encode()
    return Request(
        b"POST",
        EXTENSION + b"/register",
        (
            (b"Lambda-Extension-Name", name),
            *_maybe(random, "Lambda-Extension-Accept-Feature", "accountId", "a,accountId ,", ","),
        ),
        some_json(random, {"events": events, **dict(_some_fields(random))}),
        _chunks(random),
    )


def _signed(random: Random) -> Pairs:
    who = random.choice((EXTENSION_ID, EXTENSION_ID, some_id(random), b"x", b""))
    return ((b"Lambda-Extension-Identifier", who),)


def _event_next(random: Random) -> Request:
    return Request(b"GET", EXTENSION + b"/event/next", _signed(random))


def _extension_error(random: Random) -> Request:
    kind = random.choice((b"init", b"exit"))
    told = _maybe(random, "Lambda-Extension-Function-Error-Type", "Extension.X", some_text(random))
    body = some_json(random, some_value(random))
    return Request(b"POST", b"%b/%b/error" % (EXTENSION, kind), (*_signed(random), *told), body)


def _subscribe(random: Random) -> Request:
    uri = random.choice(
        (
            "http://sandbox.localdomain:1", "http://sandbox:0/", "http://[::1", "//", "http://é:80",
            "http://sandbox.localdomain:1/\r\nX: y", "http://sandbox.localdomain:99999/", "file:///",
            "http://sandbox.localdomain:1/ a b?\ud800", "http://\uff0f:80/", some_text(random),
        )
    )  # fmt: skip
    destination = random.choice(
        (
            {"protocol": "HTTP", "URI": uri},
            {"protocol": "TCP", "port": random.choice((1, 0, -1, 65_536, "1", None, True))},
            {"protocol": some_value(random, 1), "URI": some_value(random, 1)},
            some_value(random),
        )
    )
    asked = {
        "schemaVersion": random.choice(("2022-12-13", "2020-08-15", some_value(random))),
        "types": random.choice((["platform", "function"], some_value(random), ["\ud800"])),
        "destination": destination,
        "buffering": random.choice(({"timeoutMs": 25}, {"maxItems": 10**400}, some_value(random))),
    }
    path = random.choice((b"/2022-07-01/telemetry", b"/2022-07-01/telemetry/", b"/2020-08-15/logs"))
    return Request(b"PUT", path, _signed(random), some_json(random, asked), _chunks(random))


def _credentials(random: Random) -> Request:
    given = _maybe(random, "Authorization", "@token@", "", "é", some_text(random))
    return Request(b"GET", b"/2021-04-23/credentials", given)


def _client_context(random: Random) -> Pairs:
    context = some_json(random, {"custom": some_value(random), "\x7f": "\x7f"})
    return _maybe(random, "X-Amz-Client-Context", base64.b64encode(context).decode(), "@@", "W10=")


def _invoke(random: Random) -> Request:
    name = random.choice(
        (b"function", b"function:$LATEST", b"test-function", b"x", b"%2f", b"a:b:c")
    )
    path = random.choice((INVOKE, INVOKE_STREAMING)).replace(b"/function/", b"/%b/" % name)
    return Request(
        b"POST",
        path + random.choice((b"", b"", b"?Qualifier=$LATEST", b"?Qualifier=%00&&=", b"?%")),
        (
            *_maybe(random, "X-Amz-Invocation-Type", "Event", "DryRun", "RequestResponse", "é"),
            *_maybe(random, "X-Amz-Log-Type", "Tail", "None", "x"),
            *_client_context(random),
            *_maybe(random, "X-Amz-Tenant-Id", "blue", "é", "\t", "a\x85b", "x" * 300),
            *_maybe(random, "X-Amzn-Trace-Id", *TRACES),
            *_maybe(random, "X-Amzn-RequestId", some_id(random).decode(), "x"),
            *_maybe(random, "Content-Type", "application/json", "text/plain; é", "\x85", ""),
        ),
        some_json(random, some_value(random)),
        _chunks(random),
    )


def _some_fields(random: Random) -> list[tuple[str, Any]]:
    if random.random() < 0.7:
        return []
    return [(random.choice(("configurationKeys", "x")), some_value(random))]


REQUESTS: tuple[Callable[[Random], Request], ...] = (
    _ping, _next, _response, _response, _error, _init_error, _restore_error, _restore_next,
    _register, _event_next, _extension_error, _subscribe, _subscribe, _credentials, _invoke,
    _invoke, _invoke,
)  # fmt: skip
