"""local: invocations run in this process, as Lambda would run them, and what is told of them.

The model of this, exec_test of lambda_runtime_types, gives every event a deadline of 0 and all the
time it takes, returns nothing, and can't be told of an error that is expected.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import threading
import time
import unittest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import attrs

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler import (
    Handler,
    Invocation,
    InvocationReport,
    LocalInvocation,
    LocalRun,
    LocalRunFailed,
    TestData,
    as_entrypoint,
    lambda_handler,
    run_local,
)
from lambda_sim.handler.local import Onlooker
from lambda_sim.handler.usage import own_source

from .doubles import PATIENCE

MEGABYTE = 1024 * 1024

say = print
"""What a handler may do, and nobody else here."""


@attrs.frozen
class Order:
    id: str


class Counting(Handler[list[str], Order, list[str]]):
    """Answers with all it ever saw, and fails at what is called so."""

    def __init__(self) -> None:
        self.story: list[str] = []

    def setup(self) -> list[str]:
        say("setup")
        return []

    def run(self, shared: list[str], invocation: Invocation[Order]) -> list[str]:
        what = invocation.event.id
        say("run", what)
        match what:
            case "fail":
                raise ValueError("as asked")
            case "exit":
                sys.exit(3)
            case "sleep":
                time.sleep(PATIENCE)
        shared.append(what)
        return shared

    def teardown(self, shared: list[str]) -> None:
        say("teardown", *shared)


GREETING = """
import os

greeting = os.environ["GREETING"]


def handler(event, context):
    return f"{greeting} {event} by {os.environ['_HANDLER']}"
