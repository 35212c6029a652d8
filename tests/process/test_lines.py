"""Bytes cut into lines."""

from __future__ import annotations

import unittest

from lambda_sim.process.lines import LineCutter


class LineTest(unittest.TestCase):
    def setUp(self) -> None:
        self.cutter = LineCutter(limit=8)

    def feed(self, data: bytes) -> list[str]:
        return list(self.cutter.feed(data))

    def test_each_line_keeps_its_newline(self) -> None:
        self.assertEqual(self.feed(b"a\n\nb\r\n"), ["a\n", "\n", "b\r\n"])

    def test_an_unfinished_line_is_held_until_its_newline(self) -> None:
        self.assertEqual(self.feed(b"ab"), [])
        self.assertEqual(self.feed(b"c"), [])
        self.assertEqual(self.feed(b"d\ne"), ["abcd\n"])

    def test_an_unfinished_line_can_be_flushed_and_goes_on_afterwards(self) -> None:
        self.feed(b"ab")
        self.assertEqual(list(self.cutter.flush()), ["ab"])
        self.assertEqual(list(self.cutter.flush()), [])
        self.assertEqual(self.feed(b"c\n"), ["c\n"])

    def test_a_line_that_just_fits_is_one(self) -> None:
        self.assertEqual(self.feed(b"12345678\n"), ["12345678\n"])

    def test_a_longer_line_comes_in_pieces_before_its_end_is_known(self) -> None:
        self.assertEqual(self.feed(b"1234567890123456789"), ["12345678", "90123456"])
        self.assertEqual(self.feed(b"\n"), ["789\n"])

    def test_a_character_is_never_cut_in_two_pieces(self) -> None:
        self.assertEqual(self.feed("123456€€\n".encode()), ["123456", "€€\n"])
        self.assertEqual(self.feed("12345€€\n".encode()), ["12345€", "€\n"])

    def test_a_character_may_arrive_in_two_parts(self) -> None:
        self.assertEqual(self.feed("€".encode()[:2]), [])
        self.assertEqual(self.feed("€".encode()[2:] + b"\n"), ["€\n"])

    def test_what_is_no_utf_8_becomes_the_replacement_character(self) -> None:
        self.assertEqual(self.feed(b"a\xffb\n"), ["a\N{REPLACEMENT CHARACTER}b\n"])

    def test_nothing_but_later_bytes_of_characters_is_cut_all_the_same(self) -> None:
        self.assertEqual(sum(map(len, self.feed(b"\x80" * 20 + b"\n"))), 21)


if __name__ == "__main__":
    unittest.main()
