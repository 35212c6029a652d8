"""The Invoke API over real sockets, with runtimes whose every move is the test's."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import struct
import unittest
from concurrent.futures import Future
from functools import cached_property
from typing import Any, ClassVar
from zlib import crc32

from lambda_sim import InvocationStatus, ProcessRole, Simulator
from lambda_sim.handler.http import Answer, Connection
from lambda_sim.testing import ManualClock
from lambda_sim.wire import eventstream
from lambda_sim.wire.application import Application
from lambda_sim.wire.invoke_api import InvokeApi
from lambda_sim.wire.server import WireServer
from tests.support import NEXT, PATIENCE, HandRuntime, SimulatorTest, program

INVOKE = "/2015-03-31/functions/function/invocations"
RESTORE_NEXT = "/2018-06-01/runtime/restore/next"
RESTORE_ERROR = "/2018-06-01/runtime/restore/error"
STREAM = "/2021-11-15/functions/function/response-streaming-invocations"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:greeter"
LIMIT = 6 * 1024 * 1024 + 100
Headers = list[tuple[str, str]]


def encoded(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


class InvokeTest(SimulatorTest):
    config: ClassVar[dict[str, Any]] = {"function_name": "greeter"}

    def setUp(self) -> None:
        super().setUp()
        self.simulator = self.start(**self.config)
        app = Application(InvokeApi(self.simulator).routes())
        self.server = self.enterContext(WireServer(app, name="invoke-api"))
        # Before the server closes: whoever waits for an answer is let go.
        self.addCleanup(self.simulator.close)

    def invoke(
        self, body: bytes = b"{}", headers: Headers | None = None, path: str = INVOKE
    ) -> Answer:
        connection = Connection(":".join(map(str, self.server.address)), timeout=PATIENCE)
        try:
            return connection.request("POST", path, headers or [], body)
        finally:
            connection.close()

    @cached_property
    def runtime(self) -> HandRuntime:
        return HandRuntime(self, self.simulator)

    def served(
        self, body: bytes = b"{}", headers: Headers | None = None, path: str = INVOKE
    ) -> tuple[Answer, Answer]:
        """One invocation that is echoed: what the runtime's Next was, and what the caller got."""
        runtime = self.runtime
        caller = self.soon(self.invoke, body, headers, path)
        event = runtime.connection.request("GET", NEXT)
        runtime.respond(event.headers["lambda-runtime-aws-request-id"], event.body)
        return event, caller.result(PATIENCE)

    def assert_refused(self, answer: Answer, status: int, error_type: str, message: str) -> None:
        self.assertEqual((status, error_type), (answer.status, answer.headers["x-amzn-errortype"]))
        body = json.loads(answer.body)
        self.assertEqual("User", body["Type"])
        self.assertIn(message, body.get("message") or body["Message"])
        self.assertEqual([], self.simulator.invocation_states)