"""


def orders(*ids: str, **fields: Any) -> list[Any]:
    return [LocalInvocation({"id": one}, **fields) for one in ids]


def echo(event: Any, context: Any) -> Any:
    return event


class LocalTest(unittest.TestCase):
    def run_one(self, handler: Any, event: Any = None, **fields: Any) -> InvocationReport:
        run = run_local(handler, TestData([LocalInvocation(event, **fields)]))
        self.assertEqual((len(run.reports), run.left), (1, 0))
        return run.reports[0]


class TestRun(LocalTest):
    def test_the_first_is_cold_and_all_share_what_was_set_up(self) -> None:
        run = run_local(Counting(), TestData(orders("a", "b")))
        self.assertEqual(run.results, [["a"], ["a", "b"]])
        self.assertEqual([one.is_cold for one in run.reports], [True, False])
        first, second = run.reports
        self.assertGreater(first.init_duration, 0)
        self.assertIsNone(second.init_duration)
        self.assertNotEqual(first.request_id, second.request_id)
        self.assertTrue(run.is_success)
        self.assertIs(run.check(), run)

    def test_each_has_its_lines_and_the_run_has_all(self) -> None:
        run = run_local(Counting, TestData(orders("a", "b")))
        self.assertEqual([one.logs for one in run.reports], [("setup", "run a"), ("run b",)])
        self.assertEqual(run.logs, ("setup", "run a", "run b", "teardown a b"))

    def test_it_stops_at_the_first_error(self) -> None:
        run = run_local(Counting, TestData(orders("a", "fail", "b")))
        self.assertEqual((len(run.reports), run.left), (2, 1))
        failed = run.reports[1]
        self.assertIsInstance(failed.error, ValueError)
        self.assertEqual(failed.error_report.error_message, "as asked")
        self.assertEqual(failed.complaint, "ValueError: as asked")
        told = json.loads(failed.payload)
        self.assertEqual((told["errorType"], told["requestId"]), ("ValueError", failed.request_id))
        self.assertIsNone(failed.result)
        self.assertIn("[ERROR] ValueError: as asked", failed.logs)
        self.assertEqual(run.logs[-1], "teardown a")

    def test_it_goes_on_if_told_so(self) -> None:
        run = run_local(Counting, TestData(orders("fail", "b")), stop_on_error=False)
        self.assertEqual(run.results, [None, ["b"]])
        self.assertEqual([one.is_cold for one in run.reports], [True, False])
        self.assertFalse(run.is_success)

    def test_check_fails_with_the_story(self) -> None:
        run = run_local(Counting, TestData(orders("a", "fail", "b")))
        with self.assertRaises(LocalRunFailed) as raised:
            run.check()
        self.assertIsInstance(raised.exception, AssertionError)
        self.assertIsInstance(raised.exception.__cause__, ValueError)
        self.assertRegex(
            str(raised.exception),
            r"^invocations\[0\]: cold, init .* ms, .* succeeded\n"
            r"invocations\[1\]: warm, .*, ValueError: as asked\n"
            r"not run: 1$",
        )

    def test_every_kind_of_handler(self) -> None:
        @lambda_handler
        def decorated(event: Order, context: Any) -> Order:
            return event

        kinds = (decorated, as_entrypoint(decorated), lambda event, context: event)
        for handler in kinds:
            for _ in range(2):  # the same one may be run again
                with self.subTest(handler):
                    self.assertEqual(self.run_one(handler, {"id": "a"}).result, {"id": "a"})
        self.assertEqual(self.run_one(Counting, {"id": "a"}).result, ["a"])
        with self.assertRaisesRegex(ConfigurationError, "handler: got 3; .*a function"):
            run_local(3, TestData([]))

    def test_an_event_may_be_what_the_handler_declares(self) -> None:
        run = run_local(Counting, TestData([Order("a"), {"event": Order("b")}]))
        self.assertEqual(run.results, [["a"], ["a", "b"]])

    def test_an_event_that_is_no_json_is_refused_before_anything_runs(self) -> None:
        handler = mock.Mock()
        with self.assertRaisesRegex(ConfigurationError, r"invocations\[1\].event: got 'object'"):
            run_local(handler, TestData([1, object()]))
        handler.assert_not_called()

    def test_bytes_go_in_and_come_out_as_they_are(self) -> None:
        self.assertEqual(self.run_one(echo, b"\xff\0").result, b"\xff\0")

    def test_a_stream_comes_in_one_piece(self) -> None:
        class Streaming(Handler[None, Any, Iterator[str]]):
            def run(self, shared: None, invocation: Invocation[Any]) -> Iterator[str]:
                yield "a"
                if invocation.event:
                    raise ValueError("half-way")
                yield "b"

        self.assertEqual(self.run_one(Streaming, 0, result="ab").result, b"ab")
        self.assertEqual(self.run_one(Streaming, 1).complaint, "ValueError: half-way")

    def test_a_codec_of_ones_own_may_answer_with_what_is_no_json(self) -> None:
        class Text:
            def decode(self, body: bytes, as_type: Any) -> str:
                return body.decode()

            def encode(self, value: Any) -> bytes:
                return f"<{value}>".encode()

        handler = lambda_handler(codec=Text())(echo)
        self.assertEqual(self.run_one(handler, [1]).result, b"<[1]>")

    def test_nothing_to_run_runs_nothing(self) -> None:
        run = run_local(Counting, TestData([]))
        self.assertEqual(run, LocalRun(reports=(), left=0, logs=()))
        self.assertTrue(run.is_success)


class TestExpectations(LocalTest):
    def complaint(self, event: Any, **expected: Any) -> str | None:
        def handler(event: Any, context: Any) -> Any:
            if event == "fail":
                raise KeyError("milk")
            return event

        return self.run_one(handler, event, **expected).complaint

    def test_a_result(self) -> None:
        for result in (None, 1, True, "a", [1, {"a": [None]}], {"a": 1, "b": 2.0}):
            self.assertIsNone(self.complaint(result, result=result))
        self.assertIsNone(self.complaint(1, result=1.0))
        self.assertIsNone(self.complaint([1], result=(1,)))
        for result, other in ((1, True), ([1], [1, 2]), ({"a": 1}, {"a": 2}), (None, {}), ([1], 1)):
            with self.subTest(result):
                self.assertEqual(
                    self.complaint(result, result=other),
                    f"expected the result {other!r}, got {result!r}",
                )
        self.assertEqual(self.complaint("fail", result=1), "KeyError: 'milk'")

    def test_an_error(self) -> None:
        self.assertIsNone(self.complaint("fail", error="KeyError"))
        self.assertIsNone(self.complaint("fail", error={}))
        self.assertIsNone(self.complaint("fail", error={"type": "KeyError", "message": "'milk'"}))
        for error, fault in (
            ("ValueError", "expected the error ValueError, got KeyError: 'milk'"),
            ({"message": "tea"}, "expected the message 'tea', got KeyError: 'milk'"),
        ):
            self.assertEqual(self.complaint("fail", error=error), fault)
        self.assertEqual(
            self.complaint(1, error={}), "expected the error of any type, got a result"
        )

    def test_an_expected_error_does_not_stop_the_run(self) -> None:
        data = TestData([*orders("fail", error="ValueError"), *orders("a", result=["a"])])
        run = run_local(Counting, data).check()
        self.assertIn("ValueError, as expected", str(run))

    def test_an_unexpected_result_stops_the_run(self) -> None:
        run = run_local(Counting, TestData([*orders("a", result=["b"]), *orders("b")]))
        self.assertEqual((run.left, run.is_success), (1, False))


class TestEnvironment(LocalTest):
    def test_the_handler_finds_what_lambda_says(self) -> None:
        @lambda_handler
        def tell(invocation: Invocation[Any]) -> Any:
            context = invocation.context
            return [
                invocation.region,
                os.environ["TABLE"],
                context.function_name,
                context.function_version,
                context.memory_limit_in_mb,
                context.invoked_function_arn,
                os.environ["_X_AMZN_TRACE_ID"] == context.trace_id,
            ]

        data = TestData.from_json(
            {
                "region": "eu-west-1",
                "env": {"TABLE": "t"},
                "function": {"name": "orders", "version": "7", "memory": 10_000},
                "invocations": [1, {"event": 1, "memory": 10_001}],
            }
        )
        arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
        told = ["eu-west-1", "t", "orders", "7", "10000", arn, True]
        run = run_local(tell, data).check()
        self.assertEqual(run.results, [told, [*told[:4], "10001", *told[5:]]])

    def test_the_context_can_be_set(self) -> None:
        def tell(event: Any, context: Any) -> Any:
            return [
                context.aws_request_id,
                context.invoked_function_arn,
                context.trace_id,
                context.tenant_id,
                context.client_context.custom,
                context.identity.cognito_identity_id,
            ]

        context = {
            "request_id": "r1",
            "invoked_function_arn": "arn",
            "trace_id": "Root=1",
            "tenant_id": "blue",
            "client_context": {"custom": {"a": 1}},
            "cognito_identity": {"cognitoIdentityId": "who"},
        }
        report = self.run_one(tell, context=context)
        self.assertEqual(report.result, ["r1", "arn", "Root=1", "blue", {"a": 1}, "who"])
        self.assertEqual(report.request_id, "r1")

    def test_everything_is_as_before_afterwards(self) -> None:
        def meddle(event: Any, context: Any) -> None:
            os.environ["LEFT"] = "1"
            os.environ["KEPT"] = "other"
            del os.environ["GONE"]
            logging.getLogger().setLevel(logging.DEBUG)

        self.enterContext(mock.patch.dict(os.environ, KEPT="1", GONE="1"))
        root = logging.getLogger()

        def look() -> Any:
            threads = [one for one in threading.enumerate() if "lambda-sim" in one.name]
            return (
                *(dict(os.environ), root.handlers[:], root.level),
                *(sys.stdout, sys.stderr, threads),
            )

        before = look()
        self.assertIsNone(self.run_one(meddle).complaint)
        self.assertEqual(look(), before)

    def test_a_name_is_imported_where_its_variables_are_set(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.enterContext(mock.patch.object(sys, "path", [folder, *sys.path]))
        self.enterContext(mock.patch.dict(sys.modules))
        Path(folder, "greeting_of_test_local.py").write_text(GREETING)
        name = "greeting_of_test_local.handler"
        run = run_local(name, TestData(["Ada"], env={"GREETING": "hi"})).check()
        self.assertEqual(run.results, [f"hi Ada by {name}"])

    def test_a_name_of_nothing_fails_as_in_lambda(self) -> None:
        report = self.run_one("no_such_module.handler")
        self.assertEqual(report.error_report.error_type, "Runtime.ImportModuleError")


class TestLogs(LocalTest):
    def test_records_are_written_as_by_lambda(self) -> None:
        def log(event: Any, context: Any) -> None:
            logging.getLogger("shop").warning("tea is out")

        data = TestData([1], env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
        report = self.run_one(log)
        self.assertRegex(report.logs[0], rf"^\[WARNING\]\t\S+Z\t{report.request_id}\ttea is out$")
        [line] = run_local(log, data).reports[0].logs
        self.assertEqual(json.loads(line)["message"], "tea is out")

    def test_lines_are_told_at_once_and_a_last_one_needs_no_break(self) -> None:
        told: list[tuple[str, ...]] = []

        class Listening(Onlooker):
            def said(self, line: str) -> None:
                told.append(("said", line))

            def began(self, request_id: str) -> None:
                told.append(("began", request_id))

            def ended(self, report: InvocationReport) -> None:
                told.append(("ended", report.request_id))

        def write(event: Any, context: Any) -> None:
            sys.stdout.write("a\nb")
            sys.stdout.write("c\n")
            sys.stderr.buffer.write("Zoë\n".encode())
            say("d", end="")

        run = run_local(
            write, TestData([{"event": 1, "context": {"request_id": "r"}}]), onlooker=Listening()
        )
        lines = [("said", line) for line in ("a", "bc", "Zoë", "d")]
        self.assertEqual(told, [("began", "r"), *lines, ("ended", "r")])
        self.assertEqual(run.logs, ("a", "bc", "Zoë", "d"))

    def test_lines_of_several_threads_stay_whole(self) -> None:
        ready = threading.Barrier(2)

        def write(word: str) -> None:
            for letter in word:
                sys.stdout.write(letter)
                ready.wait(PATIENCE)
            say()

        def both(event: Any, context: Any) -> None:
            with ThreadPoolExecutor(1) as other:
                written = other.submit(write, "tea")
                write("cup")
            written.result()

        data = TestData([LocalInvocation(1, timeout=PATIENCE)])
        self.assertEqual(sorted(run_local(both, data).check().logs), ["cup", "tea"])

    def test_who_prints_can_be_interrupted_again_and_again(self) -> None:
        def chatter(event: Any, context: Any) -> None:
            while True:
                say("and so on")

        once = LocalInvocation(1, timeout=0.01, error="Sandbox.Timedout")
        run_local(chatter, TestData([once] * 20)).check()

    def test_nothing_of_it_reaches_our_own_output(self) -> None:
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            run_local(Counting, TestData(orders("a")))
        self.assertEqual((out.getvalue(), err.getvalue()), ("", ""))

    def test_a_stream_that_somebody_kept_leads_to_where_output_goes_now(self) -> None:
        kept: list[Any] = []

        def keep(event: Any, context: Any) -> None:
            kept.append(sys.stdout) if not kept else say(event, file=kept[0])

        run_local(keep, TestData([1]))
        with redirect_stdout(StringIO()) as out:
            say("between", file=kept[0])
        self.assertEqual(out.getvalue(), "between\n")
        self.assertEqual(run_local(keep, TestData(["again"])).logs, ("again",))


class TestTime(LocalTest):
    def test_a_typed_handler_has_its_guard(self) -> None:
        class Early(Counting):
            margin = 5.0

        sleeps = orders("sleep", timeout=5.2, error="DeadlineExceeded")
        data = TestData([*sleeps, *orders("a", timeout=600.0)])
        run = run_local(Early, data).check()
        self.assertLess(run.reports[0].duration, 5)
        self.assertFalse(run.reports[1].is_cold)

    def test_a_plain_function_ends_as_lambda_ends_it_and_the_next_is_cold(self) -> None:
        def nap(event: Any, context: Any) -> Any:
            time.sleep(event)
            return context.get_remaining_time_in_millis() > 0

        run = run_local(
            nap, TestData([LocalInvocation(PATIENCE, timeout=0.2), 0]), stop_on_error=False
        )
        timed_out, second = run.reports
        message = f"RequestId: {timed_out.request_id} Error: Task timed out after 0.20 seconds"
        self.assertEqual(timed_out.error_report[:2], ("Sandbox.Timedout", message))
        self.assertIn("time.sleep(event)", timed_out.error_report.stack_trace[-1])
        self.assertGreater(timed_out.duration, 0.19)
        self.assertEqual((second.result, second.is_cold), (True, True))

    def test_the_functions_timeout_holds_where_the_invocation_has_none(self) -> None:
        def left(event: Any, context: Any) -> int:
            return context.get_remaining_time_in_millis()

        data = TestData([1, LocalInvocation(1, timeout=900)], function={"timeout": 100})
        short, long = run_local(left, data).results
        self.assertTrue(0 < short <= 100_000 < long <= 900_000, (short, long))

    def test_who_is_slow_to_end_is_not_stuck(self) -> None:
        onlooker = mock.Mock(spec=Onlooker)

        def slow(event: Any, context: Any) -> None:
            try:
                time.sleep(PATIENCE)
            finally:
                time.sleep(0.1)

        data = TestData([LocalInvocation(1, timeout=0.1, error="Sandbox.Timedout")])
        report = run_local(slow, data, onlooker=onlooker).check().reports[0]
        self.assertGreater(report.duration, 0.19)
        onlooker.is_stuck.assert_not_called()

    def test_who_is_stuck_is_told_of_and_the_next_is_cold(self) -> None:
        told: list[InvocationReport] = []
        was_told = threading.Event()

        class Listening(Onlooker):
            def is_stuck(self, report: InvocationReport) -> None:
                told.append(report)
                was_told.set()

        def stubborn(event: Any, context: Any) -> str:
            say("begun")
            while event and not was_told.is_set():
                try:
                    was_told.wait(PATIENCE)
                except BaseException:
                    continue
            return "done"

        for handler, kind in (
            (stubborn, "Sandbox.Timedout"),
            (lambda_handler(event=Any)(stubborn), "DeadlineExceeded"),
        ):
            with self.subTest(kind):
                told.clear()
                was_told.clear()
                data = TestData([LocalInvocation(1, timeout=0.2, error=kind), 0])
                run = run_local(handler, data, onlooker=Listening()).check()
                self.assertEqual([one.error_report.error_type for one in told], [kind])
                self.assertEqual(told[0].logs[0], "begun")
                self.assertEqual([one.is_cold for one in run.reports], [True, True])
                self.assertEqual(run.results[1], "done")


class TestMemory(LocalTest):
    def test_the_peak_is_told(self) -> None:
        is_full, was_seen = threading.Event(), threading.Event()

        def used() -> int:
            if not is_full.is_set():
                return 20 * MEGABYTE
            was_seen.set()
            return 90 * MEGABYTE

        def fill(event: Any, context: Any) -> bool:
            is_full.set()
            try:
                return was_seen.wait(PATIENCE)
            finally:
                is_full.clear()

        with mock.patch("lambda_sim.handler.local.own_source", return_value=used):
            data = TestData([LocalInvocation(1, timeout=PATIENCE, result=True)])
            report = run_local(fill, data).check().reports[0]
        self.assertEqual(report.peak_bytes, 90 * MEGABYTE)
        self.assertIn(", 90 MB, succeeded", str(report))

    def test_more_than_there_is_fails_and_the_next_is_cold(self) -> None:
        class Filling(Counting):
            def run(self, shared: list[str], invocation: Invocation[Order]) -> list[str]:
                held = []
                began = time.monotonic()
                while invocation.event.id == "fill" and time.monotonic() < began + PATIENCE:
                    held.append(bytearray(MEGABYTE))
                    time.sleep(0.002)
                return []

        limit = max(128, own_source()() // MEGABYTE + 48)
        data = TestData(
            [
                *orders("fill", memory=limit, timeout=2 * PATIENCE, error="MemoryPressure"),
                *orders("a"),
            ]
        )
        run = run_local(Filling, data).check()
        self.assertEqual([one.is_cold for one in run.reports], [True, True])
        self.assertGreaterEqual(run.reports[0].peak_bytes, 0.97 * limit * MEGABYTE)

    def test_nobody_watches_where_nobody_said_how_much_there_is(self) -> None:
        with mock.patch("lambda_sim.handler.usage.process_tree", return_value=2**40):
            report = self.run_one(echo, 1)
        self.assertEqual((report.complaint, report.peak_bytes), (None, 2**40))

    def test_where_nothing_tells_of_it_the_peak_is_none(self) -> None:
        error = ConfigurationError("source", None, "Linux")
        with mock.patch("lambda_sim.handler.local.own_source", side_effect=error):
            self.assertIsNone(self.run_one(echo, 1).peak_bytes)
            with self.assertRaises(ConfigurationError):
                self.run_one(echo, 1, memory=128)


class TestEndings(LocalTest):
    def test_an_exit_is_an_error_and_the_next_is_cold(self) -> None:
        run = run_local(Counting, TestData(orders("a", "exit", "b")), stop_on_error=False)
        failed = run.reports[1]
        message = f"RequestId: {failed.request_id} Error: Runtime exited with error: exit status 3"
        self.assertEqual(failed.error_report[:2], ("Runtime.ExitError", message))
        self.assertIsInstance(failed.error, SystemExit)
        self.assertEqual(failed.logs[-1], "teardown a")
        self.assertEqual(run.results, [["a"], None, ["b"]])
        self.assertEqual([one.is_cold for one in run.reports], [True, False, True])

    def test_how_an_exit_is_told(self) -> None:
        for code, how in (
            (None, "without providing a reason"),
            (0, "without providing a reason"),
            ("oh", "with error: exit status 1"),
        ):
            report = self.run_one(lambda event, context, code=code: sys.exit(code))
            self.assertTrue(report.error_report.error_message.endswith(f"exited {how}"), report)

    def test_an_init_that_fails_is_tried_again(self) -> None:
        class Unlucky(Counting):
            tries = 0

            def setup(self) -> list[str]:
                self.tries += 1
                if self.tries == 1:
                    raise ConnectionError("no database")
                return super().setup()

        handler = Unlucky()
        run = run_local(handler, TestData(orders("a", "b", "c")), stop_on_error=False)
        self.assertEqual(run.results, [None, ["b"], ["b", "c"]])
        self.assertEqual([one.is_cold for one in run.reports], [True, True, False])
        self.assertEqual(run.reports[0].complaint, "ConnectionError: no database")

    def test_ctrl_c_comes_through_and_all_is_torn_down(self) -> None:
        class Interrupted(Counting):
            def run(self, shared: list[str], invocation: Invocation[Order]) -> list[str]:
                raise KeyboardInterrupt

            def teardown(self, shared: list[str]) -> None:
                self.story.append("teardown")

        handler, before = Interrupted(), sys.stdout
        with self.assertRaises(KeyboardInterrupt):
            run_local(handler, TestData(orders("a")))
        self.assertEqual((handler.story, sys.stdout), (["teardown"], before))

    def test_a_teardown_that_fails_is_logged(self) -> None:
        for error in (OSError, SystemExit):

            class Careless(Counting):
                def teardown(self, shared: list[str], error: Any = error) -> None:
                    raise error("not open")

            run = run_local(Careless, TestData(orders("a"))).check()
            self.assertEqual(run.logs[-1], f"{error.__name__}: not open")

    def test_a_teardown_that_exits_as_if_all_were_well_has_not_failed(self) -> None:
        for code in (None, 0):

            class Done(Counting):
                def teardown(self, shared: list[str], code: int | None = code) -> None:
                    sys.exit(code)

            run = run_local(Done, TestData(orders("a"))).check()
            self.assertEqual(run.logs[-1], "run a")


if __name__ == "__main__":
    unittest.main()
