"""LambdaTestCase: what it starts, what its assertions accept, and what its failures show."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import unittest
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from lambda_sim import (
    FreezeMode,
    ProcessConfig,
    ProcessRole,
    ShuttingDown,
    Simulator,
    TelemetryEvent,
    WaitTimeout,
)
from lambda_sim.sync import Worker
from lambda_sim.testing import LambdaTestCase, ScriptedRuntime
from lambda_sim.testing.commands import process_config

HERE = Path(__file__).parent
EMBEDDED = [sys.executable, "-m", "lambda_sim.handler", "app.handler"]
LONG_SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def function(event: Any, context: Any) -> Any:
    if "fail" in event:
        raise ValueError(event["fail"])
    return event


class DoubledCase(LambdaTestCase):
    """A case whose function is run by a double; without tests of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.runtime = self.enterContext(ScriptedRuntime(self.simulator, function))


def result_of(case: type[unittest.TestCase], name: str = "test") -> unittest.TestResult:
    result = unittest.TestResult()
    case(name).run(result)
    return result


class EmbeddedRuntimeTest(LambdaTestCase):
    """Runs as it stands: a test of a function that lies beside it."""

    lambda_config: ClassVar[dict[str, Any]] = {
        "function_name": "beside",
        "invocation_timeout": 20.0,
        "environment": {"MOOD": "fine"},
    }
    runtime_command = EMBEDDED

    def test_the_handler_is_found_beside_the_test(self) -> None:
        state = self.invoke({})
        self.assertResponse(state, {"name": "beside", "cwd": str(HERE), "mood": "fine"})
        self.assertIn("handling {}", state.log_tail)

    def test_an_exception_is_a_failure_of_its_name(self) -> None:
        state = self.invoke({"fail": "badly"})
        self.assertFailed(state)
        self.assertFailed(state, "ValueError")

    def test_a_test_may_end_its_simulator_and_look_for_leftovers(self) -> None:
        self.invoke({})
        self.simulator.close()
        self.assertNoLeftovers()

    def test_what_processes_print_is_kept_to_the_logs(self) -> None:
        self.invoke({"a": 1})
        printed = [line.message for line in self.simulator.logs if line.source == "function"]
        self.assertEqual(printed, ["handling {'a': 1}"])


class ExtensionCommandTest(LambdaTestCase):
    lambda_config: ClassVar[dict[str, Any]] = {"invocation_timeout": 20.0}
    extension_commands = ([sys.executable, "small_extension.py"],)
    runtime_command = EMBEDDED

    def test_a_script_counts_as_external_under_its_own_name(self) -> None:
        self.assertSucceeded(self.invoke({}))
        self.assertTelemetry(
            "platform.extension", name="small_extension.py", events=["INVOKE", "SHUTDOWN"]
        )


class SettingsTest(unittest.TestCase):
    def fields(self, **attributes: Any) -> dict[str, Any]:
        case = type("Case", (LambdaTestCase,), {"__module__": __name__, **attributes})()
        assert isinstance(case, LambdaTestCase)
        return case._fields()

    def test_no_process_is_started_without_a_command(self) -> None:
        self.assertEqual(self.fields(), {"runtime": None, "extensions": []})

    def test_the_config_wins_over_the_commands(self) -> None:
        own = ProcessConfig("./bootstrap", ProcessRole.RUNTIME)
        fields = self.fields(runtime_command=["other"], lambda_config={"runtime": own})
        self.assertIs(fields["runtime"], own)

    def test_processes_run_beside_the_test(self) -> None:
        self.assertEqual(self.fields(runtime_command=["x"])["runtime"].cwd, str(HERE))

    def test_the_working_directory_is_seen_from_there(self) -> None:
        fields = self.fields(runtime_command=["x"], working_directory="../programs")
        self.assertEqual(fields["runtime"].cwd, str(HERE.parent / "programs"))
        fields = self.fields(runtime_command=["x"], working_directory=Path("/usr"))
        self.assertEqual(fields["runtime"].cwd, "/usr")

    def test_a_class_typed_in_at_a_prompt_has_the_current_directory(self) -> None:
        fields = self.fields(runtime_command=["x"], __module__="nowhere")
        self.assertEqual(fields["runtime"].cwd, os.getcwd())

    def test_only_the_embedded_runtime_is_shown_the_way_to_us(self) -> None:
        embedded = self.command(EMBEDDED)
        self.assertIn(str(HERE.parent.parent), embedded.env["PYTHONPATH"].split(os.pathsep))
        self.assertEqual(self.command([sys.executable, "other.py"]).env, {})

    def test_a_search_path_of_the_functions_own_follows(self) -> None:
        embedded = self.command(EMBEDDED, PYTHONPATH="/opt/python")
        self.assertEqual(embedded.env["PYTHONPATH"].split(os.pathsep)[-1], "/opt/python")

    def test_modules_are_found_from_where_the_tests_are_run(self) -> None:
        with mock.patch("sysconfig.get_path", return_value=str(HERE.parent.parent)):
            self.assertEqual(self.command(EMBEDDED).env, {"PYTHONPATH": os.getcwd()})

    def test_a_process_is_named_after_its_program_or_script(self) -> None:
        self.assertEqual(self.command(["/opt/extensions/agent", "-v"]).name, "agent")
        self.assertEqual(self.command([sys.executable, "folder/agent.py"]).name, "agent.py")
        self.assertEqual(self.command(EMBEDDED).name, Path(sys.executable).name)
        self.assertEqual(self.command([sys.executable]).name, Path(sys.executable).name)

    def command(self, words: list[str], **environment: str) -> ProcessConfig:
        return process_config(
            words, ProcessRole.EXTENSION, directory=str(HERE), environment=environment
        )


