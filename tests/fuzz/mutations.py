"""How a request is spoilt: in its parts, in its framing, in its bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from urllib.parse import quote

from tests.fuzz.grammar import Request

METHODS = (
    b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE", b"CONNECT",
    b"get", b"G T", b"", b"\x00", b"PRI", b"X" * 300,
)  # fmt: skip

SEGMENTS = (
    b"/", b"//", b"/..", b"/%2e%2e", b"/%00", b"/%", b"/%zz", b"/;x=1", b"/\xff", b"/ ", b"?",
    b"#", b"/%0d%0aX:%20y", b"/" + b"a" * 17_000, b"\\", b"/<request_id>", b"*",
)  # fmt: skip

VALUES = (
    b"", b" ", b"\t", b"\x00", b"a\x7fb", b"\xff\xfe", b"a\r\nX-Forged: 1", b"a\n b", b"\r",
    b"0", b"x" * 70_000, "é\u2028".encode(), b"%0d%0a", b",", b"\x85", b"100-continue",
)  # fmt: skip

HEADERS = (
    (b"Content-Length", b"0"), (b"Content-Length", b"5"), (b"Content-Length", b"-1"),
    (b"Content-Length", b"+5"), (b"Content-Length", b"5, 5"), (b"Content-Length", b"9" * 30),
    (b"Content-Length", b"99999999"), (b"Content-Length", b"0x5"), (b"content-length", b"\t5 "),
    (b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"\x0bchunked"),
    (b"Transfer-Encoding", b"identity"), (b"Transfer-Encoding", b"gzip, chunked"),
    (b"Transfer-Encoding", b"chunked, chunked"), (b"transfer-encoding", b"CHUNKED"),
    (b"Transfer_Encoding", b"chunked"), (b"Transfer-Encoding ", b"chunked"),
    (b"Connection", b"close"), (b"Connection", b"keep-alive, Upgrade"), (b"Upgrade", b"h2c"),
    (b"Expect", b"100-continue"), (b"Expect", b"x"), (b"Host", b"a.example"), (b"Host", b""),
    (b"Host", b"[::1"), (b"X y", b"1"), (b"", b""), (b":", b":"),
    (b"Trailer", b"Content-Length"), (b"TE", b"trailers"), (b"Origin", b"null"),
    (b"Content-Encoding", b"gzip"), (b"X" * 5_000, b"1"),
)  # fmt: skip

CHUNK_LINES = (
    b"-1\r\n", b"0x5\r\n", b"5;a=b\r\n", b"5 ;\t\r\n", b"FFFFFFFFFFFFFFFF\r\n", b"5\n", b"\r\n",
    b"5;" + b"x" * 5_000 + b"\r\n", b"00000000005\r\n", b"5\r\n\r\n", b" 5\r\n",
)  # fmt: skip

LINES = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"")


def spoilt(random: Random, request: Request) -> Request:
    """With one part changed."""
    return random.choice(PARTS)(random, request)


def reframed(random: Random, data: bytes) -> bytes:
    """With the bytes that hold its parts together changed."""
    return random.choice(FRAMES)(random, data)


def scrambled(random: Random, data: bytes) -> bytes:
    """With some bytes changed, whatever they mean."""
    for _ in range(random.choice((1, 1, 1, 2, 5, 20))):
        at = random.randint(0, len(data))
        size = random.choice((1, 1, 2, 4, 16, 200))
        data = random.choice(SCRAMBLES)(random, data, at, size)
    return data


def noise(random: Random) -> bytes:
    """Nothing like a request."""
    size = random.choice((1, 2, 10, 100, 1_000, 20_000))
    alphabet = random.choice((bytes(range(256)), b"\r\n", b"\r\n :GET/", b"\x00", b'{}[]",:0'))
    return bytes(random.choices(alphabet, k=size))


# --- Parts --------------------------------------------------------------------------------------


def _method(random: Random, request: Request) -> Request:
    return replace(request, method=random.choice(METHODS))


def _target(random: Random, request: Request) -> Request:
    target = request.target
    at = random.randint(0, len(target))
    strange = random.choice(SEGMENTS)
    changed = (
        target + strange,
        strange + target,
        target[:at] + strange + target[at:],
        target[:at],
        b"http://127.0.0.1:9001" + target,
        b"HTTP://\xff@" + target,
        target.upper(),
        quote(target, safe="/%").replace("e", "%65").encode(),
        strange,
    )
    return replace(request, target=random.choice(changed))


def _add_header(random: Random, request: Request) -> Request:
    headers = list(request.headers)
    for _ in range(random.choice((1, 1, 2, 300))):
        headers.insert(random.randint(0, len(headers)), random.choice(HEADERS))
    return replace(request, headers=tuple(headers))


def _change_header(random: Random, request: Request) -> Request:
    if not request.headers:
        return _add_header(random, request)
    headers = list(request.headers)
    at = random.randrange(len(headers))
    name, value = headers[at]
    changed = (
        [],
        [(name, value), (name, value)],
        [(name, random.choice(VALUES))],
        [(name, value + random.choice(VALUES))],
        [(random.choice((name.upper(), name.lower(), name + b"_", b"X-" + name)), value)],
        [(name + b" ", value)],
    )
    headers[at : at + 1] = random.choice(changed)
    return replace(request, headers=tuple(headers))


def _body(random: Random, request: Request) -> Request:
    body = request.body or b""
    at = random.randint(0, len(body))
    changed = (
        None,
        b"",
        noise(random),
        body[:at],
        body + body,
        body[:at] + random.choice(VALUES) + body[at:],
        b"\x00" * random.choice((10, 65_536, 1_100_000)),
        b'"%b"' % (b"x" * random.choice((70_000, 1_100_000))),
    )
    return replace(request, body=random.choice(changed))


def _as_chunks(random: Random, request: Request) -> Request:
    sizes = tuple(random.choice((1, 3, 70_000)) for _ in range(random.randint(0, 300)))
    trailers = tuple(random.choice(HEADERS) for _ in range(random.randint(0, 3)))
    return replace(request, chunks=sizes, trailers=trailers)


PARTS: tuple[Callable[[Random, Request], Request], ...] = (
    _method, _target, _add_header, _change_header, _change_header, _body, _as_chunks,
)  # fmt: skip


# --- Framing ------------------------------------------------------------------------------------


def _line_ends(random: Random, data: bytes) -> bytes:
    """Some or all line ends become others."""
    other = random.choice((b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b"\x0b\r\n", b"\r\n\r\n"))
    return data.replace(b"\r\n", other, random.choice((1, 2, -1)))


def _version(random: Random, data: bytes) -> bytes:
    return data.replace(b"HTTP/1.1", random.choice(LINES), 1)


def _length(random: Random, data: bytes) -> bytes:
    """The announced length is another."""
    head, name, rest = data.partition(b"Content-Length: ")
    number, mark, rest = rest.partition(b"\r\n")
    if not number.isdigit():
        return _version(random, data)
    wrong = random.choice((int(number) + 1, max(0, int(number) - 1), 0, 10**9, 10**17))
    return b"%b%b%d%b%b" % (head, name, wrong, mark, rest)


def _chunk_line(random: Random, data: bytes) -> bytes:
    head, mark, rest = data.partition(b"\r\n\r\n")
    return head + mark + random.choice(CHUNK_LINES) + rest


def _cut_off(random: Random, data: bytes) -> bytes:
    return data[: random.randint(0, len(data))]


def _swapped(random: Random, data: bytes) -> bytes:
    """Lines in another order."""
    lines = data.split(b"\r\n")
    random.shuffle(lines)
    return b"\r\n".join(lines)


FRAMES: tuple[Callable[[Random, bytes], bytes], ...] = (
    _line_ends, _version, _length, _length, _chunk_line, _cut_off, _cut_off, _swapped,
)  # fmt: skip


# --- Bytes --------------------------------------------------------------------------------------


def _flip(random: Random, data: bytes, at: int, size: int) -> bytes:
    if not data:
        return b"\xff"
    at = min(at, len(data) - 1)
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _remove(random: Random, data: bytes, at: int, size: int) -> bytes:
    return data[:at] + data[at + size :]


def _repeat(random: Random, data: bytes, at: int, size: int) -> bytes:
    return data[:at] + data[at : at + size] * random.choice((2, 10)) + data[at + size :]


def _insert(random: Random, data: bytes, at: int, size: int) -> bytes:
    return data[:at] + random.randbytes(size) + data[at:]


def _insert_known(random: Random, data: bytes, at: int, size: int) -> bytes:
    return data[:at] + random.choice((*VALUES, *SEGMENTS, *CHUNK_LINES)) + data[at:]


SCRAMBLES: tuple[Callable[[Random, bytes, int, int], bytes], ...] = (
    _flip, _flip, _remove, _repeat, _insert, _insert_known,
)  # fmt: skip
