"""deadline: the time that is left, and what fails when it is over."""

from __future__ import annotations

import unittest

from lambda_sim.handler.deadline import Deadline, DeadlineExceeded
from lambda_sim.handler.failure import ErrorReport
from lambda_sim.testing import ManualClock

NOW = 1_700_000_000.0
NOW_MS = int(NOW * 1000)


class DeadlineTest(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = ManualClock(NOW)

    def at(self, ms_from_now: int) -> Deadline:
        return Deadline.from_ms(NOW_MS + ms_from_now, clock=self.clock)

    def test_what_remains_is_seconds_and_whole_milliseconds(self) -> None:
        deadline = self.at(2_500)
        self.assertAlmostEqual(deadline.remaining(), 2.5, places=3)
        self.clock.advance(0.5)
        self.assertAlmostEqual(deadline.remaining_ms(), 2_000, delta=1)

    def test_what_remains_is_never_negative(self) -> None:
        for ms in (50, 0, -1, -60_000):
            deadline = self.at(ms)
            self.clock.advance(0.1)
            self.assertEqual((deadline.remaining(), deadline.remaining_ms()), (0.0, 0))

    def test_it_is_made_from_seconds_too(self) -> None:
        deadline = Deadline.after(3, clock=self.clock)
        self.assertEqual(deadline.at_ms, NOW_MS + 3_000)

    def test_the_check_passes_until_no_more_than_the_margin_is_left(self) -> None:
        deadline = self.at(1_000)
        deadline.check()
        self.clock.advance(0.89)
        deadline.check()
        self.clock.advance(0.02)
        with self.assertRaises(DeadlineExceeded):
            deadline.check()

    def test_the_margin_may_be_another(self) -> None:
        Deadline.from_ms(NOW_MS + 60, margin=0.05, clock=self.clock).check()
        with self.assertRaises(DeadlineExceeded):
            Deadline.from_ms(NOW_MS + 1_000, margin=2, clock=self.clock).check()

    def test_a_shield_checks_at_its_end(self) -> None:
        done = []
        with self.assertRaises(DeadlineExceeded), self.at(1_000).shield():
            self.clock.advance(5)
            done.append("whole")
        self.assertEqual(done, ["whole"])

    def test_a_shield_in_time_lets_pass(self) -> None:
        with self.at(1_000).shield():
            self.clock.advance(0.5)

    def test_an_error_inside_a_shield_is_not_hidden_by_the_deadline(self) -> None:
        with self.assertRaises(KeyError), self.at(1_000).shield():
            self.clock.advance(5)
            raise KeyError


class DeadlineExceededTest(unittest.TestCase):
    def test_except_exception_lets_it_pass(self) -> None:
        self.assertFalse(issubclass(DeadlineExceeded, Exception))

    def test_it_is_reported_under_its_name_with_the_authors_frames_alone(self) -> None:
        try:
            Deadline(0).check()
        except DeadlineExceeded as error:
            report = ErrorReport.from_exception(error, "some-id")
            self.assertEqual(report.stack_trace, error.stack)
        self.assertEqual(report.error_type, "DeadlineExceeded")
        self.assertEqual(report.error_message, "Lambda failed by running into a timeout")
        [frame] = report.stack_trace
        self.assertIn("Deadline(0).check()", frame)

    def test_a_stack_that_somebody_saw_is_the_stack(self) -> None:
        report = ErrorReport.from_exception(DeadlineExceeded(["  File ...\n"]))
        self.assertEqual(report.stack_trace, ["  File ...\n"])


if __name__ == "__main__":
    unittest.main()
