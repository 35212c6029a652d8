"""context: the fields of a handler's second argument, side by side with awslambdaric's."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import time
import unittest
from collections.abc import Mapping
from typing import Any
from unittest import mock

from lambda_sim.handler.client import Event
from lambda_sim.handler.context import LambdaContext
from lambda_sim.handler.failure import Fault

ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "orders",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/21/[$LATEST]0f",
}
CLIENT_CONTEXT = {
    "client": {"installation_id": "i", "app_title": "t", "unknown": 1},
    "custom": {"k": "v"},
    "env": {"locale": "nl"},
    "w3c": {"traceparent": "00-1-2-01", "tracestate": 5, "other": "x"},
}
COGNITO_IDENTITY = {"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}


def make_event(**fields: Any) -> Event:
    defaults = dict.fromkeys(Event._fields)
    always = {"request_id": "r-1", "deadline_ms": 1000, "content_type": "", "body": b""}
    return Event(**{**defaults, **always, **fields})


class TestLambdaContext(unittest.TestCase):
    def setUp(self) -> None:
        self.enterContext(mock.patch.dict(os.environ, ENVIRONMENT))

    def test_the_environment_describes_the_function(self) -> None:
        context = LambdaContext.from_event(make_event())
        self.assertEqual(("orders", "$LATEST"), (context.function_name, context.function_version))
        self.assertEqual("128", context.memory_limit_in_mb)
        self.assertEqual("/aws/lambda/orders", context.log_group_name)
        self.assertEqual("2026/11/21/[$LATEST]0f", context.log_stream_name)

    def test_the_event_describes_the_invocation(self) -> None:
        event = make_event(invoked_function_arn="arn", tenant_id="blue", trace_id="Root=1")
        context = LambdaContext.from_event(event)
        self.assertEqual("r-1", context.aws_request_id)
        self.assertEqual(("arn", "blue"), (context.invoked_function_arn, context.tenant_id))
        self.assertEqual(("Root=1", 1000), (context.trace_id, context.deadline_ms))

    def test_a_caller_who_sent_nothing_leaves_an_empty_identity_and_no_client_context(self) -> None:
        context = LambdaContext.from_event(make_event())
        self.assertIsNone(context.client_context)
        self.assertIsNone(context.identity.cognito_identity_id)
        self.assertIsNone(context.identity.cognito_identity_pool_id)

    def test_headers_are_read_as_json(self) -> None:
        event = make_event(
            client_context='{"client": {"app_title": "Zoë"}, "custom": {"k": [1]}}',
            cognito_identity='{"cognitoIdentityId": "id"}',
        )
        context = LambdaContext.from_event(event)
        assert context.client_context is not None
        assert context.client_context.client is not None
        self.assertEqual("Zoë", context.client_context.client.app_title)
        self.assertEqual({"k": [1]}, context.client_context.custom)
        self.assertEqual("id", context.identity.cognito_identity_id)

    def test_a_header_that_is_no_json_object_has_its_own_error_type(self) -> None:
        for name in ("client_context", "cognito_identity"):
            for bad in ("{", "[]", '"text"'):
                with self.subTest(name=name, bad=bad), self.assertRaises(Fault) as caught:
                    LambdaContext.from_event(make_event(**{name: bad}))
                error_type = caught.exception.error_type
                self.assertEqual("Runtime.LambdaContextUnmarshalError", error_type)

    def test_remaining_time_is_counted_to_the_deadline(self) -> None:
        context = LambdaContext("r", None, None, int(time.time() * 1000) + 60_000)
        self.assertGreater(context.get_remaining_time_in_millis(), 60_000 - 30_000)
        self.assertLessEqual(context.get_remaining_time_in_millis(), 60_000)

    def test_remaining_time_is_never_negative(self) -> None:
        self.assertEqual(0, LambdaContext("r", None, None, 0).get_remaining_time_in_millis())

    def test_log_writes_the_text_as_it_is(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            LambdaContext("r", None, None, 0).log(("no", "line break"))
        self.assertEqual("('no', 'line break')", output.getvalue())


@unittest.skipUnless(importlib.util.find_spec("awslambdaric"), "awslambdaric is not installed")
class TestBesideAwslambdaric(unittest.TestCase):
    def setUp(self) -> None:
        self.enterContext(mock.patch.dict(os.environ, ENVIRONMENT))
        self.theirs = importlib.import_module("awslambdaric.lambda_context").LambdaContext

    def assert_same(
        self, client_context: Mapping[str, Any] | None, identity: Mapping[str, Any] | None
    ) -> None:
        # Copies: awslambdaric takes the w3c field out of the object it is given.
        copy = None if client_context is None else dict(client_context)
        theirs = self.theirs("r-1", copy, identity, 1000, "arn", "blue")
        ours = LambdaContext("r-1", client_context, identity, 1000, "arn", "blue")
        self.assertEqual(repr(theirs), repr(ours))
        self.assertEqual(theirs.w3c(), ours.w3c())
        public = {name for name in dir(theirs) if not name.startswith("_")}
        self.assertEqual({"deadline_ms", "from_event", "trace_id"}, self.public_of(ours) - public)
        self.assertLessEqual(public, self.public_of(ours))
        for name in public - {"client_context", "identity"}:
            value = getattr(theirs, name)
            if not callable(value):
                self.assertEqual(value, getattr(ours, name), name)
                self.assertIs(type(value), type(getattr(ours, name)), name)

    def public_of(self, value: object) -> set[str]:
        return {name for name in dir(value) if not name.startswith("_")}

    def test_without_client_context_and_identity(self) -> None:
        self.assert_same(None, None)

    def test_with_client_context_and_identity(self) -> None:
        self.assert_same(CLIENT_CONTEXT, COGNITO_IDENTITY)

    def test_with_empty_ones(self) -> None:
        self.assert_same({}, {})

    def test_with_nothing_in_the_environment(self) -> None:
        self.enterContext(mock.patch.dict(os.environ, clear=True))
        self.assert_same(None, None)
