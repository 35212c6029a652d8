"""Raw sockets that speak HTTP: what tests of the wire itself use, so that no library tidies it up.

Nothing here knows the simulator's code but for ``addr``.
"""

from __future__ import annotations

import json
import select
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

PATIENCE = 20.0
"""How long a broken test hangs; a good one never waits so long."""

RUNTIME = "/2018-06-01/runtime"
NEXT = f"{RUNTIME}/invocation/next"
INIT_ERROR = f"{RUNTIME}/init/error"
EXTENSION = "/2020-01-01/extension"
EVENT_NEXT = f"{EXTENSION}/event/next"
TELEMETRY = "/2022-07-01/telemetry"

HeaderPairs = Iterable[tuple[str, str]] | Mapping[str, str]


class Addressed(Protocol):
    """What listens somewhere, such as a simulator."""

    @property
    def addr(self) -> tuple[str, int]: ...


class HungUp(ConnectionError):
    """The other side closed where an answer was due."""


@dataclass(frozen=True)
class RawAnswer:
    """An answer as it came: header names in the case in which they were sent."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        """A header by its exact name."""
        return dict(self.headers)[name]

    def has(self, name: str) -> bool:
        """Whether a header is there, in any case."""
        return name.lower() in (known.lower() for known, _ in self.headers)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RawConnection:
    """One TCP connection to a server."""

    def __init__(self, server: Addressed | tuple[str, int]) -> None:
        address = server if isinstance(server, tuple) else server.addr
        self._socket = socket.create_connection(address, PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_head(self, method: str, path: str, headers: HeaderPairs = ()) -> None:
        """A request line and headers, and nothing that was not asked for but Host."""
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in pairs), "", ""]
        self.send("\r\n".join(lines).encode())

    def request(
        self, method: str, path: str, headers: HeaderPairs = (), body: bytes | None = None
    ) -> RawAnswer:
        """A request with Content-Length if there is a body, and its answer."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if body is not None:
            pairs.append(("Content-Length", str(len(body))))
        self.send_head(method, path, pairs)
        if body:
            self.send(body)
        return self.read_answer(has_body=method != "HEAD")

    def request_chunked(
        self,
        method: str,
        path: str,
        headers: HeaderPairs = (),
        chunks: Iterable[bytes] = (),
        trailers: HeaderPairs = (),
    ) -> RawAnswer:
        """A request in chunks, with trailers behind them, and its answer."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        self.send_head(method, path, [*pairs, ("Transfer-Encoding", "chunked")])
        for chunk in chunks:
            self.send_chunk(chunk)
        self.end_chunks(trailers)
        return self.read_answer()

    def send_chunk(self, chunk: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))

    def end_chunks(self, trailers: HeaderPairs = ()) -> None:
        pairs = trailers.items() if isinstance(trailers, Mapping) else trailers
        lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
        self.send(f"0\r\n{lines}\r\n".encode())

    def read_answer(self, *, has_body: bool = True) -> RawAnswer:
        """The next answer, an interim one too.

        :raises HungUp: the other side closed instead.
        """
        head = self._until(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        _, status, reason = first.split(" ", 2)
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        answer = RawAnswer(int(status), reason, headers, b"")
        if answer.status < 200 or not has_body:
            return answer
        return replace(answer, body=self._exactly(int(answer["Content-Length"])))

    def is_closed_by_peer(self) -> bool:
        """Block until the other side closes, or says something (False)."""
        return not self._incoming and self._receive() == b""

    def is_silent(self) -> bool:
        """Whether nothing has come that was not read. Never blocks."""
        return not self._incoming and not select.select([self._socket], [], [], 0)[0]

    def half_close(self) -> None:
        """Nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Close with a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._socket.close()

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._incoming:
            self._fill()
        found, _, self._incoming = self._incoming.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._incoming) < size:
            self._fill()
        found, self._incoming = self._incoming[:size], self._incoming[size:]
        return found

    def _fill(self) -> None:
        got = self._receive()
        if not got:
            raise HungUp("the other side closed where an answer was due")
        self._incoming += got

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65_536)
        except ConnectionResetError:
            return b""