class TestRequestResponse(InvokeTest):
    def test_the_answer_is_the_function_s_bytes_with_aws_s_headers(self) -> None:
        event, answer = self.served(b'{"a": 1}')
        request_id = event.headers["lambda-runtime-aws-request-id"]
        self.assertEqual((200, b'{"a": 1}'), (answer.status, answer.body))
        self.assertEqual("application/json", answer.headers["content-type"])
        self.assertEqual("$LATEST", answer.headers["x-amz-executed-version"])
        self.assertEqual(request_id, answer.headers["x-amzn-requestid"])
        # The caller is told the trace; the function's own segment is the runtime's to know.
        told, own = (
            dict(part.split("=") for part in headers.split(";"))
            for headers in (
                answer.headers["x-amzn-trace-id"],
                event.headers["lambda-runtime-trace-id"],
            )
        )
        self.assertEqual((told["Root"], told["Sampled"]), (own["Root"], own["Sampled"]))
        self.assertNotEqual(told["Parent"], own["Parent"])
        self.assertNotIn("x-amz-function-error", answer.headers)
        self.assertNotIn("x-amz-log-result", answer.headers)

    def test_any_bytes_go_through_both_ways(self) -> None:
        event, answer = self.served(b"\xff\x00", [("Content-Type", "image/png")])
        self.assertEqual((b"\xff\x00", "image/png"), (event.body, event.headers["content-type"]))
        self.assertEqual(b"\xff\x00", answer.body)

    def test_no_payload_is_an_empty_object(self) -> None:
        event, _ = self.served(b"")
        self.assertEqual(b"{}", event.body)

    def test_a_payload_is_called_json_unless_its_caller_chose_otherwise(self) -> None:
        for given in (
            None,
            "application/octet-stream",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-8",
        ):
            with self.subTest(given):
                event, _ = self.served(headers=[("Content-Type", given)] if given else [])
                self.assertEqual("application/json", event.headers["content-type"])

    def test_the_largest_payload_is_taken_whole(self) -> None:
        body = b'"' + b"x" * (LIMIT - 2) + b'"'
        event, answer = self.served(body)
        self.assertTrue(body == event.body == answer.body)

    def test_a_larger_one_is_refused(self) -> None:
        answer = self.invoke(b"x" * (LIMIT + 1))
        message = "Request must be smaller than 6291556 bytes for the InvokeFunction operation"
        self.assert_refused(answer, 413, "RequestTooLargeException", message)

    def test_the_caller_s_headers_reach_the_runtime(self) -> None:
        context = '{\r\n"client": {"app_title": "\u00e9"}}'
        request_id = "11111111-2222-4333-8444-555555555555"
        event, answer = self.served(
            headers=[
                ("X-Amz-Client-Context", base64.b64encode(context.encode()).decode()),
                ("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793"),
                ("X-Amz-Tenant-Id", "tenant 1"),
                ("x-amzn-RequestId", request_id),
            ]
        )
        told = event.headers["lambda-runtime-client-context"]
        self.assertEqual(json.loads(context), json.loads(told))
        trace_id = event.headers["lambda-runtime-trace-id"]
        self.assertTrue(trace_id.startswith("Root=1-5759e988-bd862e3fe1be46a994272793"))
        self.assertEqual("tenant 1", event.headers["lambda-runtime-aws-tenant-id"])
        self.assertEqual(request_id, event.headers["lambda-runtime-aws-request-id"])
        self.assertEqual(request_id, answer.headers["x-amzn-requestid"])

    def test_what_the_runtime_reports_is_a_function_error(self) -> None:
        runtime = self.runtime
        caller = self.soon(self.invoke)
        error = {"errorType": "Bang", "errorMessage": "boom"}
        runtime.fail(runtime.next(), error)
        answer = caller.result(PATIENCE)
        self.assertEqual((200, error), (answer.status, json.loads(answer.body)))
        self.assertEqual("Unhandled", answer.headers["x-amz-function-error"])

    def test_the_log_s_tail_comes_with_the_answer(self) -> None:
        headers = [("X-Amz-Log-Type", "Tail")]
        runtime = self.runtime
        caller = self.soon(self.invoke, b"{}", headers)
        request_id = runtime.next()
        runtime.respond(request_id)
        again = self.soon(runtime.next)
        tail = base64.b64decode(caller.result(PATIENCE).headers["x-amz-log-result"]).decode()
        self.assertIn(f"START RequestId: {request_id} Version: $LATEST\n", tail)
        self.assertIn(f"REPORT RequestId: {request_id}\t", tail)
        self.simulator.enqueue_payload({})
        again.result(PATIENCE)

    def test_parallel_requests_wait_their_turn_and_are_all_answered(self) -> None:
        runtime = self.runtime
        bodies = [b'{"n":%d}' % number for number in range(20)]
        callers = [self.soon(self.invoke, body) for body in bodies]
        for _ in bodies:
            event = runtime.connection.request("GET", NEXT)
            runtime.respond(event.headers["lambda-runtime-aws-request-id"], event.body)
        self.assertEqual(bodies, [caller.result(PATIENCE).body for caller in callers])

    def test_a_caller_who_hangs_up_cancels_nothing(self) -> None:
        runtime = self.runtime
        connection = http.client.HTTPConnection(*self.server.address, timeout=PATIENCE)
        connection.request("POST", INVOKE, b"{}")
        request_id = runtime.next()
        connection.close()
        self.assertEqual(202, runtime.respond(request_id, b'"done"').status)
        state = self.simulator.wait_for_invocation_complete(request_id, PATIENCE)
        self.assertIs(InvocationStatus.SUCCESS, state.status)

    def test_who_waits_when_the_environment_ends_is_told(self) -> None:
        runtime = self.runtime
        caller = self.soon(self.invoke)
        runtime.next()
        self.simulator.close()
        answer = caller.result(PATIENCE)
        self.assertEqual(
            (500, "ServiceException"), (answer.status, answer.headers["x-amzn-errortype"])
        )


