"""Section 1 of the contract, but for its state machine and its error reports: the Runtime API."""

from __future__ import annotations

import base64
import json
import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lambda_sim import ConfigurationError, Invocation, InvocationStatus
from lambda_sim.testing import ManualClock
from tests.conformance.case import ACCEPTED, ConformanceTest, refusal
from tests.raw import INIT_ERROR, NEXT, RawAnswer, RawRuntime, error_path, response_path

LIMIT = 6_291_556
NOT_FOUND = b"404 page not found\n"
STREAMING = ("Lambda-Runtime-Function-Response-Mode", "streaming")
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
ERROR_BODY = "Lambda-Runtime-Function-Error-Body"


class TransportTest(ConformanceTest):
    def test_rt_01_a_connection_serves_many_requests(self) -> None:
        connection = self.connect()
        for _ in range(3):
            self.assertEqual(connection.request("GET", "/2018-06-01/ping").status, 200)

    def test_rt_01_any_host_is_accepted(self) -> None:
        connection = self.connect()
        for host in ("example.com", "169.254.100.1:9001", "", "[::1]:1"):
            with self.subTest(host=host):
                connection.send(f"GET /2018-06-01/ping HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                self.assertEqual(connection.read_answer().status, 200)

    def test_rt_01_no_host_is_accepted(self) -> None:
        connection = self.connect()
        connection.send(b"GET /2018-06-01/ping HTTP/1.1\r\n\r\n")
        self.assertEqual(connection.read_answer().status, 200)

    def test_rt_02_header_names_have_no_case(self) -> None:
        for name in (ERROR_TYPE, ERROR_TYPE.lower(), ERROR_TYPE.upper()):
            with self.subTest(name=name):
                self.simulate()
                runtime, request_id = self.running()
                runtime.request("POST", error_path(request_id), {name: "Runtime.Sad"}, b"{}")
                self.park(runtime)
                self.assertEqual(self.telemetry("platform.report")["errorType"], "Runtime.Sad")

    def test_rt_03_bodies_may_come_with_a_length(self) -> None:
        for path in (response_path, error_path):
            with self.subTest(path=path):
                self.simulate()
                runtime, request_id = self.running()
                self.assert_accepted(runtime.request("POST", path(request_id), (), b"12"))
                self.assertEqual(body_of(self.complete(request_id)), b"12")

    def test_rt_03_bodies_may_come_in_chunks(self) -> None:
        trailers = ((), (("X-Left", "over"),))
        for path in (response_path, error_path):
            for trailer in trailers:
                with self.subTest(path=path, trailer=trailer):
                    self.simulate()
                    runtime, request_id = self.running()
                    declared = [("Trailer", name) for name, _ in trailer]
                    answer = runtime.request_chunked(
                        "POST", path(request_id), declared, [b"1", b"2"], trailer
                    )
                    self.assert_accepted(answer)
                    self.assertEqual(body_of(self.complete(request_id)), b"12")

    def test_rt_03_init_errors_may_come_in_chunks(self) -> None:
        chunks = [b'{"errorType":', b'"Sad"}']
        self.assert_accepted(self.runtime().request_chunked("POST", INIT_ERROR, (), chunks))

    def test_rt_03_a_go_runtime_declares_trailers_and_sends_none(self) -> None:
        runtime, request_id = self.running()
        declared = {"Trailer": f"{ERROR_BODY},{ERROR_TYPE}", "Content-Type": "application/json"}
        answer = runtime.request_chunked("POST", response_path(request_id), declared, [b"{}"])
        self.assert_accepted(answer)
        self.assertIs(self.complete(request_id).status, InvocationStatus.SUCCESS)

    def test_rt_04_expect_100_continue_is_answered(self) -> None:
        runtime, request_id = self.running()
        expecting = {"Expect": "100-continue", "Content-Length": "2"}
        runtime.send_head("POST", response_path(request_id), expecting)
        self.assertEqual(runtime.read_answer().status, 100)
        runtime.send(b"{}")
        self.assert_accepted(runtime.read_answer())

    def test_rt_05_an_error_is_two_keys_in_order_and_a_newline(self) -> None:
        answer = self.runtime().respond("x")
        body = b'{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}\n'
        self.assertEqual(answer.body, body)
        self.assertEqual(answer["Content-Type"], "application/json")

    def test_rt_05_accept_is_ignored(self) -> None:
        answer = self.runtime().respond("x", Accept="application/xml")
        self.assertEqual(answer["Content-Type"], "application/json")
        self.assertEqual(answer.body, refusal("InvalidRequestID", "Invalid request ID"))

    def test_rt_06_an_unknown_path_is_not_found(self) -> None:
        connection = self.connect()
        for path in (
            "/",
            "/2018-06-01",
            "/2018-06-01/runtime/invocation/x/nothing",
            "/2018-06-01/runtime/invocation/x/y/response",
            "/2018-06-02/runtime/invocation/next",
        ):
            with self.subTest(path=path):
                self.assert_not_found(connection.request("GET", path))

    def test_rt_06_a_trailing_slash_is_an_unknown_path(self) -> None:
        connection = self.connect()
        for method, path in (("GET", NEXT), ("POST", response_path("x")), ("POST", INIT_ERROR)):
            with self.subTest(path=path):
                self.assert_not_found(connection.request(method, f"{path}/", (), b""))

    def assert_not_found(self, answer: RawAnswer) -> None:
        self.assertEqual((answer.status, answer.body), (404, NOT_FOUND))
        self.assertEqual(answer["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(answer["X-Content-Type-Options"], "nosniff")

    def test_rt_07_a_wrong_method_is_told_the_right_one(self) -> None:
        connection = self.connect()
        for method, path, allowed in (
            ("POST", NEXT, "GET"),
            ("HEAD", NEXT, "GET"),
            ("OPTIONS", NEXT, "GET"),
            ("GET", response_path("x"), "POST"),
            ("PUT", error_path("x"), "POST"),
            ("GET", INIT_ERROR, "POST"),
            ("POST", "/2018-06-01/ping", "GET"),
        ):
            with self.subTest(method=method, path=path):
                answer = connection.request(method, path)
                self.assertEqual((answer.status, answer.body), (405, b""))
                self.assertEqual(answer["Allow"], allowed)

    def test_rt_08_ping_answers_pong(self) -> None:
        answer = self.connect().request("GET", "/2018-06-01/ping")
        self.assertEqual((answer.status, answer.body), (200, b"pong"))
        self.assertTrue(answer["Content-Type"].startswith("text/plain"))


class DeadPollTest(ConformanceTest):
    """RT-10: the event of a poller that died goes to the one that lives."""

    def assert_the_next_poll_is_served(self) -> None:
        parked = self.park(self.runtime())
        request_id = self.simulator.enqueue_payload(1)
        self.assertEqual(parked.event().id, request_id)

    def test_rt_10_a_poll_that_was_closed_loses_nothing(self) -> None:
        runtime = self.park(self.runtime())
        runtime.close()
        self.wait_for(lambda: self.simulator.parked == 0)
        self.assert_the_next_poll_is_served()

    def test_rt_10_a_poll_that_was_reset_loses_nothing(self) -> None:
        runtime = self.park(self.runtime())
        runtime.abort()
        self.wait_for(lambda: self.simulator.parked == 0)
        self.assert_the_next_poll_is_served()

    def test_rt_10_an_event_that_meets_a_closing_poll_is_not_lost(self) -> None:
        runtime = self.park(self.runtime())
        runtime.close()
        request_id = self.simulator.enqueue_payload(1)
        self.assertEqual(self.runtime().next().id, request_id)

    def test_rt_10_an_event_that_nobody_read_goes_to_who_waits(self) -> None:
        polls = [self.park(self.runtime()) for _ in range(2)]
        request_id = self.simulator.enqueue_payload(1)
        self.wait_for(lambda: not all(poll.is_silent() for poll in polls))
        served, waiting = sorted(polls, key=RawRuntime.is_silent)
        self.assertTrue(waiting.is_silent())
        served.close()  # with the event unread, which resets the connection
        self.assertEqual(waiting.event().id, request_id)
        self.assert_accepted(waiting.respond(request_id))

    def test_rt_10_an_event_that_was_read_goes_to_nobody_else(self) -> None:
        polls = [self.park(self.runtime()) for _ in range(2)]
        request_id = self.simulator.enqueue_payload(1)
        self.wait_for(lambda: not all(poll.is_silent() for poll in polls))
        served, waiting = sorted(polls, key=RawRuntime.is_silent)
        self.assertEqual(served.event().id, request_id)
        served.close()
        self.assert_accepted(self.runtime().respond(request_id))
        self.complete(request_id)
        self.assertTrue(waiting.is_silent())


class NextTest(ConformanceTest):
    def test_rt_20_next_waits_for_an_invocation(self) -> None:
        parked = self.park(self.runtime())
        self.assertTrue(parked.is_silent())
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(parked.event().id, request_id)

    def test_rt_20_the_first_next_ends_the_init_of_the_runtime(self) -> None:
        self.assertFalse(self.simulator.is_initialized)
        self.park(self.runtime())
        self.assertTrue(self.simulator.is_initialized)
        self.assertEqual(self.telemetry("platform.initRuntimeDone")["status"], "success")

    def next_of(self, invocation: Invocation, **config: Any) -> RawAnswer:
        """What Next answers for an invocation."""
        self.simulate(**config)
        self.simulator.enqueue(invocation)
        return self.runtime().poll()

    def test_rt_21_the_headers_of_a_plain_invocation(self) -> None:
        names = [name for name, _ in self.next_of(Invocation({})).headers]
        known = [
            "Content-Type",
            "Lambda-Runtime-Aws-Request-Id",
            "Lambda-Runtime-Deadline-Ms",
            "Lambda-Runtime-Invoked-Function-Arn",
            "Lambda-Runtime-Trace-Id",
            "Lambda-Runtime-Invocation-Id",
        ]
        self.assertEqual(
            sorted(name for name in names if name not in ("Content-Length", "Date")), sorted(known)
        )

    def test_rt_21_the_content_type_is_the_invocations(self) -> None:
        for given, told in (({}, "application/json"), ({"content_type": "image/png"}, "image/png")):
            with self.subTest(given=given):
                invocation = Invocation.from_bytes(b"{}", **given)
                self.assertEqual(self.next_of(invocation)["Content-Type"], told)

    def test_rt_21_the_request_id_is_a_uuid_and_the_callers(self) -> None:
        answer = self.next_of(Invocation({}))
        request_id = answer["Lambda-Runtime-Aws-Request-Id"]
        self.assertEqual(str(uuid.UUID(request_id)), request_id)
        self.assertIsNotNone(self.simulator.get_invocation_state(request_id))
        self.assertEqual(self.telemetry("platform.start")["requestId"], request_id)

    def test_rt_21_the_arn_is_as_invoked(self) -> None:
        plain = "arn:aws:lambda:us-east-1:123456789012:function:test-function"
        for given in (None, f"{plain}:$LATEST", f"{plain}:1", f"{plain}:live"):
            with self.subTest(given=given):
                answer = self.next_of(Invocation({}, invoked_function_arn=given))
                self.assertEqual(answer["Lambda-Runtime-Invoked-Function-Arn"], given or plain)

    def test_rt_21_the_deadline_is_whole_milliseconds(self) -> None:
        self.assertRegex(self.next_of(Invocation({}))["Lambda-Runtime-Deadline-Ms"], r"\A\d{13}\Z")

    def test_rt_21_a_trace_is_made_up_where_none_came(self) -> None:
        form = r"\ARoot=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01]\Z"
        self.assertRegex(self.next_of(Invocation({}))["Lambda-Runtime-Trace-Id"], form)

    def test_rt_21_client_context_is_json_text(self) -> None:
        context = {"client": {"app_title": "a"}, "custom": {"k": "v"}}
        answer = self.next_of(Invocation({}, client_context=context))
        self.assertEqual(json.loads(answer["Lambda-Runtime-Client-Context"]), context)

    def test_rt_21_cognito_identity_is_json_text(self) -> None:
        identity = {"cognitoIdentityId": "a", "cognitoIdentityPoolId": "b"}
        answer = self.next_of(Invocation({}, cognito_identity=identity))
        self.assertEqual(json.loads(answer["Lambda-Runtime-Cognito-Identity"]), identity)

    def test_rt_21_the_tenant_is_named(self) -> None:
        answer = self.next_of(Invocation({}, tenant_id="blue"))
        self.assertEqual(answer["Lambda-Runtime-Aws-Tenant-Id"], "blue")

    def test_rt_22_what_is_not_there_has_no_header(self) -> None:
        answer = self.next_of(Invocation({}))
        for name in ("Client-Context", "Cognito-Identity", "Aws-Tenant-Id"):
            self.assertFalse(answer.has(f"Lambda-Runtime-{name}"), name)

    def test_rt_23_the_payload_goes_through_as_it_is(self) -> None:
        for body in (b'{ "a" :1.0 }\n', b"", b"\xef\xbb\xbf{}", b"\xff\x00\r\n\r\n", b"x" * LIMIT):
            with self.subTest(body=body[:20]):
                self.assertEqual(self.next_of(Invocation.from_bytes(body)).body, body)

    def test_rt_23_a_payload_beyond_the_limit_is_refused_at_the_door(self) -> None:
        with self.assertRaises(ConfigurationError):
            Invocation.from_bytes(b"x" * (LIMIT + 1))

    def test_rt_24_next_while_running_returns_the_same_event(self) -> None:
        runtime = self.runtime()
        self.simulator.enqueue_payload({"a": 1})
        first, second = runtime.poll(), runtime.poll()
        self.assertEqual(second.status, 200)
        self.assertEqual(without_date(second), without_date(first))

    def test_rt_25_next_after_an_init_error_is_refused(self) -> None:
        runtime = self.runtime()
        self.assert_accepted(runtime.init_error())
        self.assert_transition(runtime.poll(), "InitError", "Ready")

    def test_rt_26_next_during_an_upload_is_refused(self) -> None:
        for path, state in (
            (response_path, "InvocationResponse"),
            (error_path, "InvocationErrorResponse"),
        ):
            with self.subTest(state=state):
                self.simulate()
                runtime, request_id = self.running()
                self.begin_upload(runtime, path(request_id))
                self.assert_transition(self.runtime().poll(), state, "Ready")
                runtime.end_chunks()
                self.assert_accepted(runtime.read_answer())

    def begin_upload(self, runtime: RawRuntime, path: str) -> None:
        """Start to send a body, and come back when the simulator has begun to read it."""
        headers = {"Transfer-Encoding": "chunked", "Expect": "100-continue"}
        runtime.send_head("POST", path, headers)
        self.assertEqual(runtime.read_answer().status, 100)
        runtime.send_chunk(b"{")

    def test_rt_27_the_deadline_is_the_dispatch_and_the_timeout(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock, invocation_timeout=7.0, init_timeout=900.0)
        clock.advance(60.0)  # init takes long, and is not on the invocation's time
        runtime = self.park(self.runtime())
        clock.advance(60.0)
        request_id = self.simulator.enqueue_payload({})
        expected = int((clock.time() + 7.0) * 1000)
        state = self.simulator.get_invocation_state(request_id)
        self.assertEqual(state.invocation.deadline_ms, expected)
        self.assertEqual(int(runtime.event().answer["Lambda-Runtime-Deadline-Ms"]), expected)

    def test_rt_27_the_time_before_the_dispatch_does_not_count(self) -> None:
        early = datetime.now(UTC) - timedelta(seconds=60)
        before = datetime.now(UTC)
        answer = self.next_of(Invocation({}, timeout=3.0, created_at=early))
        self.assertGreaterEqual(
            int(answer["Lambda-Runtime-Deadline-Ms"]), int(before.timestamp() * 1000) + 3000
        )

    def test_rt_100_the_trace_keeps_its_root_sampling_and_lineage(self) -> None:
        trace = f"Root=1-{'a' * 8}-{'b' * 24};Parent={'c' * 16};Sampled=1;Lineage=25:abcd:0"
        told = self.next_of(Invocation({}, trace_id=trace))["Lambda-Runtime-Trace-Id"]
        kept = [part for part in trace.split(";") if not part.startswith("Parent=")]
        self.assertEqual([p for p in told.split(";") if not p.startswith("Parent=")], kept)


class ResponseTest(ConformanceTest):
    def test_rt_30_a_response_is_accepted(self) -> None:
        runtime, request_id = self.running()
        answer = runtime.respond(request_id, b'{"a":1}')
        self.assertEqual((answer.status, answer.reason), (202, "Accepted"))
        self.assertEqual(answer.body, ACCEPTED)
        self.assertEqual(answer["Content-Type"], "application/json")
        self.assertEqual(self.complete(request_id).response.payload, {"a": 1})

    def test_rt_31_any_bytes_are_a_response(self) -> None:
        for body in (b"", b"not json", b"\x00\xff\xfe", b'{ "b":1, "a":2 }', b"\xc3("):
            with self.subTest(body=body):
                self.simulate()
                runtime, request_id = self.running()
                answer = runtime.respond(request_id, body, Content_Type="application/unknown")
                self.assert_accepted(answer)
                response = self.complete(request_id).response
                self.assertEqual(response.body, body)
                self.assertEqual(response.content_type, "application/unknown")

    def test_rt_32_a_response_without_a_content_type_is_octets(self) -> None:
        runtime, request_id = self.running()
        self.assert_accepted(runtime.respond(request_id))
        content_type = self.complete(request_id).response.content_type
        self.assertEqual(content_type, "application/octet-stream")

    def test_rt_33_a_response_of_the_limit_is_accepted(self) -> None:
        runtime, request_id = self.running()
        self.assert_accepted(runtime.respond(request_id, b"x" * LIMIT))
        self.assertEqual(len(self.complete(request_id).response.body), LIMIT)

    def test_rt_33_one_byte_more_is_refused_and_fails_the_invocation(self) -> None:
        runtime, request_id = self.running()
        answer = runtime.respond(request_id, b"x" * (LIMIT + 1))
        self.assert_too_large(answer, request_id)

    def test_rt_33_the_same_in_chunks(self) -> None:
        runtime, request_id = self.running()
        chunks = [b"x" * LIMIT, b"x"]
        answer = runtime.request_chunked("POST", response_path(request_id), (), chunks)
        self.assert_too_large(answer, request_id)

    def assert_too_large(self, answer: RawAnswer, request_id: str) -> None:
        body = refusal(
            "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({LIMIT} bytes)."
        )
        self.assertEqual((answer.status, answer.body), (413, body))
        message = f"Response payload size exceeded maximum allowed payload size ({LIMIT} bytes)."
        self.assert_failed(request_id, "Function.ResponseSizeTooLarge", message)

    def test_rt_33_the_runtime_goes_on_after_a_response_too_large(self) -> None:
        runtime, request_id = self.running()
        runtime.respond(request_id, b"x" * (LIMIT + 1))
        again = self.runtime()
        later = self.simulator.enqueue_payload({})
        self.assertEqual(again.next().id, later)
        self.assert_accepted(again.respond(later))
        self.assertIs(self.complete(later).status, InvocationStatus.SUCCESS)

    def test_rt_34_streaming_is_a_response_mode(self) -> None:
        runtime, request_id = self.running()
        answer = runtime.respond(request_id, Lambda_Runtime_Function_Response_Mode="streaming")
        self.assert_accepted(answer)
        self.assertIs(self.complete(request_id).status, InvocationStatus.SUCCESS)

    def test_rt_34_any_other_response_mode_is_refused_and_fails_the_invocation(self) -> None:
        for mode in ("Streaming", "buffered", "", "streaming,streaming", " "):
            with self.subTest(mode=mode):
                self.simulate()
                runtime, request_id = self.running()
                answer = runtime.respond(request_id, Lambda_Runtime_Function_Response_Mode=mode)
                self.assert_refused(
                    answer, 400, "InvalidFunctionResponseMode", "Invalid function response mode"
                )
                error = self.complete(request_id).error
                self.assertEqual(error.error_type, "Runtime.InvalidResponseModeHeader")

    def test_rt_34_the_runtime_goes_on_after_a_wrong_response_mode(self) -> None:
        runtime, request_id = self.running()
        runtime.respond(request_id, Lambda_Runtime_Function_Response_Mode="x")
        later = self.simulator.enqueue_payload({})
        self.assertEqual(runtime.next().id, later)

    def test_rt_35_headers_are_judged_before_the_body_comes(self) -> None:
        for mode, answers_id in (("streaming", "other"), ("bad", None)):
            with self.subTest(mode=mode):
                self.simulate()
                runtime, request_id = self.running()
                headers = {STREAMING[0]: mode, "Content-Length": "1000"}
                runtime.send_head("POST", response_path(answers_id or request_id), headers)
                self.assertEqual(runtime.read_answer().status, 400)

    def test_rt_36_a_truncated_response_fails_the_invocation(self) -> None:
        for framing, start in (
            ({"Content-Length": "100"}, b"short"),
            ({"Transfer-Encoding": "chunked"}, b"5\r\nshort\r\n"),
        ):
            with self.subTest(framing=framing):
                self.simulate()
                runtime, request_id = self.running()
                runtime.send_head("POST", response_path(request_id), framing)
                runtime.send(start)
                runtime.half_close()
                answer = runtime.read_answer()
                self.assert_refused(
                    answer, 400, "TruncatedHTTPRequest", "HTTP request detected as truncated"
                )
                error = self.complete(request_id).error
                self.assertEqual(error.error_type, "Runtime.TruncatedResponse")

    def test_rt_36_the_environment_lives_on_after_a_reset_in_an_upload(self) -> None:
        runtime, request_id = self.running()
        runtime.send_head("POST", response_path(request_id), {"Content-Length": "100"})
        runtime.send(b"short")
        runtime.abort()
        self.assertEqual(self.complete(request_id).error.error_type, "Runtime.TruncatedResponse")
        runtime, later = self.running()
        self.assert_accepted(runtime.respond(later))

    def test_rt_37_a_second_answer_is_refused_by_state(self) -> None:
        runtime, request_id = self.running()
        runtime.respond(request_id)
        sent = "RuntimeResponseSentState"
        self.assert_transition(runtime.respond(request_id), sent, "InvocationResponse")
        self.assert_transition(runtime.fail(request_id), sent, "InvocationErrorResponse")

    def test_rt_37_an_answer_to_a_closed_invocation_is_refused_by_id(self) -> None:
        runtime, request_id = self.running()
        runtime.respond(request_id, b"1")
        self.park(self.runtime())
        self.assert_refused(
            runtime.respond(request_id, b"2"), 400, "InvalidRequestID", "Invalid request ID"
        )
        self.assertEqual(self.complete(request_id).response.body, b"1")

    def test_x_05_the_invoker_is_answered_before_extensions_are_done(self) -> None:
        extension = self.extension("watcher", "INVOKE")
        runtime = self.park(self.runtime())
        self.park(extension)
        request_id = self.simulator.enqueue_payload({})
        runtime.event()
        extension.event()
        self.assert_accepted(runtime.respond(request_id))
        self.assertIs(self.complete(request_id).status, InvocationStatus.SUCCESS)
        self.assertFalse(self.simulator.are_extensions_ready(request_id))


class ErrorTest(ConformanceTest):
    def failed_with(self, body: bytes = b"{}", **headers: str) -> Any:
        """The state of an invocation that a runtime failed with this."""
        self.simulate()
        runtime, request_id = self.running()
        self.assert_accepted(runtime.fail(request_id, body, **headers))
        return self.complete(request_id)

    def test_rt_40_any_body_and_content_type_is_an_error(self) -> None:
        for body, content_type in (
            (b"", "text/plain"),
            (b"not json", "image/png"),
            (b"\xff\x00", "application/octet-stream"),
            (b"[1]", "application/json"),
        ):
            with self.subTest(body=body):
                state = self.failed_with(body, Content_Type=content_type)
                self.assertIs(state.status, InvocationStatus.ERROR)
                self.assertEqual(state.error.body, body)

    def test_rt_41_an_error_type_is_kept_or_replaced(self) -> None:
        for header, told in (
            ("Runtime.ImportModuleError", "Runtime.ImportModuleError"),
            ("Function.Sad", "Function.Sad"),
            ("MyRuntime.Sad", "MyRuntime.Sad"),
            ("Function.Sad!", "Function.Sad!"),
            ("Function.sad", "Function.Unknown"),
            ("Runtime.sad", "Runtime.Unknown"),
            ("Runtime.S", "Runtime.Unknown"),
            ("Unhandled", "Runtime.Unknown"),
            ("unhandled", "Runtime.Unknown"),
            (None, "Runtime.Unknown"),
        ):
            with self.subTest(header=header):
                given = {} if header is None else {"Lambda_Runtime_Function_Error_Type": header}
                self.failed_with(**given)
                self.settle(self.runtime())
                self.assertEqual(self.telemetry("platform.report")["errorType"], told)

    def test_rt_41_the_payload_is_not_touched(self) -> None:
        body = b'{"errorType":"Mine","errorMessage":"m"}'
        state = self.failed_with(body, Lambda_Runtime_Function_Error_Type="Runtime.Other")
        self.assertEqual(state.error.body, body)
        self.assertEqual(state.error.error_type, "Mine")

    def test_rt_42_the_body_is_handed_on_as_it_is(self) -> None:
        body = b'{ "stackTrace": [], "errorType":"E", "errorMessage":"m", "requestId":"x" }'
        error = self.failed_with(body).error
        self.assertEqual(error.body, body)
        self.assertEqual((error.error_type, error.error_message), ("E", "m"))
        self.assertEqual(error.stack_trace, [])

    def test_rt_43_an_error_cause_is_taken_out_of_the_payload(self) -> None:
        told = {"errorMessage": "m", "errorType": "E", "stackTrace": ["a"]}
        given = {**told, "errorCause": {"exceptions": []}}
        for left_out in ((), ("stackTrace",)):
            with self.subTest(left_out=left_out):
                body = {k: v for k, v in given.items() if k not in left_out}
                expected = {k: v for k, v in told.items() if k not in left_out}
                state = self.failed_with(
                    json.dumps(body).encode(),
                    Content_Type="application/vnd.aws.lambda.error.cause+json",
                )
                self.assertEqual(state.error.payload, expected)

    def test_rt_43_an_error_cause_that_is_no_json_says_so(self) -> None:
        kind = "application/vnd.aws.lambda.error.cause+json"
        self.assertEqual(
            self.failed_with(b"{", Content_Type=kind).error.body, b'"Invalid error body"'
        )

    def test_rt_44_a_cause_is_never_an_http_error(self) -> None:
        good = {"exceptions": [{"message": "m", "type": "E", "stack": []}]}
        for cause in (json.dumps(good), "{", "[]", "{}", "x" * 60_000):
            with self.subTest(cause=cause[:20]):
                state = self.failed_with(b'{"a":1}', Lambda_Runtime_Function_XRay_Error_Cause=cause)
                self.assertEqual(state.error.body, b'{"a":1}')

    def test_rt_44_a_large_cause_is_never_an_http_error(self) -> None:
        cause = json.dumps({"message": "x" * 900_000})
        state = self.failed_with(b'{"a":1}', Lambda_Runtime_Function_XRay_Error_Cause=cause)
        self.assertEqual(state.error.body, b'{"a":1}')

    def test_rt_45_headers_beyond_ascii_are_accepted(self) -> None:
        for text in ("Runtime.Sad é漢", "Runtime.Sad \\u00e9"):
            with self.subTest(text=text):
                state = self.failed_with(Lambda_Runtime_Function_Error_Type=text)
                self.assertIs(state.status, InvocationStatus.ERROR)


class InitErrorTest(ConformanceTest):
    def test_rt_50_an_init_error_is_accepted_before_the_first_next(self) -> None:
        answer = self.runtime().init_error(b'{"errorMessage":"m","errorType":"E"}')
        self.assert_accepted(answer)
        self.wait_for(lambda: self.simulator.init_error == "E: m")

    def test_rt_50_an_init_error_after_next_is_refused(self) -> None:
        runtime, request_id = self.running()
        self.assert_transition(runtime.init_error(), "Running", "InitError")
        self.assert_accepted(runtime.respond(request_id))
        sent = "RuntimeResponseSentState"
        self.assert_transition(runtime.init_error(), sent, "InitError")
        self.park(self.runtime())
        self.assert_transition(runtime.init_error(), "Ready", "InitError")

    def test_rt_51_the_type_comes_from_the_header(self) -> None:
        self.runtime().init_error(Lambda_Runtime_Function_Error_Type="Runtime.ImportModuleError")
        report = self.telemetry("platform.initReport")
        self.assertEqual(report["errorType"], "Runtime.ImportModuleError")

    def test_rt_52_the_waiting_invocation_gets_the_body_as_it_is(self) -> None:
        body = (
            b'{"errorMessage": "Runtime startup fails", "errorType": "Exception",'
            b' "requestId": "", "stackTrace": ["a"]}'
        )
        request_id = self.simulator.enqueue_payload({})
        self.runtime().init_error(body)
        state = self.complete(request_id)
        self.assertIs(state.status, InvocationStatus.ERROR)
        self.assertEqual(state.error.body, body)

    def test_rt_54_python_gets_its_202(self) -> None:
        # awslambdaric posts over http.client: no User-Agent, no Content-Type.
        answer = self.runtime().init_error(
            b"{}", lambda_runtime_function_error_type="Runtime.HandlerNotFound"
        )
        self.assertEqual(answer.status, 202)


class StreamingTest(ConformanceTest):
    def begin_stream(self, *headers: tuple[str, str]) -> tuple[RawRuntime, Any]:
        """A runtime that has begun to stream, and what the invoker reads."""
        runtime = self.runtime()
        stream = self.simulator.invoke_stream({}, timeout=20.0)
        self.assertEqual(runtime.next().id, stream.request_id)
        chunked = ("Transfer-Encoding", "chunked")
        runtime.send_head("POST", response_path(stream.request_id), [STREAMING, chunked, *headers])
        return runtime, stream

    def test_rt_80_a_stream_is_accepted_when_all_of_it_came(self) -> None:
        runtime, stream = self.begin_stream(("Trailer", ERROR_TYPE), ("Trailer", ERROR_BODY))
        runtime.send_chunk(b"a")
        self.assertEqual(next(stream), b"a")
        self.assertTrue(runtime.is_silent())
        runtime.end_chunks()
        self.assert_accepted(runtime.read_answer())
        self.assertEqual(list(stream), [])
        self.assertIs(stream.state.status, InvocationStatus.SUCCESS)

    def fail_midstream(self, *trailers: tuple[str, str]) -> Any:
        """The state after a stream of some bytes that ended with trailers."""
        runtime, stream = self.begin_stream(("Trailer", f"{ERROR_TYPE}, {ERROR_BODY}"))
        runtime.send_chunk(b"some")
        runtime.end_chunks(trailers)
        self.assert_accepted(runtime.read_answer())
        self.assertEqual(list(stream), [b"some"])
        return stream.state

    def test_rt_81_trailers_make_it_an_error_though_bytes_were_delivered(self) -> None:
        body = b'{"errorType":"Midway","errorMessage":"m"}'
        state = self.fail_midstream(
            (ERROR_TYPE, "Function.Midway"), (ERROR_BODY, base64.b64encode(body).decode())
        )
        self.assertIs(state.status, InvocationStatus.ERROR)
        self.assertEqual(state.error.body, body)
        self.park(self.runtime())
        self.assertEqual(self.telemetry("platform.report")["errorType"], "Function.Midway")

    def test_rt_81_a_body_that_is_no_base64_counts_as_absent(self) -> None:
        state = self.fail_midstream((ERROR_TYPE, "Function.Midway"), (ERROR_BODY, "{!"))
        self.assertIs(state.status, InvocationStatus.ERROR)
        self.assertEqual(state.error.body, b"")

    def test_rt_81_trailer_names_have_no_case(self) -> None:
        state = self.fail_midstream((ERROR_TYPE.lower(), "Function.Midway"))
        self.assertIs(state.status, InvocationStatus.ERROR)

    def test_rt_81_they_make_a_response_an_error_that_does_not_call_itself_a_stream(self) -> None:
        runtime, request_id = self.running()
        trailers = [(ERROR_TYPE, "Function.Midway"), (ERROR_BODY, base64.b64encode(b"{}").decode())]
        declared = {"Trailer": f"{ERROR_BODY},{ERROR_TYPE}"}
        path = response_path(request_id)
        self.assert_accepted(runtime.request_chunked("POST", path, declared, [b"so"], trailers))
        state = self.complete(request_id)
        self.assertEqual((state.error.error_type, state.error.body), ("Function.Midway", b"{}"))

    def test_rt_82_bytes_are_handed_on_as_they_arrive(self) -> None:
        runtime, stream = self.begin_stream()
        for piece in (b"one", b"\x00two", b"three"):
            runtime.send_chunk(piece)
            self.assertEqual(next(stream), piece)
        runtime.end_chunks()
        self.assertEqual(list(stream), [])
        self.assertEqual(stream.state.response.body, b"one\x00twothree")

    def test_rt_82_a_piece_is_at_most_32_kib(self) -> None:
        runtime, stream = self.begin_stream()
        self.soon(lambda: (runtime.send_chunk(b"x" * 100_000), runtime.end_chunks()))
        pieces = list(stream)
        self.assertEqual(b"".join(pieces), b"x" * 100_000)
        self.assertLessEqual(max(map(len, pieces)), 32 * 1024)

    def test_rt_82_the_first_byte_ends_the_latency(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock, invocation_timeout=900.0)
        runtime, stream = self.begin_stream()
        clock.advance(1.0)
        runtime.send_chunk(b"a")
        next(stream)
        clock.advance(2.0)
        runtime.end_chunks()
        runtime.read_answer()
        clock.advance(0.5)
        self.park(self.runtime())
        spans = {one["name"]: one for one in self.telemetry("platform.runtimeDone")["spans"]}
        durations = {name: one["durationMs"] for name, one in spans.items()}
        self.assertEqual(
            durations,
            {"responseLatency": 1000.0, "responseDuration": 2000.0, "runtimeOverhead": 500.0},
        )


class InvocationIdTest(ConformanceTest):
    """RT-90 to 92: an answer to an earlier attempt is told from one to this."""

    def test_rt_90_request_ids_may_come_again_and_invocation_ids_do_not(self) -> None:
        runtime = self.runtime()
        seen = []
        for _ in range(2):
            self.simulator.enqueue(Invocation({}, request_id="again"))
            event = runtime.next()
            seen.append(event.answer["Lambda-Runtime-Invocation-Id"])
            runtime.respond(event.id)
            self.settle(self.runtime())
        self.assertNotEqual(*seen)

    def test_rt_91_an_echoed_invocation_id_is_accepted(self) -> None:
        for verb in ("respond", "fail"):
            with self.subTest(verb=verb):
                runtime = self.runtime()
                self.simulator.enqueue_payload({})
                event = runtime.next()
                echoed = {
                    "lambda_runtime_invocation_id": event.answer["Lambda-Runtime-Invocation-Id"]
                }
                self.assert_accepted(getattr(runtime, verb)(event.id, **echoed))

    def test_rt_92_no_invocation_id_is_no_matter(self) -> None:
        runtime, request_id = self.running()
        self.assert_accepted(runtime.respond(request_id))

    def test_rt_92_another_attempts_invocation_id_is_gone(self) -> None:
        for verb in ("respond", "fail"):
            with self.subTest(verb=verb):
                self.simulate()
                runtime, request_id = self.running()
                wrong = {"Lambda_Runtime_Invocation_Id": str(uuid.uuid4())}
                answer = getattr(runtime, verb)(request_id, **wrong)
                self.assertEqual((answer.status, answer.reason), (410, "Gone"))
                self.assert_refused(answer, 410, "InvokeTimeout", "Invoke timeout")
                self.assert_accepted(runtime.respond(request_id))


def body_of(state: Any) -> bytes:
    answer = state.response or state.error
    return bytes(answer.body)


def without_date(answer: RawAnswer) -> RawAnswer:
    kept = [pair for pair in answer.headers if not re.fullmatch("date", pair[0], re.IGNORECASE)]
    return replace(answer, headers=kept)
