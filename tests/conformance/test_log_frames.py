"""FS-04 and LOG-12: log events that runtimes hand over whole."""

from __future__ import annotations

import importlib.util
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from lambda_sim import ProcessConfig, ProcessRole
from tests.conformance.case import ConformanceTest
from tests.raw import PATIENCE
from tests.support import PROGRAMS, handler_runtime

MANAGED = "lambda-managed-instances"
VARIABLE = "_LAMBDA_TELEMETRY_LOG_FD"
PROVIDER = "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"
TRACEBACK = (
    r"^\[ERROR\] ValueError: as asked\nTraceback \(most recent call last\):\n"
    r"\u00a0\u00a0File \".*functions\.py\", line \d+, in trouble\n"
    r"\u00a0\u00a0\u00a0\u00a0raise ValueError\(\"as asked\"\)$"
)


def awslambdaric(handler: str) -> ProcessConfig:
    if importlib.util.find_spec("awslambdaric") is None:
        raise unittest.SkipTest("awslambdaric is not installed")
    command = [sys.executable, "-m", "awslambdaric", handler]
    return ProcessConfig(command, ProcessRole.RUNTIME, cwd=PROGRAMS, inherit_stdio=False)


class LogFrameTest(ConformanceTest):
    settings = {}  # noqa: RUF012

    def environment_of(self, role: ProcessRole) -> dict[str, str]:
        """What a process of this role has: none is shown while its program is loaded."""
        process = psutil.Process(self.simulator.spawn_process(["sleep", "600"], role).pid)
        self.wait_for(process.environ)
        return process.environ()

    def printed_by(self, runtime: ProcessConfig) -> list[str]:
        """What the log has of an invocation that raises."""
        self.simulate(runtime=runtime)
        self.simulator.invoke({"kind": "raise"}, timeout=PATIENCE)
        return self.printed()

    def assert_one_event(self, printed: list[Any]) -> None:
        self.assertEqual(len(printed), 1, printed)
        self.assertRegex(printed[0], TRACEBACK)

    def test_log_12_a_traceback_is_one_event(self) -> None:
        self.assert_one_event(self.printed_by(handler_runtime("functions.trouble")))

    def test_log_12_a_traceback_of_awslambdaric_is_one_event(self) -> None:
        self.assert_one_event(self.printed_by(awslambdaric("functions.trouble")))

    def test_fs_04_telemetry_has_the_event_as_it_was_written(self) -> None:
        self.printed_by(handler_runtime("functions.trouble"))
        record = self.telemetry("function")
        self.assertEqual(record.count("\n"), 4)
        self.assertTrue(record.endswith("\n"))

    def test_fs_04_only_the_runtime_has_the_descriptor(self) -> None:
        self.simulate()
        self.assertIn(VARIABLE, self.environment_of(ProcessRole.RUNTIME))
        self.assertNotIn(VARIABLE, self.environment_of(ProcessRole.EXTENSION))

    def test_fs_04_managed_instances_have_no_such_descriptor(self) -> None:
        runtime = handler_runtime("functions.trouble")
        self.simulate(initialization_type=MANAGED, log_format="Text", runtime=runtime)
        self.simulator.invoke({"kind": "raise"}, timeout=PATIENCE)
        self.assertIn("Traceback (most recent call last):", self.printed())

    def test_env_managed_instances_have_a_socket_instead(self) -> None:
        self.simulate(initialization_type=MANAGED)
        for role in ProcessRole:
            given = self.environment_of(role)
            self.assertNotIn(VARIABLE, given)
            if role is ProcessRole.RUNTIME:
                self.assertTrue(Path(given[PROVIDER]).is_socket())
            else:
                self.assertNotIn(PROVIDER, given)

    def test_env_workers_of_awslambdaric_print_whole_lines_before_they_answer(self) -> None:
        self.assert_prints_whole_lines(awslambdaric("functions.chatter"))

    def test_env_workers_of_ours_print_whole_lines_before_they_answer(self) -> None:
        self.assert_prints_whole_lines(handler_runtime("functions.chatter"), "a" * 9_000)

    def assert_prints_whole_lines(self, runtime: ProcessConfig, long: str = "") -> None:
        """
        :param long: what each line has besides; more than Python's buffer it writes by itself.
        """
        self.simulate(
            initialization_type=MANAGED, max_concurrency=4, log_format="Text", runtime=runtime
        )

        def chatter(name: str) -> list[str]:
            self.simulator.invoke({"name": name, "lines": 30}, timeout=PATIENCE)
            return [line for line in self.printed() if line.startswith(f"{name} ")]

        names = [f"Ada{number}{long}" for number in range(20)]
        with ThreadPoolExecutor(4) as callers:
            found = dict(zip(names, callers.map(chatter, names), strict=True))
        self.assertEqual({n: [f"{n} says {i}" for i in range(30)] for n in names}, found)


if __name__ == "__main__":
    unittest.main()
