"""When a batch is due, what is in it, and what gives way."""

from __future__ import annotations

import unittest
from typing import Any

from lambda_sim.telemetry.buffers import Buffer, Drops
from tests.telemetry.doubles import subscription

NOW = 1000.0


def buffer(*events: bytes, **limits: Any) -> Buffer:
    made = Buffer(subscription(**{"timeout_ms": 1_000, **limits}))
    for event in events:
        made.add(event, NOW)
    return made


def is_full(made: Buffer) -> bool:
    """Whether a batch is due without waiting for its age."""
    return made.due_at is not None and made.due_at < NOW


class Batches(unittest.TestCase):
    def test_an_empty_buffer_is_never_due(self) -> None:
        self.assertIsNone(buffer().due_at)
        self.assertEqual(buffer().take(), [])

    def test_the_first_event_starts_the_clock(self) -> None:
        made = buffer(b"a")
        made.add(b"b", NOW + 0.7)
        self.assertEqual(made.due_at, NOW + 1)

    def test_as_many_events_as_asked_for_are_due(self) -> None:
        made = buffer(b"a", max_items=2)
        self.assertFalse(is_full(made))
        made.add(b"b", NOW)
        self.assertTrue(is_full(made))

    def test_as_many_bytes_as_asked_for_are_due(self) -> None:
        made = buffer(b"aaaa", max_bytes=5)
        self.assertFalse(is_full(made))
        made.add(b"b", NOW)
        self.assertTrue(is_full(made))

    def test_a_batch_has_no_more_events_than_asked_for(self) -> None:
        made = buffer(b"a", b"b", b"c", max_items=2)
        self.assertEqual(made.take(), [b"a", b"b"])
        self.assertEqual((made.take(), len(made)), ([b"c"], 0))

    def test_a_batch_has_no_more_bytes_than_asked_for(self) -> None:
        made = buffer(b"aa", b"bb", b"cc", max_bytes=5)
        self.assertEqual([made.take(), made.take()], [[b"aa", b"bb"], [b"cc"]])

    def test_an_event_too_big_goes_alone(self) -> None:
        made = buffer(b"a", b"bbbbbb", b"c", max_bytes=3)
        self.assertEqual([made.take() for _ in range(3)], [[b"a"], [b"bbbbbb"], [b"c"]])

    def test_what_a_batch_leaves_keeps_its_own_age(self) -> None:
        made = buffer(b"a", b"b", max_items=2)
        made.add(b"c", NOW + 0.5)
        made.take()
        self.assertEqual(made.due_at, NOW + 1.5)

    def test_limits_of_one_and_none_crash_nothing(self) -> None:
        for limits in ({"max_items": 1}, {"max_items": 0}, {"max_bytes": 0}, {"max_items": -1}):
            made = buffer(b"a", b"b", **limits)
            self.assertTrue(is_full(made))
            self.assertEqual([made.take(), made.take(), made.take()], [[b"a"], [b"b"], []])

    def test_no_timeout_is_due_at_once(self) -> None:
        for timeout in (0, -5):
            self.assertEqual(buffer(b"a", timeout_ms=timeout).due_at, NOW)

    def test_new_limits_hold_for_what_waits_already(self) -> None:
        made = buffer(b"a", b"b", b"c")
        made.limit(subscription(max_items=2))
        self.assertTrue(is_full(made))
        self.assertEqual(made.take(), [b"a", b"b"])


class BatchesPutBack(unittest.TestCase):
    def test_a_batch_put_back_comes_again_as_it_was(self) -> None:
        made = buffer(b"a", b"b")
        batch = made.take()
        made.add(b"c", NOW)
        made.put_back(batch)
        self.assertTrue(is_full(made))
        self.assertEqual([made.take(), made.take()], [[b"a", b"b"], [b"c"]])

    def test_an_event_too_big_can_be_put_back(self) -> None:
        made = buffer(b"aaaa", b"b", max_bytes=2)
        made.put_back(made.take())
        self.assertEqual([made.take(), made.take()], [[b"aaaa"], [b"b"]])


class Losses(unittest.TestCase):
    def test_more_than_20_000_events_push_the_oldest_out(self) -> None:
        made = buffer(*(b"%05d" % number for number in range(20_003)), max_items=1)
        self.assertEqual((len(made), made.dropped), (20_000, Drops(3, 15)))
        self.assertEqual(made.take(), [b"00003"])

    def test_more_than_4_mib_push_the_oldest_out(self) -> None:
        made = buffer(b"a", b"b" * 2**22, b"c" * 10, max_bytes=1)
        self.assertEqual((len(made), made.dropped), (1, Drops(2, 1 + 2**22)))

    def test_one_event_is_kept_whatever_its_size(self) -> None:
        made = buffer(b"a" * (2**22 + 1))
        self.assertEqual((len(made), made.dropped), (1, Drops()))

    def test_two_full_batches_are_kept_however_large(self) -> None:
        kept = buffer(b"a" * 2**22, b"b" * 2**22, max_bytes=2**22)
        self.assertEqual(kept.dropped, Drops())
        self.assertEqual(len(buffer(*[b"a"] * 60_000, max_items=30_000)), 60_000)

    def test_a_batch_put_back_is_the_oldest_and_shrinks_first(self) -> None:
        made = buffer(*[b"old"] * 4, max_items=4)
        batch = made.take()
        for _ in range(19_999):
            made.add(b"new", NOW)
        made.put_back(batch)
        self.assertEqual(made.dropped, Drops(3, 9))
        self.assertEqual([made.take(), made.take()], [[b"old"], [b"new"] * 4])
