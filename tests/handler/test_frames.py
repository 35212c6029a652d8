"""frames: events that are written whole, and the log that uses them."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import signal
import struct
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from lambda_sim.handler.failure import ErrorReport
from lambda_sim.handler.frames import FrameSink
from lambda_sim.handler.logs import LambdaLog
from tests.support import PATIENCE

HEADER = struct.Struct(">IIQ")


class FrameTestCase(unittest.TestCase):
    def setUp(self) -> None:
        self.ear, self.mouth = os.pipe()
        for fd in (self.ear, self.mouth):
            self.addCleanup(os.close, fd)

    def frames(self) -> list[tuple[int, str]]:
        """The types and messages that were written."""
        data, found = os.read(self.ear, 65_536), []
        while data:
            kind, length, _ = HEADER.unpack_from(data)
            found.append((kind, data[HEADER.size : HEADER.size + length].decode()))
            data = data[HEADER.size + length :]
        return found


class TestSink(FrameTestCase):
    def test_the_descriptor_is_taken_from_the_environment(self) -> None:
        environ = {"_LAMBDA_TELEMETRY_LOG_FD": str(self.mouth), "OTHER": "stays"}
        os.set_inheritable(self.mouth, True)
        sink = FrameSink.of(environ, is_json=False)
        assert sink is not None
        self.assertEqual(environ, {"OTHER": "stays"})
        self.assertFalse(os.get_inheritable(self.mouth))
        sink.write("two\nlines")
        self.assertEqual(self.frames(), [(0xA55A0003, "two\nlines")])

    def test_json_has_a_type_of_its_own(self) -> None:
        FrameSink(self.mouth, is_json=True).write("{}")
        self.assertEqual(self.frames(), [(0xA55A0002, "{}")])

    def test_without_a_descriptor_there_is_no_sink(self) -> None:
        gone = os.dup(self.mouth)
        os.close(gone)
        for value in ("", "x", "-5", str(gone), "9" * 30):
            with self.subTest(value):
                environ = {"_LAMBDA_TELEMETRY_LOG_FD": value}
                self.assertIsNone(FrameSink.of(environ, is_json=False))
        self.assertIsNone(FrameSink.of({}, is_json=False))

    def test_half_a_surrogate_pair_is_no_reason_to_lose_the_message(self) -> None:
        FrameSink(self.mouth, is_json=False).write("a\ud800b")
        self.assertEqual(self.frames(), [(0xA55A0003, "a\\ud800b")])

    def test_who_is_interrupted_in_the_midst_of_an_event_ends_it_first(self) -> None:
        text = "a" * 1_000_000  # more than a pipe holds
        received: list[bytes] = []
        is_over = threading.Event()
        self.addCleanup(is_over.set)

        def interrupt_and_read() -> None:
            while select.select([], [self.mouth], [], 0)[1]:  # until the pipe is full
                time.sleep(0)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            while True:
                is_last = is_over.is_set()  # before the look: what was written before it is seen
                if select.select([self.ear], [], [], 0.01)[0]:
                    received.append(os.read(self.ear, 65_536))
                elif is_last:
                    return

        def interrupt(number: int, frame: object) -> None:
            raise KeyboardInterrupt

        self.addCleanup(signal.signal, signal.SIGUSR1, signal.signal(signal.SIGUSR1, interrupt))
        with ThreadPoolExecutor() as threads:
            reading = threads.submit(interrupt_and_read)
            with self.assertRaises(KeyboardInterrupt):
                FrameSink(self.mouth, is_json=False).write(text)
            is_over.set()
            reading.result(PATIENCE)
        self.assertEqual(b"".join(received)[HEADER.size :].decode(), text)


class TestLog(FrameTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.output = self.enterContext(contextlib.redirect_stdout(io.StringIO()))
        self.log = LambdaLog(frames=FrameSink(self.mouth, is_json=False))

    def test_a_record_is_one_event_whatever_it_holds(self) -> None:
        self.log.emit(logging.makeLogRecord({"msg": "two\nlines"}))
        [(_, text)] = self.frames()
        self.assertRegex(text, r"^\[Level None\].*\ttwo\nlines\n$")
        self.assertEqual(self.output.getvalue(), "")

    def test_an_error_is_one_event_indented_with_spaces_that_do_not_break(self) -> None:
        frames = ['  File "app.py", line 6, in handler\n    fail()\n']
        self.log.write_error(ErrorReport("CustomError", "as  asked", frames, "r-1"))
        expected = (
            "[ERROR] CustomError: as  asked\n"
            "Traceback (most recent call last):\n"
            '\u00a0\u00a0File "app.py", line 6, in handler\n'
            "\u00a0\u00a0\u00a0\u00a0fail()\n"
        )
        self.assertEqual(self.frames(), [(0xA55A0003, expected)])

    def test_a_descriptor_that_went_away_is_no_reason_to_end(self) -> None:
        gone = os.dup(self.mouth)
        os.close(gone)
        LambdaLog(frames=FrameSink(gone, is_json=False)).write_error(ErrorReport("E", "lost"))


if __name__ == "__main__":
    unittest.main()
