"""The codec where pydantic's models are declared."""

from __future__ import annotations

import unittest
from datetime import UTC, datetime

import attrs

from lambda_sim.handler.codec import TypedCodec
from lambda_sim.handler.failure import Fault
from lambda_sim.handler.validation import EventValidationError

try:
    from pydantic import BaseModel, StrictInt
except ImportError as error:
    raise unittest.SkipTest("pydantic is not installed") from error


class Line(BaseModel):
    sku: str
    count: StrictInt = 1


class Order(BaseModel):
    at: datetime
    lines: list[Line]


@attrs.frozen
class Parcel:
    line: Line


class TestModels(unittest.TestCase):
    def setUp(self) -> None:
        self.codec = TypedCodec()
        self.body = b'{"at": "2026-01-02T03:04:05Z", "lines": [{"sku": "tea"}]}'

    def test_an_event_becomes_a_model_and_a_model_json(self) -> None:
        order = self.codec.decode(self.body, Order)
        self.assertEqual(order.at, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
        expected = b'{"at": "2026-01-02T03:04:05Z", "lines": [{"sku": "tea", "count": 1}]}'
        self.assertEqual(self.codec.encode(order), expected)

    def test_models_may_be_inside_other_types(self) -> None:
        line = Line(sku="tea")
        for kind, body, value in (
            (list[Line], b'[{"sku": "tea", "count": 1}]', [line]),
            (Line | None, b"null", None),
            (Parcel, b'{"line": {"sku": "tea", "count": 1}}', Parcel(line)),
        ):
            with self.subTest(kind):
                self.assertEqual(self.codec.decode(body, kind), value)
                self.assertEqual(self.codec.encode(value), body)

    def test_an_error_has_our_name_and_a_path(self) -> None:
        for kind, body, path, expected in (
            (Order, b'{"lines": []}', "at", "a value"),
            (Order, self.body.replace(b'"tea"', b"1"), "lines[0].sku", "a valid string"),
            (Parcel, b'{"line": {"sku": "a", "count": "1"}}', "line.count", "a valid integer"),
        ):
            with self.subTest(path), self.assertRaises(EventValidationError) as caught:
                self.codec.decode(body, kind)
            error = caught.exception
            self.assertEqual((error.path, error.expected), (path, expected))

    def test_what_is_no_json_is_a_fault_of_lambdas(self) -> None:
        with self.assertRaises(Fault) as caught:
            self.codec.decode(b"{", Order)
        self.assertEqual(caught.exception.error_type, "Runtime.UnmarshalError")


if __name__ == "__main__":
    unittest.main()
