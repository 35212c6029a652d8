"""Faults of events: where they are, and that they show nothing of the event."""

from __future__ import annotations

import pickle
import unittest

from lambda_sim.errors import LambdaSimError
from lambda_sim.handler.validation import MISSING, EventValidationError, described


class TestEventValidationError(unittest.TestCase):
    def test_it_says_where_what_and_what_instead(self) -> None:
        error = EventValidationError("Records[0].body", "text", "a number")
        self.assertEqual("Records[0].body: expected text, got a number", str(error))
        self.assertEqual(("Records[0].body", "text", "a number"), _facts(error))

    def test_the_event_as_a_whole_has_a_name(self) -> None:
        error = EventValidationError("", "an object", "null")
        self.assertEqual("the event: expected an object, got null", str(error))

    def test_it_is_a_value_error_and_ours(self) -> None:
        self.assertTrue(issubclass(EventValidationError, ValueError))
        self.assertTrue(issubclass(EventValidationError, LambdaSimError))

    def test_steps_are_put_in_front(self) -> None:
        whole = EventValidationError("", "text", "null")
        for steps, path in (
            (("body",), "body"),
            (("Records", 3, "body"), "Records[3].body"),
            ((0,), "[0]"),
            ((1, 2), "[1][2]"),
            (("a", "b"), "a.b"),
        ):
            with self.subTest(path):
                self.assertEqual((path, "text", "null"), _facts(whole.below(*steps)))
        inner = EventValidationError("[2].x", "text", "null")
        self.assertEqual("list[2].x", inner.below("list").path)

    def test_it_travels_between_processes(self) -> None:
        error = EventValidationError("a", "text", "null")
        self.assertEqual(_facts(error), _facts(pickle.loads(pickle.dumps(error))))


class TestDescribed(unittest.TestCase):
    def test_each_kind_has_words(self) -> None:
        for value, words in (
            (MISSING, "nothing"),
            (None, "null"),
            (True, "a boolean"),
            (False, "a boolean"),
            (7, "a number"),
            (7.5, "a number"),
            ("", "empty text"),
            ("hunter2", "text"),
            ([1, 2], "an array"),
            ({"password": 1}, "an object"),
            (b"x", "bytes"),
        ):
            with self.subTest(value):
                self.assertEqual(words, described(value))


def _facts(error: EventValidationError) -> tuple[str, str, str]:
    return error.path, error.expected, error.got


if __name__ == "__main__":
    unittest.main()
