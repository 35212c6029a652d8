"""execution: from an event's bytes to what becomes of them."""

from __future__ import annotations

import os
import unittest
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import attrs

from lambda_sim.errors import ConfigurationError, LambdaSimError
from lambda_sim.handler import Execution, Handler, Invocation, lambda_handler
from lambda_sim.handler.outcome import Failure, Stream
from lambda_sim.handler.payloads import Payload
from tests.handler.doubles import REQUEST_ID, make_event, make_invocation


@attrs.frozen
class Order:
    id: str
    count: int = 1


class Counting(Handler[list[str], Order, Order]):
    """Writes down what happens to it."""

    def __init__(self) -> None:
        self.story: list[str] = []

    def setup(self) -> list[str]:
        self.story.append("setup")
        return []

    def run(self, shared: list[str], invocation: Invocation[Order]) -> Order:
        shared.append(invocation.event.id)
        return Order(",".join(shared), len(shared))

    def teardown(self, shared: list[str]) -> None:
        self.story.append(f"teardown {len(shared)}")

    def on_error(self, error: BaseException, invocation: Invocation[Order]) -> None:
        self.story.append(f"{type(error).__name__} of {invocation.event.id}")


class Failing(Counting):
    def run(self, shared: list[str], invocation: Invocation[Order]) -> Order:
        raise KeyError(invocation.event.id)


class ExecutionTest(unittest.TestCase):
    def setUp(self) -> None:
        self.enterContext(mock.patch.dict(os.environ))
        os.environ.pop("AWS_REGION", None)
        os.environ.pop("AWS_DEFAULT_REGION", None)

    def start(self, handler: Handler[Any, Any, Any] | Callable[..., Any]) -> Execution[Any]:
        if not isinstance(handler, Handler):
            handler = lambda_handler(handler)
        return self.enterContext(Execution(handler))

    def answer(self, handler: Any, body: bytes = b"{}", **fields: Any) -> bytes:
        outcome = self.start(handler).execute(make_event(body, **fields))
        assert isinstance(outcome, Payload), outcome
        return outcome.body

    def failure(self, handler: Any, body: bytes = b"{}", **fields: Any) -> Failure:
        outcome = self.start(handler).execute(make_event(body, **fields))
        assert isinstance(outcome, Failure), outcome
        return outcome


class TestSharedState(ExecutionTest):
    def test_setup_runs_once_and_every_event_finds_what_it_made(self) -> None:
        handler = Counting()
        execution = self.start(handler)
        execution.start()
        bodies = [execution.execute(make_event(b'{"id": "%d"}' % n)).body for n in range(3)]
        self.assertEqual(
            bodies,
            [
                b'{"id": "0", "count": 1}',
                b'{"id": "0,1", "count": 2}',
                b'{"id": "0,1,2", "count": 3}',
            ],
        )
        self.assertEqual(handler.story, ["setup"])

    def test_teardown_gets_it_once(self) -> None:
        handler = Counting()
        with Execution(handler) as execution:
            execution.execute(make_event(b'{"id": "a"}'))
        execution.close()
        self.assertEqual(handler.story, ["setup", "teardown 1"])
        with self.assertRaisesRegex(LambdaSimError, "not started again"):
            execution.start()

    def test_what_setup_raises_comes_through_and_nothing_is_torn_down(self) -> None:
        class NoDatabase(Counting):
            def setup(self) -> list[str]:
                raise ConnectionError("no database")

        handler = NoDatabase()
        with self.assertRaisesRegex(ConnectionError, "no database"), Execution(handler):
            self.fail("it started")
        self.assertEqual(handler.story, [])

    def test_a_type_that_nobody_can_read_is_found_out_before_the_first_event(self) -> None:
        class Odd:
            def __init__(self, secret: object) -> None: ...

        execution = Execution(lambda_handler(event=Odd)(lambda event, context: None))
        with self.assertRaisesRegex(ConfigurationError, "the event's type: got .*Odd.*cattrs"):
            execution.start()

    def test_nothing_runs_before_start_or_after_close(self) -> None:
        execution = Execution(Counting())
        with self.assertRaisesRegex(LambdaSimError, "before start"):
            execution.execute(make_event(b'{"id": "a"}'))

    def test_a_handler_without_setup_shares_none(self) -> None:
        class Bare(Handler[None, dict[str, Any], bool]):
            def run(self, shared: None, invocation: Invocation[dict[str, Any]]) -> bool:
                return shared is None

        self.assertEqual(self.answer(Bare()), b"true")