class AssertionsTest(DoubledCase):
    """What each assertion accepts, and what it says of what it does not."""

    patience = 0.05

    def refused(self, words: str) -> Any:
        return self.assertRaisesRegex(self.failureException, words)

    def test_a_success_is_told_from_a_failure(self) -> None:
        good, bad = self.invoke({"a": 1}), self.invoke({"fail": "boom"})
        self.assertSucceeded(good)
        self.assertFailed(bad)
        with self.refused("expected SUCCESS, but invocation .* is ERROR: ValueError: boom"):
            self.assertSucceeded(bad)
        with self.refused("expected ERROR, but invocation .* is SUCCESS"):
            self.assertFailed(good)
        with self.refused("expected TIMEOUT, but invocation .* is ERROR"):
            self.assertTimedOut(bad)

    def test_a_failure_has_its_type(self) -> None:
        bad = self.invoke({"fail": "boom"})
        self.assertFailed(bad, "ValueError")
        with self.refused("'ValueError' != 'KeyError'"):
            self.assertFailed(bad, "KeyError")

    def test_a_response_is_compared_as_json(self) -> None:
        state = self.invoke({"a": [1, 2]})
        self.assertResponse(state, {"a": [1, 2]})
        with self.refused(r"\{'a': \[1, 2\]\} != \{'a': \[2\]\}"):
            self.assertResponse(state, {"a": [2]})

    def test_a_response_is_compared_as_bytes(self) -> None:
        state = self.invoke({"a": 1})
        self.assertResponse(state, b'{"a": 1}')
        with self.refused("b'{}'"):
            self.assertResponse(state, b"{}")

    def test_a_failed_invocation_has_no_response(self) -> None:
        with self.refused("expected SUCCESS, but .* is ERROR: ValueError: boom"):
            self.assertResponse(self.invoke({"fail": "boom"}), {})

    def test_telemetry_is_compared_in_part(self) -> None:
        state = self.invoke({})
        event = self.assertTelemetry(
            "platform.report",
            requestId=state.request_id,
            status="success",
            metrics={"memorySizeMB": 128, "durationMs": mock.ANY},
        )
        self.assertEqual(event.type, "platform.report")

    def test_each_events_differences_are_told(self) -> None:
        self.invoke({})
        self.invoke({})
        with self.assertRaises(self.failureException) as caught:
            self.assertTelemetry(
                "platform.report", status="failure", metrics={"memorySizeMB": 1}, colour="red"
            )
        said = str(caught.exception)
        self.assertIn("none of 2 telemetry events platform.report is as expected", said)
        for number in (1, 2):
            self.assertIn(f"{number}: status is 'success', expected 'failure'", said)
            self.assertIn(f"{number}: metrics.memorySizeMB is 128, expected 1", said)
            self.assertIn(f"{number}: colour is missing, expected 'red'", said)

    def test_an_event_that_never_came_is_told(self) -> None:
        with self.refused("there is no telemetry event platform.logsDropped"):
            self.assertTelemetry("platform.logsDropped")

    def test_telemetry_that_is_there_outlives_the_simulator(self) -> None:
        self.invoke({})
        self.simulator.close()
        self.assertTelemetry("platform.report")
        with self.refused("there is no telemetry event platform.logsDropped"):
            self.assertTelemetry("platform.logsDropped")

    def test_nothing_freezes_without_the_mode(self) -> None:
        with self.refused("freeze_mode is NONE"):
            self.assertFrozen()


