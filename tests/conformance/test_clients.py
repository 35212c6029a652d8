"""Section 7 of the contract, driven by AWS's own client for Python: awslambdaric."""

from __future__ import annotations

import json
import re
import socket
import sys
import tempfile
import textwrap
import threading
import unittest
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from lambda_sim import Invocation, InvocationStatus, ProcessConfig, ProcessRole
from tests.conformance.case import ConformanceTest
from tests.raw import PATIENCE

FUNCTIONS = """
    import json
    import logging

    def echo(event, context):
        return event

    def raw(event, context):
        return {"kind": type(event).__name__, "hex": event.hex()}

    def binary(event, context):
        return b"\\x00\\xff"

    def unserialisable(event, context):
        return object()

    def broken(event, context):
        raise ValueError("no caf\\u00e9")

    def says(event, context):
        logging.getLogger().warning("so it is")

    def deadline(event, context):
        return context.get_remaining_time_in_millis()

    def text(event, context):
        return "caf\\u00e9"
"""
"""Handlers that awslambdaric runs."""


class Tap:
    """Stands between a client and the Runtime API, hands everything on, and keeps it."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.sent, self.answered = bytearray(), bytearray()
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        """Both ends of every connection are closed by now."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:  # grows no more when the first has ended
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(self._upstream)
                for ends in ((client, server, self.sent), (server, client, self.answered)):
                    self._threads.append(threading.Thread(target=self._hand_on, args=ends))
                    self._threads[-1].start()

    @staticmethod
    def _hand_on(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        with suppress(OSError), source:
            while data := source.recv(65536):
                kept += data
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@unittest.skipUnless(find_spec("awslambdaric"), "awslambdaric is not installed")
class ClientTest(ConformanceTest):
    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.folder / "functions.py").write_text(textwrap.dedent(FUNCTIONS))

    def client(self, handler: str, *, env: Mapping[str, str] | None = None, **config: Any) -> Any:
        """awslambdaric around a handler."""
        runtime = ProcessConfig(
            [sys.executable, "-m", "awslambdaric", handler],
            ProcessRole.RUNTIME,
            env=dict(env or {}),
            cwd=self.folder,
            inherit_stdio=False,
        )
        return self.simulate(runtime=runtime, **config)

    def answer(self, handler: str, payload: Any = None) -> Any:
        return self.client(f"functions.{handler}").invoke(payload)


class InvocationTest(ClientTest):
    def test_ric_02_one_connection_serves_many_invocations(self) -> None:
        simulator = self.client("functions.echo")
        for number in range(5):
            self.assertEqual(simulator.invoke(number).response.payload, number)

    def test_ric_02_a_poll_has_no_timeout_of_its_own(self) -> None:
        simulator = self.client("functions.echo")
        simulator.wait_for_parked(1, PATIENCE)
        self.assertEqual(simulator.invoke(1).response.payload, 1)

    def test_ric_04_the_deadline_is_a_number_to_it(self) -> None:
        left = self.answer("deadline").response.payload
        self.assertTrue(0 < left <= 3000, left)

    def test_ric_05_what_is_no_json_is_raw_bytes(self) -> None:
        simulator = self.client("functions.raw")
        state = simulator.invoke(Invocation.from_bytes(b"\xff\x00", "image/png"))
        self.assertEqual(state.response.payload, {"kind": "bytes", "hex": "ff00"})

    def test_ric_06_its_json_is_ascii(self) -> None:
        response = self.answer("text").response
        self.assertEqual(response.body, b'"caf\\u00e9"')
        self.assertEqual(response.content_type, "application/json")

    def test_ric_06_bytes_are_of_an_unknown_type(self) -> None:
        response = self.answer("binary").response
        self.assertEqual(response.body, b"\x00\xff")
        self.assertEqual(response.content_type, "application/unknown")

    def test_ric_06_what_it_cant_serialise_is_a_marshal_error(self) -> None:
        state = self.answer("unserialisable")
        self.assertIs(state.status, InvocationStatus.ERROR)
        self.assertEqual(state.error.error_type, "Runtime.MarshalError")

    def test_ric_06_an_error_has_its_four_keys(self) -> None:
        simulator = self.client("functions.broken")
        state = simulator.invoke({})
        told = json.loads(state.error.body)
        self.assertEqual((told["errorType"], told["errorMessage"]), ("ValueError", "no café"))
        self.assertEqual(told["requestId"], state.request_id)
        self.assertIn("stackTrace", told)
        self.assertIs(simulator.invoke({}).status, InvocationStatus.ERROR)

    def test_ric_09_its_text_log_has_four_fields(self) -> None:
        simulator = self.client("functions.says")
        state = simulator.invoke({})
        when = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
        form = rf"\[WARNING\]\t{when}\t{state.request_id}\tso it is"
        self.wait_for(lambda: any("so it is" in line for line in self.printed()))
        self.assertRegex("\n".join(self.printed()), form)


