"""What a warm invocation costs, in counts that no machine and no load changes; with slack, so that
only a change that makes it dearer by a third is seen. Times are measured in benchmarks/."""

from __future__ import annotations

import gc
import sys
import threading
import unittest
from collections import Counter
from statistics import median
from types import FrameType
from typing import Any

from lambda_sim import Invocation, Simulator
from lambda_sim.wire.bell import CAN_RING
from tests.support import SimulatorTest, handler_runtime

WARM_UP = 60
COUNTED = 200
# Memory is looked at now and then, as time passes, and so is not among them.
SYSTEM_CALLS = ("recv", "sendall", "poll", "ioctl", "setsockopt", "getsockopt", "urandom")


class Calls:
    """Counts calls in every thread that begins while it is there, and in its own."""

    def __init__(self) -> None:
        self.of_caller = 0
        """Of Python functions, by the thread that made this."""
        self.of_others = 0
        """The same by all others, but those that only watch as time passes."""
        self.of_system: Counter[str] = Counter()
        """What goes to the kernel, by name."""
        self._caller = threading.current_thread()

    def __enter__(self) -> Calls:
        threading.setprofile(self._count)
        sys.setprofile(self._count)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]

    def _count(self, frame: FrameType, event: str, argument: Any) -> None:
        thread = threading.current_thread()
        if thread.name in ("lambda-sim:memory", "lambda-sim:output"):
            return
        if event == "c_call":
            if argument.__name__ in SYSTEM_CALLS:
                self.of_system[argument.__name__] += 1
        elif event == "call":
            if thread is self._caller:
                self.of_caller += 1
            else:
                self.of_others += 1


class CostTest(SimulatorTest):
    def invoke(self, simulator: Simulator, times: int) -> None:
        for _ in range(times):
            simulator.invoke(Invocation.from_bytes(b"{}"))

    @unittest.skipUnless(CAN_RING, "callers attend to connections on Linux only")
    def test_an_invocation_stays_within_its_calls(self) -> None:
        mine, others, system = [], [], []
        with Calls() as calls:
            simulator = self.start(runtime=handler_runtime("functions.trouble"))
            self.invoke(simulator, WARM_UP)
            for _ in range(COUNTED):
                before = calls.of_caller, calls.of_others, calls.of_system.total()
                self.invoke(simulator, 1)
                mine.append(calls.of_caller - before[0])
                others.append(calls.of_others - before[1])
                system.append(calls.of_system.total() - before[2])
        # The median, as a machine that stands still for a tenth of a second takes the other way.
        self.assertLess(median(mine), 370, "Python functions in the caller's thread; 285 once")
        self.assertLess(median(others), 10, "Python functions in others; 0 once: who wakes them?")
        self.assertLess(median(system), 16, f"system calls, 12 once: {calls.of_system}")

    def test_a_long_life_leaves_no_more_than_a_short_one(self) -> None:
        simulator = self.start(runtime=handler_runtime("functions.trouble"), history_limit=50)
        self.invoke(simulator, 4 * WARM_UP)
        gc.collect()
        before = sys.getallocatedblocks()
        self.invoke(simulator, COUNTED)
        gc.collect()
        grown = (sys.getallocatedblocks() - before) / COUNTED
        self.assertLess(grown, 1.0, "blocks of memory that each invocation leaves")


if __name__ == "__main__":
    unittest.main()
