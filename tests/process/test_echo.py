"""What is printed for children, and who ends in the midst of it."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from unittest import mock

from lambda_sim.process import echo, tree
from lambda_sim.process.echo import Echo
from tests.support import CHILDREN_PATH, PATIENCE

CHATTERING = """
import threading
from lambda_sim.process.echo import Echo

def chatter():
    while True:
        echo.print("x" * 100_000 + "\\n", "stdout")
        is_begun.set()

is_begun = threading.Event()
echo = Echo()
echo.start()
threading.Thread(target=chatter, daemon=True).start()
is_begun.wait()
"""
"""Its end finds a daemon thread that prints."""


class Slow(io.StringIO):
    """A stream on which a line takes until the end has begun, or for ever."""

    def __init__(self, echo: Echo, *, for_ever: bool = False) -> None:
        super().__init__()
        self.is_begun = threading.Event()
        self.is_let_go = threading.Event()
        self._echo = echo
        self._for_ever = for_ever

    def write(self, text: str) -> int:
        self.is_begun.set()
        if self._for_ever:
            self.is_let_go.wait(PATIENCE)
        else:
            tree.asked_until(lambda: self._echo._is_over, PATIENCE)
        return super().write(text)


class EchoTest(unittest.TestCase):
    def setUp(self) -> None:
        self.echo = Echo()
        self.echo.start()
        self.addCleanup(self.echo.close)

    def test_a_line_goes_to_whatever_stands_there(self) -> None:
        with redirect_stdout(io.StringIO()) as stream:
            self.echo.print("hello\n", "stdout")
        self.assertEqual("hello\n", stream.getvalue())

    def test_a_stream_that_is_closed_is_nobodys_fault(self) -> None:
        stream = io.StringIO()
        stream.close()
        with redirect_stdout(stream):
            self.echo.print("hello\n", "stdout")

    def test_the_end_waits_for_who_prints_and_nobody_begins_after_it(self) -> None:
        with redirect_stdout(Slow(self.echo)) as stream, ThreadPoolExecutor() as threads:
            threads.submit(self.echo.print, "hello\n", "stdout")
            stream.is_begun.wait(PATIENCE)
            with mock.patch.object(echo, "END_SECONDS", PATIENCE):
                self.echo.end()
            self.assertEqual("hello\n", stream.getvalue())
            self.echo.print("too late\n", "stdout")
        self.assertEqual("hello\n", stream.getvalue())

    def test_the_end_does_not_wait_for_ever(self) -> None:
        stream = Slow(self.echo, for_ever=True)
        with redirect_stdout(stream), ThreadPoolExecutor() as threads:
            threads.submit(self.echo.print, "hello\n", "stdout")
            stream.is_begun.wait(PATIENCE)
            with mock.patch.object(echo, "END_SECONDS", 0.0):
                self.echo.end()
            self.assertEqual("", stream.getvalue())
            stream.is_let_go.set()

    def test_a_copy_of_the_process_waits_for_nobody(self) -> None:
        stream = Slow(self.echo, for_ever=True)
        with redirect_stdout(stream), ThreadPoolExecutor() as threads:
            threads.submit(self.echo.print, "hello\n", "stdout")
            stream.is_begun.wait(PATIENCE)
            with (
                mock.patch.object(echo, "END_SECONDS", None),
                mock.patch("os.getpid", return_value=1),
            ):
                self.echo.end()
            stream.is_let_go.set()

    def test_an_interpreter_that_ends_while_something_is_printed_ends_well(self) -> None:
        for _ in range(5):
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", CHATTERING],
                env={"PYTHONPATH": CHILDREN_PATH},
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
            self.assertEqual((0, ""), (done.returncode, done.stderr))
