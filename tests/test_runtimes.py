"""Two runtimes for Python, in both rule sets: the embedded one, and awslambdaric."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from lambda_sim import (
    AWS,
    RELAXED,
    FreezeMode,
    Invocation,
    InvocationStatus,
    ProcessConfig,
    ProcessRole,
    Rules,
    ShutdownReason,
    Simulator,
)
from lambda_sim.testing import ManualClock
from tests.support import CHILDREN_PATH, PATIENCE, PROGRAMS, SimulatorTest, is_alive, program

CLIENTS = {
    "embedded": [sys.executable, "-m", "lambda_sim.handler"],
    "awslambdaric": [sys.executable, "-m", "awslambdaric"],
}


class RuntimeTest(SimulatorTest):
    """What holds for any runtime client; a class for each follows."""

    client = "embedded"

    def setUp(self) -> None:
        super().setUp()
        if find_spec("awslambdaric") is None and self.client == "awslambdaric":
            self.skipTest("awslambdaric is not installed")

    def runtime(self, handler: str) -> ProcessConfig:
        return ProcessConfig(
            [*CLIENTS[self.client], handler],
            ProcessRole.RUNTIME,
            env={"PYTHONPATH": CHILDREN_PATH},
            cwd=PROGRAMS,
            inherit_stdio=False,
        )

    def started(self, handler: str, rules: Rules, **config: object) -> Simulator:
        extension = program("extension.py", "watcher", role=ProcessRole.EXTENSION, name="watcher")
        return self.start(
            runtime=self.runtime(handler), extensions=[extension], rules=rules, **config
        )

    def test_it_works_with_an_extension_in_both_rule_sets(self) -> None:
        for rules in (AWS, RELAXED):
            with self.subTest(rules.name):
                simulator = self.started("functions.echo", rules, shutdown_timeout=PATIENCE)
                simulator.wait_for_extensions(1, PATIENCE)
                for number in range(3):
                    state = simulator.invoke({"n": number})
                    self.assertEqual(state.response.payload, {"n": number})
                    simulator.wait_for_extensions_ready(state.request_id, PATIENCE)
                self.assertIn("echo {'n': 2}", state.log_tail)
                simulator.graceful_shutdown(ShutdownReason.SPINDOWN)
                said = [line.message for line in simulator.logs if line.source == "extension"]
                self.assertEqual(
                    [line.split()[1] for line in said],
                    ["INVOKE", "INVOKE", "INVOKE", "SHUTDOWN", "is"],
                )

    def test_errors_and_crashes_are_told_apart(self) -> None:
        for rules in (AWS, RELAXED):
            with self.subTest(rules.name):
                simulator = self.started("functions.trouble", rules)
                error = simulator.invoke({"kind": "raise"}).error
                self.assertEqual(
                    (error.error_type, error.error_message), ("ValueError", "as asked")
                )
                crash = simulator.invoke({"kind": "exit", "code": 7}).error
                self.assertEqual(crash.error_type, "Runtime.ExitError")
                self.assertIn("exit status 7", crash.error_message)
                self.assertIs(simulator.invoke({}).status, InvocationStatus.SUCCESS)

    def test_an_init_error_reaches_the_caller(self) -> None:
        simulator = self.start(runtime=self.runtime("functions.nowhere"))
        error = simulator.invoke({}).error
        self.assertEqual(error.error_type, "Runtime.HandlerNotFound")
        self.assertEqual(simulator.init_error.partition(":")[0], "Runtime.HandlerNotFound")

    def test_it_is_frozen_between_invocations(self) -> None:
        simulator = self.started("functions.echo", AWS, freeze_mode=FreezeMode.PROCESS)
        for number in range(3):
            self.assertEqual(simulator.invoke({"n": number}).response.payload, {"n": number})
            simulator.wait_for_frozen(PATIENCE)

    def test_the_context_knows_who_called(self) -> None:
        simulator = self.start(runtime=self.runtime("functions.who"), function_name="orders")
        invocation = Invocation(
            {},
            client_context={"custom": {"k": "v"}},
            cognito_identity={"cognitoIdentityId": "me", "cognitoIdentityPoolId": "pool"},
            tenant_id="blue",
        )
        told = simulator.invoke(invocation).response.payload
        self.assertEqual(told["request_id"], invocation.request_id)
        self.assertEqual(told["function"], "orders")
        self.assertEqual(told["arn"], simulator.config.function_arn)
        self.assertEqual((told["custom"], told["identity"]), ({"k": "v"}, "me"))
        self.assertEqual((told["tenant"], told["memory"]), ("blue", "128"))
        self.assertTrue(0 < told["remaining"] <= 3000)


class AwsLambdaRicTest(RuntimeTest):
    client = "awslambdaric"


needs_awslambdaric = unittest.skipUnless(find_spec("awslambdaric"), "awslambdaric is not installed")


class RicTest(SimulatorTest):
    """awslambdaric where it does more than one invocation after the other."""

    client = "awslambdaric"

    def runtime(self, handler: str, **env: str) -> ProcessConfig:
        return ProcessConfig(
            [*CLIENTS[self.client], handler],
            ProcessRole.RUNTIME,
            env={"PYTHONPATH": CHILDREN_PATH, **env},
            cwd=PROGRAMS,
            inherit_stdio=False,
        )

    def statuses(self, simulator: Simulator, event_type: str) -> list[tuple[str, str | None]]:
        return [
            (event.record["status"], event.record.get("errorType"))
            for event in simulator.get_telemetry_events_by_type(event_type)
        ]


@needs_awslambdaric
class SnapStartTest(RicTest):
    def snapshot(self, fail: str = "") -> Simulator:
        return self.start(
            runtime=self.runtime("hooks.handler", FAIL=fail), initialization_type="snap-start"
        )

    def hooks(self, simulator: Simulator) -> list[str]:
        """The hooks that have run, in order."""
        lines = [line.message for line in simulator.logs if line.source == "function"]
        return [line.removeprefix("hook ") for line in lines if line.startswith("hook ")]

    def exit_status(self, simulator: Simulator, fail: str) -> int:
        """How a runtime ends that nobody else ends first, as a reset would."""
        runtime = self.runtime("hooks.handler", FAIL=fail)
        child = subprocess.Popen(
            runtime.words,
            cwd=PROGRAMS,
            env={**simulator.lambda_env_vars(), **runtime.env},
            stdout=subprocess.DEVNULL,
        )
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child.wait(PATIENCE)

    def test_hooks_run_before_the_snapshot_and_after_the_restore(self) -> None:
        simulator = self.snapshot()
        simulator.wait_for_parked(1, PATIENCE)
        before = ["before 3", "before 2", "before 1"]
        self.assertEqual(self.hooks(simulator), before)
        self.assertTrue(simulator.is_initialized)
        simulator.restore()
        simulator.wait_for(lambda: len(self.hooks(simulator)) == 6, PATIENCE)
        after = ["after 1", "after 2", "after 3"]
        self.assertEqual(self.hooks(simulator), [*before, *after])
        simulator.wait_for_parked(1, PATIENCE)
        self.assertEqual(simulator.invoke([1]).response.payload, [1])
        self.assertEqual(len(self.hooks(simulator)), 6)

    def test_an_invocation_restores_by_itself(self) -> None:
        simulator = self.snapshot()
        self.assertEqual(simulator.invoke([1]).response.payload, [1])
        self.assertEqual(self.hooks(simulator)[-1], "after 3")
        self.assertEqual(simulator.invoke([2]).response.payload, [2])

    def test_a_hook_that_fails_before_the_snapshot_fails_init(self) -> None:
        simulator = self.snapshot("before 2")
        simulator.wait_for_telemetry("platform.initReport", timeout=PATIENCE)
        self.assertEqual(self.hooks(simulator), ["before 3", "before 2"])
        self.assertEqual(
            self.statuses(simulator, "platform.initReport"),
            [("error", "Runtime.BeforeSnapshotError")],
        )
        state = simulator.invoke({})
        self.assertEqual(
            (state.error.error_type, state.error.error_message), ("ValueError", "before 2 failed")
        )
        self.assertFalse(state.error.in_restore)

    def test_a_hook_that_fails_after_the_restore_fails_the_restore(self) -> None:
        simulator = self.snapshot("after 2")
        simulator.wait_for_parked(1, PATIENCE)
        state = simulator.invoke({})
        self.assertEqual(
            (state.error.error_type, state.error.error_message), ("ValueError", "after 2 failed")
        )
        self.assertTrue(state.error.in_restore)
        self.assertEqual(self.hooks(simulator)[3:5], ["after 1", "after 2"])
        self.assertEqual(
            self.statuses(simulator, "platform.restoreReport"),
            [("error", "Runtime.AfterRestoreError")],
        )

    def test_a_hook_that_fails_ends_the_runtime_with_a_status_of_its_own(self) -> None:
        for fail, status in (("before 1", 64), ("after 1", 65)):
            simulator = self.start(initialization_type="snap-start")
            simulator.restore()
            with self.subTest(fail):
                self.assertEqual(self.exit_status(simulator, fail), status)
                self.assertEqual(simulator.init_error, f"ValueError: {fail} failed")


class EmbeddedSnapStartTest(SnapStartTest):
    """Our own runtime runs the hooks of AWS's library, which awslambdaric brings along."""

    client = "embedded"


