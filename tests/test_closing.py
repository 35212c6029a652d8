"""Steps of an end are all taken, whatever becomes of one. Ctrl-C: see reliability/ctrl_c.py."""

from __future__ import annotations

import unittest
from functools import partial

from lambda_sim.closing import Steps, each


class ClosingTest(unittest.TestCase):
    def setUp(self) -> None:
        self.done: list[str] = []

    def do(self, name: str) -> None:
        """Nothing, if it is done already."""
        if name not in self.done:
            self.done.append(name)

    def fail_first(self, name: str, error: BaseException) -> None:
        if name not in self.done:
            self.done.append(name)
            raise error

    def collected(self) -> Steps:
        steps = Steps()
        for name in ("first", "second", "third"):
            steps.add(partial(self.do, name))
        return steps

    def test_each_takes_the_steps_that_follow_one_that_raises(self) -> None:
        failing = partial(self.fail_first, "a", OSError("a's"))
        with self.assertRaisesRegex(OSError, "a's"):
            each(failing, partial(self.do, "b"))
        self.assertEqual(self.done, ["a", "b"])

    def test_the_last_is_taken_first(self) -> None:
        steps = self.collected()
        steps.close()
        self.assertEqual(self.done, ["third", "second", "first"])

    def test_a_second_close_takes_none(self) -> None:
        steps = self.collected()
        steps.close()
        self.done.clear()
        steps.close()
        self.assertEqual(self.done, [])

    def test_what_is_cut_short_is_taken_again_at_once(self) -> None:
        steps, took = Steps(), []
        steps.add(partial(self.do, "first"))
        cut = partial(self.fail_first, "second", KeyboardInterrupt())
        steps.add(lambda: (took.append("second"), cut()))
        with self.assertRaises(KeyboardInterrupt):
            steps.close()
        self.assertEqual(took, ["second", "second"])
        self.assertEqual(self.done, ["second", "first"])


if __name__ == "__main__":
    unittest.main()