class TelemetryPatienceTest(LambdaTestCase):
    lambda_config: ClassVar[dict[str, Any]] = {"invocation_timeout": 20.0}
    patience = 20.0

    def test_telemetry_is_waited_for(self) -> None:
        go_on = threading.Event()
        look = self.simulator.get_telemetry_events_by_type

        def looked(event_type: str) -> list[TelemetryEvent]:
            found = look(event_type)
            go_on.set()
            return found

        self.enterContext(ScriptedRuntime(self.simulator, lambda event, context: go_on.wait(20)))
        with mock.patch.object(self.simulator, "get_telemetry_events_by_type", looked):
            self.simulator.enqueue_payload({})
            self.assertTelemetry("platform.report")

    def test_text_has_no_fields(self) -> None:
        class Inner(LambdaTestCase):
            patience = 0.05
            runtime_command = EMBEDDED
            lambda_config: ClassVar[dict[str, Any]] = {"invocation_timeout": 20.0}

            def test(self) -> None:
                self.invoke({})
                self.assertTelemetry("function")
                self.assertTelemetry("function", level="INFO")

        [(_, text)] = result_of(Inner).failures
        self.assertIn(r"1: its record is text: 'handling {}\n'", text)


class FreezingTest(LambdaTestCase):
    lambda_config: ClassVar[dict[str, Any]] = {
        "freeze_mode": FreezeMode.PROCESS,
        "invocation_timeout": 20.0,
    }
    runtime_command = EMBEDDED
    patience = 20.0

    def test_an_idle_environment_is_frozen(self) -> None:
        self.invoke({})
        self.assertFrozen()

    def test_one_that_never_ran_is_not(self) -> None:
        self.simulator.wait_for_parked(1, 20.0)
        with (
            mock.patch.object(type(self), "patience", 0.05),
            self.assertRaisesRegex(self.failureException, "are not frozen: waited for"),
        ):
            self.assertFrozen()


class TimeoutTest(LambdaTestCase):
    lambda_config: ClassVar[dict[str, Any]] = {"invocation_timeout": 0.1}

    def test_a_timeout_is_neither_failure_nor_success(self) -> None:
        go_on = threading.Event()
        with ScriptedRuntime(self.simulator, lambda event, context: go_on.wait(20) and None):
            self.simulator.wait_for_parked(1)
            state = self.invoke({})
            go_on.set()
        self.assertTimedOut(state)
        with self.assertRaisesRegex(self.failureException, "is TIMEOUT: Sandbox.Timedout"):
            self.assertFailed(state)


