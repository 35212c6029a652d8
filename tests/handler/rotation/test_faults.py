"""A fault at every call of a rotation: it fails or goes on, and always comes to its end."""

from __future__ import annotations

import unittest
from typing import Any

from lambda_sim.handler.rotation.retry import is_passing

from .world import FIRST, OLD_PASSWORD, RotationTest


class EveryCallTest(RotationTest):
    def calls_of_a_rotation(self) -> int:
        before = len(self.client.calls)
        self.rotate()
        count = len(self.client.calls) - before
        self.assertEqual(count, 16)
        return count

    def rotate_until_done(self) -> list[str]:
        """All steps, from the first one again after one that failed; what the failures were."""
        failures: list[str] = []
        for _ in range(4):
            try:
                self.rotate()
                break
            except Exception as error:
                failures.append(type(error).__name__)
                self.assert_nobody_is_locked_out()
        return failures

    def assert_nobody_is_locked_out(self) -> None:
        """Some labelled version of the secret opens the database."""
        found = []
        for version in self.stages():
            try:
                found.append(self.value(version)["password"])
            except self.client.exceptions.ResourceNotFoundException:
                found.append("none yet")
        self.assertIn(self.database.password, found)

    def assert_each_fault_is_survived(self, failures: list[int], **fault: Any) -> None:
        """:param failures: how often steps may fail for one fault."""
        for call in range(self.calls_of_a_rotation()):
            with self.subTest(call=call):
                self.setUp()
                self.client.fail_next(skip=call, **fault)
                self.assertIn(len(self.rotate_until_done()), failures)
                self.assert_rotated()

    def test_a_throttled_call_is_made_again(self) -> None:
        self.assert_each_fault_is_survived([0], code="ThrottlingException", times=2)

    def test_a_lost_answer_is_asked_for_again(self) -> None:
        self.assert_each_fault_is_survived([0], error=ConnectionResetError("gone"), is_late=True)

    def test_a_service_that_stays_away_fails_the_step_and_no_more(self) -> None:
        self.assert_each_fault_is_survived([1], code="InternalServiceError", times=3)

    def test_a_refusal_fails_the_step_at_once(self) -> None:
        self.assert_each_fault_is_survived([1], code="AccessDeniedException")

    def test_a_function_that_ends_right_after_a_call_is_taken_up_there(self) -> None:
        lost = FunctionEnded("the function is gone")
        self.assertFalse(is_passing(lost))
        self.assert_each_fault_is_survived([1], error=lost, is_late=True)

    def test_a_database_that_fails_before_it_takes_the_password_is_asked_again(self) -> None:
        self.database.next_change = "before"
        self.assertEqual(self.rotate_until_done(), ["ConnectionResetError"])
        self.assert_rotated()

    def test_a_database_that_fails_once_it_took_the_password_is_not_asked_again(self) -> None:
        self.database.next_change = "after"
        self.assertEqual(self.rotate_until_done(), ["ConnectionResetError"])
        self.assert_rotated()
        self.assertEqual(self.database.asked.count("change"), 1)

    def test_faults_do_not_touch_the_current_secret_before_the_last_step(self) -> None:
        for call in range(8):
            self.setUp()
            self.client.fail_next(skip=call, code="AccessDeniedException")
            with self.assertRaises(self.client.exceptions.ClientError):
                self.steps("create", "set")
            self.assertEqual(self.value(FIRST)["password"], OLD_PASSWORD)


class FunctionEnded(Exception):
    """Stands for whatever ends a function in the middle."""


if __name__ == "__main__":
    unittest.main()
