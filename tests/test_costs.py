"""What a warm invocation costs, in counts that no machine and no load changes; with slack, so that
only a change that makes it dearer by a third is seen. Times are measured in benchmarks/."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import unittest

from lambda_sim import Invocation, Simulator
from lambda_sim.wire.bell import CAN_RING
from tests.support import PROGRAMS, ROOT, SimulatorTest, handler_runtime

PATIENCE = 60.0
WARM_UP = 240
COUNTED = 200


class CostTest(SimulatorTest):
    @unittest.skipUnless(CAN_RING, "callers attend to connections on Linux only")
    def test_an_invocation_stays_within_its_calls(self) -> None:
        runtime = [sys.executable, "-S", str(ROOT / "benchmarks" / "runtime.py")]
        ran = subprocess.run(
            [sys.executable, str(PROGRAMS / "counting.py"), *runtime],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=PATIENCE,
            check=True,
            capture_output=True,
        )
        calls = json.loads(ran.stdout)
        self.assertLess(calls["caller"], 370, "Python functions in the caller's thread; 280 once")
        self.assertLess(calls["others"], 10, "Python functions in others; 0 once: who wakes them?")
        self.assertLess(calls["system"], 8, "system calls, without polls and memory; 5 once")

    def test_a_long_life_leaves_no_more_than_a_short_one(self) -> None:
        simulator = self.start(runtime=handler_runtime("functions.trouble"), history_limit=50)
        self.invoke(simulator, WARM_UP)
        gc.collect()
        before = sys.getallocatedblocks()
        self.invoke(simulator, COUNTED)
        gc.collect()
        grown = (sys.getallocatedblocks() - before) / COUNTED
        self.assertLess(grown, 1.0, "blocks of memory that each invocation leaves")

    def invoke(self, simulator: Simulator, times: int) -> None:
        for _ in range(times):
            simulator.invoke(Invocation.from_bytes(b"{}"))


if __name__ == "__main__":
    unittest.main()