@needs_awslambdaric
class ConcurrencyTest(RicTest):
    """AWS_LAMBDA_MAX_CONCURRENCY makes it fork so many workers."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.clock = ManualClock()

    def workers(self, count: int, handler: str, **config: Any) -> Simulator:
        """An environment whose workers all wait in Next."""
        kind = {"initialization_type": "lambda-managed-instances", **config}
        simulator = self.start(
            runtime=self.runtime(handler), max_concurrency=count, clock=self.clock, **kind
        )
        simulator.wait_for_parked(count, PATIENCE)
        return simulator

    def waiting(self, simulator: Simulator, name: str) -> tuple[str, int]:
        """An invocation whose worker has got as far as its FIFO, and our end of it."""
        path = self.folder / name
        os.mkfifo(path)
        request_id = simulator.enqueue_payload({"fifo": str(path)})
        ends: list[int] = []

        def has_reader() -> bool:
            with suppress(OSError):
                ends.append(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            return bool(ends)

        simulator.wait_for(has_reader, PATIENCE)
        return request_id, ends[0]

    def test_invocations_run_side_by_side_in_processes_of_their_own(self) -> None:
        simulator = self.workers(3, "meeting.wait")
        met = dict(self.waiting(simulator, str(number)) for number in range(3))
        for end in reversed(met.values()):
            os.close(end)
        states = [simulator.wait_for_invocation_complete(one, PATIENCE) for one in met]
        told = [state.response.payload for state in states]
        self.assertEqual([one["id"] for one in told], list(met))
        self.assertEqual(len({one["pid"] for one in told}), 3)

    def test_a_line_belongs_to_the_invocation_whose_worker_wrote_it(self) -> None:
        simulator = self.workers(2, "meeting.wait", log_format="Text")
        met = dict(self.waiting(simulator, str(number)) for number in range(2))
        for end in met.values():
            os.close(end)
        for request_id in met:
            simulator.wait_for_invocation_complete(request_id, PATIENCE)
        lines = [line for line in simulator.logs if line.message.endswith("waiting")]
        # Each worker has a stream of its own, and between streams there is no order.
        self.assertCountEqual([line.request_id for line in lines], met)
        for line in lines:
            self.assertIn(str(line.request_id), line.message)

    def test_a_timeout_leaves_its_worker_alive_and_tells_it_when_it_is_late(self) -> None:
        for kind in ("lambda-managed-instances", "on-demand"):
            with self.subTest(kind):
                simulator = self.workers(2, "meeting.wait", initialization_type=kind)
                self.answer_late(simulator, f"{kind} late")
                self.assertEqual(len(simulator.processes), 1)
                met = dict(self.waiting(simulator, f"{kind} {number}") for number in range(2))
                for end in met.values():
                    os.close(end)
                for one in met:
                    state = simulator.wait_for_invocation_complete(one, PATIENCE)
                    self.assertIs(state.status, InvocationStatus.SUCCESS)

    def answer_late(self, simulator: Simulator, name: str) -> None:
        """Have a worker answer after its invocation timed out, and hear of it."""
        request_id, end = self.waiting(simulator, name)
        self.clock.advance(3.0)
        state = simulator.wait_for_invocation_complete(request_id, PATIENCE)
        self.assertIs(state.status, InvocationStatus.TIMEOUT)
        os.close(end)
        simulator.wait_for_parked(2, PATIENCE)
        said = "\n".join(line.message for line in simulator.logs)
        self.assertIn("Http response code: 410", said)
        self.assertIn("This won't kill the Runtime loop", said)

    def test_a_worker_that_exits_takes_only_its_invocation_along(self) -> None:
        simulator = self.workers(2, "meeting.leave")
        lost = simulator.enqueue_payload({"leave": True})
        simulator.wait_for(lambda: simulator.parked == 1, PATIENCE)
        self.assertIsInstance(simulator.invoke({}, timeout=PATIENCE).response.payload, int)
        self.clock.advance(3.0)
        state = simulator.wait_for_invocation_complete(lost, PATIENCE)
        self.assertIs(state.status, InvocationStatus.TIMEOUT)

    def test_an_init_error_is_one_though_every_worker_reports_it(self) -> None:
        simulator = self.start(
            runtime=self.runtime("functions.nowhere"),
            initialization_type="lambda-managed-instances",
            max_concurrency=3,
        )
        error = simulator.invoke({}, timeout=PATIENCE).error
        self.assertEqual(error.error_type, "Runtime.HandlerNotFound")

    def test_ending_leaves_none_of_the_workers(self) -> None:
        simulator = self.workers(4, "meeting.leave")
        pids = [one.pid for one in psutil.Process(simulator.processes[0].pid).children()]
        self.assertEqual(len(pids), 4)
        simulator.graceful_shutdown()
        self.assertEqual([pid for pid in pids if is_alive(pid)], [])


if __name__ == "__main__":
    unittest.main()
