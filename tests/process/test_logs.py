"""What children print."""

from __future__ import annotations

import io
import os
import socket
import sys
import threading
import unittest
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

from lambda_sim.process import ManagedProcess
from lambda_sim.process.echo import Echo
from lambda_sim.process.lines import MAX_LINE_BYTES, LineCutter
from lambda_sim.process.logs import Ears, OnLine, Pipe
from tests.process.case import PATIENCE, SandboxTestCase, program


class OutputTest(SandboxTestCase):
    def test_lines_come_in_order_from_each_stream(self) -> None:
        child = self.shell("i=0; while [ $i -lt 500 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done")
        child.wait(PATIENCE)
        for stream in "oe":
            found = [line for line in self.lines if line.startswith(stream)]
            self.assertEqual(found, [f"{stream}{number}\n" for number in range(500)])

    def test_each_line_comes_with_its_child(self) -> None:
        children = [self.shell(f"echo {number}") for number in range(5)]
        for child in children:
            child.wait(PATIENCE)
        self.assertEqual(
            {line: child for child, line in self.heard},
            {f"{number}\n": child for number, child in enumerate(children)},
        )

    def test_a_line_is_heard_without_being_asked_for(self) -> None:
        self.shell("echo hello; sleep 600")
        self.assertEqual(self.wait_for_lines(1), ["hello\n"])

    def test_an_unfinished_line_is_heard_at_the_end(self) -> None:
        self.shell("printf 'no newline'").wait(PATIENCE)
        self.assertEqual(self.lines, ["no newline"])

    def test_an_unfinished_line_is_heard_when_its_stream_is_closed(self) -> None:
        self.shell("printf 'no newline'; exec >&- 2>&-; sleep 600")
        self.assertEqual(self.wait_for_lines(1), ["no newline"])

    def test_what_is_no_utf_8_becomes_the_replacement_character(self) -> None:
        self.shell(r"printf 'a\377b\n'").wait(PATIENCE)
        self.assertEqual(self.lines, ["a\N{REPLACEMENT CHARACTER}b\n"])

    def test_a_huge_line_comes_in_pieces(self) -> None:
        size = 3 * MAX_LINE_BYTES + 5
        self.shell(f"head -c {size} /dev/zero | tr '\\0' x; echo").wait(PATIENCE)
        self.assertEqual([len(line) for line in self.lines], [MAX_LINE_BYTES] * 3 + [6])

    def test_a_chatty_child_starves_nobody(self) -> None:
        counts: Counter[str] = Counter()
        self.on_line = lambda child, line: counts.update([line])
        chatty = [self.shell("exec yes") for _ in range(2)]
        self.wait_for(lambda: counts["y\n"] > 1000)
        self.shell("echo quiet; sleep 600")
        self.wait_for(lambda: counts["quiet\n"])
        self.assertTrue(all(child.is_running for child in chatty))

    def test_a_grandchild_in_another_session_does_not_keep_the_streams_open(self) -> None:
        child = self.spawn(program("stray"))
        self.wait_for_pid()
        child.kill()
        child.wait(PATIENCE)
        self.sandbox.drain()
        self.assertEqual(len(self.lines), 1)

    def test_a_listener_that_fails_does_not_stop_the_listening_and_is_shown_at_the_end(
        self,
    ) -> None:
        def refuse(child: ManagedProcess, line: str) -> None:
            self.hear(child, line)
            if line == "bad\n":
                raise RuntimeError("no such line")

        self.on_line = refuse
        self.shell("echo bad; echo good; sleep 600")
        self.wait_for_lines(2)
        with self.assertRaisesRegex(RuntimeError, "no such line"):
            self.sandbox.close()
        self.assertEqual(self.lines, ["bad\n", "good\n"])


