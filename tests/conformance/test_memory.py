"""LC-33: a function that uses more memory than it has."""

from __future__ import annotations

import json
import unittest
from typing import Any

from lambda_sim import RELAXED, InvocationStatus, ProcessRole
from tests.conformance.case import ConformanceTest
from tests.raw import PATIENCE
from tests.support import handler_runtime, program

MB = 1024 * 1024
OUT_OF_MEMORY = "Runtime.OutOfMemory"


class MemoryTest(ConformanceTest):
    settings = {}  # noqa: RUF012

    def invoke(self, mb: int) -> Any:
        event = {"kind": "memory", "bytes": mb * MB}
        return self.simulator.invoke(event, timeout=PATIENCE)

    def test_lc_33_more_memory_than_there_is_ends_the_invocation(self) -> None:
        self.simulate(runtime=handler_runtime("functions.trouble"))
        state = self.invoke(400)
        message = f"RequestId: {state.request_id} Error: Runtime exited with error: signal: killed"
        expected = {"errorType": OUT_OF_MEMORY, "errorMessage": message}
        self.assertIs(state.status, InvocationStatus.ERROR)
        self.assertEqual(state.error.body, json.dumps(expected, separators=(",", ":")).encode())

    def test_lc_33_the_report_names_it_and_all_of_the_memory(self) -> None:
        self.simulate(runtime=handler_runtime("functions.trouble"), memory_size_mb=200)
        state = self.invoke(400)
        report = self.telemetry("platform.report")
        self.assertEqual((report["status"], report["errorType"]), ("error", OUT_OF_MEMORY))
        self.assertEqual(report["metrics"]["maxMemoryUsedMB"], 200)
        line = state.log_tail.splitlines()[-1]
        self.assertIn("\tMemory Size: 200 MB\tMax Memory Used: 200 MB\t", line)
        self.assertTrue(line.endswith(f"\tStatus: error\tError Type: {OUT_OF_MEMORY}"), line)

    def test_lc_33_the_next_invocation_has_a_new_environment(self) -> None:
        self.simulate(runtime=handler_runtime("functions.trouble"))
        first = self.invoke(1)
        self.assertIs(self.invoke(400).status, InvocationStatus.ERROR)
        after = self.invoke(1)
        self.assertIs(first.status, InvocationStatus.SUCCESS)
        self.assertIs(after.status, InvocationStatus.SUCCESS)
        self.assertTrue(after.is_cold)

    def test_lc_33_as_much_as_there_is_may_be_used(self) -> None:
        self.simulate(runtime=handler_runtime("functions.trouble"), memory_size_mb=600)
        self.assertIs(self.invoke(400).status, InvocationStatus.SUCCESS)
        used = self.telemetry("platform.report")["metrics"]["maxMemoryUsedMB"]
        self.assertTrue(400 <= used <= 600, used)

    def test_lc_33_an_init_may_run_out_of_it(self) -> None:
        hungry = program("hungry.py", "400", "hold", "stay", role=ProcessRole.RUNTIME)
        self.simulate(runtime=hungry)
        state = self.simulator.invoke({}, timeout=PATIENCE)
        self.assertEqual(state.error.error_type, OUT_OF_MEMORY)
        record = self.telemetry("platform.initReport")
        self.assertEqual((record["status"], record["errorType"]), ("error", OUT_OF_MEMORY))

    def test_lc_33_extensions_share_the_function_s_memory(self) -> None:
        hungry = program("hungry.py", "400", "hold", "stay", role=ProcessRole.EXTENSION)
        self.simulate(runtime=handler_runtime("functions.trouble"), extensions=[hungry])
        state = self.simulator.invoke({}, timeout=PATIENCE)
        self.assertEqual(state.error.error_type, "Extension.Crash")
        self.assertTrue(state.error.error_message.endswith("Error: signal: killed"))

    def test_relaxed_sets_no_limit(self) -> None:
        self.simulate(runtime=handler_runtime("functions.trouble"), rules=RELAXED)
        self.assertIs(self.invoke(400).status, InvocationStatus.SUCCESS)


if __name__ == "__main__":
    unittest.main()
