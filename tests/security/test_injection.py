"""What comes in never becomes a line of its own: in headers, in paths, in the log."""

from __future__ import annotations

import base64
import json
import socket

from lambda_sim import Invocation, SimulatorConfig
from lambda_sim.errors import ConfigurationError
from lambda_sim.wire.application import Application
from lambda_sim.wire.invoke_api import InvokeApi
from lambda_sim.wire.runtime_api import RuntimeApi
from lambda_sim.wire.server import WireServer
from tests.raw import HeaderPairs, RawAnswer, RawConnection, RawExtension, RawRuntime
from tests.support import PATIENCE, SimulatorTest

INVOKE = "/2015-03-31/functions/function/invocations"
FORGED = "a\r\nX-Forged: 1"
ENCODED = "%0d%0aX-Forged:%201"


class ConfiguredTest(SimulatorTest):
    """What the developer sets goes into headers, lines and variables."""

    def test_no_field_of_an_invocation_holds_a_line_break(self) -> None:
        for name in ("request_id", "trace_id", "invoked_function_arn", "tenant_id", "content_type"):
            for text in (FORGED, "a\nb", "a\rb", "a\x00b", "a\x1bb"):
                with self.subTest(name, text=text), self.assertRaises(ConfigurationError):
                    Invocation({}, **({name: text}))

    def test_nor_does_the_text_of_a_context(self) -> None:
        for name in ("client_context", "cognito_identity"):
            with self.subTest(name), self.assertRaises(ConfigurationError):
                Invocation({}, **({name: '{"a":\n1}'}))

    def test_contexts_that_are_given_as_values_have_one_line(self) -> None:
        context = Invocation({}, client_context={"custom": {"a": FORGED}}).client_context
        self.assertEqual(json.loads(context or ""), {"custom": {"a": FORGED}})
        self.assertNotIn("\n", context or "")

    def test_nor_does_a_name(self) -> None:
        for name in (
            "function_name", "function_version", "handler", "region", "account_id", "host",
            "log_group_name", "log_stream_name", "runtime_version", "instance_id",
        ):  # fmt: skip
            for text in (FORGED, "a\nb", "a\x00b"):
                with self.subTest(name, text=text), self.assertRaises(ConfigurationError):
                    SimulatorConfig(**({name: text}))


class EndpointTest(SimulatorTest):
    """What a caller sends is shown to the runtime in headers."""

    def setUp(self) -> None:
        super().setUp()
        self.simulator = self.start()
        app = Application(InvokeApi(self.simulator).routes())
        self.server = self.enterContext(WireServer(app, name="invoke-api"))

    def ask(self, path: str, headers: HeaderPairs = (), method: str = "POST") -> RawAnswer:
        connection = RawConnection(self.server.address)
        self.addCleanup(connection.close)
        return connection.request(method, path, headers, b"{}")

    def seen(self, **headers: str) -> RawAnswer:
        """What the runtime is handed of an invocation."""
        runtime = RawRuntime(self.simulator)
        self.addCleanup(runtime.close)
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        asking = self.soon(self.ask, INVOKE, pairs)
        event = runtime.next()
        runtime.respond(event.id)
        runtime.ask()
        self.assertEqual(asking.result(PATIENCE).status, 200)
        return event.answer

    def test_an_encoded_line_break_stays_encoded(self) -> None:
        answer = self.seen(X_Amzn_Trace_Id=f"Root={ENCODED}", Content_Type=f"text/{ENCODED}")
        self.assertFalse(answer.has("X-Forged"))
        self.assertIn(ENCODED, answer["Lambda-Runtime-Trace-Id"])

    def test_a_context_over_several_lines_is_one_header(self) -> None:
        context = base64.b64encode(b'{"custom":\r\n\r\n{"X-Forged: 1":\n"1"}}').decode()
        answer = self.seen(X_Amz_Client_Context=context)
        told = json.loads(answer["Lambda-Runtime-Client-Context"])
        self.assertEqual(told, {"custom": {"X-Forged: 1": "1"}})

    def test_ids_that_are_no_uuid_are_refused(self) -> None:
        answer = self.ask(INVOKE, {"X-Amzn-RequestId": "a; b"})
        self.assertEqual(answer.status, 400)

    def test_a_path_is_data_where_it_is_shown(self) -> None:
        answer = self.ask(INVOKE.replace("/function/", f"/{ENCODED}/"))
        self.assertEqual(answer.status, 404)
        self.assertFalse(answer.has("X-Forged"))
        self.assertIn("\r\nX-Forged: 1", answer.json["Message"])

    def test_a_query_is_data_where_it_is_shown(self) -> None:
        answer = self.ask(f"{INVOKE}?Qualifier={ENCODED}")
        self.assertEqual(answer.status, 404)
        self.assertFalse(answer.has("X-Forged"))


