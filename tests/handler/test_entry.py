"""entry: a handler as a function of (event, context), as AWS's runtime calls it."""

from __future__ import annotations

import os
import sys
import traceback
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

import attrs

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler import (
    Handler,
    Invocation,
    LambdaContext,
    as_entrypoint,
    lambda_handler,
    serve,
)
from lambda_sim.handler.validation import EventValidationError

from .doubles import make_invocation


@attrs.frozen
class Order:
    id: str


class Orders(Handler[list[str], Order, Order]):
    def setup(self) -> list[str]:
        self.shared: list[str] = []
        return self.shared

    def run(self, shared: list[str], invocation: Invocation[Order]) -> Order:
        shared.append(invocation.event.id)
        if invocation.event.id == "bad":
            raise KeyError("bad")
        return Order(",".join(shared))


class FakeContext:
    """What tests make up, and AWS's context has."""

    aws_request_id = "1"
    invoked_function_arn = "arn:aws:lambda:eu-north-1:123456789012:function:f"
    client_context = "theirs"

    def w3c(self) -> dict[str, str]:
        return {"traceparent": "00-a-b-01"}

    def get_remaining_time_in_millis(self) -> int:
        return 5000


class TestEntryPoint(unittest.TestCase):
    def setUp(self) -> None:
        self.enterContext(mock.patch.dict(os.environ))
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_LAMBDA_RUNTIME_API"):
            os.environ.pop(name, None)

    def entry(self, handler: Any) -> Any:
        if not isinstance(handler, Handler):
            handler = lambda_handler(handler)
        entry = as_entrypoint(handler)
        self.addCleanup(entry.execution.close)
        return entry

    def test_results_are_plain_values(self) -> None:
        entry = self.entry(Orders())
        self.assertEqual(entry({"id": "a"}, FakeContext()), {"id": "a"})
        self.assertEqual(entry({"id": "b"}), {"id": "a,b"})

    def test_outside_lambda_it_is_set_up_when_it_is_first_called(self) -> None:
        handler = Orders()
        entry = self.entry(handler)
        self.assertFalse(hasattr(handler, "shared"))
        entry({"id": "a"})
        self.assertEqual(handler.shared, ["a"])

    def test_under_aws_s_runtime_it_is_set_up_at_once_and_what_that_raises_comes_through(
        self,
    ) -> None:
        os.environ["AWS_LAMBDA_RUNTIME_API"] = "127.0.0.1:1"
        self.enterContext(mock.patch.dict(sys.modules, awslambdaric=mock.Mock()))
        handler = Orders()
        self.entry(handler)
        self.assertEqual(handler.shared, [])

        class NoDatabase(Orders):
            def setup(self) -> list[str]:
                raise ConnectionError("no database")

        with self.assertRaisesRegex(ConnectionError, "no database"):
            as_entrypoint(NoDatabase())

    def test_the_invocation_has_what_the_context_says(self) -> None:
        def handler(invocation: Invocation[Any]) -> Any:
            context = invocation.context
            assert 4000 < invocation.remaining_ms() <= 5000
            told = [context.aws_request_id, context.client_context, context.w3c()]
            return [*told, invocation.region, str(context.identity)]

        told = self.entry(handler)({}, FakeContext())
        w3c = {"traceparent": "00-a-b-01"}
        self.assertEqual(told[:4], ["1", "theirs", w3c, "eu-north-1"])
        self.assertIn("cognito_identity_id=None", told[4])

    def test_our_own_context_is_handed_on_as_it_is(self) -> None:
        context = make_invocation({}).context
        seen: list[LambdaContext] = []
        self.entry(lambda event, context: seen.append(context))({}, context)
        self.assertIs(seen[0], context)

    def test_a_context_that_says_nothing_will_do(self) -> None:
        def handler(invocation: Invocation[Any]) -> Any:
            return invocation.remaining_ms()

        self.assertGreater(self.entry(handler)({}, None), 890_000)

    def test_events_are_validated(self) -> None:
        with self.assertRaises(EventValidationError) as caught:
            self.entry(Orders())({"id": 5})
        self.assertEqual(caught.exception.path, "id")

    def test_errors_come_as_they_are_with_the_frames_of_the_author(self) -> None:
        try:
            self.entry(Orders())({"id": "bad"})
        except KeyError as error:
            frames = traceback.extract_tb(error.__traceback__)
        self.assertEqual([frame.name for frame in frames[1:]], ["__call__", "run"])

    def test_lambdas_own_faults_have_their_names(self) -> None:
        with self.assertRaises(Exception) as caught:
            self.entry(lambda event, context: object())({})
        self.assertEqual(type(caught.exception).__name__, "Runtime.MarshalError")
        self.assertIn("object is not JSON serializable", str(caught.exception))

    def test_an_invocation_without_time_is_an_exception_that_aws_s_runtime_catches(self) -> None:
        class NoTime(FakeContext):
            def get_remaining_time_in_millis(self) -> int:
                return 0

        def handler(invocation: Invocation[Any]) -> None:
            invocation.deadline.check()

        with self.assertRaises(Exception) as caught:
            self.entry(handler)({}, NoTime())
        self.assertEqual(type(caught.exception).__name__, "DeadlineExceeded")
        self.assertEqual(str(caught.exception), "Lambda failed by running into a timeout")

    def test_leaving_comes_through(self) -> None:
        def handler(invocation: Invocation[Any]) -> None:
            raise SystemExit(3)

        with self.assertRaises(SystemExit):
            self.entry(handler)({})

    def test_bytes_and_streams_are_bytes(self) -> None:
        def stream(event: Any, context: Any) -> Iterator[str]:
            yield "a"
            yield "b"

        self.assertEqual(self.entry(lambda event, context: b"\xff")({}), b"\xff")
        self.assertEqual(self.entry(stream)({}), b"ab")
        self.assertEqual(self.entry(lambda event, context: event)(b"\xff"), b"\xff")

    def test_a_stream_that_breaks_is_an_error(self) -> None:
        def stream(event: Any, context: Any) -> Iterator[str]:
            yield "a"
            raise KeyError("b")

        with self.assertRaises(KeyError):
            self.entry(stream)({})


class TestServe(unittest.TestCase):
    def test_it_needs_a_runtime_api(self) -> None:
        self.enterContext(mock.patch.dict(os.environ, clear=True))
        with self.assertRaisesRegex(ConfigurationError, "AWS_LAMBDA_RUNTIME_API"):
            serve(Orders())
        with self.assertRaisesRegex(ConfigurationError, "host:port"):
            serve(Orders(), runtime_api="nowhere")


if __name__ == "__main__":
    unittest.main()
