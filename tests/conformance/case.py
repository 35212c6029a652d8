"""What every conformance test stands on: a simulator, raw clients, threads that are seen."""

from __future__ import annotations

import json
import sys
import threading
import unittest
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import psutil

from lambda_sim import ProcessConfig, ProcessRole, Simulator
from lambda_sim.testing import TelemetryReceiver
from tests.raw import PATIENCE, HungUp, RawAnswer, RawConnection, RawExtension, RawRuntime

C = TypeVar("C", RawRuntime, RawExtension)
K = TypeVar("K", bound=RawConnection)

ACCEPTED = b'{"status":"OK"}\n'
ACTOR = Path(__file__).parent / "programs" / "actor.py"
EXTERNALS = ("watcher", "second")
"""Names that count as external extensions though the tests' own sockets carry them."""


def refusal(error_type: str, message: str) -> bytes:
    """AWS's error object, byte for byte."""
    told = {"errorMessage": message, "errorType": error_type}
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def transition(state: str, target: str) -> bytes:
    """The refusal of a move that the runtime's state has no way to."""
    return refusal(
        "InvalidStateTransition",
        f"State transition from {state} to {target} failed for runtime. "
        "Error: State transition is not allowed",
    )


class ConformanceTest(unittest.TestCase):
    """Starts one simulator when it is first asked for; fails a test that leaves anything behind."""

    settings: ClassVar[dict[str, Any]] = {"external_extensions": EXTERNALS}
    """Keywords of Simulator for every test of the class."""

    def setUp(self) -> None:
        self._simulator: Simulator | None = None
        self._parked: list[Future[Any]] = []
        self.addCleanup(self._assert_nothing_is_left)
        self._opened: list[RawConnection] = []
        self.addCleanup(self._close_connections)
        self._threads = ThreadPoolExecutor(20, thread_name_prefix="test")
        self.addCleanup(self._see_threads)

    def _close_connections(self) -> None:
        for connection in self._opened:
            connection.close()

    def _see_threads(self) -> None:
        """What the test left parked ended with the simulator, and with nothing else."""
        self._threads.shutdown()
        for future in self._parked:
            error = future.exception(PATIENCE)
            if error is not None and not isinstance(error, HungUp):
                raise error

    def _assert_nothing_is_left(self) -> None:
        names = [one.name for one in threading.enumerate()]
        self.assertEqual([name for name in names if name.startswith("lambda-sim:")], [])
        self.assertEqual(psutil.Process().children(), [])

    # --- The simulator --------------------------------------------------------------------------

    def simulate(self, **config: Any) -> Simulator:
        """Start the test's simulator, with the class's settings and these."""
        self._simulator = self.enterContext(Simulator(**{**self.settings, **config}))
        return self._simulator

    @property
    def simulator(self) -> Simulator:
        return self._simulator or self.simulate()

    def connect(self) -> RawConnection:
        return self._closing(RawConnection(self.simulator))

    def runtime(self) -> RawRuntime:
        return self._closing(RawRuntime(self.simulator))

    def extension(self, name: str | None = None, *events: str) -> RawExtension:
        """An extension; registered if it is given a name."""
        extension = self._closing(RawExtension(self.simulator))
        return extension if name is None else extension.register(name, *events)

    def _closing(self, connection: K) -> K:
        self._opened.append(connection)
        return connection

    # --- Moves that most tests make -------------------------------------------------------------

    def soon(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call it on a thread of its own; what it raises is seen."""
        future = self._threads.submit(call, *arguments)
        self._parked.append(future)
        return future

    def park(self, client: C) -> C:
        """Have a runtime or an extension wait in Next; its ``event()`` is what comes back."""
        before = self.simulator.parked
        client.ask()
        self.simulator.wait_for_parked(before + 1, PATIENCE)
        return client

    def settle(self, runtime: RawRuntime) -> None:
        """The runtime asks for Next after its answer: the invocation is over for it."""
        self.park(runtime)
        parked = self.simulator.parked
        runtime.close()
        self.wait_for(lambda: self.simulator.parked < parked)

    def running(self, payload: Any = None) -> tuple[RawRuntime, str]:
        """A runtime that was handed an invocation, and its id."""
        runtime = self.runtime()
        request_id = self.simulator.enqueue_payload(payload)
        self.assertEqual(runtime.next().id, request_id)
        return runtime, request_id

    def complete(self, request_id: str) -> Any:
        return self.simulator.wait_for_invocation_complete(request_id, PATIENCE)

    def telemetry(self, event_type: str, count: int = 1) -> Any:
        """The record of the last of so many events of a type."""
        found = self.simulator.wait_for_telemetry(event_type, count=count, timeout=PATIENCE)
        return found[-1].record

    def telemetry_types(self) -> list[str]:
        return [event.type for event in self.simulator.telemetry_events]

    def wait_for(self, condition: Callable[[], object]) -> None:
        self.simulator.wait_for(condition, PATIENCE)

    def printed(self) -> list[str]:
        """What processes printed, in order."""
        return [one.message for one in self.simulator.logs if one.source != "platform"]

    def wait_for_print(self, *lines: str) -> None:
        self.wait_for(lambda: set(lines) <= set(self.printed()))

    # --- Assertions -----------------------------------------------------------------------------

    def assert_accepted(self, answer: RawAnswer) -> None:
        self.assertEqual((answer.status, answer.body), (202, ACCEPTED))
        self.assertEqual(answer["Content-Type"], "application/json")

    def assert_refused(
        self, answer: RawAnswer, status: int, error_type: str, message: str | None = None
    ) -> None:
        """:param message: None where AWS's words are some decoder's."""
        self.assertEqual((answer.status, answer.json["errorType"]), (status, error_type))
        told = answer.json["errorMessage"] if message is None else message
        self.assertEqual(answer.json, {"errorMessage": told, "errorType": error_type})

    def assert_transition(self, answer: RawAnswer, state: str, target: str) -> None:
        self.assertEqual((answer.status, answer.body), (403, transition(state, target)))

    def assert_failed(self, request_id: str, error_type: str, message: str) -> None:
        """The invoker gets Lambda's own error object, byte for byte."""
        expected = {"errorType": error_type, "errorMessage": message.replace("<id>", request_id)}
        body = json.dumps(expected, separators=(",", ":")).encode()
        self.assertEqual(self.complete(request_id).error.body, body)


class TelemetryTest(ConformanceTest):
    """Has telemetry delivered to listeners of the test's own."""

    def receiver(self) -> TelemetryReceiver:
        return self.enterContext(TelemetryReceiver())

    def subscribed(
        self, name: str, *events: str, to: TelemetryReceiver | int, **wanted: Any
    ) -> Any:
        """A registered extension that has telemetry sent to a receiver, or to a port.

        :param wanted: as for :func:`subscription`.
        """
        extension = self.extension(name, *events)
        answer = extension.subscribe(subscription(to, **wanted))
        self.assertEqual((answer.status, answer.body), (200, b'"OK"'))
        return extension


def subscription(
    to: TelemetryReceiver | int,
    types: Sequence[str] = ("platform", "function", "extension"),
    version: str = "2022-12-13",
    **buffering: int,
) -> dict[str, Any]:
    """The body of a subscription, with no buffering but what is asked for."""
    url = f"http://sandbox.localdomain:{to}/" if isinstance(to, int) else to.url
    return {
        "schemaVersion": version,
        "types": types,
        "destination": {"protocol": "HTTP", "URI": url},
        "buffering": buffering,
    }


def actor(
    role: ProcessRole, steps: Sequence[str], *, name: str | None = None, **env: str
) -> ProcessConfig:
    """A process that takes these steps; see programs/actor.py."""
    names = {} if name is None else {"name": name}
    command = [sys.executable, "-I", "-S", str(ACTOR), name or role.value, *steps]
    return ProcessConfig(command, role, env=env, inherit_stdio=False, **names)


def runtime_of(*steps: str, **env: str) -> ProcessConfig:
    return actor(ProcessRole.RUNTIME, steps, **env)


def extension_of(name: str, *steps: str, **env: str) -> ProcessConfig:
    return actor(ProcessRole.EXTENSION, steps, name=name, **env)
