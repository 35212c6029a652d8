"""A rotation function in Lambda's environment: two runtimes, boto3, and moto's server."""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from lambda_sim import InvocationState, ProcessConfig, ProcessRole
from tests.support import CHILDREN_PATH, PATIENCE, PROGRAMS, SimulatorTest

from .moto_case import MotoTest
from .world import FIRST, OLD_PASSWORD, SECOND


class LambdaTest(MotoTest, SimulatorTest):
    runtime = ("lambda_sim.handler", "rotating.RotateFile")

    def setUp(self) -> None:
        if importlib.util.find_spec(self.runtime[0]) is None:
            self.skipTest(f"not installed: {self.runtime[0]}")
        super().setUp()
        self.client.create_secret(
            Name="db",
            SecretString=json.dumps({"username": "ada", "password": OLD_PASSWORD}),
            ClientRequestToken=FIRST,
        )
        self.begin_rotation("db", SECOND)
        self.file = Path(self.enterContext(tempfile.TemporaryDirectory())) / "password"
        self.file.write_text(OLD_PASSWORD)
        runtime = ProcessConfig(
            [sys.executable, "-m", *self.runtime],
            ProcessRole.RUNTIME,
            env={"PYTHONPATH": CHILDREN_PATH},
            cwd=PROGRAMS,
            inherit_stdio=False,
        )
        variables = {
            "SECRETS_MANAGER_ENDPOINT": self.client.meta.endpoint_url,
            "PASSWORD_FILE": str(self.file),
        }
        self.simulator = self.start(
            runtime=runtime, environment=variables, invocation_timeout=PATIENCE
        )

    def invoke(self, step: str) -> InvocationState:
        event = {"SecretId": "db", "ClientRequestToken": SECOND, "Step": step}
        return self.simulator.invoke(event)

    def pending(self) -> Any:
        found = self.client.get_secret_value(SecretId="db", VersionId=SECOND)
        return json.loads(found["SecretString"])["password"]

    def test_secrets_manager_calls_it_four_times(self) -> None:
        for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
            state = self.invoke(step)
            self.assertEqual((state.status.name, state.error), ("SUCCESS", None), state.log_tail)
        stages = self.client.describe_secret(SecretId="db")["VersionIdsToStages"]
        self.assertEqual(stages, {FIRST: ["AWSPREVIOUS"], SECOND: ["AWSCURRENT"]})
        self.assertEqual(self.file.read_text(), self.pending())
        self.assertNotEqual(self.file.read_text(), OLD_PASSWORD)

    def test_neither_the_error_nor_the_log_shows_the_secret(self) -> None:
        self.invoke("createSecret")
        error = self.invoke("testSecret").error
        assert error is not None
        self.assertEqual(error.error_type, "RotationError")
        self.assertEqual(error.error_message, "PermissionError: *** is wrong")
        shown = error.body.decode() + "".join(record.message for record in self.simulator.logs)
        self.assertNotIn(json.dumps(self.pending())[1:-1], shown)
        self.assertNotIn(self.pending(), shown)
        self.assertIn("is wrong", "".join(error.stack_trace or ()))

    def test_a_step_nobody_knows_is_refused_by_its_name(self) -> None:
        error = self.invoke("dropSecret").error
        assert error is not None
        self.assertEqual(error.error_type, "EventValidationError")
        self.assertIn("Step: expected one of createSecret", error.error_message)


class AwsRuntimeTest(LambdaTest):
    runtime = ("awslambdaric", "rotating.handler")


if __name__ == "__main__":
    import unittest

    unittest.main()
