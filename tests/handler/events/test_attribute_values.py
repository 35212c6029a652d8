"""DynamoDB's typed JSON and the Python values it stands for, there and back."""

from __future__ import annotations

import unittest
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.events import deserialize, serialize
from lambda_sim.handler.validation import EventValidationError

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=3)
SCALARS = st.none() | st.booleans() | st.text() | st.binary() | NUMBERS
SETS = st.sets(st.text(), min_size=1) | st.sets(NUMBERS, min_size=1)
VALUES = st.recursive(
    SCALARS | SETS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


class TestDeserialize(unittest.TestCase):
    def test_each_type(self) -> None:
        for typed, value in (
            ({"S": ""}, ""),
            ({"N": "-1.50"}, Decimal("-1.50")),
            ({"N": "1E+30"}, Decimal("1E+30")),
            ({"B": "AAE="}, b"\0\1"),
            ({"BOOL": False}, False),
            ({"NULL": True}, None),
            ({"M": {"a": {"L": [{"S": "b"}]}}}, {"a": ["b"]}),
            ({"L": []}, []),
            ({"SS": ["a", "b"]}, {"a", "b"}),
            ({"NS": ["1", "2.0"]}, {Decimal(1), Decimal(2)}),
            ({"BS": ["AA=="]}, {b"\0"}),
        ):
            with self.subTest(typed):
                self.assertEqual(value, deserialize(typed))

    def test_types_that_are_null_do_not_count(self) -> None:
        self.assertEqual("x", deserialize({"N": None, "S": "x", "BOOL": None}))

    def test_what_is_nested_too_deeply_is_refused(self) -> None:
        typed: dict[str, Any] = {"S": "deep"}
        for _ in range(1000):
            typed = {"L": [typed]}
        with self.assertRaisesRegex(EventValidationError, "expected no more than the 32 levels"):
            deserialize(typed)

    def test_faults_are_named(self) -> None:
        for typed, path in (
            (None, ""),
            ({}, ""),
            ({"S": "a", "N": "1"}, ""),
            ({"X": "a"}, ""),
            ({"S": 5}, "S"),
            ({"N": 5}, "N"),
            ({"N": "five"}, "N"),
            ({"N": "NaN"}, "N"),
            ({"N": "Infinity"}, "N"),
            ({"B": "%"}, "B"),
            ({"BOOL": "true"}, "BOOL"),
            ({"NULL": False}, "NULL"),
            ({"L": {}}, "L"),
            ({"M": {"a": {"L": [{"S": "b"}, {"N": "c"}]}}}, "M.a.L[1].N"),
            ({"NS": ["1", "b"]}, "NS[1]"),
        ):
            with self.subTest(typed), self.assertRaises(EventValidationError) as caught:
                deserialize(typed)
            self.assertEqual(path, caught.exception.path)


class TestSerialize(unittest.TestCase):
    @settings(max_examples=40, deadline=None)
    @given(VALUES)
    def test_what_is_written_is_read_again(self, value: Any) -> None:
        self.assertEqual(value, deserialize(serialize(value)))

    def test_numbers_of_json(self) -> None:
        self.assertEqual({"N": "5"}, serialize(5))
        self.assertEqual({"N": "2.5"}, serialize(2.5))
        self.assertEqual({"BOOL": True}, serialize(True))

    def test_what_no_attribute_holds_is_refused(self) -> None:
        for value in (object(), float("nan"), float("inf"), set(), {1, "a"}, {None}, [object()]):
            with self.subTest(value), self.assertRaisesRegex(ConfigurationError, "^attribute: "):
                serialize(value)


if __name__ == "__main__":
    unittest.main()
