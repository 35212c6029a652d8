"""Section 4.1 of the contract: how an environment comes up, and what becomes of it if it can't."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from lambda_sim import Invocation, InvocationState, InvocationStatus, ProcessConfig, ProcessRole
from lambda_sim.testing import ManualClock
from tests.conformance.case import ConformanceTest, extension_of, runtime_of
from tests.raw import PATIENCE

INIT_EVENTS = ("platform.initStart", "platform.initRuntimeDone", "platform.initReport")
EXITED_3 = {
    "errorType": "Runtime.ExitError",
    "errorMessage": "RequestId: <id> Error: Runtime exited with error: exit status 3",
}
SAD = b'{"errorMessage":"no start","errorType":"Sad"}'
"""What an actor's ``init-error`` posts."""


class InitTest(ConformanceTest):
    def setUp(self) -> None:
        super().setUp()
        self.marks = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def run_runtime(self, *steps: str, **config: Any) -> None:
        """A simulator whose runtime takes these steps whenever it is started."""
        limits = {"invocation_timeout": PATIENCE}
        runtime = runtime_of(*steps, MARKS=str(self.marks))
        self.simulate(runtime=runtime, **{**limits, **config})

    def wait_for_failed_init(self) -> None:
        self.telemetry("platform.initReport")

    def invoke(self, payload: Any = None) -> InvocationState:
        return self.simulator.invoke(payload, timeout=PATIENCE)

    def outcomes(self) -> list[tuple[str, str, str | None]]:
        """Phase, status and error type of every init so far, on which all its events agree."""
        done, reports = (
            [
                (event.record["phase"], event.record["status"], event.record.get("errorType"))
                for event in self.simulator.get_telemetry_events_by_type(event_type)
            ]
            for event_type in INIT_EVENTS[1:]
        )
        self.assertEqual(done, reports)
        return reports

    def platform_lines(self) -> list[str]:
        return [one.message for one in self.simulator.logs if one.source == "platform"]

    def assert_lines(self, *patterns: str) -> None:
        """The platform's lines, all of them after the first."""
        first, *lines = self.platform_lines()
        self.assertTrue(first.startswith("INIT_START Runtime Version: "), first)
        self.assertEqual(len(lines), len(patterns), lines)
        for line, pattern in zip(lines, patterns, strict=True):
            self.assertRegex(line, rf"\A{pattern}\Z")

    def assert_body(self, state: InvocationState, expected: dict[str, str]) -> None:
        """The invoker gets Lambda's own error object, byte for byte."""
        self.assertIs(state.status, InvocationStatus.ERROR)
        text = json.dumps(expected, separators=(",", ":"))
        self.assertEqual(state.error.body.decode(), text.replace("<id>", state.request_id))


def init_line(phase: str, outcome: str) -> str:
    """INIT_REPORT as a pattern."""
    return rf"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: {phase}\t{outcome}"


def failed_lines(error_type: str) -> list[str]:
    """What an init that failed twice leaves, with the invocation that it failed, as patterns."""
    outcome = f"Status: error\tError Type: {error_type}"
    return [
        init_line("init", outcome),
        init_line("invoke", outcome),
        r"START RequestId: [0-9a-f-]{36} Version: \$LATEST",
        r"END RequestId: [0-9a-f-]{36}",
        rf"REPORT RequestId: [0-9a-f-]{{36}}\t.*\t{outcome}",
    ]


