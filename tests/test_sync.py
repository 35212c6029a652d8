"""Waiting: no wake-up lost, every wait ends, nothing kept of what nobody waits for."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import unittest
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from unittest import mock

from lambda_sim.errors import ConfigurationError, ShuttingDown, WaitTimeout
from lambda_sim.sync import NEVER, SYSTEM_CLOCK, Deadline, Eagerness, Monitor, Worker, this_thread
from lambda_sim.testing import ManualClock
from tests.support import PATIENCE, Key, with_default_signals


class MonitorTest(unittest.TestCase):
    def setUp(self) -> None:
        self.monitor = Monitor()
        self.found: list[int] = []
        self.threads = self.enterContext(ThreadPoolExecutor(20))
        self.addCleanup(self.close)

    def close(self) -> None:
        with self.monitor:
            self.monitor.close()

    def take(self, topic: str, deadline: Deadline = NEVER) -> int:
        with (monitor := self.monitor):
            return monitor.wait_until(
                topic, lambda: self.found.pop() if self.found else None, deadline, what=topic
            )

    def put(self, value: int, *topics: str) -> None:
        with (monitor := self.monitor):
            self.found.append(value)
            monitor.changed(*topics)

    def test_what_is_there_is_taken_at_once(self) -> None:
        self.found.append(1)
        self.assertEqual(self.take("x", Deadline.after(0)), 1)

    def test_a_waiter_is_woken_by_its_topic(self) -> None:
        waiting = self.threads.submit(self.take, "x")
        self.put(1, "y", "x")
        self.assertEqual(waiting.result(PATIENCE), 1)

    def test_no_wake_up_is_lost(self) -> None:
        for value in range(500):
            waiting = self.threads.submit(self.take, "x")
            self.put(value, "x")
            self.assertEqual(waiting.result(PATIENCE), value)

    def test_a_wait_that_runs_out_says_for_what(self) -> None:
        with self.assertRaises(WaitTimeout) as caught:
            self.take("the moon", Deadline.after(0.01))
        self.assertIn("the moon", str(caught.exception))
        self.assertIsInstance(caught.exception, TimeoutError)

    def test_closing_ends_waits_now_and_later_but_hands_over_what_is_there(self) -> None:
        waiting = [self.threads.submit(self.take, topic) for topic in "xyz"]
        self.close()
        for one in waiting:
            with self.assertRaises(ShuttingDown):
                one.result(PATIENCE)
        with self.assertRaises(ShuttingDown):
            self.take("x")
        self.found.append(1)
        self.assertEqual(self.take("x"), 1)

    def test_nothing_is_kept_of_a_topic_nobody_waits_for(self) -> None:
        for number in range(100):
            with self.assertRaises(WaitTimeout):
                self.take(f"topic {number}", Deadline.after(0.0001))
        self.assertEqual(self.monitor._waiters, {})

    def test_once_closed_it_goes_when_nobody_refers_to_it(self) -> None:
        monitor = Monitor()
        with monitor:
            monitor.wait_for_change(monitor.version, Deadline.after(0.0001))
            monitor.close()
        seen = weakref.ref(monitor)
        gc.disable()
        self.addCleanup(gc.enable)
        del monitor
        self.assertIsNone(seen())

    def test_what_the_question_raises_ends_the_wait(self) -> None:
        with (monitor := self.monitor), self.assertRaises(ZeroDivisionError):
            monitor.wait_until("x", lambda: 1 // 0, NEVER, what="x")
        self.put(1, "x")
        self.assertEqual(self.take("x"), 1)

    def test_ctrl_c_at_the_last_step_does_not_keep_the_lock(self) -> None:
        with_default_signals(self)
        key = Key()
        with self.assertRaises(KeyboardInterrupt), self.monitor:
            key + 0
        self.assertFalse(self.monitor.is_ours())

    def test_any_change_can_be_waited_for(self) -> None:
        with (monitor := self.monitor):
            seen = monitor.version
        self.put(1, "whatever")
        with (monitor := self.monitor):
            self.assertGreater(monitor.wait_for_change(seen, NEVER), seen)
            now = monitor.version
            self.assertEqual(monitor.wait_for_change(now, Deadline.after(0.001)), now)


@unittest.skipIf(sys.platform == "win32", "signals")
class SignalTest(unittest.TestCase):
    def setUp(self) -> None:
        self.heard = threading.Event()
        before = signal.signal(signal.SIGUSR1, lambda *_: self.heard.set())
        self.addCleanup(signal.signal, signal.SIGUSR1, before)

    def found(self) -> bool | None:
        return self.heard.is_set() or None

    def disturb(self, monitor: Monitor) -> None:
        with monitor:  # the main thread sleeps
            pass
        # To this thread: like one that comes just before a sleep, it ends none.
        signal.pthread_kill(this_thread(), signal.SIGUSR1)
        if not self.heard.wait(PATIENCE):
            with monitor:
                monitor.close()

    def test_one_that_ends_no_sleep_is_seen_all_the_same(self) -> None:
        for clock in (SYSTEM_CLOCK, ManualClock()):
            with self.subTest(clock):
                self.heard.clear()
                with (monitor := Monitor()):
                    worker = Worker("disturber", partial(self.disturb, monitor)).start()
                    monitor.wait_until("x", self.found, Deadline.after(600, clock), what="it")
                    self.assertFalse(monitor.is_closed)
                self.assertTrue(worker.join(PATIENCE))


class DeadlineTest(unittest.TestCase):
    def test_time_left_is_never_negative(self) -> None:
        clock = ManualClock()
        deadline = Deadline.after(2, clock)
        clock.advance(1.5)
        self.assertEqual(deadline.remaining(), 0.5)
        clock.advance(5)
        self.assertEqual(deadline.remaining(), 0.0)

    def test_never_is_later_than_anything(self) -> None:
        soon = Deadline.after(1)
        self.assertIs(NEVER.earlier_of(soon), soon)
        self.assertIs(soon.earlier_of(NEVER), soon)
        self.assertIsNone(NEVER.remaining())


class ManualClockTest(unittest.TestCase):
    def test_advancing_wakes_who_waits(self) -> None:
        clock, monitor = ManualClock(), Monitor()

        def wait() -> None:
            with monitor:
                monitor.wait_until("x", lambda: None, Deadline.after(60, clock), what="x")

        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(wait)
            clock.wait_for_sleepers(1)
            clock.advance(59)
            self.assertFalse(waiting.done())
            clock.wait_for_sleepers(1)
            clock.advance(1)
            with self.assertRaises(WaitTimeout):
                waiting.result(PATIENCE)

    def test_time_does_not_run_back(self) -> None:
        with self.assertRaises(ConfigurationError):
            ManualClock().advance(-1)


class WorkerTest(unittest.TestCase):
    def test_what_it_raises_is_kept(self) -> None:
        worker = Worker("test", lambda: 1 // 0)
        worker.start()
        self.assertTrue(worker.join(PATIENCE))
        self.assertIsInstance(worker.failure, ZeroDivisionError)

    def test_it_is_named_and_joined(self) -> None:
        names: list[str] = []
        worker = Worker("test", lambda: names.append(threading.current_thread().name)).start()
        self.assertTrue(worker.join(PATIENCE))
        self.assertEqual(names, ["lambda-sim:test"])

    def test_one_that_never_started_has_ended(self) -> None:
        self.assertTrue(Worker("test", print).join())


class EagernessTest(unittest.TestCase):
    def setUp(self) -> None:
        self.eagerness = Eagerness()
        self.looks = 0

    def look(self) -> str | None:
        self.looks += 1
        return None

    def test_the_first_wait_of_a_kind_sleeps_at_once(self) -> None:
        self.assertEqual(self.eagerness.wait(self.look, lambda: "slept"), "slept")
        self.assertEqual(self.looks, 0)

    def test_after_a_short_wait_it_looks_before_it_sleeps(self) -> None:
        with mock.patch("lambda_sim.sync.SPIN_SECONDS", PATIENCE):
            self.eagerness.wait(self.look, lambda: "slept")
            found = self.eagerness.wait(lambda: "seen", lambda: self.fail("it slept"))
        self.assertEqual(found, "seen")

    def test_what_does_not_come_soon_is_slept_for_and_next_time_at_once(self) -> None:
        with mock.patch("lambda_sim.sync.SPIN_SECONDS", PATIENCE):
            self.eagerness.wait(self.look, lambda: "slept")
        with mock.patch("lambda_sim.sync.SPIN_SECONDS", 0.0):
            self.assertEqual(self.eagerness.wait(self.look, lambda: "slept"), "slept")
            self.assertEqual(self.looks, 1)
            self.eagerness.wait(self.look, lambda: "slept")
        self.assertEqual(self.looks, 1)

    def test_one_thread_looks_at_a_time(self) -> None:
        other = Eagerness()
        with mock.patch("lambda_sim.sync.SPIN_SECONDS", PATIENCE):
            for one in (self.eagerness, other):
                one.wait(self.look, lambda: "slept")

            def meanwhile() -> str:
                return other.wait(self.look, lambda: "slept")

            self.assertEqual(self.eagerness.wait(meanwhile, lambda: "never"), "slept")
        self.assertEqual(self.looks, 0)


if __name__ == "__main__":
    unittest.main()
