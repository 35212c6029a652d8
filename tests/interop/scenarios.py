"""What every client has to get through; test_functions.py has a class for each."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from lambda_sim import (
    Invocation,
    InvocationState,
    InvocationStatus,
    ProcessRole,
    Simulator,
)
from tests.interop.clients import Client
from tests.support import PATIENCE, SimulatorTest, program

LIMIT = 6 * 1024 * 1024 + 100
"""Bytes of the largest response that is no stream."""


class InteropTest(SimulatorTest):
    """Starts programs that may not be there."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def need(self, *clients: Client) -> None:
        """Skip where one can't run, saying why."""
        for client in clients:
            if (lacking := client.lacking()) is not None:
                self.skipTest(lacking)
            self.enterContext(client.turn())

    def started(self, client: Client, env: Mapping[str, str] | None = None, **config: Any) -> Any:
        """A client and its function, with time and memory enough for a slow machine and Java."""
        self.need(client)
        defaults: dict[str, Any] = {
            "handler": "function.handler",
            "invocation_timeout": PATIENCE,
            "init_timeout": PATIENCE,
            "shutdown_timeout": PATIENCE,
            "memory_size_mb": 1024,
        }
        runtime = client.runtime(self.folder, env or {})
        return self.start(runtime=runtime, **{**defaults, **config})

    def gate(self, name: str = "gate") -> Path:
        """A FIFO: who reads it waits until the test opens it."""
        path = self.folder / name
        os.mkfifo(path)
        return path

    def open_gate(self, simulator: Simulator, path: Path) -> None:
        """Let through the one who waits; wait for it first."""
        ends: list[int] = []

        def has_reader() -> bool:
            with suppress(OSError):
                ends.append(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            return bool(ends)

        simulator.wait_for(has_reader, PATIENCE)
        os.close(ends[0])

    def printed(self, simulator: Simulator, source: str = "function") -> list[str]:
        return [line.message for line in simulator.logs if line.source == source]


class Scenarios(InteropTest):
    """One client in every situation."""

    client: ClassVar[Client]

    def run_client(self, env: Mapping[str, str] | None = None, **config: Any) -> Any:
        return self.started(self.client, env, **config)

    def assert_works(self, simulator: Simulator) -> InvocationState:
        state = simulator.invoke({"do": "echo"})
        self.assertIs(state.status, InvocationStatus.SUCCESS, state.error)
        self.assertEqual(state.response.payload, {"do": "echo"})
        return state

    def assert_failed(self, state: InvocationState, error_type: str, message: str) -> None:
        """The caller has Lambda's own error, byte for byte."""
        self.assertEqual((state.error.error_type, state.error.error_message), (error_type, message))
        self.assertEqual(set(state.error.payload), {"errorType", "errorMessage"})

    def inits(self, simulator: Simulator) -> int:
        return len(simulator.get_telemetry_events_by_type("platform.initStart"))

    # --- Invocations ----------------------------------------------------------------------------

    def test_one_process_answers_one_invocation_after_another(self) -> None:
        simulator = self.run_client()
        for number in range(5):
            event = {"do": "echo", "number": number, "text": 'caf\u00e9 \u2603 \U0001f600 "\\'}
            self.assertEqual(simulator.invoke(event).response.payload, event)
        self.assertEqual(self.inits(simulator), 1)

    def test_the_handler_knows_its_invocation(self) -> None:
        simulator = self.run_client()
        invocation = Invocation({"do": "tell"}, timeout=10.0)
        told = simulator.invoke(invocation).response.payload
        self.assertEqual(told["id"], invocation.request_id)
        self.assertEqual(told["arn"], simulator.config.function_arn)
        self.assertTrue(0 < told["left"] <= 10_000, told)
        root = str(invocation.trace_id).partition(";")[0]
        self.assertEqual(told["trace"].partition(";")[0], root)

    def test_what_its_logger_writes_belongs_to_the_invocation(self) -> None:
        simulator = self.run_client()
        state = self.assert_works(simulator)
        form = self.client.line.replace("<id>", state.request_id)
        lines = [line for line in simulator.logs if re.fullmatch(form, line.message)]
        self.assertEqual([line.request_id for line in lines], [state.request_id], simulator.logs)
        self.assertIn("to do: echo", state.log_tail)

    def test_a_log_in_json_is_told_of_as_objects(self) -> None:
        simulator = self.run_client(log_format="JSON")
        state = self.assert_works(simulator)
        events = simulator.get_telemetry_events_by_type("function")
        (record,) = [event.record for event in events if "to do" in str(event.record)]
        if self.client.json_line is None:
            self.assertEqual(record, "to do: echo\n")
        else:
            told = {name: record.get(name) for name in self.client.json_line}
            expected = json.dumps(self.client.json_line).replace("<id>", state.request_id)
            self.assertEqual(told, json.loads(expected))

    def test_five_megabytes_go_both_ways(self) -> None:
        simulator = self.run_client()
        event = {"do": "echo", "text": "x" * 5_000_000}
        self.assertEqual(simulator.invoke(event).response.payload, event)

    # --- Errors ---------------------------------------------------------------------------------

    def test_an_error_of_the_handler_is_told_in_the_clients_form(self) -> None:
        simulator = self.run_client()
        error = simulator.invoke({"do": "fail"}).error
        self.assertEqual((error.error_type, error.error_message), self.client.error)
        self.assertEqual(set(error.payload), self.client.error_keys)
        self.assert_works(simulator)
        self.assertEqual(self.inits(simulator), 1)

    def test_after_a_crash_it_is_started_anew(self) -> None:
        simulator = self.run_client()
        self.assert_works(simulator)
        state = simulator.invoke({"do": "crash"})
        message = f"RequestId: {state.request_id} Error: Runtime exited with error: exit status 7"
        self.assert_failed(state, "Runtime.ExitError", message)
        self.assert_works(simulator)
        self.assertEqual(self.inits(simulator), 2)

    def test_after_a_timeout_it_is_started_anew(self) -> None:
        simulator = self.run_client()
        self.assert_works(simulator)
        state = simulator.invoke(Invocation({"do": "sleep"}, timeout=0.3))
        self.assertIs(state.status, InvocationStatus.TIMEOUT)
        message = f"RequestId: {state.request_id} Error: Task timed out after 0.30 seconds"
        self.assert_failed(state, "Sandbox.Timedout", message)
        self.assert_works(simulator)
        self.assertEqual(self.inits(simulator), 2)

    def test_too_large_a_response_is_refused(self) -> None:
        simulator = self.run_client()
        state = simulator.invoke({"do": "grow", "size": LIMIT + 1})
        message = f"Response payload size exceeded maximum allowed payload size ({LIMIT} bytes)."
        self.assert_failed(state, "Function.ResponseSizeTooLarge", message)
        self.assert_works(simulator)
        self.assertEqual(self.inits(simulator), 1 if self.client.survives_refusal else 2)

    def test_an_error_of_init_reaches_the_caller(self) -> None:
        simulator = self.run_client({"FAIL_INIT": "1"})
        error_type, message = self.client.init_error
        state = simulator.invoke({"do": "echo"})
        told = state.error.error_message.removeprefix(f"RequestId: {state.request_id} Error: ")
        self.assertEqual((state.error.error_type, told), (error_type, message))
        self.assertEqual(simulator.init_error, f"{error_type}: {message}")
        (first, again) = simulator.get_telemetry_events_by_type("platform.initReport")
        self.assertEqual((first.record["phase"], again.record["phase"]), ("init", "invoke"))
        self.assertEqual(first.record["status"], "error")
        self.assertEqual(first.record["errorType"], self.client.init_error_type)

    # --- Ending ---------------------------------------------------------------------------------

    def test_it_is_asked_to_end_if_there_is_an_extension(self) -> None:
        extension = program("extension.py", "watcher", role=ProcessRole.EXTENSION, name="watcher")
        simulator = self.run_client(extensions=[extension], shutdown_timeout=2.0)
        self.end(simulator)
        self.assertEqual(self.was_asked(simulator), self.client.hears_sigterm)
        self.assertEqual(self.printed(simulator, "extension")[-1], "watcher is clean")

    def test_it_is_killed_unasked_if_there_is_none(self) -> None:
        simulator = self.run_client(shutdown_timeout=2.0)
        self.end(simulator)
        name = self.client.internal_extension
        self.assertEqual(
            [one.name for one in simulator.registered_extensions], [name] if name else []
        )
        self.assertEqual(self.was_asked(simulator), name is not None)

    def end(self, simulator: Simulator) -> None:
        """An invocation, a wait for Next, and the end."""
        self.assert_works(simulator)
        simulator.wait_for_parked(1 + simulator.extension_count, PATIENCE)
        simulator.graceful_shutdown()

    def was_asked(self, simulator: Simulator) -> bool:
        return any(line.endswith("asked to end") for line in self.printed(simulator))
