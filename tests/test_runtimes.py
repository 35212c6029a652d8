"""Real runtimes and a real extension, in both rule sets: the embedded one, awslambdaric, bash."""

from __future__ import annotations

import shutil
import sys
import unittest
from importlib.util import find_spec

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
from tests.support import PATIENCE, PROGRAMS, ROOT, SimulatorTest, program

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
            env={"PYTHONPATH": str(ROOT)},
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

    def test_five_megabytes_go_through(self) -> None:
        simulator = self.start(runtime=self.runtime("functions.size"), invocation_timeout=60)
        text = "x" * 5_000_000
        self.assertEqual(simulator.invoke(text).response.payload, len(text))


class AwsLambdaRicTest(RuntimeTest):
    client = "awslambdaric"


class BashTest(SimulatorTest):
    def test_a_runtime_in_bash_with_curl_works(self) -> None:
        for tool in ("bash", "curl"):
            if shutil.which(tool) is None:
                self.skipTest(f"{tool} is not installed")
        bootstrap = ROOT / "examples" / "bootstrap"
        runtime = ProcessConfig(bootstrap, ProcessRole.RUNTIME, inherit_stdio=False)
        simulator = self.start(runtime=runtime)
        for number in range(3):
            self.assertIs(simulator.invoke({"n": number}).status, InvocationStatus.SUCCESS)


if __name__ == "__main__":
    unittest.main()
