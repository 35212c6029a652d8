"""Sections 4.4 and 4.5 of the contract: processes that end when they should not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from lambda_sim import InvocationStatus
from tests.conformance.case import ConformanceTest, extension_of, runtime_of
from tests.raw import PATIENCE

NO_REASON = "RequestId: <id> Error: Runtime exited without providing a reason"
WITH_ERROR = "RequestId: <id> Error: Runtime exited with error: "
GO_NAMES = {
    "HUP": "hangup",
    "INT": "interrupt",
    "QUIT": "quit",
    "ILL": "illegal instruction",
    "TRAP": "trace/breakpoint trap",
    "ABRT": "aborted",
    "BUS": "bus error",
    "FPE": "floating point exception",
    "KILL": "killed",
    "USR1": "user defined signal 1",
    "SEGV": "segmentation fault",
    "USR2": "user defined signal 2",
    "PIPE": "broken pipe",
    "ALRM": "alarm clock",
    "TERM": "terminated",
}
DUMP = """
import os, resource
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
os.abort()
"""


class CrashTest(ConformanceTest):
    settings = {}  # noqa: RUF012

    def crash(self, *steps: str, **env: str) -> Any:
        """The state of an invocation that a runtime of these steps was started for."""
        self.simulate(runtime=runtime_of(*steps, **env))
        return self.simulator.invoke({}, timeout=PATIENCE)

    def marks(self) -> str:
        """A directory for what processes leave behind."""
        return self.enterContext(tempfile.TemporaryDirectory())

    def platform_lines(self) -> list[str]:
        return [one.message for one in self.simulator.logs if one.source == "platform"]


class RuntimeExitTest(CrashTest):
    def test_lc_30_an_exit_with_0_has_no_reason(self) -> None:
        state = self.crash("next", "exit:0")
        self.assert_failed(state.request_id, "Runtime.ExitError", NO_REASON)

    def test_lc_30_an_exit_with_another_status_names_it(self) -> None:
        for status in (1, 127, 255):
            with self.subTest(status=status):
                state = self.crash("next", f"exit:{status}")
                message = f"{WITH_ERROR}exit status {status}"
                self.assert_failed(state.request_id, "Runtime.ExitError", message)
                self.assertIs(state.status, InvocationStatus.ERROR)

    def test_lc_30_without_an_invocation_no_request_is_named(self) -> None:
        self.simulate(runtime=runtime_of("exit:3"))
        self.telemetry("platform.initReport")
        self.assertEqual(
            self.simulator.init_error,
            "Runtime.ExitError: Runtime exited with error: exit status 3",
        )

    def test_lc_31_a_signal_has_its_go_name(self) -> None:
        for name, told in GO_NAMES.items():
            with self.subTest(signal=name):
                state = self.crash("next", f"signal:{name}")
                message = f"{WITH_ERROR}signal: {told}"
                self.assert_failed(state.request_id, "Runtime.ExitError", message)

    def test_lc_31_a_signal_without_a_name_has_its_number(self) -> None:
        state = self.crash("next", "signal:SYS")
        message = f"{WITH_ERROR}signal: signal {int(signal.SIGSYS)}"
        self.assert_failed(state.request_id, "Runtime.ExitError", message)

    def test_lc_31_a_core_that_was_dumped_is_told_of(self) -> None:
        self.require_cores()
        state = self.crash("next", "dump:SEGV", MARKS=self.marks())
        message = f"{WITH_ERROR}signal: segmentation fault (core dumped)"
        self.assert_failed(state.request_id, "Runtime.ExitError", message)

    def require_cores(self) -> None:
        """Skip the test on a machine that dumps none."""
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", DUMP], cwd=self.marks())
        _, status = os.waitpid(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if not os.WCOREDUMP(status):
            raise unittest.SkipTest("no cores are dumped here")

    def test_lc_32_an_exit_with_0_at_import_has_no_reason_either(self) -> None:
        state = self.crash("exit:0")
        self.assert_failed(state.request_id, "Runtime.ExitError", NO_REASON)

    def test_lc_34_an_exit_after_the_response_leaves_it_to_the_client(self) -> None:
        self.simulate(runtime=runtime_of("next", "respond", "exit:1"))
        state = self.simulator.invoke({"a": 1}, timeout=PATIENCE)
        self.assertEqual(state.response.payload, {"a": 1})
        report = self.telemetry("platform.report")
        self.assertEqual((report["status"], report["errorType"]), ("error", "Runtime.ExitError"))
        self.assertEqual(self.complete(state.request_id).response.payload, {"a": 1})
        self.assertTrue(
            self.platform_lines()[-1].endswith("\tStatus: error\tError Type: Runtime.ExitError")
        )

    def test_lc_34_an_exit_after_the_response_resets_the_environment(self) -> None:
        self.simulate(runtime=runtime_of("next", "respond", "exit:1"))
        for number in range(2):
            state = self.simulator.invoke(number, timeout=PATIENCE)
            self.assertEqual(state.response.payload, number)
            self.telemetry("platform.report", number + 1)
        phases = [
            event.record["phase"]
            for event in self.simulator.get_telemetry_events_by_type("platform.initStart")
        ]
        self.assertEqual(phases, ["init", "invoke"])

    def test_lc_35_an_exit_between_invocations_costs_the_next_an_init(self) -> None:
        self.simulate(runtime=runtime_of("serve"))
        self.simulator.invoke({}, timeout=PATIENCE)
        self.simulator.processes[0].kill()
        self.wait_for(lambda: not self.simulator.is_initialized)
        state = self.simulator.invoke({"a": 1}, timeout=PATIENCE)
        self.assertEqual(state.response.payload, {"a": 1})
        self.assertEqual(self.telemetry("platform.initStart", 2)["phase"], "invoke")
        self.assertNotIn("initDurationMs", self.telemetry("platform.report", 2)["metrics"])

    def test_lc_36_an_error_that_was_reported_wins_over_the_exit(self) -> None:
        state = self.crash("next", "fail", "exit:1")
        body = b'{"errorMessage":"it broke","errorType":"Broken"}'
        self.assertEqual(state.error.body, body)
        self.telemetry("platform.report")
        self.assertEqual(self.complete(state.request_id).error.body, body)


class ExtensionExitTest(CrashTest):
    def invoke_with(self, *steps: str, runtime: tuple[str, ...] = ("next", "hang")) -> Any:
        """The state of an invocation during which an extension takes these steps."""
        self.simulate(
            extensions=[extension_of("watcher", "register:INVOKE", "event", *steps)],
            runtime=runtime_of(*runtime),
        )
        return self.simulator.invoke({}, timeout=PATIENCE)

    def test_lc_40_the_payload_names_the_extensions_status(self) -> None:
        for step, told in (
            ("exit:5", "exit status 5"),
            ("exit:0", "exit code 0"),
            ("signal:KILL", "signal: killed"),
            ("signal:SEGV", "signal: segmentation fault"),
        ):
            with self.subTest(step=step):
                state = self.invoke_with(step)
                message = f"RequestId: <id> Error: {told}"
                self.assert_failed(state.request_id, "Extension.Crash", message)

    def test_lc_41_what_the_extensions_crash_does_to_the_runtime_is_not_told(self) -> None:
        # The runtime ends on the SIGTERM that the crash brings upon it.
        state = self.invoke_with("exit:5", runtime=("trap", "next", "hang"))
        self.wait_for_print("runtime SIGTERM")
        self.wait_for(lambda: not any(one.is_running for one in self.simulator.processes))
        message = "RequestId: <id> Error: exit status 5"
        self.assert_failed(state.request_id, "Extension.Crash", message)
        self.assertEqual(self.telemetry("platform.report")["errorType"], "Extension.Crash")

    def test_lc_41_what_the_runtimes_crash_does_to_an_extension_is_not_told(self) -> None:
        steps = ("register:INVOKE,SHUTDOWN", "listen", "exit:5")
        self.simulate(
            extensions=[extension_of("watcher", *steps)], runtime=runtime_of("next", "exit:1")
        )
        state = self.simulator.invoke({}, timeout=PATIENCE)
        self.wait_for_print("watcher SHUTDOWN failure")
        self.wait_for(lambda: not any(one.is_running for one in self.simulator.processes))
        message = f"{WITH_ERROR}exit status 1"
        self.assert_failed(state.request_id, "Runtime.ExitError", message)
        self.assertEqual(self.telemetry("platform.report")["errorType"], "Runtime.ExitError")

    def test_lc_42_an_init_that_an_extension_failed_has_its_line(self) -> None:
        self.simulate(extensions=[extension_of("watcher", "exit:1")])
        self.telemetry("platform.initReport")
        self.assertRegex(
            self.platform_lines()[-1],
            r"\AINIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\t"
            r"Status: error\tError Type: Extension\.Crash\Z",
        )

    def test_lc_43_a_crash_after_the_answer_marks_the_report_only(self) -> None:
        marks = self.marks()
        wait = ("until:answered", "exit:1")
        self.simulate(
            extensions=[extension_of("watcher", "register:INVOKE", "event", *wait, MARKS=marks)],
            runtime=runtime_of("serve"),
        )
        state = self.simulator.invoke({}, timeout=PATIENCE)
        Path(marks, "answered").touch()
        self.telemetry("platform.report")
        start, end, report = self.platform_lines()[-3:]
        if start.startswith("EXTENSION"):  # the exit itself, somewhere among them
            start = self.platform_lines()[-4]
        self.assertEqual(start, f"START RequestId: {state.request_id} Version: $LATEST")
        self.assertEqual(end, f"END RequestId: {state.request_id}")
        self.assertTrue(report.endswith("\tStatus: error\tError Type: Extension.Crash"), report)