class PhaseTest(InitTest):
    def test_lc_01_init_ends_when_everyone_has_asked_for_next(self) -> None:
        for order in ("runtime first", "extensions first"):
            with self.subTest(order=order):
                self.simulate()
                pollers: list[Any] = [self.extension("watcher"), self.extension("inner")]
                pollers.insert(0 if order == "runtime first" else 2, self.runtime())
                for poller in pollers:
                    self.assertFalse(self.simulator.is_initialized)
                    self.assertNotIn("platform.initReport", self.telemetry_types())
                    self.park(poller)
                self.assertTrue(self.simulator.is_initialized)
                self.assertEqual(self.telemetry("platform.initReport")["status"], "success")

    def test_lc_01_an_invocation_waits_for_the_end_of_init(self) -> None:
        watcher, runtime = self.extension("watcher", "INVOKE"), self.park(self.runtime())
        request_id = self.simulator.enqueue_payload({})
        self.assertTrue(runtime.is_silent())
        self.assertNotIn("platform.start", self.telemetry_types())
        self.assertEqual(watcher.next()["requestId"], request_id)
        self.assertEqual(runtime.event().id, request_id)

    def test_lc_01_init_may_take_10_seconds(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock)
        clock.advance(9.5)
        self.extension("watcher")
        self.assertNotIn("platform.initReport", self.telemetry_types())
        clock.advance(0.5)
        self.telemetry("platform.initReport")
        self.assertEqual(self.outcomes(), [("init", "timeout", None)])
        self.assert_lines(r"INIT_REPORT Init Duration: 10000\.00 ms\tPhase: init\tStatus: timeout")

    def test_lc_01_the_time_of_extensions_counts(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock)
        self.extension("watcher")
        self.park(self.runtime())
        clock.advance(10.0)
        self.assertEqual(self.telemetry("platform.initReport")["status"], "timeout")

    def test_ex_42_init_starts_extensions_before_the_runtime(self) -> None:
        steps = ("until:go", "register", "event")
        watcher = extension_of("watcher", *steps, MARKS=str(self.marks))
        self.run_runtime("serve", extensions=[watcher])
        self.wait_for(lambda: self.simulator.processes)
        self.assertEqual([one.name for one in self.simulator.processes], ["watcher"])
        (self.marks / "go").touch()
        self.wait_for(lambda: len(self.simulator.processes) > 1)
        self.assertEqual(self.simulator.extension_count, 1)

    def test_ex_42_init_waits_for_internal_extensions_too(self) -> None:
        self.run_runtime("until:go", "serve")
        inner = self.extension("inner")
        (self.marks / "go").touch()
        self.simulator.wait_for_parked(1, PATIENCE)
        self.assertFalse(self.simulator.is_initialized)
        self.park(inner)
        self.assertTrue(self.simulator.is_initialized)

    def test_ex_43_a_runtime_that_was_not_started_may_be_later(self) -> None:
        steps = ("once:exit:1", "register", "event")
        self.run_runtime(
            "print:starts",
            "serve",
            extensions=[extension_of("watcher", *steps, MARKS=str(self.marks))],
        )
        self.wait_for_failed_init()
        self.assertEqual(self.printed(), [])
        self.assertEqual(self.invoke(1).response.payload, 1)
        self.assertEqual(self.printed(), ["starts"])