class TestFailures(InvokeTest):
    config: ClassVar = {"function_name": "greeter", "invocation_timeout": 0.2}

    def test_a_timeout_is_a_function_error(self) -> None:
        runtime = self.runtime
        caller = self.soon(self.invoke)
        request_id = runtime.next()
        answer = caller.result(PATIENCE)
        self.assertEqual(
            (200, "Unhandled"), (answer.status, answer.headers["x-amz-function-error"])
        )
        told = f"RequestId: {request_id} Error: Task timed out after 0.20 seconds"
        self.assertEqual(
            {"errorType": "Sandbox.Timedout", "errorMessage": told}, json.loads(answer.body)
        )


class TestCrash(InvokeTest):
    config: ClassVar = {"runtime": program("nowhere.py", role=ProcessRole.RUNTIME)}

    def test_a_crash_is_a_function_error(self) -> None:
        answer = self.invoke()
        self.assertEqual(
            (200, "Unhandled"), (answer.status, answer.headers["x-amz-function-error"])
        )
        self.assertEqual("Runtime.ExitError", json.loads(answer.body)["errorType"])


class SnapStartTest(InvokeTest):
    config: ClassVar = {"function_name": "greeter", "initialization_type": "snap-start"}

    def setUp(self) -> None:
        self.clock = ManualClock()
        super().setUp()

    def start(self, **config: Any) -> Simulator:
        return super().start(clock=self.clock, **config)

    def restored_for(self, path: str = INVOKE) -> tuple[Future[Answer], Any]:
        """Somebody who invokes, and the runtime that is restored for it."""
        connection = self.runtime.connection
        polled = self.soon(connection.request, "GET", RESTORE_NEXT)
        self.simulator.wait_for_parked(1, PATIENCE)
        caller = self.soon(self.invoke, b"{}", [], path)
        self.assertEqual(200, polled.result(PATIENCE).status)
        return caller, connection

    def assert_snap_start_failed(self, answer: Answer, status: int, error_type: str) -> None:
        told = (answer.status, answer.headers["x-amzn-errortype"])
        self.assertEqual((status, error_type), told)
        self.assertEqual({"Type", "Message"}, set(json.loads(answer.body)))
        self.assertNotIn("x-amz-function-error", answer.headers)
        self.assertIn("x-amzn-requestid", answer.headers)


