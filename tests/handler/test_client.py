"""client: what is asked of the Runtime API, and what is made of its answers."""

from __future__ import annotations

import json
import os
from typing import Any
from unittest import mock

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.client import Event, RuntimeApiError, RuntimeClient
from lambda_sim.handler.failure import ErrorReport
from lambda_sim.handler.http import Answer, BadAnswer, ConnectionClosed

from .doubles import (
    ACCEPTED,
    PATIENCE,
    REQUEST_ID,
    HandlerTestCase,
    Instead,
    ScriptedServer,
    Step,
    answer,
    next_answer,
)

INVOCATION = f"/2018-06-01/runtime/invocation/{REQUEST_ID}"
REPORT = ErrorReport("ValueError", "boom", ["  File …\n"], REQUEST_ID)


class TestRuntimeClient(HandlerTestCase):
    def connect(self, *steps: Step) -> tuple[RuntimeClient, ScriptedServer]:
        server = self.serve(steps)
        return self.enterContext(RuntimeClient(server.address)), server

    def next_event(self, client: RuntimeClient, server: ScriptedServer) -> Event:
        event = client.next()
        server.next_request()
        return event

    def test_next_says_who_asks(self) -> None:
        client, server = self.connect(next_answer())
        client.next()
        request = server.next_request()
        self.assertEqual(("GET", "/2018-06-01/runtime/invocation/next"), request[:2])
        self.assertRegex(request.headers["user-agent"], r"^lambda-sim-python/3\.\d+\.\d+-\d\S*$")

    def test_an_event_has_what_lambda_always_sends(self) -> None:
        client, _ = self.connect(next_answer(b'{"a": 1}'))
        event = client.next()
        self.assertEqual(REQUEST_ID, event.request_id)
        self.assertEqual(1542409706888, event.deadline_ms)
        self.assertEqual(("application/json", b'{"a": 1}'), (event.content_type, event.body))

    def test_what_lambda_left_out_is_none(self) -> None:
        client, _ = self.connect(next_answer())
        event = client.next()
        self.assertEqual({None}, set(event[2:8]))

    def test_an_event_has_all_else_lambda_may_send(self) -> None:
        client, _ = self.connect(
            next_answer(
                Lambda_Runtime_Invoked_Function_Arn="arn:aws:lambda:eu-west-1:1:function:f:live",
                Lambda_Runtime_Trace_Id="Root=1-2-3",
                Lambda_Runtime_Client_Context='{"custom": {"k": "Zoë"}}',
                Lambda_Runtime_Cognito_Identity='{"cognitoIdentityId": "i"}',
                Lambda_Runtime_Aws_Tenant_Id="blue",
                Lambda_Runtime_Invocation_Id="try-1",
                X_Other="kept",
            )
        )
        event = client.next()
        self.assertEqual("arn:aws:lambda:eu-west-1:1:function:f:live", event.invoked_function_arn)
        self.assertEqual("Root=1-2-3", event.trace_id)
        self.assertEqual('{"custom": {"k": "Zoë"}}', event.client_context)
        self.assertEqual('{"cognitoIdentityId": "i"}', event.cognito_identity)
        self.assertEqual(("blue", "try-1"), (event.tenant_id, event.invocation_id))
        self.assertEqual("kept", event.headers["x-other"])

    def test_an_event_can_t_be_changed_and_shows_no_payload(self) -> None:
        client, _ = self.connect(next_answer(b'"secret"'))
        event = client.next()
        with self.assertRaises(AttributeError):
            event.body = b""  # type: ignore[misc]
        self.assertNotIn("secret", repr(event))

    def test_an_event_without_request_id_or_deadline_is_refused(self) -> None:
        for name in ("Lambda_Runtime_Aws_Request_Id", "Lambda_Runtime_Deadline_Ms"):
            with self.subTest(name), self.assertRaises(BadAnswer):
                client, _ = self.connect(next_answer(b"{}", **{name: ""}))
                client.next()

    def test_a_response_is_posted_with_its_content_type(self) -> None:
        client, server = self.connect(next_answer(), ACCEPTED)
        client.respond(self.next_event(client, server), b"\x00\xff", "application/unknown")
        request = server.next_request()
        self.assertEqual(("POST", INVOCATION + "/response"), request[:2])
        self.assertEqual("application/unknown", request.headers["content-type"])
        self.assertEqual(b"\x00\xff", request.body)

    def test_an_error_is_posted_without_an_error_type_header(self) -> None:
        client, server = self.connect(next_answer(), ACCEPTED)
        client.fail(self.next_event(client, server), REPORT)
        request = server.next_request()
        self.assertEqual(("POST", INVOCATION + "/error"), request[:2])
        self.assertEqual("application/json", request.headers["content-type"])
        self.assertNotIn("lambda-runtime-function-error-type", request.headers)
        self.assertEqual("boom", json.loads(request.body)["errorMessage"])

    def test_an_init_error_has_its_type_in_a_header(self) -> None:
        client, server = self.connect(ACCEPTED)
        client.fail_init(ErrorReport("Runtime.ImportModuleError", "no such module"))
        request = server.next_request()
        self.assertEqual(("POST", "/2018-06-01/runtime/init/error"), request[:2])
        error_type = request.headers["lambda-runtime-function-error-type"]
        self.assertEqual("Runtime.ImportModuleError", error_type)

    def test_an_error_type_of_several_lines_does_not_break_the_header(self) -> None:
        client, server = self.connect(ACCEPTED)
        client.fail_init(ErrorReport("Odd\r\nName", ""))
        error_type = server.next_request().headers["lambda-runtime-function-error-type"]
        self.assertEqual("Odd Name", error_type)

    def test_the_invocation_id_is_echoed_on_response_and_error(self) -> None:
        script = [next_answer(Lambda_Runtime_Invocation_Id="try-2"), ACCEPTED, ACCEPTED]
        client, server = self.connect(*script)
        event = self.next_event(client, server)
        client.respond(event, b"{}")
        client.fail(event, REPORT)
        for _ in range(2):
            self.assertEqual("try-2", server.next_request().headers["lambda-runtime-invocation-id"])

    def test_no_invocation_id_is_made_up(self) -> None:
        client, server = self.connect(next_answer(), ACCEPTED)
        client.respond(self.next_event(client, server), b"{}")
        self.assertNotIn("lambda-runtime-invocation-id", server.next_request().headers)

    def test_a_request_id_is_percent_encoded_in_the_path(self) -> None:
        odd = next_answer(Lambda_Runtime_Aws_Request_Id="a/b é?")
        client, server = self.connect(odd, ACCEPTED)
        client.respond(self.next_event(client, server), b"{}")
        path = server.next_request().path
        self.assertEqual("/2018-06-01/runtime/invocation/a%2Fb%20%C3%A9%3F/response", path)

    def test_any_2xx_is_an_acceptance(self) -> None:
        client, server = self.connect(next_answer(), answer(b""), answer(b"", "204 No Content"))
        event = self.next_event(client, server)
        client.respond(event, b"{}")
        client.respond(event, b"{}")

    def test_a_refusal_tells_status_body_and_what_was_asked(self) -> None:
        refusals = ("400 Bad Request", "403 Forbidden", "410 Gone", "413 Too Large", "302 Found")
        for line in refusals:
            with self.subTest(line):
                client, server = self.connect(next_answer(), answer(b"not so", line))
                event = self.next_event(client, server)
                with self.assertRaisesRegex(RuntimeApiError, "POST .*/error.*not so") as caught:
                    client.fail(event, REPORT)
                self.assertEqual(int(line[:3]), caught.exception.status)
                self.assertEqual(b"not so", caught.exception.body)

    def test_after_a_refusal_the_client_goes_on(self) -> None:
        client, _ = self.connect(answer(b"", "403 Forbidden"), next_answer())
        with self.assertRaises(RuntimeApiError):
            client.next()
        self.assertEqual(REQUEST_ID, client.next().request_id)

    def test_close_in_another_thread_ends_next(self) -> None:
        client, server = self.connect(Instead.HANG)
        waiting = self.start_threads().submit(client.next)
        server.next_request()
        client.close()
        self.assertIsInstance(waiting.exception(PATIENCE), ConnectionClosed)

    def test_an_event_that_came_as_the_client_was_stopped_can_be_answered(self) -> None:
        server = self.serve([next_answer()], [ACCEPTED])
        client = self.enterContext(RuntimeClient(server.address))
        exchange = client._connection._exchange

        def stop_behind(*arguments: Any) -> Answer:
            answer = exchange(*arguments)
            client.stop()
            return answer

        with mock.patch.object(client._connection, "_exchange", stop_behind):
            event = self.next_event(client, server)
        client.respond(event, b"done")
        self.assertEqual(b"done", server.next_request().body)
        with self.assertRaises(ConnectionClosed):
            client.next()


class TestTheAddress(HandlerTestCase):
    def test_it_comes_from_the_environment(self) -> None:
        server = self.serve([next_answer()])
        self.enterContext(mock.patch.dict(os.environ, AWS_LAMBDA_RUNTIME_API=server.address))
        with RuntimeClient() as client:
            self.assertEqual(REQUEST_ID, client.next().request_id)

    def test_without_one_the_error_names_the_variable(self) -> None:
        environ = {k: v for k, v in os.environ.items() if k != "AWS_LAMBDA_RUNTIME_API"}
        self.enterContext(mock.patch.dict(os.environ, environ, clear=True))
        with self.assertRaisesRegex(ConfigurationError, "AWS_LAMBDA_RUNTIME_API"):
            RuntimeClient()