class FailureTextTest(unittest.TestCase):
    """Inner tests that fail, and the text that people read then."""

    def failed(self, case: type[unittest.TestCase]) -> str:
        result = result_of(case)
        [(_, text)] = result.failures + result.errors
        return text

    def assert_story(self, text: str) -> None:
        """It tells of an invocation that failed with a boom."""
        for words in (
            "is ERROR: ValueError: boom",
            'its error: {"errorMessage": "boom", "errorType": "ValueError"',
            "  START RequestId: ",
            "  REPORT RequestId: ",
            "phase READY, generation 1 is running",
            "telemetry: platform.initStart, platform.initRuntimeDone, platform.initReport, "
            "platform.start, platform.runtimeDone, platform.report",
        ):
            self.assertIn(words, text)
        self.assertEqual(text.count("is ERROR: ValueError: boom"), 1)

    def test_an_assertion_about_an_invocation_tells_its_story(self) -> None:
        class Inner(DoubledCase):
            def test(self) -> None:
                self.assertSucceeded(self.invoke({"fail": "boom"}))

        self.assert_story(self.failed(Inner))

    def test_a_plain_assertion_tells_it_too(self) -> None:
        class Inner(DoubledCase):
            def test(self) -> None:
                self.invoke({"fail": "boom"})
                self.assertEqual(1, 2)

        text = self.failed(Inner)
        self.assert_story(text)
        self.assertIn("AssertionError: 1 != 2", text)

    def test_the_invocation_told_of_is_the_one_asserted_upon(self) -> None:
        class Inner(DoubledCase):
            def test(self) -> None:
                first = self.invoke({"fail": "boom"})
                self.invoke({"a": 1})
                self.assertTimedOut(first)

        self.assertIn('its error: {"errorMessage": "boom"', self.failed(Inner))

    def test_an_error_in_the_test_tells_it_and_keeps_its_traceback(self) -> None:
        class Inner(DoubledCase):
            def test(self) -> None:
                self.invoke({"fail": "boom"})
                os.environ["A_VARIABLE_THAT_IS_MISSING"]

        text = self.failed(Inner)
        self.assert_story(text)
        self.assertIn('os.environ["A_VARIABLE_THAT_IS_MISSING"]', text)
        self.assertIn("KeyError: 'A_VARIABLE_THAT_IS_MISSING'", text)

    def test_a_subtest_tells_it(self) -> None:
        class Inner(DoubledCase):
            def test(self) -> None:
                self.invoke({"fail": "boom"})
                for number in (1, 2):
                    with self.subTest(number=number):
                        self.assertEqual(number, 2)

        result = result_of(Inner)
        [(subtest, text)] = result.failures
        self.assertIn("(number=1)", str(subtest))
        self.assert_story(text)

    def test_a_set_up_that_goes_on_after_ours_tells_it(self) -> None:
        class Inner(DoubledCase):
            def setUp(self) -> None:
                super().setUp()
                self.invoke({"fail": "boom"})
                raise RuntimeError("in setUp")

            def test(self) -> None: ...

        text = self.failed(Inner)
        self.assert_story(text)
        self.assertIn("RuntimeError: in setUp", text)

    def test_a_tear_down_tells_it(self) -> None:
        class Inner(DoubledCase):
            def test(self) -> None:
                self.invoke({"fail": "boom"})

            def tearDown(self) -> None:
                self.fail("in tearDown")

        text = self.failed(Inner)
        self.assert_story(text)
        self.assertIn("AssertionError: in tearDown", text)

    def test_an_invoke_that_raised_tells_of_its_invocation(self) -> None:
        class Inner(LambdaTestCase):
            def test(self) -> None:
                self.invoke({}, timeout=0.05)

        text = self.failed(Inner)
        self.assertIn(WaitTimeout.__name__, text)
        self.assertIn("self.invoke({}, timeout=0.05)", text)
        self.assertRegex(text, "invocation .* is PENDING")
        self.assertEqual(text.count("phase INITIALIZING"), 1)
        self.assertIn("telemetry: platform.initStart", text)

    def test_the_traceback_of_an_assertion_ends_in_the_test(self) -> None:
        class Inner(DoubledCase):
            def test(self) -> None:
                self.assertSucceeded(self.invoke({"fail": "boom"}))

        text = self.failed(Inner)
        self.assertIn("self.assertSucceeded(self.invoke", text)
        self.assertNotIn(os.path.join("testing", "case.py"), text)

    def test_a_test_without_invocations_tells_of_its_environment(self) -> None:
        class Inner(LambdaTestCase):
            def test(self) -> None:
                self.fail("no reason")

        text = self.failed(Inner)
        self.assertIn("phase INITIALIZING", text)
        self.assertNotIn("invocation", text)

    def test_a_simulator_that_did_not_start_has_no_story(self) -> None:
        class Inner(LambdaTestCase):
            lambda_config: ClassVar[dict[str, Any]] = {"memory_size_mb": 1}

            def test(self) -> None: ...

        text = self.failed(Inner)
        self.assertIn("memory_size_mb: got 1", text)
        self.assertNotIn("phase", text)

    def test_a_story_that_can_not_be_told_hides_no_failure(self) -> None:
        class Inner(LambdaTestCase):
            def test(self) -> None:
                self.simulator = mock.Mock(telemetry_events=None, processes=[])
                self.fail("the reason")

        text = self.failed(Inner)
        self.assertIn("AssertionError: the reason", text)
        self.assertIn("(what the simulator saw could not be told: ", text)