class TestSnapStart(SnapStartTest):
    def test_a_restore_that_succeeds_is_not_seen(self) -> None:
        caller, _ = self.restored_for()
        self.runtime.respond(self.runtime.next(), b'"restored"')
        answer = caller.result(PATIENCE)
        self.assertEqual((200, b'"restored"'), (answer.status, answer.body))

    def test_a_hook_that_fails_is_an_exception(self) -> None:
        caller, connection = self.restored_for()
        body = b'{"errorType":"Sad","errorMessage":"hook"}'
        self.assertEqual(202, connection.request("POST", RESTORE_ERROR, body=body).status)
        self.assert_snap_start_failed(caller.result(PATIENCE), 400, "SnapStartException")

    def test_so_is_an_init_error_during_the_restore(self) -> None:
        caller, connection = self.restored_for()
        path = "/2018-06-01/runtime/init/error"
        self.assertEqual(202, connection.request("POST", path, body=b"{}").status)
        self.assert_snap_start_failed(caller.result(PATIENCE), 400, "SnapStartException")

    def test_a_restore_that_takes_too_long_is_another(self) -> None:
        caller, _ = self.restored_for()
        self.simulator.wait_for(lambda: self.simulator.invocation_states, PATIENCE)
        self.clock.advance(10.0)
        self.assert_snap_start_failed(caller.result(PATIENCE), 408, "SnapStartTimeoutException")

    def test_a_function_that_takes_too_long_is_no_exception(self) -> None:
        caller, _ = self.restored_for()
        self.runtime.next()
        self.clock.advance(3.0)
        answer = caller.result(PATIENCE)
        self.assertEqual(
            (200, "Unhandled"), (answer.status, answer.headers["x-amz-function-error"])
        )
        self.assertEqual("Sandbox.Timedout", json.loads(answer.body)["errorType"])

    def test_an_event_is_accepted_whatever_becomes_of_it(self) -> None:
        answer = self.invoke(headers=[("X-Amz-Invocation-Type", "Event")])
        self.assertEqual(202, answer.status)

    def test_an_init_that_fails_is_a_function_error(self) -> None:
        caller = self.soon(self.invoke)
        self.simulator.wait_for(lambda: self.simulator.invocation_states, PATIENCE)
        body = b'{"errorType":"Sad","errorMessage":"init"}'
        path = "/2018-06-01/runtime/init/error"
        self.runtime.connection.request("POST", path, body=body)
        answer = caller.result(PATIENCE)
        self.assertEqual((200, body), (answer.status, answer.body))
        self.assertEqual("Unhandled", answer.headers["x-amz-function-error"])

    def test_a_stream_whose_restore_fails_is_an_exception_too(self) -> None:
        # The stream begins before that is known, and ends in an ErrorCode of Unhandled.
        caller, connection = self.restored_for(STREAM)
        connection.request("POST", RESTORE_ERROR, body=b"{}")
        self.assert_snap_start_failed(caller.result(PATIENCE), 400, "SnapStartException")


class TestSnapStartCrash(SnapStartTest):
    config: ClassVar = {
        "initialization_type": "snap-start",
        "runtime": program("restorable.py", "restore", "exit:3", role=ProcessRole.RUNTIME),
    }

    def test_an_exit_during_the_restore_is_an_exception(self) -> None:
        # It is a function error.
        self.simulator.wait_for_parked(1, PATIENCE)
        self.assert_snap_start_failed(self.invoke(), 400, "SnapStartException")


class TestManagedInstances(InvokeTest):
    config: ClassVar = {
        "function_name": "greeter",
        "initialization_type": "lambda-managed-instances",
    }

    def test_parallel_requests_are_served_side_by_side(self) -> None:
        workers = [HandRuntime(self, self.simulator) for _ in range(3)]
        callers = [self.soon(self.invoke, b"%d" % number) for number in range(3)]
        events = [worker.connection.request("GET", NEXT) for worker in workers]
        for worker, event in zip(reversed(workers), reversed(events), strict=True):
            worker.respond(event.headers["lambda-runtime-aws-request-id"], event.body)
        answers = [caller.result(PATIENCE) for caller in callers]
        self.assertEqual([b"0", b"1", b"2"], [answer.body for answer in answers])

    def test_a_request_id_in_flight_is_refused(self) -> None:
        request_id = "11111111-2222-4333-8444-555555555555"
        headers = [("x-amzn-RequestId", request_id)]
        caller = self.soon(self.invoke, b"{}", headers)
        self.assertEqual(request_id, self.runtime.next())
        self.assertEqual(400, self.invoke(headers=headers).status)
        self.runtime.respond(request_id)
        self.assertEqual(200, caller.result(PATIENCE).status)


