"""Tests of a function, each in an environment of its own.

    python examples/testcase.py

A test that fails shows the invocation's error and log, the environment's state and its telemetry.
One that leaves a thread or a process behind fails.
"""

import sys
import unittest
from pathlib import Path
from typing import ClassVar

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim.testing import LambdaTestCase


class GreetingTest(LambdaTestCase):
    lambda_config: ClassVar = {"function_name": "greeter", "memory_size_mb": 256}
    runtime_command = (sys.executable, "-m", "lambda_sim.handler", "app.handler")

    def test_it_greets_by_name(self):
        state = self.invoke({"name": "Ada"})
        self.assertResponse(state, {"message": "Hello, Ada!", "by": "greeter"})
        self.assertIn("greeting Ada", state.log_tail)

    def test_it_needs_a_name(self):
        self.assertFailed(self.invoke({}), "KeyError")

    def test_it_reports_its_memory(self):
        self.invoke({"name": "Ada"})
        self.assertTelemetry("platform.report", metrics={"memorySizeMB": 256})


if __name__ == "__main__":
    unittest.main()
