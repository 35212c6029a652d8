"""One handler file, the example of the orders, run in every way there is, with the same result."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import unittest
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from unittest import mock

from lambda_sim import ProcessConfig, ProcessRole
from lambda_sim.handler import InvocationReport, TestData, run_local
from tests.support import CHILDREN_PATH, PATIENCE, ROOT, SimulatorTest

EXAMPLES = ROOT / "examples"

EVENTS: dict[str, Any] = {
    "an order": {"id": "17", "lines": [{"sku": "tea", "count": 2}, {"sku": "cup"}]},
    "a text for a number": {"id": "17", "lines": [{"sku": "tea", "count": "two"}]},
    "a field that is missing": {"lines": []},
    "no object": [1, 2, 3],
    "an error of the handler's": {"id": "17", "lines": [{"sku": "milk"}]},
    "text that is not ASCII": {"id": "Zoë ✓", "lines": []},
}

Outcome = tuple[str, Any]
"""``result`` and its value, or an error's type and message."""

EXPECTED: dict[str, Outcome] = {
    "an order": ("result", {"order": "17", "total": 12.0}),
    "a text for a number": (
        "EventValidationError",
        "lines[0].count: expected an integer, got text",
    ),
    "a field that is missing": ("EventValidationError", "id: expected a string, got nothing"),
    "no object": ("EventValidationError", "the event: expected an object (Order), got an array"),
    "an error of the handler's": ("KeyError", "'milk'"),
    "text that is not ASCII": ("result", {"order": "Zoë ✓", "total": 0}),
}


class FourWaysTest(SimulatorTest):
    maxDiff = None

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(mock.patch.object(sys, "path", [str(EXAMPLES), *sys.path]))
        self.enterContext(mock.patch.dict(sys.modules))

    def assert_outcomes(self, run: Callable[[Any], Outcome]) -> None:
        self.assertEqual({name: run(event) for name, event in EVENTS.items()}, EXPECTED)

    def test_directly(self) -> None:
        self.enterContext(contextlib.redirect_stdout(io.StringIO()))
        handler = import_module("orders").handler
        self.addCleanup(handler.execution.close)

        def run(event: Any) -> Outcome:
            try:
                return "result", handler(event, None)
            except Exception as error:
                return type(error).__name__, str(error)

        self.assert_outcomes(run)

    def test_under_the_simulator_by_our_own_loop(self) -> None:
        self.assert_outcomes(self.simulated("lambda_sim.handler", "orders.Orders"))

    @unittest.skipUnless(find_spec("awslambdaric"), "awslambdaric is not installed")
    def test_under_the_simulator_by_awslambdaric(self) -> None:
        self.assert_outcomes(self.simulated("awslambdaric", "orders.handler"))

    def test_by_run_local(self) -> None:
        for handler in ("orders.Orders", "orders.handler"):
            run = run_local(handler, TestData(list(EVENTS.values())), stop_on_error=False)
            outcomes = dict(zip(EVENTS, map(_outcome, run.reports), strict=True))
            self.assertEqual(outcomes, EXPECTED)

    def simulated(self, module: str, handler: str) -> Callable[[Any], Outcome]:
        runtime = ProcessConfig(
            [sys.executable, "-m", module, handler],
            ProcessRole.RUNTIME,
            env={"PYTHONPATH": f"{CHILDREN_PATH}{os.pathsep}{EXAMPLES}"},
            cwd=EXAMPLES,
            inherit_stdio=False,
        )
        simulator = self.start(runtime=runtime, invocation_timeout=PATIENCE)

        def run(event: Any) -> Outcome:
            state = simulator.invoke(event)
            if state.response is not None:
                return "result", state.response.payload
            return state.error.error_type, state.error.error_message

        return run


def _outcome(report: InvocationReport) -> Outcome:
    if report.error_report is None:
        return "result", report.result
    return report.error_report.error_type, report.error_report.error_message


if __name__ == "__main__":
    unittest.main()
