"""What is printed where nobody reads, nothing fits, or the stream does not wait."""

from __future__ import annotations

import io
import json
import os
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lambda_sim.cli.output import say, write_out
from tests.cli.case import CommandTestCase, Result
from tests.support import PATIENCE

FULL = Path("/dev/full")


class TestNobodyReads(CommandTestCase):
    """Without PYTHONUNBUFFERED: only then something is left to write when the interpreter ends."""

    def unread(self, *words: str) -> Result:
        """The command, whose standard error nobody reads."""
        child = self.start(*words)
        assert child.stderr is not None
        child.stderr.close()
        assert child.stdout is not None
        out = child.stdout.read()
        return Result(child.wait(PATIENCE), out, "")

    def test_a_log_that_nobody_reads_does_not_change_the_status(self) -> None:
        words = ("--handler", "functions.count", "--event", "200")
        self.assertEqual((0, b"null\n"), self.unread("invoke", *words)[:2])

    def test_nor_does_that_of_a_local_run(self) -> None:
        data = self.folder / "data.json"
        data.write_text(json.dumps({"handler": "functions.count", "invocations": [200]}))
        self.assertEqual((0, b"null\n"), self.unread("run-local", str(data))[:2])

    def test_nor_do_wrong_words_that_argparse_tells_of(self) -> None:
        self.assertEqual((2, b""), self.unread("dance")[:2])

    def test_help_that_nobody_reads_is_no_failure(self) -> None:
        child = self.start("--help")
        assert child.stdout is not None
        child.stdout.close()
        assert child.stderr is not None
        self.assertEqual((0, b""), (child.wait(PATIENCE), child.stderr.read()))


@unittest.skipUnless(FULL.exists(), "there is no device that is full")
class TestFull(CommandTestCase):
    def test_a_full_disk_is_told_in_one_line(self) -> None:
        told = "lambda-sim: standard output can't be written: No space left on device\n"
        data = self.folder / "data.json"
        data.write_text(json.dumps({"handler": "functions.count", "invocations": [2]}))
        for words in (
            ("event", "sqs"),
            ("invoke", "--handler", "functions.count", "--event", "2"),
            ("run-local", str(data)),
        ):
            with self.subTest(words):
                result = self.run_redirected(f">{FULL}", *words)
                self.assertEqual(3, result.status, result.err)
                self.assertEqual(1, result.err.count("lambda-sim: "), result.err)
                self.assertTrue(result.err.endswith(told), result.err)

    def test_a_log_that_fits_nowhere_does_not_change_the_status(self) -> None:
        words = ("invoke", "--handler", "functions.count", "--event", "200")
        result = self.run_redirected(f"2>{FULL}", *words)
        self.assertEqual((0, b"null\n", ""), result)


class TestNotWaiting(unittest.TestCase):
    """A stream that takes what fits and does not wait: others that have it may have made it so."""

    def setUp(self) -> None:
        self.threads = self.enterContext(ThreadPoolExecutor(1))

    def pipe(self, buffering: int) -> tuple[io.BufferedReader, io.TextIOWrapper]:
        ear, mouth = os.pipe()
        os.set_blocking(mouth, False)
        said = self.enterContext(open(mouth, "wb", buffering))
        stream = self.enterContext(io.TextIOWrapper(said, "utf-8", write_through=True))
        return self.enterContext(open(ear, "rb")), stream

    def test_all_of_it_arrives(self) -> None:
        payload = bytes(range(256)) * 16_000
        for buffering in (0, -1):
            with self.subTest(buffering=buffering):
                reader, out = self.pipe(buffering)
                read = self.threads.submit(reader.read)
                with out:
                    write_out(payload, out)
                self.assertTrue(payload == read.result(PATIENCE), "something is missing")

    def test_so_does_a_log(self) -> None:
        lines = [f"{number} " * 500_000 for number in range(5)]
        for buffering in (0, -1):
            with self.subTest(buffering=buffering):
                reader, err = self.pipe(buffering)
                read = self.threads.submit(reader.read)
                with err:
                    for line in lines:
                        say(line, err)
                came = read.result(PATIENCE).decode().splitlines()
                self.assertTrue(lines == came, "something is missing")


class TestCommandNotWaiting(CommandTestCase):
    def test_all_of_an_event_arrives(self) -> None:
        words = ("event", "sqs", "--count", "2000")
        for environ in ({}, {"PYTHONUNBUFFERED": "1"}):
            with self.subTest(environ):
                ear, mouth = os.pipe()
                os.set_blocking(mouth, False)
                with open(ear, "rb") as reader:
                    with open(mouth, "wb") as out:
                        child = self.start(*words, stdout=out, **environ)
                    event = json.loads(reader.read())
                self.assertEqual(2000, len(event["Records"]))
                self.assertEqual((0, None, ""), self.finish(child))


class TestStandIns(unittest.TestCase):
    def test_text_in_memory_takes_a_line(self) -> None:
        err = io.StringIO()
        say("hello", err)
        self.assertEqual("hello\n", err.getvalue())

    def test_bytes_in_memory_take_a_line(self) -> None:
        held = io.BytesIO()
        with io.TextIOWrapper(held, "utf-8", "backslashreplace") as err:
            say("Zoë \ud800", err)
            self.assertEqual(b"Zo\xc3\xab \\ud800\n", held.getvalue())

    def test_a_line_follows_what_others_began(self) -> None:
        held = io.BytesIO()
        with io.TextIOWrapper(held) as err:
            err.write("begun: ")
            say("line", err)
            self.assertEqual(b"begun: line\n", held.getvalue())

    def test_what_is_closed_takes_none(self) -> None:
        err = io.TextIOWrapper(io.BytesIO())
        err.close()
        say("hello", err)
        say("hello", None)