class TestOtherTypes(InvokeTest):
    def test_an_event_is_accepted_and_goes_on(self) -> None:
        context = [("X-Amz-Client-Context", encoded({"a": 1}))]
        answer = self.invoke(b"[1]", [("X-Amz-Invocation-Type", "Event"), *context])
        self.assertEqual((202, b""), (answer.status, answer.body))
        runtime = self.runtime
        event = runtime.connection.request("GET", NEXT)
        self.assertEqual(b"[1]", event.body)
        request_id = event.headers["lambda-runtime-aws-request-id"]
        self.assertEqual(request_id, answer.headers["x-amzn-requestid"])
        self.assertNotIn("lambda-runtime-client-context", event.headers)

    def test_an_event_may_hold_one_megabyte(self) -> None:
        headers = [("X-Amz-Invocation-Type", "Event")]
        self.assert_refused(
            self.invoke(b"x" * (2**20 + 1), headers), 413, "RequestTooLargeException", "1048576"
        )
        self.assertEqual(202, self.invoke(b"x" * 2**20, headers).status)

    def test_a_dry_run_runs_nothing(self) -> None:
        for path in (INVOKE, STREAM):
            answer = self.invoke(headers=[("X-Amz-Invocation-Type", "DryRun")], path=path)
            self.assertEqual((204, b""), (answer.status, answer.body))
        self.assertEqual([], self.simulator.invocation_states)

    def test_other_types_are_refused(self) -> None:
        for path, kind, allowed in (
            (INVOKE, "Later", "[Event, RequestResponse, DryRun]"),
            (STREAM, "Event", "[RequestResponse, DryRun]"),
        ):
            answer = self.invoke(headers=[("X-Amz-Invocation-Type", kind)], path=path)
            message = (
                f"Value '{kind}' at 'invocationType' failed to satisfy constraint: Member must"
            )
            message += f" satisfy enum value set: {allowed}"
            self.assert_refused(answer, 400, "InvalidParameterValueException", message)


class TestNames(InvokeTest):
    def test_the_function_answers_to_its_names(self) -> None:
        for name, called in (
            ("function", ARN),
            ("greeter", ARN),
            (ARN, ARN),
            (ARN.replace(":", "%3A"), ARN),
            ("123456789012:function:greeter", ARN),
            ("greeter:$LATEST", f"{ARN}:$LATEST"),
            ("greeter?Qualifier=%24LATEST", f"{ARN}:$LATEST"),
        ):
            with self.subTest(name):
                before, _, query = name.partition("?")
                path = f"/2015-03-31/functions/{before}/invocations?{query}"
                event, answer = self.served(path=path)
                self.assertEqual(200, answer.status)
                self.assertEqual(called, event.headers["lambda-runtime-invoked-function-arn"])

    def test_other_functions_and_versions_are_not_found(self) -> None:
        other = ARN.replace("greeter", "other")
        for name, missing in (
            ("other", other),
            (other, other),
            ("greeter:7", f"{ARN}:7"),
            ("greeter?Qualifier=live", f"{ARN}:live"),
        ):
            with self.subTest(name):
                before, _, query = name.partition("?")
                path = f"/2015-03-31/functions/{before}/invocations?{query}"
                answer = self.invoke(path=path)
                message = f"Function not found: {missing}"
                self.assert_refused(answer, 404, "ResourceNotFoundException", message)
                self.assertEqual({"Type": "User", "Message": message}, json.loads(answer.body))

    def test_two_qualifiers_must_be_the_same(self) -> None:
        path = "/2015-03-31/functions/greeter:1/invocations?Qualifier=2"
        message = "The derived qualifier from the function name does not match the specified"
        self.assert_refused(self.invoke(path=path), 400, "InvalidParameterValueException", message)