class SuppressedTest(InitTest):
    """LC-02: init once more, inside the first invocation and on its time."""

    def test_lc_02_an_init_that_timed_out_is_tried_again(self) -> None:
        clock = ManualClock()
        self.run_runtime("once:hang", "serve", clock=clock)
        self.wait_for((self.marks / "hang").exists)
        clock.advance(10.0)
        self.wait_for_failed_init()
        self.assertEqual(self.invoke(1).response.payload, 1)
        expected = [("init", "timeout", None), ("invoke", "success", None)]
        self.assertEqual(self.outcomes(), expected)

    def test_lc_02_a_runtime_that_timed_out_is_ended(self) -> None:
        clock = ManualClock()
        self.run_runtime("once:hang", "serve", clock=clock)
        self.wait_for((self.marks / "hang").exists)
        hung = self.simulator.processes[0]
        clock.advance(10.0)
        self.wait_for(lambda: not hung.is_running)

    def test_lc_02_an_init_that_crashed_is_tried_again(self) -> None:
        self.run_runtime("once:exit:3", "serve")
        self.wait_for_failed_init()
        self.assertEqual(self.invoke(1).response.payload, 1)
        expected = [("init", "error", "Runtime.ExitError"), ("invoke", "success", None)]
        self.assertEqual(self.outcomes(), expected)

    def test_lc_02_an_init_that_reported_an_error_is_tried_again(self) -> None:
        self.run_runtime("once:init-error", "serve")
        self.wait_for_failed_init()
        self.assertEqual(self.invoke(1).response.payload, 1)
        expected = [("init", "error", "Runtime.Sad"), ("invoke", "success", None)]
        self.assertEqual(self.outcomes(), expected)

    def test_lc_02_an_invocation_that_waits_already_tries_again(self) -> None:
        self.run_runtime("until:go", "once:exit:3", "serve")
        request_id = self.simulator.enqueue_payload(1)
        (self.marks / "go").touch()
        self.assertEqual(self.complete(request_id).response.payload, 1)
        expected = [("init", "error", "Runtime.ExitError"), ("invoke", "success", None)]
        self.assertEqual(self.outcomes(), expected)

    def test_lc_02_nothing_is_tried_before_an_invocation(self) -> None:
        self.run_runtime("exit:3")
        self.wait_for_failed_init()
        self.assertEqual(self.telemetry_types(), [*INIT_EVENTS])

    def test_lc_02_its_events_say_invoke_and_come_before_the_start(self) -> None:
        self.run_runtime("once:exit:3", "serve")
        self.wait_for_failed_init()
        self.simulator.clear_telemetry_events()
        self.invoke()
        self.telemetry("platform.report")
        types = self.telemetry_types()
        self.assertEqual(types[:4], [*INIT_EVENTS, "platform.start"])
        for event in self.simulator.telemetry_events[:3]:
            self.assertEqual(event.record["phase"], "invoke")

    def test_lc_02_init_and_handler_share_the_functions_time(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock, shutdown_timeout=0.0)
        self.fail_first_init(clock)
        request_id = self.simulator.enqueue_payload({})
        self.telemetry("platform.initStart", 2)
        clock.advance(2.0)
        event = self.runtime().next()
        self.assertEqual(event.id, request_id)
        due = int(event.answer["Lambda-Runtime-Deadline-Ms"]) / 1000
        self.assertAlmostEqual(due - clock.time(), 1.0, places=2)
        clock.advance(1.0)
        state = self.complete(request_id)
        self.assertIs(state.status, InvocationStatus.TIMEOUT)
        self.assert_failed(
            request_id,
            "Sandbox.Timedout",
            "RequestId: <id> Error: Task timed out after 3.00 seconds",
        )

    def test_lc_02_the_functions_time_is_the_limit_of_the_init(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock, shutdown_timeout=0.0, invocation_timeout=60.0)
        self.fail_first_init(clock)
        request_id = self.simulator.enqueue_payload({})
        self.telemetry("platform.initStart", 2)
        clock.advance(59.5)
        self.assertEqual(len(self.outcomes()), 1)
        clock.advance(0.5)
        self.assert_failed(
            request_id,
            "Sandbox.Timedout",
            "RequestId: <id> Error: Task timed out after 60.00 seconds",
        )
        expected = [("init", "timeout", None), ("invoke", "timeout", None)]
        self.assertEqual(self.outcomes(), expected)
        self.assert_lines(
            r"INIT_REPORT Init Duration: 10000\.00 ms\tPhase: init\tStatus: timeout",
            r"INIT_REPORT Init Duration: 60000\.00 ms\tPhase: invoke\tStatus: timeout",
            rf"START RequestId: {request_id} Version: \$LATEST",
            rf"END RequestId: {request_id}",
            rf"REPORT RequestId: {request_id}\tDuration: 60000\.00 ms\t.*\tStatus: timeout",
        )

    def test_lc_02_an_invocations_own_timeout_is_the_limit_too(self) -> None:
        clock = ManualClock()
        self.run_runtime("once:hang", "hang", clock=clock)
        self.wait_for((self.marks / "hang").exists)
        clock.advance(10.0)
        self.wait_for_failed_init()
        request_id = self.simulator.enqueue(Invocation({}, timeout=3.0))
        self.telemetry("platform.initStart", 2)
        clock.advance(3.0)
        self.assertIs(self.complete(request_id).status, InvocationStatus.TIMEOUT)

    def fail_first_init(self, clock: ManualClock) -> None:
        """Let the first init time out, and what followed from it."""
        watcher = self.extension("watcher")
        clock.advance(10.0)
        self.wait_for_failed_init()
        self.wait_for(lambda: self.simulator.extension_count == 0)
        watcher.close()


