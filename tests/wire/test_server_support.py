"""What the server's tests share: a raw client, and a test case that looks for leftovers."""

from __future__ import annotations

import os
import socket
import struct
import threading
import unittest
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs

from lambda_sim.wire.server import WireServer

PATIENCE = 20.0
"""Seconds a broken test hangs."""


@attrs.frozen
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """A client that sends exactly the bytes it is told to."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def reset(self) -> None:
        """Close so that the peer sees a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
        self.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, data: bytes, *, head_only: bool = False) -> Reply:
        self.send(data)
        return self.reply(head_only=head_only)

    def get(self, target: str = "/", *lines: str) -> Reply:
        return self.ask("\r\n".join([f"GET {target} HTTP/1.1", "Host: h", *lines, "", ""]).encode())

    def post(self, body: bytes, *lines: str) -> Reply:
        head = ["POST / HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", *lines, "", ""]
        return self.ask("\r\n".join(head).encode() + body)

    def line(self) -> bytes:
        return self._file.readline()

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def head(self) -> tuple[int, dict[str, str]]:
        first = self.line()
        if not first:
            raise EOFError("the server closed")
        headers: dict[str, str] = {}
        while (line := self.line()) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return int(first.split()[1]), headers

    def chunk(self) -> bytes:
        size = int(self.line(), 16)
        data = self.read(size)
        assert self.line() == b"\r\n"
        return data

    def reply(self, *, head_only: bool = False) -> Reply:
        status, headers = self.head()
        body = b""
        if not head_only and status not in (100, 204, 304):
            if "content-length" in headers:
                body = self.read(int(headers["content-length"]))
            elif "transfer-encoding" in headers:
                while piece := self.chunk():
                    body += piece
            else:
                body = self._file.read()
        return Reply(status, headers, body)

    def is_closed(self) -> bool:
        """Wait until the server closed; False if it sent something instead."""
        try:
            return self._file.read(1) == b""
        except ConnectionError:
            return True


class ServerTestCase(unittest.TestCase):
    """Serves applications, and fails a test that leaves a thread behind."""

    def setUp(self) -> None:
        self.addCleanup(self.assert_no_threads)
        self.threads = ThreadPoolExecutor(64)
        self.addCleanup(self.threads.shutdown)

    def serve(self, app: Callable[..., Iterable[bytes]], **options: Any) -> WireServer:
        options.setdefault("name", "tested")
        return self.enterContext(WireServer(app, **options))

    def connect(self, server: WireServer) -> Client:
        return self.enterContext(Client(server.address))

    def assert_no_threads(self) -> None:
        self.assertEqual(names_of_threads(), [])


def names_of_threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("lambda-sim:")]


def count_of_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answers everything, and leaves the body alone."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answers with the body."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [body]


class Recorder:
    """An application that keeps each environ."""

    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        environ["test.body"] = environ["wsgi.input"].read()
        self.environs.append(environ)
        start_response("200 OK", [])
        return [environ["test.body"]]
