"""The codec where attrs classes, dataclasses and typed containers are declared."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
import unittest
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from importlib.util import find_spec
from typing import Any, Generic, Literal, NewType, TypedDict, TypeVar
from uuid import UUID

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_sim.handler.codec import TypedCodec
from lambda_sim.handler.validation import EventValidationError
from tests.support import PATIENCE, ROOT

T = TypeVar("T")
Sku = NewType("Sku", str)


class Color(Enum):
    RED = "red"
    ONE = 1


class Words:
    @classmethod
    def from_json(cls, value: Any) -> list[str]:
        words: list[str] = value.split()
        return words


class Size(TypedDict):
    width: int


@attrs.frozen
class Line:
    sku: Sku
    count: int = attrs.field(default=1, validator=attrs.validators.ge(1))


@attrs.frozen
class Page(Generic[T]):
    items: list[T]


@attrs.frozen
class Cat:
    kind: Literal["cat"]
    lives: int


@attrs.frozen
class Dog:
    kind: Literal["dog"]


@dataclasses.dataclass
class Order:
    id: str
    lines: list[Line]
    by_name: dict[str, Line] = dataclasses.field(default_factory=dict)
    note: str | int | None = None
    gift: Line | None = None
    color: Color = Color.RED
    level: Literal["low", 1] = "low"
    at: datetime | None = None
    day: date | None = None
    photo: bytes = b""
    tags: set[str] = dataclasses.field(default_factory=set)
    weight: float = 1.0
    price: Decimal = Decimal(1)
    key: UUID | None = None
    pair: tuple[int, str] = (1, "a")
    many: tuple[int, ...] = ()
    parts: Sequence[int] = ()
    sizes: Mapping[str, Size] = dataclasses.field(default_factory=dict)
    words: Words | None = None
    parent: Order | None = None


SMALL: dict[str, Any] = {"id": "1", "lines": [{"sku": "tea", "count": 2}]}
WHOLE: dict[str, Any] = SMALL | {
    "by_name": {"a": {"sku": "cup", "count": 1}},
    "note": 5,
    "gift": {"sku": "cup", "count": 1},
    "color": 1,
    "level": 1,
    "at": "2026-01-02T03:04:05+00:00",
    "day": "2026-01-02",
    "photo": "aGk=",
    "tags": ["x"],
    "weight": 2.5,
    "price": 19.99,
    "key": "8d56e70e-b478-4cc7-a3e6-a91a7ad2eee9",
    "pair": [2, "b"],
    "many": [1, 2],
    "parts": [3],
    "sizes": {"s": {"width": 1}},
    "words": None,
    "parent": None,
}


@unittest.skipUnless(find_spec("cattrs"), "cattrs is not installed")
class RecordTest(unittest.TestCase):
    def setUp(self) -> None:
        self.codec = TypedCodec()

    def decode(self, value: Any, kind: Any) -> Any:
        return self.codec.decode(json.dumps(value).encode(), kind)


class TestReading(RecordTest):
    def test_every_field_gets_its_type(self) -> None:
        order = self.decode(WHOLE, Order)
        self.assertEqual(order.lines, [Line(Sku("tea"), 2)])
        self.assertEqual(order.by_name, {"a": Line(Sku("cup"))})
        self.assertIs(order.color, Color.ONE)
        self.assertEqual((order.note, order.level, order.weight), (5, 1, 2.5))
        self.assertEqual(order.at, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
        self.assertEqual((order.day, order.photo), (date(2026, 1, 2), b"hi"))
        self.assertEqual((order.tags, order.price), ({"x"}, Decimal("19.99")))
        self.assertEqual((order.pair, order.many), ((2, "b"), (1, 2)))
        self.assertEqual((list(order.parts), order.sizes), ([3], {"s": {"width": 1}}))

    def test_what_was_read_is_written_as_it_came(self) -> None:
        self.assertEqual(json.loads(self.codec.encode(self.decode(WHOLE, Order))), WHOLE)

    def test_fields_with_defaults_may_be_missing_and_unknown_ones_there(self) -> None:
        order = self.decode(SMALL | {"new": 1}, Order)
        self.assertEqual(order, Order("1", [Line(Sku("tea"), 2)]))

    def test_a_record_may_hold_its_own_kind(self) -> None:
        self.assertEqual(self.decode(SMALL | {"parent": SMALL}, Order).parent.id, "1")

    def test_a_generic_record_knows_what_is_in_it(self) -> None:
        self.assertEqual(self.decode({"items": [{"sku": "a"}]}, Page[Line]).items, [Line(Sku("a"))])
        with self.assertRaises(EventValidationError):
            self.decode({"items": [1]}, Page[Line])

    def test_containers_may_stand_by_themselves(self) -> None:
        self.assertEqual(self.decode([{"sku": "a"}], list[Line]), [Line(Sku("a"))])
        self.assertEqual(self.decode({"a": 1}, dict[str, int]), {"a": 1})
        self.assertIsNone(self.decode(None, Line | None))

    def test_records_are_told_apart_by_a_literal(self) -> None:
        self.assertEqual(self.decode({"kind": "dog"}, Cat | Dog), Dog("dog"))

    def test_threads_that_begin_at_once_all_get_strict_readers(self) -> None:
        @attrs.frozen
        class Fresh:
            lines: list[Line]
            sizes: dict[str, Size]

        def read(_: int) -> str:
            barrier.wait(PATIENCE)
            with self.assertRaises(EventValidationError) as caught:
                self.decode({"lines": "abc", "sizes": {}}, Fresh)
            return caught.exception.path

        barrier = threading.Barrier(8)
        with ThreadPoolExecutor(8) as threads:
            self.assertEqual(set(threads.map(read, range(8))), {"lines"})

    def test_a_field_may_be_of_a_class_that_reads_itself(self) -> None:
        self.assertEqual(self.decode(SMALL | {"words": "to be"}, Order).words, ["to", "be"])

    def test_mixed_results_are_written(self) -> None:
        mixed = {
            "a": [Line(Sku("x")), Color.RED],
            "b": {1},
            "c": date(2026, 1, 2),
            "d": Decimal("1.10"),
        }
        expected = (
            b'{"a": [{"sku": "x", "count": 1}, "red"], "b": [1], "c": "2026-01-02", "d": 1.10}'
        )
        self.assertEqual(self.codec.encode(mixed), expected)


class TestRefusing(RecordTest):
    def assert_refused(self, value: Any, path: str, expected: str, kind: Any = Order) -> None:
        with self.subTest(path, value=value), self.assertRaises(EventValidationError) as caught:
            self.decode(value, kind)
        self.assertEqual((caught.exception.path, caught.exception.expected), (path, expected))

    def test_a_missing_field_is_named(self) -> None:
        self.assert_refused({"lines": []}, "id", "a string")
        self.assert_refused(SMALL | {"gift": {}}, "gift.sku", "a string")
        self.assert_refused(SMALL | {"sizes": {"s": {}}}, "sizes.s.width", "an integer")

    def test_the_path_leads_through_records_lists_and_mappings(self) -> None:
        self.assert_refused({"id": "1", "lines": [{"sku": 1}]}, "lines[0].sku", "a string")
        self.assert_refused(SMALL | {"by_name": {"a": {"sku": 1}}}, "by_name.a.sku", "a string")
        self.assert_refused(SMALL | {"parent": SMALL | {"id": 1}}, "parent.id", "a string")
        self.assert_refused([{"sku": 1}], "[0].sku", "a string", list[Line])

    def test_nothing_is_converted_that_json_tells_apart(self) -> None:
        self.assert_refused(SMALL | {"id": 1}, "id", "a string")
        self.assert_refused(SMALL | {"id": None}, "id", "a string")
        self.assert_refused(SMALL | {"weight": "1"}, "weight", "a number")
        self.assert_refused(SMALL | {"weight": True}, "weight", "a number")
        line = {"sku": "a", "count": "1"}
        self.assert_refused(SMALL | {"gift": line}, "gift.count", "an integer")
        self.assert_refused(SMALL | {"note": 1.5}, "note", "a string or an integer or null")

    def test_containers_are_not_taken_for_each_other(self) -> None:
        self.assert_refused(SMALL | {"lines": "abc"}, "lines", "an array")
        self.assert_refused(SMALL | {"lines": {}}, "lines", "an array")
        self.assert_refused(SMALL | {"tags": "abc"}, "tags", "an array")
        self.assert_refused(SMALL | {"parts": {"a": 1}}, "parts", "an array")
        self.assert_refused(SMALL | {"by_name": []}, "by_name", "an object")
        self.assert_refused(SMALL | {"gift": 5}, "gift", "an object (Line) or null")
        self.assert_refused([], "", "an object (Order)")
        self.assert_refused(SMALL | {"pair": [1]}, "pair", "an array of 2")

    def test_texts_that_stand_for_something_are_read(self) -> None:
        self.assert_refused(SMALL | {"at": "today"}, "at", "a time in ISO 8601 or null")
        self.assert_refused(SMALL | {"day": "today"}, "day", "a date in ISO 8601 or null")
        self.assert_refused(SMALL | {"photo": "???"}, "photo", "text in base64")
        self.assert_refused(SMALL | {"key": "x"}, "key", "a UUID or null")
        self.assert_refused(SMALL | {"price": "x"}, "price", "a number, or one as text")

    def test_choices_are_listed(self) -> None:
        self.assert_refused(SMALL | {"color": "blue"}, "color", "one of 'red', 1")
        self.assert_refused(SMALL | {"color": True}, "color", "one of 'red', 1")
        self.assert_refused(SMALL | {"level": "high"}, "level", "one of 'low', 1")

    def test_what_is_none_of_several_gets_to_hear_of_all(self) -> None:
        pets = "an object (Cat) or an object (Dog)"
        self.assert_refused({"kind": "cow"}, "", pets, Cat | Dog)
        self.assert_refused([5], "[0]", pets, list[Cat | Dog])
        self.assert_refused({"kind": "cat"}, "lives", "an integer", Cat | Dog)
        self.assert_refused("x", "", "an integer or an array", int | list[int])

    def test_a_validator_says_its_rule_and_not_the_value(self) -> None:
        line = {"sku": "a", "count": -271828}
        self.assert_refused(SMALL | {"gift": line}, "gift", "'count' must be >= 1")


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.sampled_from(["red", "low", "2026-01-02", "aGk="])
)
_KEYS = st.sampled_from(["id", "lines", "sku", "count", "width", "kind"]) | st.text(max_size=3)
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner), max_leaves=6
)
_SPOILT = st.dictionaries(st.sampled_from(sorted(WHOLE)), _JSON, max_size=3).map(WHOLE.__or__)


class TestAnything(RecordTest):
    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(
        _JSON | _SPOILT, st.sampled_from([Order, list[Order], Cat | Dog | None, str | list[int]])
    )
    def test_any_json_is_either_read_and_can_be_written_or_refused(
        self, value: Any, kind: Any
    ) -> None:
        try:
            found = self.decode(value, kind)
        except EventValidationError:
            return
        self.assertEqual(self.decode(json.loads(self.codec.encode(found)), kind), found)


class TestWithoutCattrs(unittest.TestCase):
    def test_the_error_says_how_to_get_it(self) -> None:
        code = (
            "import sys; sys.modules['cattrs'] = None\n"
            "from lambda_sim.handler.codec import TypedCodec\n"
            "try: TypedCodec().decode(b'[]', list[int])\n"
            "except Exception as error: sys.exit(str(error))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, check=False
        )
        self.assertIn(b"pip install 'lambda-sim[handler]'", done.stderr)


if __name__ == "__main__":
    unittest.main()