class FailureTest(InitTest):
    """LC-03 and LC-04: the init inside the invocation fails too."""

    def test_lc_03_the_invoker_gets_the_runtimes_own_words(self) -> None:
        self.run_runtime("init-error", "hang")
        self.wait_for_failed_init()
        state = self.invoke()
        self.assertIs(state.status, InvocationStatus.ERROR)
        self.assertEqual(state.error.body, SAD)
        expected = [("init", "error", "Runtime.Sad"), ("invoke", "error", "Runtime.Sad")]
        self.assertEqual(self.outcomes(), expected)
        report = self.telemetry("platform.report")
        self.assertEqual((report["status"], report["errorType"]), ("error", "Runtime.Sad"))
        self.assert_lines(*failed_lines(r"Runtime\.Sad"))

    def test_lc_03_the_invoker_gets_the_exit(self) -> None:
        self.run_runtime("exit:3")
        self.wait_for_failed_init()
        self.assert_body(self.invoke(), EXITED_3)
        expected = [
            ("init", "error", "Runtime.ExitError"),
            ("invoke", "error", "Runtime.ExitError"),
        ]
        self.assertEqual(self.outcomes(), expected)
        report = self.telemetry("platform.report")
        self.assertEqual((report["status"], report["errorType"]), ("error", "Runtime.ExitError"))
        self.assert_lines(*failed_lines(r"Runtime\.ExitError"))

    def test_lc_03_an_error_that_was_reported_wins_over_the_exit(self) -> None:
        self.run_runtime("init-error", "exit:3")
        self.wait_for_failed_init()
        self.assertEqual(self.invoke().error.body, SAD)
        self.assertEqual({kind for _, _, kind in self.outcomes()}, {"Runtime.Sad"})

    def test_lc_03_the_invoker_gets_what_an_extension_did(self) -> None:
        self.simulate(extensions=[extension_of("watcher", "exit:5")], runtime=runtime_of("serve"))
        self.wait_for_failed_init()
        body = {
            "errorType": "Extension.Crash",
            "errorMessage": "RequestId: <id> Error: exit status 5",
        }
        self.assert_body(self.invoke(), body)
        lines = [line for line in self.platform_lines() if not line.startswith("EXTENSION")]
        for line, pattern in zip(lines[1:], failed_lines(r"Extension\.Crash"), strict=True):
            self.assertRegex(line, rf"\A{pattern}\Z")

    def test_lc_03_the_init_tells_what_it_was(self) -> None:
        self.run_runtime("init-error", "hang")
        self.wait_for_failed_init()
        self.assertEqual(self.simulator.init_error, "Sad: no start")

    def test_lc_03_the_report_tells_of_no_init(self) -> None:
        self.run_runtime("exit:3")
        self.wait_for_failed_init()
        self.invoke()
        self.assertNotIn("initDurationMs", self.telemetry("platform.report")["metrics"])

    def test_lc_04_the_next_invocation_begins_anew(self) -> None:
        self.run_runtime("init-error", "hang")
        self.wait_for_failed_init()
        for number in (1, 2):
            self.assertEqual(self.invoke().error.body, SAD)
            self.telemetry("platform.initReport", number + 1)
        phases = [phase for phase, _, _ in self.outcomes()]
        self.assertEqual(phases, ["init", "invoke", "invoke"])

    def test_lc_04_a_function_that_gets_well_is_served(self) -> None:
        self.run_runtime("once:exit:1", "once:exit:3", "serve")
        self.wait_for_failed_init()
        self.assert_body(self.invoke(), EXITED_3)
        self.assertEqual(self.invoke(1).response.payload, 1)
        self.assertEqual(self.invoke(2).response.payload, 2)
        phases = [(phase, status) for phase, status, _ in self.outcomes()]
        self.assertEqual(phases, [("init", "error"), ("invoke", "error"), ("invoke", "success")])


