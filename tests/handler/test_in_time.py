"""The guard and the memory watch where they are for: real processes, ended by real limits."""

from __future__ import annotations

import json
import sys
import unittest
from importlib.util import find_spec
from typing import Any

from lambda_sim import Invocation, InvocationStatus, ProcessConfig, ProcessRole, Simulator
from tests.support import CHILDREN_PATH, PATIENCE, PROGRAMS, SimulatorTest

TIMEOUT = 1.5
"""Seconds. The guard's margin is one of them, so a stuck handler is told half a second before."""


class OurRuntimeTest(SimulatorTest):
    """``python -m lambda_sim.handler``."""

    client = ("-m", "lambda_sim.handler", "guarded.Slow")
    env: dict[str, str] = {}  # noqa: RUF012 - a constant

    def started(self, **config: Any) -> Simulator:
        runtime = ProcessConfig(
            [sys.executable, *self.client],
            ProcessRole.RUNTIME,
            env={"PYTHONPATH": CHILDREN_PATH, **self.env},
            cwd=PROGRAMS,
            inherit_stdio=False,
        )
        config = {"invocation_timeout": PATIENCE, "shutdown_timeout": PATIENCE} | config
        return self.start(runtime=runtime, **config)

    def pid(self, simulator: Simulator) -> int:
        """Of the process that answers."""
        state = simulator.invoke({}, timeout=PATIENCE)
        self.assertIs(state.status, InvocationStatus.SUCCESS, state.error)
        pid: int = state.response.payload["pid"]
        return pid

    def failed(self, simulator: Simulator, do: str, timeout: float = TIMEOUT) -> Any:
        """A function error, told before Lambda's own timeout, as everybody sees it."""
        state = simulator.invoke(Invocation({"do": do}, timeout=timeout), timeout=PATIENCE)
        self.assertIs(state.status, InvocationStatus.ERROR, state)
        assert state.error is not None
        self.assertLess((state.completed_at - state.started_at).total_seconds(), timeout)
        self.assertIn(f"in {do}\n", "".join(state.error.stack_trace))
        self.assertIn(
            f"[ERROR] {state.error.error_type}: {state.error.error_message}", self.log(simulator)
        )
        self.assertNotIn("Task timed out", self.log(simulator))
        return state.error

    def log(self, simulator: Simulator) -> str:
        return "\n".join(line.message for line in simulator.logs)

    def test_code_that_can_be_interrupted_fails_in_time_and_its_process_serves_on(self) -> None:
        simulator = self.started()
        pid = self.pid(simulator)
        for do in ("sleep", "wait_for_lock"):
            with self.subTest(do):
                error = self.failed(simulator, do)
                self.assertEqual(error.error_type, "DeadlineExceeded")
                message = "Lambda failed by running into a timeout"
                self.assertEqual(error.error_message, message)
                self.assertEqual(self.pid(simulator), pid)
        self.assertIn("on_error DeadlineExceeded", self.log(simulator))

    def test_a_stuck_handler_fails_in_time_and_a_new_process_serves_the_next(self) -> None:
        simulator = self.started()
        pid = self.pid(simulator)
        for do in ("swallow", "call_into_c"):
            with self.subTest(do):
                error = self.failed(simulator, do)
                self.assertEqual(error.error_type, "DeadlineExceeded")
                self.assertNotEqual(pid, pid := self.pid(simulator))

    def test_full_memory_fails_before_lambda_ends_it_and_a_new_process_serves_the_next(
        self,
    ) -> None:
        simulator = self.started(memory_size_mb=192)
        pid = self.pid(simulator)
        error = self.failed(simulator, "fill", PATIENCE)
        self.assertEqual(error.error_type, "MemoryPressure")
        self.assertRegex(error.error_message, r"running out of memory: 1[89]\d of 192 MB used$")
        self.assertNotEqual(self.pid(simulator), pid)
        log = self.log(simulator)
        self.assertRegex(log, r"\[WARNING\]\t.*memory is nearly full: 1\d\d of 192 MB used")
        self.assertIn("on_error MemoryPressure", log)
        self.assertIn(f"teardown {pid}", log)


@unittest.skipUnless(find_spec("awslambdaric"), "awslambdaric is not installed")
class AwsRuntimeTest(OurRuntimeTest):
    """AWS's own runtime, which calls an entry point."""

    client = ("-m", "awslambdaric", "guarded.entry")
    env = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}  # noqa: RUF012 - a constant


class StreamTest(OurRuntimeTest):
    """The same in the middle of an answer: the error comes behind what was sent."""

    client = ("-m", "lambda_sim.handler", "guarded.Streaming")

    def pid(self, simulator: Simulator) -> int:
        state = simulator.invoke({}, timeout=PATIENCE)
        self.assertIs(state.status, InvocationStatus.SUCCESS, state.error)
        pid: int = json.loads(state.response.body)["pid"]
        return pid


if __name__ == "__main__":
    unittest.main()