class RunningTest(unittest.TestCase):
    """What a test comes to besides failing."""

    def test_skips_and_expected_failures_are_what_they_are(self) -> None:
        class Inner(DoubledCase):
            def test_skip(self) -> None:
                self.skipTest("not today")

            @unittest.skip("not today")
            def test_never(self) -> None: ...

            @unittest.expectedFailure
            def test_expected(self) -> None:
                self.assertSucceeded(self.invoke({"fail": "boom"}))

            @unittest.expectedFailure
            def test_surprise(self) -> None: ...

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Inner).run(result)
        self.assertEqual(result.failures + result.errors, [])
        self.assertEqual([why for _, why in result.skipped], ["not today", "not today"])
        self.assertEqual(len(result.expectedFailures), 1)
        self.assertEqual(len(result.unexpectedSuccesses), 1)

    def test_without_a_result_it_makes_one(self) -> None:
        class Inner(LambdaTestCase):
            def test(self) -> None:
                self.fail("no reason")

        self.assertEqual(len(Inner("test").run().failures), 1)

    def test_a_result_that_knows_no_subtests_will_do(self) -> None:
        class OldResult(unittest.TestResult):
            addSubTest = property()  # noqa: N815

        class Inner(LambdaTestCase):
            def test(self) -> None:
                with self.subTest(number=1):
                    self.fail("no reason")

        result = OldResult()
        Inner("test").run(result)
        [(_, text)] = result.failures
        self.assertIn("phase INITIALIZING", text)


class LeftoversTest(unittest.TestCase):
    def test_a_thread_is_named(self) -> None:
        release = threading.Event()
        leaked = Worker("leaked", lambda: self.assertTrue(release.wait(20)))

        class Inner(LambdaTestCase):
            def test(self) -> None:
                leaked.start()

        with mock.patch("lambda_sim.testing.case.SETTLE_SECONDS", 0.05):
            [(_, text)] = result_of(Inner).failures
        self.assertIn("the test left behind:\n  thread lambda-sim:leaked\n", text)
        with self.subTest("the next test is not blamed for it"):

            class Next(LambdaTestCase):
                def test(self) -> None: ...

            self.assertTrue(result_of(Next).wasSuccessful())
        release.set()
        leaked.join(20)

    def test_a_child_is_named(self) -> None:
        children: list[subprocess.Popen[bytes]] = []

        class Inner(LambdaTestCase):
            def test(self) -> None:
                children.append(subprocess.Popen(LONG_SLEEP))

        with mock.patch("lambda_sim.testing.case.SETTLE_SECONDS", 0.05):
            [(_, text)] = result_of(Inner).failures
        [child] = children
        child.kill()
        child.wait()
        self.assertIn("import time; time.sleep(600)", text)
        self.assertIn(f"(pid {child.pid})", text)

    def test_a_child_that_was_not_waited_for_is_named(self) -> None:
        children: list[subprocess.Popen[bytes]] = []

        class Inner(LambdaTestCase):
            def test(self) -> None:
                children.append(subprocess.Popen([sys.executable, "-c", ""]))

        with mock.patch("lambda_sim.testing.case.SETTLE_SECONDS", 0.05):
            [(_, text)] = result_of(Inner).failures
        children[0].wait()
        self.assertIn(str(children[0].pid), text)

    def test_a_simulator_of_the_tests_own_that_stays_open_is_found(self) -> None:
        opened: list[Simulator] = []

        class Inner(LambdaTestCase):
            def test(self) -> None:
                opened.append(Simulator().start())

        with mock.patch("lambda_sim.testing.case.SETTLE_SECONDS", 0.05):
            [(_, text)] = result_of(Inner).failures
        opened[0].close()
        self.assertIn("thread lambda-sim:runtime-api", text)
        self.assertIn("thread lambda-sim:conductor", text)

    def test_what_was_there_before_is_nobodys(self) -> None:
        class Inner(LambdaTestCase):
            def test(self) -> None: ...

        with Simulator(), subprocess.Popen(LONG_SLEEP) as child:
            result = result_of(Inner)
            child.kill()
        self.assertTrue(result.wasSuccessful(), result.failures)

    def test_pythons_own_servants_are_nobodys(self) -> None:
        children: list[subprocess.Popen[bytes]] = []
        command = [*LONG_SLEEP[:2], f"{LONG_SLEEP[2]} # multiprocessing.resource_tracker"]

        class Inner(LambdaTestCase):
            def test(self) -> None:
                children.append(subprocess.Popen(command, stdout=subprocess.PIPE))

        result = result_of(Inner)
        with children[0] as child:
            child.kill()
        self.assertTrue(result.wasSuccessful(), result.failures)

    def test_the_simulator_is_closed_by_then(self) -> None:
        seen: list[LambdaTestCase] = []

        class Inner(LambdaTestCase):
            runtime_command = EMBEDDED

            def test(self) -> None:
                seen.append(self)

        self.assertTrue(result_of(Inner).wasSuccessful())
        with self.assertRaises(ShuttingDown):
            seen[0].simulator.enqueue_payload({})


if __name__ == "__main__":
    unittest.main()
