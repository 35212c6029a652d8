"""Whichever way a simulator's process ends: nobody whom it started is left, running or frozen."""

from __future__ import annotations

import random
import signal
import subprocess
import unittest

from lambda_sim.process import tree
from tests.reliability.case import KillTestCase
from tests.support import PATIENCE

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
POINTS = {
    "initialized": "at initialized",
    "invoking": "at invoking",
    "frozen": "at frozen",
    "closing": "keen SHUTDOWN",
}
"""And what is printed there, by the script, its function or its extension."""

CHAOS_SEED = 20261128
CHAOS_KILLS = 15


class UsersScriptTest(KillTestCase):
    def script(self, point: str, ending: str) -> subprocess.Popen[str]:
        script = self.python("user.py", point, ending)
        self.read_until(script, POINTS.get(point, f"at {point}"))
        return script

    def test_signals_at_every_point_leave_nobody(self) -> None:
        for point in POINTS:
            for number in SIGNALS:
                with self.subTest(point=point, signal=number.name):
                    script = self.script(point, "stay")
                    script.send_signal(number)
                    status, said = self.finish(script)
                    self.assertEqual(-number, status, said)
                    self.assert_nobody_is_left()

    def test_what_unwinds_the_with_block_has_ended_all_before_the_script_ends(self) -> None:
        for ending, status in (("raise", 1), ("exit:5", 5)):
            with self.subTest(ending):
                script = self.script("frozen", ending)
                self.assertEqual(status, script.wait(PATIENCE))
                self.assertEqual([], self.family())
                self.assert_nobody_is_left()

    def test_what_never_closes_it_leaves_nobody_either(self) -> None:
        for ending, status in (("leave:6", 6), ("forget", 0)):
            with self.subTest(ending):
                script = self.script("frozen", ending)
                self.assertEqual(status, script.wait(PATIENCE))
                self.assert_nobody_is_left()

    def test_kills_at_random_moments_leave_nobody(self) -> None:
        chance = random.Random(CHAOS_SEED)
        delays = [chance.uniform(0, 0.05) for _ in range(CHAOS_KILLS)]
        for number, delay in enumerate(delays):
            with self.subTest(seed=CHAOS_SEED, number=number):
                script = self.script("churning", "stay")
                tree.asked_until(lambda: False, delay)
                script.send_signal(SIGNALS[number % len(SIGNALS)])
                script.wait(PATIENCE)
                self.assert_nobody_is_left()


class UnittestTest(KillTestCase):
    def run_tests(self, name: str) -> subprocess.Popen[str]:
        return self.python("-m", "unittest", f"failing.{name}")

    def test_what_fails_in_setup_or_in_the_with_block_leaves_nobody(self) -> None:
        for name in ("InSetUp", "InPlainSetUp", "InWith", "Forgetful"):
            with self.subTest(name):
                tests = self.run_tests(name)
                status, said = self.finish(tests)
                self.assertEqual(1, status, said)
                self.assertIn("RuntimeError: in ", said)
                self.assert_nobody_is_left()

    def test_an_interrupted_test_leaves_nobody(self) -> None:
        tests = self.run_tests("Hanging")
        self.read_until(tests, "at invoking")
        tests.send_signal(signal.SIGINT)
        status, said = self.finish(tests)
        self.assertEqual(-signal.SIGINT, status, said)
        self.assert_nobody_is_left()


if __name__ == "__main__":
    unittest.main()