class TestRefusals(InvokeTest):
    def test_what_can_t_be_read_is_refused(self) -> None:
        context, content = "X-Amz-Client-Context", "InvalidRequestContentException"
        no_context = "Client context must be a valid Base64-encoded JSON object."
        parameter = "InvalidParameterValueException"
        for name, value, error_type, message in (
            (context, "!", content, no_context),
            (context, base64.b64encode(b"{").decode(), content, no_context),
            (context, encoded([]), content, no_context),
            (context, encoded({"a": "x" * 4000}), content, no_context),
            ("x-amzn-RequestId", "mine", content, "UUID"),
            ("X-Amz-Tenant-Id", "?", parameter, "tenant_id"),
            ("X-Amz-Log-Type", "Head", parameter, "[None, Tail]"),
        ):
            with self.subTest(name=name, value=value[:9]):
                answer = self.invoke(headers=[(name, value)])
                self.assert_refused(answer, 400, error_type, message)

    def test_an_id_in_use_is_refused(self) -> None:
        request_id = "11111111-2222-4333-8444-555555555555"
        headers = [("x-amzn-RequestId", request_id), ("X-Amz-Invocation-Type", "Event")]
        self.assertEqual(202, self.invoke(headers=headers).status)
        self.assertEqual(400, self.invoke(headers=headers).status)

    def test_other_methods_are_refused(self) -> None:
        connection = Connection(":".join(map(str, self.server.address)), timeout=PATIENCE)
        self.addCleanup(connection.close)
        self.assertEqual(405, connection.request("GET", INVOKE).status)