class EntryPointTest(InitTest):
    """LC-07: a bootstrap that can't run."""

    def bootstrap(self, content: str, mode: int) -> str:
        path = self.marks / "bootstrap"
        path.write_text(content)
        path.chmod(mode)
        return str(path)

    def assert_invalid(self, command: str) -> str:
        """Init and the invocation fail over it; the message, behind its prefix."""
        runtime = ProcessConfig(command, ProcessRole.RUNTIME, inherit_stdio=False)
        self.simulate(runtime=runtime)
        self.wait_for_failed_init()
        state = self.invoke()
        told = json.loads(state.error.body)
        self.assertEqual(list(told), ["errorType", "errorMessage"])
        self.assertEqual(told["errorType"], "Runtime.InvalidEntrypoint")
        expected = [
            ("init", "error", "Runtime.InvalidEntrypoint"),
            ("invoke", "error", "Runtime.InvalidEntrypoint"),
        ]
        self.assertEqual(self.outcomes(), expected)
        self.assert_lines(*failed_lines(r"Runtime\.InvalidEntrypoint"))
        prefix, _, message = told["errorMessage"].partition(" Error: ")
        self.assertEqual(prefix, f"RequestId: {state.request_id}")
        self.assertTrue(message.startswith(f"fork/exec {command}: "), message)
        return str(message)

    def test_lc_07_there_is_none(self) -> None:
        self.assert_invalid(str(self.marks / "bootstrap"))

    def test_lc_07_it_is_not_executable(self) -> None:
        self.assert_invalid(self.bootstrap("#!/bin/sh\n", 0o644))

    def test_lc_07_it_is_no_program(self) -> None:
        command = self.bootstrap("no program", 0o755)
        message = self.assert_invalid(command)
        self.assertEqual(message, f"fork/exec {command}: exec format error")

    def test_lc_07_a_bootstrap_that_is_mended_is_found(self) -> None:
        path = self.marks / "bootstrap"
        runtime = runtime_of("serve")
        script = " ".join(f"'{word}'" for word in runtime.words)
        self.simulate(runtime=ProcessConfig(str(path), ProcessRole.RUNTIME, inherit_stdio=False))
        self.wait_for_failed_init()
        self.bootstrap(f"#!/bin/sh\nexec {script}\n", 0o755)
        self.assertEqual(self.invoke(1).response.payload, 1)


class WrapperTest(ConformanceTest):
    settings = {}  # noqa: RUF012

    def test_lc_08_a_wrapper_script_starts_the_runtime(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        wrapper = folder / "wrapper"
        wrapper.write_text('#!/bin/sh\necho "wrapped $#"\nexec "$@"\n')
        wrapper.chmod(0o755)
        environment = {"AWS_LAMBDA_EXEC_WRAPPER": str(wrapper)}
        runtime = runtime_of("serve")
        self.simulate(runtime=runtime, environment=environment)
        self.assertIs(self.simulator.invoke({}).status, InvocationStatus.SUCCESS)
        self.assertEqual(self.printed()[0], f"wrapped {len(runtime.words)}")

    def test_lc_08_one_that_is_missing_ends_with_127(self) -> None:
        environment = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/not-there"}
        self.simulate(runtime=runtime_of("serve"), environment=environment)
        state = self.simulator.invoke({}, timeout=PATIENCE)
        message = "RequestId: <id> Error: Runtime exited with error: exit status 127"
        self.assert_failed(state.request_id, "Runtime.ExitError", message)
