"""What tests of the assembled simulator share: one base class, tiny HTTP, threads that are seen."""

from __future__ import annotations

import ctypes
import json
import signal
import sys
import threading
import unittest
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from lambda_sim import ProcessConfig, ProcessRole, Simulator
from lambda_sim.handler.http import Answer, Connection

PATIENCE = 20.0
"""How long a broken test hangs; a good one never waits so long."""

ROOT = Path(__file__).resolve().parent.parent
RACING = ROOT / "tests" / "races" / "children"
CHILDREN_PATH = f"{RACING}:{ROOT}" if sys.getswitchinterval() < 1e-5 else str(ROOT)
"""Where children of ours find modules, and in a race that they are in one."""
PROGRAMS = Path(__file__).resolve().parent / "programs"
NEXT = "/2018-06-01/runtime/invocation/next"
EVENT_NEXT = "/2020-01-01/extension/event/next"


def with_default_signals(test: unittest.TestCase) -> None:
    """Have children end by signals, whatever this process ignores, and they with it: a shell's
    background ignores SIGINT and SIGQUIT, nohup SIGHUP."""
    defaults = dict.fromkeys(("SIGTERM", "SIGHUP", "SIGQUIT"), signal.SIG_DFL)
    for name, handler in {"SIGINT": signal.default_int_handler, **defaults}.items():
        if number := getattr(signal, name, None):
            test.addCleanup(signal.signal, number, signal.signal(number, handler))


class Key:
    """Added to, it presses Ctrl-C: Python looks for signals not there, but at the next call."""

    __add__ = partial(ctypes.pythonapi.PyErr_SetInterrupt)


class SimulatorTest(unittest.TestCase):
    """Starts simulators, and fails a test that leaves a thread or a child behind."""

    def setUp(self) -> None:
        children = set(psutil.Process().children(recursive=True))
        threads = set(threading.enumerate())
        self.addCleanup(self._assert_nothing_is_left, children, threads)
        self.threads = self.enterContext(ThreadPoolExecutor(50, thread_name_prefix="test"))

    def _assert_nothing_is_left(
        self, children: set[psutil.Process], threads: set[threading.Thread]
    ) -> None:
        left = [one.name for one in set(threading.enumerate()) - threads]
        self.assertEqual([name for name in left if name.startswith("lambda-sim:")], [])
        self.assertEqual(set(psutil.Process().children(recursive=True)) - children, set())

    def start(self, **config: Any) -> Simulator:
        return self.enterContext(Simulator(**config))

    def connect(self, simulator: Simulator) -> Connection:
        connection = Connection(simulator.runtime_api, timeout=PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def call(self, simulator: Simulator, method: str, path: str, **request: Any) -> Answer:
        """One request on a connection of its own."""
        connection = Connection(simulator.runtime_api, timeout=PATIENCE)
        try:
            return connection.request(method, path, **request)
        finally:
            connection.close()

    def soon(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Future[Any]:
        return self.threads.submit(function, *arguments, **named)


class HandRuntime:
    """A runtime whose every move is the test's."""

    def __init__(self, test: SimulatorTest, simulator: Simulator) -> None:
        self.connection = test.connect(simulator)

    def next(self) -> str:
        answer = self.connection.request("GET", NEXT)
        assert answer.status == 200, answer
        return answer.headers["lambda-runtime-aws-request-id"]

    def respond(self, request_id: str, body: bytes = b"{}") -> Answer:
        path = f"/2018-06-01/runtime/invocation/{request_id}/response"
        return self.connection.request("POST", path, body=body)

    def fail(self, request_id: str, error: Any) -> Answer:
        path = f"/2018-06-01/runtime/invocation/{request_id}/error"
        return self.connection.request("POST", path, body=json.dumps(error).encode())


class HandExtension:
    """An extension whose every move is the test's."""

    def __init__(self, test: SimulatorTest, simulator: Simulator, name: str, *events: str) -> None:
        self.connection = test.connect(simulator)
        answer = self.connection.request(
            "POST",
            "/2020-01-01/extension/register",
            [("Lambda-Extension-Name", name)],
            json.dumps({"events": events}).encode(),
        )
        assert answer.status == 200, answer
        self.headers = [
            ("Lambda-Extension-Identifier", answer.headers["lambda-extension-identifier"])
        ]

    def next(self) -> dict[str, Any]:
        answer = self.connection.request("GET", EVENT_NEXT, self.headers)
        assert answer.status == 200, answer
        event: dict[str, Any] = json.loads(answer.body)
        return event

    def fail(self, kind: str) -> Answer:
        """Report an ``init`` or ``exit`` error."""
        told = [*self.headers, ("Lambda-Extension-Function-Error-Type", "Extension.Sad")]
        return self.connection.request("POST", f"/2020-01-01/extension/{kind}/error", told, b"{}")

    def subscribe(self, uri: str, **buffering: int) -> Answer:
        wanted: dict[str, Any] = {
            "schemaVersion": "2022-12-13",
            "types": ["platform"],
            "destination": {"protocol": "HTTP", "URI": uri},
        }
        if buffering:
            wanted["buffering"] = buffering
        body = json.dumps(wanted).encode()
        return self.connection.request("PUT", "/2022-07-01/telemetry", self.headers, body)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that init has yet to reap does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def program(file: str, *words: str, role: ProcessRole, **config: Any) -> ProcessConfig:
    """A tiny program of ours, run by this Python, heard but not copied to our own streams."""
    env = {"PYTHONPATH": CHILDREN_PATH, **config.pop("env", {})}
    command = [sys.executable, str(PROGRAMS / file), *words]
    return ProcessConfig(command, role, env=env, inherit_stdio=False, **config)


def handler_runtime(handler: str, **config: Any) -> ProcessConfig:
    """The embedded runtime with a handler in tests/programs."""
    env = {"PYTHONPATH": CHILDREN_PATH, **config.pop("env", {})}
    command = [sys.executable, "-m", "lambda_sim.handler", handler]
    return ProcessConfig(
        command, ProcessRole.RUNTIME, env=env, cwd=PROGRAMS, inherit_stdio=False, **config
    )