class TestStreaming(InvokeTest):
    def open(self, *headers: tuple[str, str]) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(*self.server.address, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request("POST", STREAM, b'{"a":1}', dict(headers))
        return connection

    def upload(self, runtime: HandRuntime, request_id: str, *headers: str) -> socket.socket:
        """A streamed response that is begun; what is sent on the socket is its chunks."""
        upload = socket.create_connection(self.simulator.addr, PATIENCE)
        self.addCleanup(upload.close)
        lines = [
            f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1",
            "Host: h",
            "Lambda-Runtime-Function-Response-Mode: streaming",
            "Transfer-Encoding: chunked",
            *headers,
            "",
            "",
        ]
        upload.sendall("\r\n".join(lines).encode())
        return upload

    def test_pieces_arrive_as_they_are_written(self) -> None:
        runtime = self.runtime
        connection = self.open(("X-Amz-Log-Type", "Tail"))
        request_id = runtime.next()
        upload = self.upload(runtime, request_id)
        upload.sendall(b"3\r\nabc\r\n")
        response = connection.getresponse()
        self.assertEqual("application/vnd.amazon.eventstream", response.headers["Content-Type"])
        self.assertEqual(request_id, response.headers["x-amzn-RequestId"])
        self.assertEqual("$LATEST", response.headers["X-Amz-Executed-Version"])
        chunk = {
            ":event-type": "PayloadChunk",
            ":content-type": "application/octet-stream",
            ":message-type": "event",
        }
        self.assertEqual((chunk, b"abc"), read_frame(response))
        upload.sendall(b"2\r\n\xff\x00\r\n")
        self.assertEqual((chunk, b"\xff\x00"), read_frame(response))
        upload.sendall(b"0\r\n\r\n")
        headers, payload = read_frame(response)
        self.assertEqual("InvokeComplete", headers[":event-type"])
        self.assertEqual("application/json", headers[":content-type"])
        complete = json.loads(payload)
        self.assertEqual(["LogResult"], list(complete))
        self.assertIn(b"START", base64.b64decode(complete["LogResult"]))
        self.assertEqual(b"", response.read())

    def test_a_whole_response_is_one_piece(self) -> None:
        runtime = self.runtime
        connection = self.open()
        runtime.respond(runtime.next(), b'"x"')
        response = connection.getresponse()
        self.assertEqual(b'"x"', read_frame(response)[1])
        self.assertEqual(b"{}", read_frame(response)[1])
        self.assertEqual(b"", response.read())

    def test_an_error_in_the_middle_ends_the_stream_with_its_details(self) -> None:
        runtime = self.runtime
        connection = self.open()
        error = json.dumps({"errorType": "Bang", "errorMessage": "boom"})
        upload = self.upload(runtime, runtime.next())
        trailers = (
            "Lambda-Runtime-Function-Error-Type: Function.Bang\r\n"
            f"Lambda-Runtime-Function-Error-Body: {base64.b64encode(error.encode()).decode()}\r\n"
        )
        upload.sendall(b"3\r\nabc\r\n0\r\n" + trailers.encode() + b"\r\n")
        response = connection.getresponse()
        self.assertEqual(200, response.status)
        self.assertEqual(b"abc", read_frame(response)[1])
        complete = json.loads(read_frame(response)[1])
        self.assertEqual({"ErrorCode": "Unhandled", "ErrorDetails": error}, complete)

    def test_an_error_before_any_piece_is_told_in_the_stream_too(self) -> None:
        runtime = self.runtime
        connection = self.open()
        runtime.fail(runtime.next(), {"errorType": "Bang", "errorMessage": "boom"})
        response = connection.getresponse()
        self.assertEqual(200, response.status)
        complete = json.loads(read_frame(response)[1])
        self.assertEqual("Unhandled", complete["ErrorCode"])
        self.assertEqual("Bang", json.loads(complete["ErrorDetails"])["errorType"])

    def test_a_stream_breaks_off_when_the_environment_ends(self) -> None:
        runtime = self.runtime
        connection = self.open()
        upload = self.upload(runtime, runtime.next())
        upload.sendall(b"3\r\nabc\r\n")
        response = connection.getresponse()
        read_frame(response)
        self.soon(self.simulator.close)
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            response.read()

    def test_a_reader_who_hangs_up_cancels_nothing(self) -> None:
        runtime = self.runtime
        connection = self.open()
        request_id = runtime.next()
        upload = self.upload(runtime, request_id)
        upload.sendall(b"3\r\nabc\r\n")
        read_frame(connection.getresponse())
        connection.close()
        for _ in range(20):
            upload.sendall(b"3\r\nabc\r\n")
        upload.sendall(b"0\r\n\r\n")
        state = self.simulator.wait_for_invocation_complete(request_id, PATIENCE)
        self.assertIs(InvocationStatus.SUCCESS, state.status)


class TestFrames(unittest.TestCase):
    def test_a_frame_is_laid_out_as_aws_says(self) -> None:
        frame = eventstream.event("A", b"xy", "b/c")
        headers = (
            b"\x0b:event-type\x07\x00\x01A"
            b"\x0d:content-type\x07\x00\x03b/c"
            b"\x0d:message-type\x07\x00\x05event"
        )
        prelude = struct.pack("!II", len(frame), len(headers))
        body = prelude + struct.pack("!I", crc32(prelude)) + headers + b"xy"
        self.assertEqual(body + struct.pack("!I", crc32(body)), frame)


def read_frame(file: http.client.HTTPResponse) -> tuple[dict[str, str], bytes]:
    """One frame's headers and payload, its lengths and checksums looked at."""
    head = file.read(12)
    total, header_size, checksum = struct.unpack("!III", head)
    rest = file.read(total - 12)
    assert checksum == crc32(head[:8])
    assert struct.unpack("!I", rest[-4:])[0] == crc32(head + rest[:-4])
    headers, position = {}, 0
    while position < header_size:
        size = rest[position]
        name = rest[position + 1 : position + 1 + size].decode()
        position += 1 + size
        kind, size = struct.unpack_from("!BH", rest, position)
        assert kind == 7, kind
        headers[name] = rest[position + 3 : position + 3 + size].decode()
        position += 3 + size
    return headers, rest[header_size:-4]


if __name__ == "__main__":
    unittest.main()