class Event(NamedTuple):
    """What a Next came back with."""

    id: str
    answer: RawAnswer

    @property
    def body(self) -> bytes:
        return self.answer.body


class RawRuntime(RawConnection):
    """A runtime whose every move is the test's, on one connection that is kept alive."""

    def ask(self) -> None:
        """Send a Next, and do not wait for its answer."""
        self.send_head("GET", NEXT)

    def event(self) -> Event:
        """What a Next that was sent comes back with."""
        answer = self.read_answer()
        assert answer.status == 200, answer
        return Event(answer["Lambda-Runtime-Aws-Request-Id"], answer)

    def next(self) -> Event:
        self.ask()
        return self.event()

    def poll(self) -> RawAnswer:
        """Next, whatever comes back."""
        self.ask()
        return self.read_answer()

    def respond(self, request_id: str, body: bytes = b"{}", **headers: str) -> RawAnswer:
        """Post a response; header names are given with underscores."""
        return self.request("POST", response_path(request_id), _named(headers), body)

    def fail(self, request_id: str, body: bytes = b"{}", **headers: str) -> RawAnswer:
        return self.request("POST", error_path(request_id), _named(headers), body)

    def init_error(self, body: bytes = b"{}", **headers: str) -> RawAnswer:
        return self.request("POST", INIT_ERROR, _named(headers), body)


class RawExtension(RawConnection):
    """An extension whose every move is the test's, on one connection that is kept alive."""

    def __init__(self, server: Addressed | tuple[str, int]) -> None:
        super().__init__(server)
        self.id = ""

    def ask_to_register(self, name: str | None, body: bytes = b"{}", **headers: str) -> RawAnswer:
        """A registration as it is given; the identifier is kept if it succeeds."""
        pairs = [] if name is None else [("Lambda-Extension-Name", name)]
        pairs += _named(headers)
        answer = self.request("POST", f"{EXTENSION}/register", pairs, body)
        if answer.status == 200:
            self.id = answer["Lambda-Extension-Identifier"]
        return answer

    def register(self, name: str, *events: str) -> RawExtension:
        answer = self.ask_to_register(name, json.dumps({"events": events}).encode())
        assert answer.status == 200, answer
        return self

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [("Lambda-Extension-Identifier", self.id)]

    def ask(self) -> None:
        """Send a Next, and do not wait for its answer."""
        self.send_head("GET", EVENT_NEXT, self.headers)

    def event(self) -> Any:
        """What a Next that was sent comes back with, decoded."""
        answer = self.read_answer()
        assert answer.status == 200, answer
        return answer.json

    def next(self) -> Any:
        self.ask()
        return self.event()

    def poll(self) -> RawAnswer:
        """Next, whatever comes back."""
        self.ask()
        return self.read_answer()

    def report(self, kind: str, error_type: str | None, body: bytes = b"") -> RawAnswer:
        """Post an ``init`` or ``exit`` error."""
        told = [] if error_type is None else [("Lambda-Extension-Function-Error-Type", error_type)]
        return self.request("POST", f"{EXTENSION}/{kind}/error", [*self.headers, *told], body)

    def subscribe(self, wanted: Any, path: str = TELEMETRY) -> RawAnswer:
        """Ask for telemetry, with a body as bytes or as a JSON value."""
        body = wanted if isinstance(wanted, bytes) else json.dumps(wanted).encode()
        return self.request("PUT", path, self.headers, body)


def response_path(request_id: str) -> str:
    return f"{RUNTIME}/invocation/{request_id}/response"


def error_path(request_id: str) -> str:
    return f"{RUNTIME}/invocation/{request_id}/error"


def _named(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name.replace("_", "-"), value) for name, value in headers.items()]
