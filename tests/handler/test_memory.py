"""memory: who is warned and who is interrupted when it is nearly full."""

from __future__ import annotations

import logging
import math
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.deadline import Deadline, DeadlineExceeded
from lambda_sim.handler.failure import ErrorReport
from lambda_sim.handler.guard import DeadlineGuard
from lambda_sim.handler.memory import MemoryPressure, MemoryWatch
from lambda_sim.handler.usage import process_tree
from lambda_sim.handler.watchdog import Watchdog
from tests.support import PATIENCE, SimulatorTest

MB = 1024 * 1024


class MemoryTest(SimulatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.used = 0
        self.warned: list[int] = []

    def watch(self, **options: Any) -> MemoryWatch:
        """The watch of a function with 100 bytes, which looks only when a test does it."""
        if "watchdog" not in options:
            options["watchdog"] = self.busy_watchdog()
        options = {"on_soft": self.warned.append} | options
        return MemoryWatch(100, source=lambda: self.used, **options)

    def busy_watchdog(self) -> Watchdog:
        """One that has no time to look, for as long as the test takes."""
        watchdog, is_busy, is_over = Watchdog(), threading.Event(), threading.Event()
        self.addCleanup(watchdog.close)
        self.addCleanup(is_over.set)

        class Busy:
            def look(self, now: float) -> None:
                is_busy.set()
                is_over.wait(PATIENCE)

        watchdog.add(Busy(), 0.0)
        self.assertTrue(is_busy.wait(PATIENCE))
        return watchdog

    def use(self, used: int, memory: MemoryWatch) -> None:
        """Let so much be used, and the watch see it, from another thread."""
        self.used = used
        self.soon(memory.look, time.monotonic()).result(PATIENCE)
        time.sleep(0)  # what it sent comes here at the latest: not in the midst of a future

    def spin(self) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            pass
        self.fail("nothing interrupted the loop")


class SoftLimitTest(MemoryTest):
    def test_it_is_told_once_for_each_time_it_is_passed(self) -> None:
        with self.watch() as memory:
            for used in (50, 89, 90, 91, 96, 80, 92):
                self.use(used, memory)
        self.assertEqual(self.warned, [90, 92])

    def test_without_a_hook_a_warning_is_logged(self) -> None:
        logged = self.enterContext(self.assertLogs("lambda_sim.handler.memory", logging.WARNING))
        with self.watch(on_soft=None) as memory:
            self.use(95, memory)
        self.assertIn("memory is nearly full", logged.output[0])

    def test_beyond_it_looks_come_more_often(self) -> None:
        with self.watch(interval=1.0) as memory:
            again = []
            for self.used in (50, 95, 60):
                again.append(memory.look(0.0))
        self.assertEqual(again, [1.0, 0.1, 1.0])

    def test_it_may_be_another(self) -> None:
        with self.watch(soft=0.5) as memory:
            self.use(50, memory)
        self.assertEqual(self.warned, [50])


class HardLimitTest(MemoryTest):
    def test_the_work_is_interrupted(self) -> None:
        with self.assertRaises(MemoryPressure), self.watch() as memory:
            self.use(96, memory)
            self.use(97, memory)
            self.fail("the hard limit was passed")

    def test_the_error_says_how_much_is_used_and_where(self) -> None:
        mega = MemoryWatch(128 * MB, source=lambda: 125 * MB, on_soft=self.warned.append)
        with self.assertRaises(MemoryPressure) as caught, mega:
            self.spin()
        error = caught.exception
        self.assertEqual((error.used_bytes, error.limit_bytes), (125 * MB, 128 * MB))
        report = ErrorReport.from_exception(error)
        self.assertEqual(report.error_type, "MemoryPressure")
        message = "Lambda failed by running out of memory: 125 of 128 MB used"
        self.assertEqual(report.error_message, message)
        self.assertIn("in spin", report.stack_trace[-1])

    def test_another_thread_is_told_the_same(self) -> None:
        def work() -> MemoryPressure:
            memory = MemoryWatch(128 * MB, source=lambda: 125 * MB, on_soft=self.warned.append)
            try:
                with memory:
                    self.spin()
            except MemoryPressure as error:
                return error
            raise AssertionError

        error = self.soon(work).result(PATIENCE)
        self.assertEqual((error.used_bytes, error.limit_bytes), (125 * MB, 128 * MB))
        self.assertIn("125 of 128 MB", str(error))

    def test_code_that_catches_exceptions_does_not_catch_it(self) -> None:
        self.assertFalse(issubclass(MemoryPressure, Exception))

    def test_swallowed_it_is_raised_again_while_the_memory_is_full(self) -> None:
        swallowed = []

        def deaf(memory: MemoryWatch) -> None:
            try:
                self.use(99, memory)
            except BaseException as error:
                swallowed.append(error)
            self.use(50, memory)  # it was freed, so all is well
            self.use(98, memory)

        with self.assertRaises(MemoryPressure) as caught, self.watch() as memory:
            deaf(memory)
        self.assertEqual(len(swallowed), 1)
        self.assertEqual(caught.exception.used_bytes, 98)

    def test_a_look_at_the_work_before_interrupts_nothing(self) -> None:
        measured, go_on = threading.Event(), threading.Event()

        def source() -> int:
            measured.set()
            go_on.wait(PATIENCE)
            return 99

        memory = MemoryWatch(
            100, source=source, on_soft=self.warned.append, watchdog=self.busy_watchdog()
        )
        memory._looked_at = math.inf  # so that the end of work is not looked at, too
        with memory:
            look = self.soon(memory.look, time.monotonic())
            self.assertTrue(measured.wait(PATIENCE))
            memory._looked_at = math.inf
        with memory:
            go_on.set()
            look.result(PATIENCE)
        self.assertEqual(self.warned, [99])

    def test_tidying_up_is_not_interrupted(self) -> None:
        tidied = []
        with self.assertRaises(MemoryPressure), self.watch() as memory:
            try:
                self.use(99, memory)
            finally:
                self.use(99, memory)
                tidied.append(True)
        self.assertEqual(tidied, [True])

    def test_a_deadlines_shield_keeps_it_out_until_its_end(self) -> None:
        steps = []
        with self.assertRaises(MemoryPressure), self.watch() as memory:
            with Deadline.after(PATIENCE).shield():
                self.use(99, memory)
                steps.append("whole")
            steps.append("not reached")
        self.assertEqual(steps, ["whole"])

    def test_it_may_be_another(self) -> None:
        with self.assertRaises(MemoryPressure), self.watch(soft=0.4, hard=0.5) as memory:
            self.use(50, memory)


class GuardedTest(MemoryTest):
    """Both watches, with one thread."""

    @contextmanager
    def both(self, deadline: Deadline) -> Iterator[MemoryWatch]:
        with DeadlineGuard(2 * PATIENCE) as guard:
            memory = self.watch(watchdog=guard.watchdog)
            with guard.watch(deadline), memory:
                yield memory
            names = [one.name for one in threading.enumerate()]
            self.assertEqual(names.count("lambda-sim:watchdog"), 1)

    def test_memory_ends_guarded_work(self) -> None:
        with self.assertRaises(MemoryPressure), self.both(Deadline.after(9 * PATIENCE)) as memory:
            self.use(99, memory)

    def test_the_deadline_ends_work_whose_memory_is_watched(self) -> None:
        with self.assertRaises(DeadlineExceeded), self.both(Deadline.after(0)):
            self.spin()


class PeakTest(MemoryTest):
    def test_it_is_the_most_that_was_seen(self) -> None:
        with self.watch() as memory:
            for used in (10, 60, 30):
                self.use(used, memory)
        self.assertEqual(memory.peak_bytes, 60)

    def test_the_end_of_work_is_looked_at_too(self) -> None:
        memory = self.watch(interval=1e-9)
        with memory:
            self.used = 42
        self.assertEqual(memory.peak_bytes, 42)

    def test_it_grows_over_several_invocations(self) -> None:
        memory = self.watch()
        for used in (10, 30, 20):
            with memory:
                self.use(used, memory)
        self.assertEqual(memory.peak_bytes, 30)

    def test_many_short_invocations_are_not_all_looked_at(self) -> None:
        looks = []
        guard = self.enterContext(DeadlineGuard())
        memory = MemoryWatch(
            100, source=lambda: looks.append(1) or 1, interval=9_999, watchdog=guard.watchdog
        )
        for _ in range(100):
            with memory:
                pass
        self.assertLessEqual(len(looks), 2)


class RealTest(MemoryTest):
    """With the process's own memory."""

    def test_growing_work_is_interrupted_and_its_memory_is_free_again(self) -> None:
        limit = process_tree() + 64 * MB
        steps = 0

        def grow() -> None:
            nonlocal steps
            held = []
            for _ in range(10_000):
                held.append(bytearray(b"1") * MB)
                steps += 1
                time.sleep(0.001)

        memory = MemoryWatch(limit, interval=0.002, on_soft=self.warned.append)
        with self.assertRaises(MemoryPressure), memory:
            grow()
        self.assertGreater(steps, 40)
        self.assertGreaterEqual(memory.peak_bytes, 0.97 * limit)
        self.assertEqual(len(self.warned), 1)


class OptionsTest(MemoryTest):
    def refuse(self, field: str, make: Callable[[], object]) -> None:
        with self.assertRaisesRegex(ConfigurationError, field):
            make()

    def test_what_can_t_be_is_refused(self) -> None:
        self.refuse("limit_bytes", lambda: MemoryWatch(0))
        for soft, hard in ((0.9, 0.8), (0, 0.9), (0.9, 1.1)):
            self.refuse("soft and hard", lambda s=soft, h=hard: self.watch(soft=s, hard=h))
        for interval in (0, -1, float("nan"), float("inf")):
            self.refuse("interval", lambda i=interval: self.watch(interval=i))

    def test_nothing_is_left_after_the_block(self) -> None:
        with self.watch(watchdog=None):
            pass
        names = [one.name for one in threading.enumerate()]
        self.assertNotIn("lambda-sim:watchdog", names)


if __name__ == "__main__":
    unittest.main()
