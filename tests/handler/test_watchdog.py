"""watchdog: who is looked at, when, and that it sleeps until then."""

from __future__ import annotations

import queue
import subprocess
import sys
import unittest
from threading import Thread
from unittest import mock

from lambda_sim.errors import ShuttingDown
from lambda_sim.handler.watchdog import Watchdog
from lambda_sim.testing import ManualClock
from tests.support import PATIENCE, ROOT, SimulatorTest


class Told:
    """Tells when it is looked at, and wants to be looked at again as often as was said."""

    def __init__(self, *again: float) -> None:
        self.looks: queue.Queue[float] = queue.Queue()
        self._again = list(again)

    def look(self, now: float) -> float | None:
        self.looks.put(now)
        return now + self._again.pop(0) if self._again else None

    def next_look(self) -> float:
        return self.looks.get(timeout=PATIENCE)


class WatchdogTest(SimulatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.watchdog = Watchdog(self.clock)
        self.addCleanup(self.watchdog.close)

    def test_one_is_looked_at_when_its_time_comes(self) -> None:
        told = Told()
        self.watchdog.add(told, 5.0)
        self.clock.advance(5)
        self.assertEqual(told.next_look(), 5.0)

    def test_it_is_looked_at_again_when_it_says(self) -> None:
        told = Told(1.0, 2.0)
        self.watchdog.add(told, 0.0)
        seen = [told.next_look()]
        for step in (1, 2):
            self.clock.advance(step)
            seen.append(told.next_look())
        self.assertEqual(seen, [0.0, 1.0, 3.0])

    def test_one_that_is_due_before_the_watchdog_would_wake_wakes_it(self) -> None:
        late, early = Told(), Told()
        self.watchdog.add(late, 60.0)
        self.clock.wait_for_sleepers(1)
        self.watchdog.add(early, 0.0)
        early.next_look()
        self.assertTrue(late.looks.empty())

    def test_one_that_was_let_go_is_not_looked_at(self) -> None:
        gone, stays = Told(), Told()
        self.watchdog.add(gone, 1.0)
        self.watchdog.add(stays, 2.0)
        self.watchdog.remove(gone)
        self.clock.advance(2)
        stays.next_look()
        self.assertTrue(gone.looks.empty())

    def test_one_that_fails_is_logged_and_the_others_are_looked_after(self) -> None:
        class Failing:
            def look(self, now: float) -> float | None:
                raise ValueError("as asked")

        logged = self.enterContext(self.assertLogs("lambda_sim.handler.watchdog"))
        told = Told()
        self.watchdog.add(Failing(), 0.0)
        self.watchdog.add(told, 1.0)
        self.clock.advance(1)
        told.next_look()
        self.assertIn("ValueError: as asked", logged.output[0])

    def test_one_for_whom_no_thread_could_be_started_is_not_looked_at(self) -> None:
        refused, looked_at = Told(), Told()
        no_thread = mock.patch.object(Thread, "start", side_effect=RuntimeError("as asked"))
        with no_thread, self.assertRaisesRegex(RuntimeError, "as asked"):
            self.watchdog.add(refused, 0.0)
        self.watchdog.add(looked_at, 1.0)
        self.clock.advance(1)
        looked_at.next_look()
        self.assertTrue(refused.looks.empty())

    def test_nobody_is_added_after_the_end(self) -> None:
        self.watchdog.close()
        with self.assertRaises(ShuttingDown):
            self.watchdog.add(Told(), 0.0)

    def test_it_may_be_closed_by_one_that_is_looked_at(self) -> None:
        closing = Told()
        closing.look = lambda now: self.watchdog.close() or closing.looks.put(now)  # type: ignore[method-assign,func-returns-value]
        self.watchdog.add(closing, 0.0)
        closing.next_look()

    def test_a_forked_child_has_a_thread_of_its_own(self) -> None:
        program = (
            "import os\n"
            "from lambda_sim.handler.watchdog import Watchdog\n"
            "class Told:\n"
            "    def __init__(self): self.reader, self.writer = os.pipe()\n"
            "    def look(self, now): os.write(self.writer, b'!')\n"
            "    def wait(self): return os.read(self.reader, 1)\n"
            "watchdog = Watchdog()\n"
            "first, second = Told(), Told()\n"
            "watchdog.add(first, 0.0)\n"
            "first.wait()\n"
            "if pid := os.fork():\n"
            "    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
            "watchdog.add(second, 0.0)\n"
            "second.wait()\n"
            "os._exit(7)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, check=False, timeout=PATIENCE
        )
        self.assertEqual(done.returncode, 7)


if __name__ == "__main__":
    unittest.main()