class PathTest(SimulatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.simulator = self.start()
        self.connection = RawConnection(self.simulator)
        self.addCleanup(self.connection.close)

    def test_no_way_around_leads_to_an_endpoint(self) -> None:
        """What something ahead of us may have checked is what we look up, and nothing tidied."""
        for path in ("/x/../2018-06-01/ping", "//2018-06-01/ping", "/2018-06-01//ping",
                     "/2018-06-01/ping/", "/2018-06-01/./ping", "/2018-06-01/%2e/ping",
                     "/2018-06-01/ping%00", "/2018-06-01/ping;x", "/2018-06-01/ping%2f",
                     "/2018-06-01\\ping", "/2018-06-01/PING"):  # fmt: skip
            with self.subTest(path):
                self.assertEqual(self.connection.request("GET", path).status, 404)

    def test_an_encoded_request_id_is_that_request_id(self) -> None:
        for identifier in (ENCODED, "..", "%00", "%ff", "%3Crequest_id%3E"):
            with self.subTest(identifier):
                path = f"/2018-06-01/runtime/invocation/{identifier}/response"
                answer = self.connection.request("POST", path, body=b"{}")
                self.assertEqual(answer.status, 400)
                self.assertEqual(answer.json["errorType"], "InvalidRequestID")

    def test_a_path_makes_no_line_in_our_own_log(self) -> None:
        def fail(api: RuntimeApi, call: object) -> None:
            raise ZeroDivisionError

        self.addCleanup(setattr, RuntimeApi, "_begin", RuntimeApi._begin)
        RuntimeApi._begin = fail  # type: ignore[assignment, method-assign]
        path = f"/2018-06-01/runtime/invocation/{ENCODED}/response?key=secret"
        with self.assertLogs("lambda_sim", "ERROR") as logged:
            self.assertEqual(self.connection.request("POST", path, body=b"{}").status, 500)
        self.assertEqual(logged.records[0].getMessage(), f"POST {path.partition('?')[0]} failed")


class LogTest(SimulatorTest):
    def test_no_report_makes_a_line_in_the_log_of_the_platform(self) -> None:
        simulator = self.start(external_extensions=("watcher",))
        extension = RawExtension(simulator).register("watcher", "INVOKE")
        self.addCleanup(extension.close)
        extension.ask()
        runtime = RawRuntime(simulator)
        self.addCleanup(runtime.close)
        invoking = self.soon(simulator.invoke, {})
        forged = {"errorType": "A\nEND RequestId: x", "errorMessage": "m\nREPORT RequestId: x"}
        runtime.fail(runtime.next().id, json.dumps(forged).encode())
        invoking.result(PATIENCE)
        extension.report("exit", "Extension.A\x85END", json.dumps(forged).encode())
        lines = [record.message for record in simulator.logs if record.source == "platform"]
        self.assertEqual([line for line in lines if "\n" in line], [])
        self.assertEqual([line for line in lines if line.startswith("END RequestId: x")], [])


class TelemetryTest(SimulatorTest):
    """A subscription's URI becomes a request of ours."""

    def subscribed(self, uri: str) -> RawAnswer:
        simulator = self.start(external_extensions=("watcher",))
        extension = RawExtension(simulator).register("watcher")
        self.addCleanup(extension.close)
        destination = {"protocol": "HTTP", "URI": uri}
        wanted = {"schemaVersion": "2022-12-13", "types": ["platform"], "destination": destination}
        return extension.subscribe({**wanted, "buffering": {"timeoutMs": 25}})

    def test_a_line_break_in_it_is_refused(self) -> None:
        for text in (FORGED, "\n", "\x00", "\x7f", "\t"):
            with self.subTest(text):
                answer = self.subscribed(f"http://sandbox.localdomain:80/{text}")
                self.assertEqual(answer.status, 400)
                self.assertIn("control character", answer.json["errorMessage"])

    def test_what_a_request_line_can_not_hold_is_encoded(self) -> None:
        """It was taken, and then never delivered to."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            answer = self.subscribed(f"http://sandbox.localdomain:{port}/a b/é?c=%20&d=\ud800")
            self.assertEqual(answer.status, 200)
            listener.settimeout(PATIENCE)
            with listener.accept()[0] as client, client.makefile("rb") as lines:
                self.assertEqual(lines.readline(), b"POST /a%20b/%C3%A9?c=%20&d=? HTTP/1.1\r\n")
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