class InitTest(ClientTest):
    def assert_init_fails(self, handler: str, error_type: str) -> None:
        simulator = self.client(handler)
        state = simulator.invoke({})
        told = json.loads(state.error.body)
        self.assertEqual((told["errorType"], told["requestId"]), (error_type, ""))
        record = self.telemetry("platform.initReport")
        self.assertEqual((record["status"], record["errorType"]), ("error", error_type))

    def test_ric_08_a_handler_that_is_not_there(self) -> None:
        self.assert_init_fails("functions.nowhere", "Runtime.HandlerNotFound")

    def test_ric_08_a_module_that_is_not_there(self) -> None:
        self.assert_init_fails("nowhere.echo", "Runtime.ImportModuleError")

    def test_ric_08_a_name_that_is_none(self) -> None:
        self.assert_init_fails("nonsense", "Runtime.MalformedHandlerName")

    def test_ric_08_a_module_that_is_no_python(self) -> None:
        (self.folder / "odd.py").write_text("def :")
        self.assert_init_fails("odd.echo", "Runtime.UserCodeSyntaxError")

    def test_ric_08_its_variables_are_there(self) -> None:
        self.assertEqual(self.answer("echo", {"a": 1}).response.payload, {"a": 1})


class WireTest(ClientTest):
    """What it sends, byte by byte."""

    def tapped(self, handler: str) -> tuple[Tap, Any]:
        """An invocation of a handler, and all that went over the wire for it."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        tap = Tap(("127.0.0.1", port))
        with tap:
            env = {"AWS_LAMBDA_RUNTIME_API": tap.address}
            simulator = self.client(handler, port=port, env=env)
            state = simulator.invoke({})
            self.wait_for(lambda: b" 202 Accepted" in tap.answered)
            simulator.close()
        return tap, state

    def sent(self, tap: Tap, name: str) -> str:
        """A header that it sent, by its exact name."""
        found = re.search(rf"\r\n{name}: (.*?)\r\n", tap.sent.decode("latin-1"))
        assert found is not None, tap.sent
        return found[1]

    def test_ric_02_a_response_is_answered_with_exactly_202(self) -> None:
        tap, state = self.tapped("functions.echo")
        path = f"POST /2018-06-01/runtime/invocation/{state.request_id}/response"
        self.assertIn(path.encode(), tap.sent)
        self.assertIn(b"HTTP/1.1 202 Accepted\r\n", tap.answered)

    def test_ric_02_header_names_come_in_lower_case(self) -> None:
        tap, _ = self.tapped("functions.echo")
        self.assertEqual(self.sent(tap, "content-type"), "application/json")

    def test_ric_02_it_echoes_the_invocation_id(self) -> None:
        tap, _ = self.tapped("functions.echo")
        told = re.search(rb"Lambda-Runtime-Invocation-Id: (\S+)", tap.answered)
        assert told is not None
        echoed = self.sent(tap, "lambda-runtime-invocation-id")
        self.assertEqual(echoed, told[1].decode())

    def test_ric_02_bytes_are_called_unknown_on_the_wire(self) -> None:
        tap, _ = self.tapped("functions.binary")
        self.assertEqual(self.sent(tap, "content-type"), "application/unknown")

    def test_ric_02_an_error_has_a_cause_for_x_ray_and_no_type(self) -> None:
        tap, _ = self.tapped("functions.broken")
        cause = json.loads(self.sent(tap, "lambda-runtime-function-xray-error-cause"))
        self.assertEqual(cause["exceptions"][0]["type"], "ValueError")
        self.assertIn(b"/error HTTP/1.1", tap.sent)

    def test_ric_08_an_init_error_has_its_type_in_a_header(self) -> None:
        tap, _ = self.tapped("functions.nowhere")
        name = "Lambda-Runtime-Function-Error-Type"
        self.assertEqual(self.sent(tap, name), "Runtime.HandlerNotFound")
        self.assertIn(b"HTTP/1.1 202 Accepted\r\n", tap.answered)


class OtherClientsTest(ConformanceTest):
    """What clients for other languages send, from their sources."""

    def test_ric_03_go_registers_to_be_asked_to_end(self) -> None:
        self.simulate()
        go = self.extension()
        answer = go.ask_to_register("GoLangEnableSIGTERM", b'{"events":null}')
        self.assertEqual(answer.status, 200)
        self.park(go)
        self.assertTrue(go.is_silent())

    def test_ric_03_rust_registers_to_be_asked_to_end(self) -> None:
        self.simulate()
        rust = self.extension()
        name = "_lambda-rust-runtime-no-op-graceful-shutdown-helper"
        self.assertEqual(rust.ask_to_register(name, b'{"events":[]}').status, 200)
        self.park(rust)
        self.assertTrue(rust.is_silent())

    def test_ric_03_rust_extensions_ask_for_the_account(self) -> None:
        self.simulate()
        headers = {"Lambda_Extension_Accept_Feature": "accountId"}
        answer = self.extension().ask_to_register("rust", b'{"events":["INVOKE"]}', **headers)
        self.assertEqual(answer.json["accountId"], self.simulator.config.account_id)


if __name__ == "__main__":
    unittest.main()
