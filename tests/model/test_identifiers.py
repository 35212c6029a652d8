"""Ids and trace headers: how new ones are made, and how those that come are read."""

from __future__ import annotations

import unittest

from lambda_sim.model.identifiers import (
    is_uuid,
    new_id,
    new_segment_id,
    new_trace_id,
    trace_parts,
    with_parent,
)

ROOT = f"1-{'a' * 8}-{'b' * 24}"
OWN = "d" * 16


class TraceTest(unittest.TestCase):
    def test_the_parent_is_replaced_and_stands_where_aws_has_it(self) -> None:
        for trace, expected in (
            (f"Root={ROOT};Parent=c;Sampled=1", f"Root={ROOT};Parent={OWN};Sampled=1"),
            (f"Sampled=0;Root={ROOT}", f"Root={ROOT};Parent={OWN};Sampled=0"),
            (f"Root={ROOT}", f"Root={ROOT};Parent={OWN}"),
            (f"Lineage=25:a:0;Root={ROOT};Self=x", f"Root={ROOT};Parent={OWN};Lineage=25:a:0"),
            (
                f"Root={ROOT};Parent=c;Sampled=?;Lineage=1:2:3",
                f"Root={ROOT};Parent={OWN};Sampled=?;Lineage=1:2:3",
            ),
        ):
            with self.subTest(trace):
                self.assertEqual(with_parent(trace, OWN), expected)

    def test_a_header_without_a_root_stays(self) -> None:
        for trace in ("", "x", "Root", "Root=", "Root= ;Parent=c", "root=x", ";;=;"):
            with self.subTest(trace):
                self.assertEqual(with_parent(trace, OWN), trace)

    def test_a_value_may_hold_an_equals_sign(self) -> None:
        self.assertEqual(trace_parts("Root=a=b;Lineage==;x"), {"Root": "a=b", "Lineage": "="})

    def test_a_new_header_is_not_sampled(self) -> None:
        trace = trace_parts(new_trace_id(0x5759E988))
        self.assertEqual(list(trace), ["Root", "Parent", "Sampled"])
        self.assertRegex(trace["Root"], r"^1-5759e988-[0-9a-f]{24}$")
        self.assertEqual(trace["Sampled"], "0")

    def test_segments_are_sixteen_hexadecimal_digits(self) -> None:
        one, two = new_segment_id(), new_segment_id()
        self.assertRegex(one, r"^[0-9a-f]{16}$")
        self.assertNotEqual(one, two)


class UuidTest(unittest.TestCase):
    def test_new_ids_are_uuids_of_the_fourth_version(self) -> None:
        for _ in range(20):
            self.assertRegex(new_id(), r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-")
            self.assertTrue(is_uuid(new_id()))

    def test_other_text_is_none(self) -> None:
        for text in ("", "x", new_id()[:-1], f"{{{new_id()}}}", new_id().replace("-", "")):
            self.assertFalse(is_uuid(text))


if __name__ == "__main__":
    unittest.main()