class InterruptedTest(unittest.TestCase):
    """A caller whom Ctrl-C interrupts while he reads: what he has read is not lost."""

    def setUp(self) -> None:
        self.lines: list[str] = []
        self.printed: list[str] = []

    def read(self, on_line: OnLine, on_print: Callable[[str, str], None]) -> None:
        reader, writer = os.pipe()
        os.write(writer, b"one\ntwo\nthree\n")
        os.close(writer)
        ears, echo = Ears(), Echo()
        self.addCleanup(ears.close)
        child = mock.create_autospec(ManagedProcess, instance=True)
        with (
            open(reader, "rb", buffering=0) as file,
            mock.patch.object(echo, "print", on_print),
            self.assertRaises(KeyboardInterrupt),
        ):
            Pipe(
                child,
                file,
                copy_to="stdout",
                echo=echo,
                on_line=on_line,
                cutter=LineCutter(),
                ears=ears,
                debtors=set(),
            ).drain(flush=False)

    def test_the_other_lines_are_heard_though_not_printed(self) -> None:
        def hear(child: ManagedProcess, line: str) -> None:
            self.lines.append(line)
            if line == "two\n":
                raise KeyboardInterrupt

        self.read(hear, lambda line, stream: self.printed.append(line))
        self.assertEqual(self.lines, ["one\n", "two\n", "three\n"])
        self.assertEqual(self.printed[0], "one\n")
        self.assertNotIn("three\n", self.printed)

    def test_so_they_are_where_the_printing_is_interrupted(self) -> None:
        def show(line: str, stream: str) -> None:
            self.printed.append(line)
            raise KeyboardInterrupt

        self.read(lambda child, line: self.lines.append(line), show)
        self.assertEqual((len(self.lines), self.printed), (3, ["one\n"]))


class DrainTest(SandboxTestCase):
    def test_a_drain_hands_over_all_that_was_written_before_it(self) -> None:
        rounds = 200
        server = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        self.spawn(program("announcer", server.getsockname()[1], rounds))
        server.settimeout(PATIENCE)
        link = self.enterContext(server.accept()[0])
        link.settimeout(PATIENCE)
        for number in range(rounds):
            self.assertEqual(link.recv(1), b"!")
            self.sandbox.drain()
            self.assertEqual(self.lines[number:], [f"{number}\n"])
            link.sendall(b"!")

    def test_a_drain_waits_for_lines_that_are_being_handed_over(self) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def slow(child: ManagedProcess, line: str) -> None:
            begun.set()
            go_on.wait(PATIENCE)
            self.hear(child, line)

        self.on_line = slow
        self.shell("echo hello; sleep 600")
        self.assertTrue(begun.wait(PATIENCE))
        threading.Timer(0.05, go_on.set).start()
        self.sandbox.drain()
        self.assertEqual(self.lines, ["hello\n"])

    def test_an_unfinished_line_is_held_unless_it_is_flushed(self) -> None:
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        fifo = f"/proc/{os.getpid()}/fd/{writer}"
        self.shell(f"printf 'half a '; echo >{fifo}; sleep 600")
        os.read(reader, 1)
        self.sandbox.drain()
        self.assertEqual(self.lines, [])
        self.sandbox.drain(flush=True)
        self.assertEqual(self.lines, ["half a "])

    def test_a_drain_before_the_first_child_does_nothing(self) -> None:
        self.sandbox.drain(flush=True)

    def test_a_drain_after_the_close_does_nothing(self) -> None:
        self.shell("echo hello; sleep 600")
        self.sandbox.close()
        self.sandbox.drain(flush=True)

    def test_a_close_in_the_midst_of_a_drain_hurts_nobody(self) -> None:
        self.shell("echo hello; sleep 600")
        self.wait_for_lines(1)
        ready = Ears.ready

        def close_first(ears: Ears) -> list[int]:
            self.sandbox.close()
            return ready(ears)

        with mock.patch.object(Ears, "ready", close_first):
            self.sandbox.drain(flush=True)
        self.assertEqual(self.lines, ["hello\n"])


class InheritTest(SandboxTestCase):
    def run_inherited(self) -> None:
        child = self.spawn(["/bin/sh", "-c", "echo out; echo err >&2"], inherit_stdio=True)
        child.wait(PATIENCE)

    def test_lines_are_copied_to_the_streams_that_stand_there_at_the_time(self) -> None:
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            self.run_inherited()
        self.assertEqual((out.getvalue(), err.getvalue()), ("out\n", "err\n"))
        self.assertCountEqual(self.lines, ["out\n", "err\n"])

    def test_nothing_is_copied_unless_it_is_wanted(self) -> None:
        with redirect_stdout(io.StringIO()) as out:
            self.shell("echo out").wait(PATIENCE)
        self.assertEqual(out.getvalue(), "")

    def test_closed_streams_hurt_nobody(self) -> None:
        closed = io.StringIO()
        closed.close()
        with redirect_stdout(closed), redirect_stderr(closed):
            self.run_inherited()
        self.assertCountEqual(self.lines, ["out\n", "err\n"])

    def test_absent_streams_hurt_nobody(self) -> None:
        self.addCleanup(setattr, sys, "stdout", sys.stdout)
        sys.stdout = None  # as under pythonw
        with redirect_stderr(io.StringIO()):
            self.run_inherited()
        self.assertCountEqual(self.lines, ["out\n", "err\n"])
