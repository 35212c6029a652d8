"""loop: from Next to the answer, whatever the handler does."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from lambda_sim.handler import Execution, lambda_handler
from lambda_sim.handler import Handler as TypedHandler
from lambda_sim.handler.client import RuntimeApiError, RuntimeClient
from lambda_sim.handler.context import LambdaContext
from lambda_sim.handler.http import ConnectionClosed
from lambda_sim.handler.loop import poll, run

from .doubles import (
    ACCEPTED,
    PATIENCE,
    REQUEST_ID,
    HandlerTestCase,
    Instead,
    Request,
    Step,
    answer,
    next_answer,
)

Handler = Callable[[Any, LambdaContext], Any]


def echo(event: Any, context: LambdaContext) -> Any:
    return event


def boom(event: Any, context: LambdaContext) -> Any:
    raise ValueError("boom")


def timely(body: bytes) -> bytes:
    """What Next gives, with a minute left."""
    return next_answer(body, Lambda_Runtime_Deadline_Ms=str(int(time.time() * 1000) + 60_000))


@lambda_handler
def streaming(event: list[int], context: LambdaContext) -> Iterator[str]:
    for number in event:
        if not number:
            raise ValueError("zero")
        yield str(number)


class TestRun(HandlerTestCase):
    def setUp(self) -> None:
        self.enterContext(mock.patch.dict(os.environ))
        self.output = self.enterContext(contextlib.redirect_stdout(io.StringIO()))

    def play(
        self, handler: Handler, *steps: Step, ends: type[BaseException] = OSError
    ) -> list[Request]:
        """Run the handler until the script is through, and return what was posted."""
        return self.play_out(lambda client: run(handler, client), *steps, ends=ends)

    def play_typed(self, handler: TypedHandler[Any, Any, Any], *steps: Step) -> list[Request]:
        with Execution(handler) as execution:
            return self.play_out(lambda client: poll(execution, client), *steps, ends=OSError)

    def play_out(
        self, runs: Callable[[RuntimeClient], None], *steps: Step, ends: type[BaseException]
    ) -> list[Request]:
        server = self.serve(steps)
        with RuntimeClient(server.address) as client, self.assertRaises(ends):
            runs(client)
        requests = [server.requests.get_nowait() for _ in range(server.requests.qsize())]
        return [request for request in requests if request.method == "POST"]

    def test_a_result_is_posted_as_json(self) -> None:
        [posted] = self.play(echo, next_answer(b'{"a": [1, 2.5, null]}'), ACCEPTED)
        self.assertTrue(posted.path.endswith(f"/{REQUEST_ID}/response"))
        self.assertEqual("application/json", posted.headers["content-type"])
        self.assertEqual(b'{"a": [1, 2.5, null]}', posted.body)

    def test_invocations_follow_each_other(self) -> None:
        steps = [step for n in range(3) for step in (next_answer(b"%d" % n), ACCEPTED)]
        self.assertEqual([b"0", b"1", b"2"], [p.body for p in self.play(echo, *steps)])

    def test_an_event_that_is_not_json_is_handed_over_as_bytes(self) -> None:
        text = next_answer(b"\xffraw", Content_Type="text/plain")
        [posted] = self.play(echo, text, ACCEPTED)
        self.assertEqual(b"\xffraw", posted.body)
        self.assertEqual("application/unknown", posted.headers["content-type"])

    def test_the_handler_gets_the_context_of_its_invocation(self) -> None:
        def handler(event: Any, context: LambdaContext) -> Any:
            return [context.aws_request_id, context.tenant_id, context.trace_id]

        script = next_answer(Lambda_Runtime_Aws_Tenant_Id="blue", Lambda_Runtime_Trace_Id="Root=1")
        [posted] = self.play(handler, script, ACCEPTED)
        self.assertEqual([REQUEST_ID, "blue", "Root=1"], json.loads(posted.body))

    def test_the_trace_id_is_in_the_environment_of_its_invocation_only(self) -> None:
        def handler(event: Any, context: LambdaContext) -> Any:
            return os.environ.get("_X_AMZN_TRACE_ID")

        traced = next_answer(Lambda_Runtime_Trace_Id="Root=1")
        posted = self.play(handler, traced, ACCEPTED, next_answer(), ACCEPTED)
        self.assertEqual([b'"Root=1"', b"null"], [p.body for p in posted])

    def test_an_exception_is_posted_and_the_loop_goes_on(self) -> None:
        posted = self.play(boom, *[next_answer(), ACCEPTED] * 2)
        self.assertEqual(2, len(posted))
        self.assertTrue(posted[0].path.endswith(f"/{REQUEST_ID}/error"))
        error = json.loads(posted[0].body)
        self.assertEqual(("ValueError", "boom"), (error["errorType"], error["errorMessage"]))
        self.assertEqual(REQUEST_ID, error["requestId"])

    def test_the_stack_trace_begins_in_the_handler(self) -> None:
        [posted] = self.play(boom, next_answer(), ACCEPTED)
        [frame] = json.loads(posted.body)["stackTrace"]
        self.assertIn("in boom\n", frame)

    def test_an_exception_is_printed(self) -> None:
        self.play(boom, next_answer(), ACCEPTED)
        self.assertTrue(self.output.getvalue().startswith("[ERROR] ValueError: boom\nTraceback"))

    def test_a_stream_is_posted_piece_by_piece(self) -> None:
        [posted] = self.play_typed(streaming, timely(b"[1, 2]"), ACCEPTED)
        self.assertTrue(posted.path.endswith(f"/{REQUEST_ID}/response"))
        self.assertEqual("streaming", posted.headers["lambda-runtime-function-response-mode"])
        self.assertEqual([b"1", b"2"], posted.chunks)
        self.assertEqual({}, posted.trailers)

    def test_what_ends_a_stream_is_printed_and_posted_behind_it(self) -> None:
        [posted] = self.play_typed(streaming, timely(b"[1, 0]"), ACCEPTED)
        self.assertEqual([b"1"], posted.chunks)
        self.assertEqual("ValueError", posted.trailers["lambda-runtime-function-error-type"])
        error = json.loads(b64decode(posted.trailers["lambda-runtime-function-error-body"]))
        self.assertEqual(("ValueError", "zero"), (error["errorType"], error["errorMessage"]))
        self.assertIn("[ERROR] ValueError: zero", self.output.getvalue())

    def test_a_stream_that_fails_before_its_first_piece_is_an_error(self) -> None:
        [posted] = self.play_typed(streaming, timely(b"[0, 1]"), ACCEPTED)
        self.assertTrue(posted.path.endswith(f"/{REQUEST_ID}/error"))

    def test_an_event_that_can_t_be_read_never_reaches_the_handler(self) -> None:
        handler = mock.Mock()
        [posted] = self.play(handler, next_answer(b"{"), ACCEPTED)
        handler.assert_not_called()
        self.assertEqual("Runtime.UnmarshalError", json.loads(posted.body)["errorType"])

    def test_a_result_that_can_t_be_written_is_an_error(self) -> None:
        [posted] = self.play(lambda event, context: {1, 2}, next_answer(), ACCEPTED)
        self.assertEqual("Runtime.MarshalError", json.loads(posted.body)["errorType"])

    def test_a_client_context_that_can_t_be_read_is_an_error(self) -> None:
        script = next_answer(Lambda_Runtime_Client_Context="{")
        [posted] = self.play(echo, script, ACCEPTED)
        error_type = json.loads(posted.body)["errorType"]
        self.assertEqual("Runtime.LambdaContextUnmarshalError", error_type)

    def test_leaving_and_interrupting_come_through_with_nothing_posted(self) -> None:
        for leaving in (SystemExit, KeyboardInterrupt):
            with self.subTest(leaving):
                handler = mock.Mock(side_effect=leaving)
                self.assertEqual([], self.play(handler, next_answer(), ends=leaving))

    def test_an_answer_refused_with_4xx_is_logged_and_the_loop_goes_on(self) -> None:
        for status in ("413 Too Large", "403 Forbidden", "410 Gone", "400 Bad Request"):
            for handler in (echo, boom):
                with self.subTest(status, handler=handler), self.assertLogs() as logs:
                    refused = answer(b"no", status)
                    posted = self.play(handler, next_answer(), refused, next_answer(), ACCEPTED)
                    self.assertEqual(2, len(posted))
                    self.assertIn(f"was answered with {status[:3]}: no", logs.output[0])

    def test_an_answer_that_met_a_failing_server_ends_the_loop(self) -> None:
        failing = answer(b"", "500 Internal Server Error")
        self.play(echo, next_answer(), failing, ends=RuntimeApiError)

    def test_a_refused_next_ends_the_loop(self) -> None:
        self.play(echo, answer(b"", "403 Forbidden"), ends=RuntimeApiError)

    def test_closing_the_client_in_another_thread_ends_the_loop(self) -> None:
        server = self.serve([Instead.HANG])
        client = RuntimeClient(server.address)
        running = self.start_threads().submit(run, echo, client)
        server.next_request()
        client.close()
        self.assertIsInstance(running.exception(PATIENCE), ConnectionClosed)
