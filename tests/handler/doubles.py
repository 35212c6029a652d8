"""A scripted server on a real socket, and the base class of this room's tests."""

from __future__ import annotations

import contextlib
import queue
import socket
import time
import unittest
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from io import BufferedReader
from typing import Any, NamedTuple

from lambda_sim.handler.client import Event
from lambda_sim.handler.context import LambdaContext
from lambda_sim.handler.deadline import Deadline
from lambda_sim.handler.invocation import Invocation

PATIENCE = 20.0
"""Seconds a broken test hangs, never how long a good one takes."""

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n" + b'{"status":"OK"}\n'
REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"


class Instead(Enum):
    """What to do with a request in place of answering."""

    HANG = "say nothing until the client goes"
    RESET = "break the connection off"


class Early(NamedTuple):
    """An answer given before the request's body was read."""

    answer: bytes


class Request(NamedTuple):
    """What a client asked; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    chunks: list[bytes] = []  # noqa: RUF012 - never written to
    trailers: dict[str, str] = {}  # noqa: RUF012


Step = bytes | Early | Instead


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """An answer with a Content-Length; underscores in header names stand for hyphens."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def next_answer(body: bytes = b"{}", **headers: str) -> bytes:
    """What Next gives: the headers that are always there, and more or others."""
    always = {
        "Content_Type": "application/json",
        "Lambda_Runtime_Aws_Request_Id": REQUEST_ID,
        "Lambda_Runtime_Deadline_Ms": "1542409706888",
    }
    return answer(body, **always | headers)


class ScriptedServer:
    """Plays one list of steps for each connection, closes it, and refuses what comes after."""

    def __init__(self, *connections: Sequence[Step]) -> None:
        self.requests: queue.Queue[Request] = queue.Queue()
        self.hung_up: queue.Queue[int] = queue.Queue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._current: socket.socket | None = None
        self._is_closing = False
        self._thread = ThreadPoolExecutor(1, "scripted-server")
        self._playing = self._thread.submit(self._play, connections)

    def next_request(self) -> Request:
        return self.requests.get(timeout=PATIENCE)

    def wait_for_hang_up(self) -> None:
        """Block until a connection whose script ended was closed."""
        self.hung_up.get(timeout=PATIENCE)

    def close(self) -> None:
        """Break off whatever goes on; what the script stumbled over is raised here."""
        self._is_closing = True
        for sock in (self._listener, self._current):
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        self._thread.shutdown()
        self._playing.result()

    def _play(self, connections: Sequence[Sequence[Step]]) -> None:
        with self._listener:
            for number, steps in enumerate(connections):
                try:
                    self._current, _ = self._listener.accept()
                    if self._is_closing:
                        self._current.close()
                        return
                    with self._current, self._current.makefile("rb") as stream:
                        for step in steps:
                            self._play_step(step, self._current, stream)
                except (OSError, EOFError):
                    if not self._is_closing:
                        raise
                self.hung_up.put(number)

    def _play_step(self, step: Step, client: socket.socket, stream: BufferedReader) -> None:
        self.requests.put(read_request(stream, with_body=not isinstance(step, Early)))
        if isinstance(step, Early):
            client.sendall(step.answer)
        elif step is Instead.HANG:
            stream.read(1)
        elif step is Instead.RESET:
            # Linger of 0 seconds: the close that follows sends RST.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        else:
            client.sendall(step)


def read_request(stream: BufferedReader, *, with_body: bool = True) -> Request:
    """Read one request; EOFError when the client has no more."""
    line = stream.readline()
    if not line:
        raise EOFError("the client asked less than the script expects")
    method, path, _ = line.decode().split(" ")
    headers = {}
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    if with_body and headers.get("transfer-encoding") == "chunked":
        return Request(method, path, headers, *read_chunks(stream))
    length = int(headers.get("content-length", 0)) if with_body else 0
    return Request(method, path, headers, stream.read(length))


def read_chunks(stream: BufferedReader) -> tuple[bytes, list[bytes], dict[str, str]]:
    """A chunked body, its chunks, and what comes behind it."""
    chunks = []
    while size := int(stream.readline() or b"0", 16):
        chunks.append(stream.read(size))
        stream.readline()
    trailers = {}
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode().partition(":")
        trailers[name.lower()] = value.strip()
    return b"".join(chunks), chunks, trailers


class HandlerTestCase(unittest.TestCase):
    """Servers are closed and threads joined after each test."""

    def serve(self, *connections: Sequence[Step]) -> ScriptedServer:
        server = ScriptedServer(*connections)
        self.addCleanup(server.close)
        return server

    def start_threads(self) -> ThreadPoolExecutor:
        return self.enterContext(ThreadPoolExecutor(4, "test"))


def make_event(body: bytes = b"{}", **fields: Any) -> Event:
    """What Next hands over, with some of its fields set."""
    told: dict[str, Any] = dict.fromkeys(Event._fields)
    told |= {"request_id": REQUEST_ID, "content_type": "application/json", "headers": {}}
    told |= {"deadline_ms": int(time.time() * 1000) + 60_000, "body": body}
    return Event(**told | fields)


def make_invocation(event: Any, **fields: Any) -> Invocation[Any]:
    """What a handler is given."""
    told = make_event(**fields)
    return Invocation(
        event=event,
        context=LambdaContext.from_event(told),
        deadline=Deadline.from_ms(told.deadline_ms),
        raw=told.body,
        region="eu-central-1",
    )
