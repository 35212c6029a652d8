"""What lambda_runtime_types, the model of this house, gets wrong: ours does not.

Its faults in time limits and memory are in test_guard and test_memory, those in local runs in
test_local, and those in rotation in rotation/.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import time
import unittest
from typing import Any
from unittest import mock

from lambda_sim.handler import Execution, Handler, Invocation, RuntimeClient
from lambda_sim.handler.logs import start_logging
from lambda_sim.handler.loop import poll
from lambda_sim.handler.outcome import Failure
from lambda_sim.handler.payloads import Payload

from .doubles import ACCEPTED, HandlerTestCase, make_event, next_answer


class Greeter(Handler[str, dict[str, Any], str]):
    """Has a constructor, which the crate's runners, without a self, can't have."""

    def __init__(self, greeting: str = "hi") -> None:
        self.greeting = greeting

    def setup(self) -> str:
        return self.greeting

    def run(self, shared: str, invocation: Invocation[dict[str, Any]]) -> str:
        if invocation.event.get("fail"):
            raise ValueError("as asked")
        return f"{shared} {invocation.event.get('name')} in {invocation.region or 'no region'}"


class TestEnvironment(unittest.TestCase):
    """There, a missing variable is a panic: AWS_REGION, the function's name, version, memory."""

    def setUp(self) -> None:
        self.enterContext(mock.patch.dict(os.environ, clear=True))

    def test_no_variable_of_lambdas_is_needed(self) -> None:
        with Execution(Greeter()) as execution:
            outcome = execution.execute(make_event(b'{"name": "Ada"}'))
        self.assertEqual(outcome, Payload(b'"hi Ada in no region"', "application/json"))

    def test_what_is_missing_is_none_in_the_context(self) -> None:
        class Telling(Greeter):
            def run(self, shared: str, invocation: Invocation[dict[str, Any]]) -> Any:
                context = invocation.context
                return [context.function_name, context.memory_limit_in_mb, context.log_stream_name]

        with Execution(Telling()) as execution:
            self.assertEqual(execution.execute(make_event()).body, b"[null, null, null]")

    def test_two_handlers_of_one_class_differ(self) -> None:
        for greeting in ("hi", "hello"):
            with Execution(Greeter(greeting)) as execution:
                self.assertIn(greeting.encode(), execution.execute(make_event()).body)


class TestLogging(HandlerTestCase):
    """There, every event is logged whole, at info."""

    def test_no_event_is_logged_at_any_level(self) -> None:
        root = logging.getLogger()
        before, level = root.handlers[:], root.level
        self.addCleanup(root.setLevel, level)
        self.addCleanup(root.handlers.__setitem__, slice(None), before)
        output = self.enterContext(contextlib.redirect_stdout(io.StringIO()))
        log = start_logging({"AWS_LAMBDA_LOG_LEVEL": "TRACE"})
        deadline = str(int(time.time() * 1000) + 60_000)
        events = (b'{"name": "s3cret"}', b'{"name": "s3cret", "fail": 1}', b'["s3cret"]', b"s3cret")
        steps = [
            step
            for body in events
            for step in (next_answer(body, Lambda_Runtime_Deadline_Ms=deadline), ACCEPTED)
        ]
        server = self.serve(steps)
        execution = self.enterContext(Execution(Greeter()))
        client = self.enterContext(RuntimeClient(server.address))
        with self.assertRaises(OSError):
            poll(execution, client, log=log)
        self.assertIn("[ERROR] ValueError: as asked", output.getvalue())
        self.assertNotIn("s3cret", output.getvalue())


class TestTime(unittest.TestCase):
    """There, less than the margin of 100 ms, or none, is a panic."""

    def test_an_event_that_comes_too_late_fails_alone(self) -> None:
        now = int(time.time() * 1000)
        with Execution(Waiting()) as execution:
            for deadline_ms in (1, now - 1, now + 50):
                with self.subTest(deadline_ms):
                    outcome = execution.execute(make_event(deadline_ms=deadline_ms))
                    assert isinstance(outcome, Failure)
                    self.assertEqual(outcome.report.error_type, "DeadlineExceeded")
                    self.assertEqual(
                        outcome.report.error_message, "Lambda failed by running into a timeout"
                    )
            self.assertFalse(execution.is_poisoned)
            self.assertEqual(execution.execute(make_event(b'{"name": "Ada"}')).body, b'"Ada"')


class Waiting(Greeter):
    def run(self, shared: str, invocation: Invocation[dict[str, Any]]) -> str:
        name: str | None = invocation.event.get("name")
        if name is None:
            time.sleep(60)
        return str(name)


if __name__ == "__main__":
    unittest.main()