class TestInvocation(ExecutionTest):
    def test_it_has_all_that_lambda_said(self) -> None:
        def handler(invocation: Invocation[Any]) -> Any:
            context = invocation.context
            told = context.aws_request_id, context.tenant_id, context.trace_id, context.deadline_ms
            assert 0 < invocation.remaining_ms() <= 60_000
            assert invocation.deadline.at_ms == context.deadline_ms
            return [*told, invocation.raw.decode(), invocation.region]

        os.environ["AWS_REGION"] = "eu-west-1"
        event = make_event(b'{"a":1}', tenant_id="blue", trace_id="Root=1")
        outcome = self.start(handler).execute(event)
        expected = (
            f'["{REQUEST_ID}", "blue", "Root=1", {event.deadline_ms}, "{{\\"a\\":1}}", "eu-west-1"]'
        )
        self.assertEqual(outcome.body.decode(), expected)

    def test_it_shows_nothing_of_the_event(self) -> None:
        def handler(invocation: Invocation[Any]) -> Any:
            return "s3cret" in repr(invocation)

        self.assertEqual(self.answer(handler, b'"s3cret"'), b"false")

    def test_without_a_variable_the_region_is_that_of_the_function(self) -> None:
        def handler(invocation: Invocation[Any]) -> Any:
            return invocation.region

        arn = "arn:aws:lambda:eu-north-1:123456789012:function:f"
        self.assertEqual(self.answer(handler, invoked_function_arn=arn), b'"eu-north-1"')
        self.assertEqual(self.answer(handler), b'""')

    def test_time_that_is_over_is_zero_and_never_less(self) -> None:
        self.assertEqual(make_invocation({}, deadline_ms=1).remaining_ms(), 0)

    def test_an_event_that_is_no_json_is_bytes_where_any_is_declared(self) -> None:
        def handler(invocation: Invocation[Any]) -> Any:
            return invocation.event

        self.assertEqual(self.answer(handler, b"\xff", content_type="text/plain"), b"\xff")


class TestFailures(ExecutionTest):
    def test_an_event_of_another_shape_never_reaches_the_handler(self) -> None:
        handler = Counting()
        failure = self.failure(handler, b'{"id": 5}')
        self.assertEqual(failure.report.error_type, "EventValidationError")
        self.assertEqual(failure.report.error_message, "id: expected a string, got a number")
        self.assertEqual((failure.report.stack_trace, failure.report.request_id), ([], REQUEST_ID))
        self.assertEqual(handler.story, ["setup"])

    def test_an_event_that_can_t_be_read_is_lambdas_fault(self) -> None:
        failure = self.failure(Counting(), b"{")
        self.assertEqual(failure.report.error_type, "Runtime.UnmarshalError")
        failure = self.failure(Counting(), client_context="{")
        self.assertEqual(failure.report.error_type, "Runtime.LambdaContextUnmarshalError")

    def test_what_run_raises_is_shown_to_on_error_and_reported(self) -> None:
        handler = Failing()
        failure = self.failure(handler, b'{"id": "a"}')
        self.assertEqual(handler.story, ["setup", "KeyError of a"])
        self.assertIsInstance(failure.error, KeyError)
        self.assertEqual(
            (failure.report.error_type, failure.report.error_message), ("KeyError", "'a'")
        )
        [frame] = failure.report.stack_trace
        self.assertIn("in run\n    raise KeyError", frame)

    def test_an_on_error_that_fails_itself_is_logged_and_changes_nothing(self) -> None:
        class Clumsy(Failing):
            def on_error(self, error: BaseException, invocation: Invocation[Order]) -> None:
                raise RuntimeError("clumsy")

        with self.assertLogs("lambda_sim.handler.execution") as logs:
            failure = self.failure(Clumsy(), b'{"id": "a"}')
        self.assertEqual(failure.report.error_type, "KeyError")
        self.assertIn("RuntimeError: clumsy", logs.output[0])

    def test_a_result_that_has_no_json_is_a_failure_on_error_sees(self) -> None:
        class Odd(Counting):
            def run(self, shared: list[str], invocation: Invocation[Order]) -> Any:
                return object()

        handler = Odd()
        failure = self.failure(handler, b'{"id": "a"}')
        self.assertEqual(failure.report.error_type, "Runtime.MarshalError")
        self.assertEqual(handler.story, ["setup", "Fault of a"])

    def test_leaving_and_interrupting_come_through(self) -> None:
        for leaving in (SystemExit, KeyboardInterrupt):
            handler = mock.Mock(side_effect=leaving)
            execution = self.start(lambda event, context, handler=handler: handler())
            with self.assertRaises(leaving):
                execution.execute(make_event())

    def test_the_next_event_is_served_after_a_failure(self) -> None:
        execution = self.start(Counting())
        execution.execute(make_event(b"[]"))
        self.assertEqual(
            execution.execute(make_event(b'{"id": "a"}')).body, b'{"id": "a", "count": 1}'
        )


