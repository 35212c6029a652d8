"""The codec where JSON's own types are declared, or none."""

from __future__ import annotations

import subprocess
import sys
import unittest
from typing import Any, Self

from lambda_sim.handler.codec import TypedCodec
from lambda_sim.handler.failure import Fault
from lambda_sim.handler.validation import EventValidationError
from tests.support import ROOT


class Words:
    def __init__(self, words: list[str]) -> None:
        self.words = words

    @classmethod
    def from_json(cls, value: Any) -> Self:
        return cls(value.split())

    def to_json(self) -> Any:
        return " ".join(self.words)


class TestDecode(unittest.TestCase):
    def setUp(self) -> None:
        self.codec = TypedCodec()

    def test_any_is_what_the_json_says(self) -> None:
        for kind in (Any, object):
            for body, value in ((b"[1, null]", [1, None]), (b'"a"', "a"), (b"{}", {})):
                self.assertEqual(self.codec.decode(body, kind), value)

    def test_what_is_of_the_declared_kind_comes_through(self) -> None:
        kinds = {
            dict[str, Any]: {"a": 1},
            list: [1],
            str: "a",
            int: 3,
            bool: True,
            type(None): None,
        }
        for kind, value in kinds.items():
            with self.subTest(kind):
                self.assertEqual(self.codec.decode(self.codec.encode(value), kind), value)

    def test_a_whole_number_may_stand_for_a_fraction_but_is_one_then(self) -> None:
        value = self.codec.decode(b"3", float)
        self.assertEqual((value, type(value)), (3.0, float))

    def test_another_kind_is_refused(self) -> None:
        wrong = {dict: b"[]", list: b"{}", str: b"1", int: b"1.5", float: b'"1"', None: b"0"}
        for kind, body in (*wrong.items(), (int, b"true"), (float, b"false")):
            with self.subTest(kind, body=body), self.assertRaises(EventValidationError) as caught:
                self.codec.decode(body, kind)
            self.assertEqual(caught.exception.path, "")

    def test_bytes_are_the_event_as_it_came(self) -> None:
        self.assertEqual(self.codec.decode(b"\xff{", bytes), b"\xff{")

    def test_what_is_no_json_is_a_fault_of_lambdas(self) -> None:
        for kind in (Any, dict, Words, list[int]):
            with self.subTest(kind), self.assertRaises(Fault) as caught:
                self.codec.decode(b"{", kind)
            self.assertEqual(caught.exception.error_type, "Runtime.UnmarshalError")

    def test_a_class_may_read_and_write_itself(self) -> None:
        words = self.codec.decode(b'"to be"', Words)
        self.assertEqual(words.words, ["to", "be"])
        self.assertEqual(self.codec.encode([words]), b'["to be"]')

    def test_neither_cattrs_nor_pydantic_is_imported_for_it(self) -> None:
        code = (
            "import sys; from lambda_sim.handler.codec import TypedCodec as C\n"
            "C().encode(C().decode(b'{}', dict))\n"
            "print({'cattrs', 'pydantic'} & set(sys.modules))"
        )
        found = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT)
        self.assertEqual(found.strip(), b"set()")


class TestEncode(unittest.TestCase):
    def test_what_has_no_json_is_a_fault_of_lambdas(self) -> None:
        with self.assertRaises(Fault) as caught:
            TypedCodec().encode({"it": object()})
        self.assertEqual(caught.exception.error_type, "Runtime.MarshalError")
        self.assertIn("object is not JSON serializable", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
