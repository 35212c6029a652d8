"""Connections whose other side may be frozen."""

from __future__ import annotations

import socket
import time
import unittest
from contextlib import suppress
from unittest import mock

from lambda_sim.telemetry.patience import PatientSocket

SHORT = 0.02
PATIENCE = 20.0
BATCH = b"x" * 8_000_000
"""More than fits between two sockets."""


class PatienceTest(unittest.TestCase):
    def setUp(self) -> None:
        self.enterContext(mock.patch("lambda_sim.telemetry.patience.PATIENCE_SECONDS", SHORT))
        ours, theirs = socket.socketpair()
        self.ours = self.enterContext(ours)
        self.theirs = self.enterContext(theirs)
        self.ours.settimeout(SHORT)
        self.asked = 0

    def awake_at_third_look(self) -> float | None:
        self.asked += 1
        return None if self.asked < 3 else 0.0

    def test_one_who_neither_reads_nor_answers_is_given_up(self) -> None:
        patient = PatientSocket(self.ours, lambda: 0.0)
        with self.assertRaises(TimeoutError):
            patient.makefile("rb")
        with self.assertRaises(TimeoutError):
            patient.sendall(BATCH)

    def test_one_who_is_frozen_is_not_given_up_before_it_is_woken(self) -> None:
        patient = PatientSocket(self.ours, self.awake_at_third_look)
        with self.assertRaises(TimeoutError):
            patient.makefile("rb")
        self.assertEqual(3, self.asked)

    def test_patience_begins_anew_when_it_is_woken(self) -> None:
        woken_at = [None, time.monotonic() + PATIENCE]

        def awake_since() -> float | None:
            if len(woken_at) == 1:
                self.theirs.sendall(b"answer")
            return woken_at.pop(0)

        with PatientSocket(self.ours, awake_since).makefile("rb") as answer:
            self.assertEqual(b"answer", answer.read(6))

    def test_a_reader_that_goes_on_gets_all_however_long_it_takes(self) -> None:
        read = bytearray()

        def awake_since() -> float:
            # Asked before each piece is sent: so it takes far longer than the patience.
            time.sleep(SHORT / 2)
            with suppress(BlockingIOError):
                read.extend(self.theirs.recv(1_000_000))
            return 0.0

        self.theirs.setblocking(False)

        PatientSocket(self.ours, awake_since).sendall(BATCH)
        self.ours.close()
        self.theirs.setblocking(True)
        while piece := self.theirs.recv(1_000_000):
            read += piece
        self.assertEqual(len(BATCH), len(read))
