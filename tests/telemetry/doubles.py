"""A scripted listener, a clock moved by hand, and facts with values that are easy to see."""

from __future__ import annotations

import json
import os
import queue
import random
import select
import socket
import threading
import unittest
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.identifiers import ExtensionId, RequestId
from lambda_sim.model.telemetry import LogLine, TelemetryEventType, TelemetrySubscription

PATIENCE = 20.0
"""Seconds a broken test hangs."""

NOON = 1_700_000_000.123
NOON_TEXT = "2023-11-14T22:13:20.123Z"
REQUEST_ID = RequestId("8476a536-e9f4-11e8-9739-2dfe598c3fcd")
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"

PLATFORM = TelemetryEventType.PLATFORM
FUNCTION = TelemetryEventType.FUNCTION
EXTENSION = TelemetryEventType.EXTENSION

HOLD = "answer 200 when released"
FAIL_HELD = "answer 500 when released"
HANG_UP = "answer 200, then close without having said so"
ENDLESS = "answer 200 with a body that never ends"


def config(**changes: Any) -> SimulatorConfig:
    return SimulatorConfig(instance_id="an-instance", **changes)


def line(
    message: str, source: TelemetryEventType = FUNCTION, request_id: RequestId | None = None
) -> LogLine:
    return LogLine(time=NOON, source=source, name="writer", request_id=request_id, message=message)


def lines(*numbers: int) -> list[LogLine]:
    return [line(f"{number}\n") for number in numbers]


def subscription(port: int = 1, **changes: Any) -> TelemetrySubscription:
    values: dict[str, Any] = {
        "extension_id": ExtensionId("an-id"),
        "extension_name": "watcher",
        "types": frozenset({PLATFORM, FUNCTION}),
        "host": "127.0.0.1",
        "port": port,
        "path": "/events",
        "timeout_ms": 30_000,
    }
    return TelemetrySubscription(**{**values, **changes})


class ManualClock:
    """Time that passes when told. Who sleeps on it is counted, so that none is missed."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._changed = threading.Condition()
        self._sleeping: list[threading.Condition] = []
        self._naps = 0

    def monotonic(self) -> float:
        return self._now

    def time(self) -> float:
        return NOON

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        with self._changed:
            self._sleeping.append(condition)
            if seconds is not None:
                self._naps += 1
            self._changed.notify_all()
        try:
            condition.wait()
        finally:
            with self._changed:
                self._sleeping.remove(condition)

    def wait_for_nap(self, number: int) -> None:
        """Until someone went to sleep, for a limited time, for the so-manieth time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._naps >= number, PATIENCE):
                raise AssertionError(f"{self._naps} naps, not {number}")

    def advance(self, seconds: float) -> None:
        with self._changed:
            self._now += seconds
            sleeping = list(self._sleeping)
        for condition in sleeping:
            with condition:
                condition.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    listener: Listener

    def process_request(self, request: Any, client_address: Any) -> None:
        self.listener.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.listener.hang_ups.put(None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_PUT(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.server.listener.methods.append(self.command)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        listener = self.server.listener
        step = listener.script.pop(0) if listener.script else 200
        listener.requests.put((self.path, dict(self.headers), body))
        if step in (HOLD, FAIL_HELD):
            listener.released.wait(PATIENCE)
            step = 200 if step == HOLD else 500
        self.send_response(step if isinstance(step, int) else 200)
        if step not in (204, ENDLESS):
            self.send_header("Content-Length", "2")
        self.end_headers()
        if step != 204:
            self.wfile.write(b"OK")
        if step == ENDLESS:
            listener.released.wait(PATIENCE)
        self.close_connection = step in (HANG_UP, ENDLESS)

    def handle(self) -> None:
        with suppress(ConnectionError):  # the other side was cut
            super().handle()

    def log_message(self, *_: Any) -> None:
        pass


class Listener:
    """Answers posts by a script of statuses and habits, then with 200."""

    def __init__(self, *script: int | str, port: int = 0) -> None:
        self.script: list[int | str] = list(script)
        self.requests: queue.Queue[tuple[str, dict[str, str], bytes]] = queue.Queue()
        self.hang_ups: queue.Queue[None] = queue.Queue()
        self.released = threading.Event()
        self.connections = 0
        self.methods: list[str] = []
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.listener = self
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def request(self) -> tuple[str, dict[str, str], bytes]:
        """The next post: path, headers, body."""
        return self.requests.get(timeout=PATIENCE)

    def events(self) -> list[dict[str, Any]]:
        """The events of the next post."""
        found: list[dict[str, Any]] = json.loads(self.request()[2])
        return found

    def numbers(self) -> list[int]:
        """The next post's events, which are numbered lines."""
        return [int(event["record"]) for event in self.events()]

    def is_silent(self) -> bool:
        return self.requests.empty()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def free_port() -> int:
    """A port at which nobody listens, nor will unless it is asked for: systems give no such number
    to who takes any. Else it may be that of another process's test soon, who is told what is not
    for him."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_768)  # hypothesis seeds the other one
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


class LineListener:
    """A TCP listener whose every move is the test's. Nothing is read but what is asked for."""

    def __init__(
        self, port: int = 0, *, buffer_bytes: int | None = None, backlog: int = 128
    ) -> None:
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if buffer_bytes is not None:
            self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self._server.bind(("127.0.0.1", port))
        self._server.listen(backlog)
        self._server.settimeout(PATIENCE)
        self.port: int = self._server.getsockname()[1]

    def accept(self) -> LineConnection:
        """Wait for a connection."""
        return LineConnection(self._server.accept()[0])

    def has_caller(self) -> bool:
        """Whether somebody waits to be accepted. Never blocks."""
        return bool(select.select([self._server], [], [], 0)[0])

    def close(self) -> None:
        self._server.close()


class LineConnection:
    """What a TCP listener reads."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(PATIENCE)
        self._file = connection.makefile("rb")

    def line(self) -> bytes:
        """The next line, newline and all; empty at the end."""
        return self._file.readline()

    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.line())
        return found

    def numbers(self, count: int) -> list[int]:
        """The next so many events, which are numbered lines."""
        return [int(self.event()["record"]) for _ in range(count)]

    def is_silent(self) -> bool:
        """Whether nothing has come that was not read. Never blocks."""
        return not select.select([self.socket], [], [], 0)[0]

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class CleanTestCase(unittest.TestCase):
    """Fails a test that leaves a thread or a file behind."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self._check_left, open_files())

    def _check_left(self, files: int) -> None:
        names = [one.name for one in threading.enumerate() if one.name.startswith("lambda-sim:")]
        self.assertEqual(names, [])
        self.assertEqual(open_files(), files)