class TestResults(ExecutionTest):
    def test_bytes_stay_as_they_are(self) -> None:
        outcome = self.start(lambda event, context: b"\xff").execute(make_event())
        self.assertEqual(outcome, Payload(b"\xff", "application/unknown"))

    def test_a_codec_of_ones_own_reads_and_writes(self) -> None:
        class Shouting:
            def decode(self, body: bytes, as_type: Any) -> Any:
                return as_type(body.decode().upper())

            def encode(self, value: Any) -> bytes:
                return str(value).encode() + b"!"

        @lambda_handler(codec=Shouting())
        def handler(event: str, context: Any) -> str:
            return event

        self.assertEqual(self.answer(handler, b"hi"), b"HI!")


class TestStreams(ExecutionTest):
    def stream(self, *chunks: Any, error: Exception | None = None) -> Any:
        def handler(event: Any, context: Any) -> Iterator[Any]:
            try:
                yield from chunks
                if error is not None:
                    raise error
            finally:
                self.is_closed = True

        self.is_closed = False
        return self.start(handler).execute(make_event())

    def test_a_generators_pieces_are_bytes_or_text(self) -> None:
        stream = self.stream(b"a", "ä", bytearray(b"c"))
        self.assertIsInstance(stream, Stream)
        self.assertEqual(list(stream), [b"a", "ä".encode(), b"c"])
        self.assertIsNone(stream.failure)

    def test_a_stream_may_be_empty(self) -> None:
        self.assertEqual(list(self.stream()), [])

    def test_what_fails_before_the_first_piece_is_a_plain_failure(self) -> None:
        failure = self.stream(error=KeyError("a"))
        self.assertIsInstance(failure, Failure)
        self.assertEqual(failure.report.error_type, "KeyError")

    def test_what_fails_later_ends_the_stream_and_is_kept(self) -> None:
        stream = self.stream(b"a", error=KeyError("a"))
        self.assertEqual(list(stream), [b"a"])
        self.assertEqual(stream.failure.report.error_type, "KeyError")

    def test_other_pieces_are_refused(self) -> None:
        stream = self.stream(b"a", 5)
        self.assertEqual(list(stream), [b"a"])
        self.assertEqual(stream.failure.report.error_type, "Runtime.MarshalError")

    def test_a_stream_nobody_wants_any_more_is_closed(self) -> None:
        stream = self.stream(b"a", b"b", b"c")
        next(iter(stream))
        stream.close()
        self.assertTrue(self.is_closed)
        self.assertIsNone(stream.failure)


if __name__ == "__main__":
    unittest.main()
