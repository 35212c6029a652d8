"""What options hold: variables in files, and events."""

from __future__ import annotations

import unittest

from lambda_sim.cli import arguments, values
from lambda_sim.cli.arguments import parse
from lambda_sim.model import config
from tests.cli.case import CommandTestCase


class TestDotenv(unittest.TestCase):
    def test_each_form_of_a_line(self) -> None:
        for text, value in (
            ("A=b", "b"),
            ("A=", ""),
            ("  A = b c  ", "b c"),
            ("export A=b", "b"),
            ("export\tA=b", "b"),
            ("A=b # not this", "b"),
            ("A=b#this", "b#this"),
            ("A=b=c", "b=c"),
            ("A='b # $c \\n'", "b # $c \\n"),
            ("A='b' # not this", "b"),
            ('A="b\\n\\"c\\" \\\\ \\$d \\q"', 'b\n"c" \\ $d \\q'),
            ('A="two\nlines"', "two\nlines"),
            ("A='two\nlines'", "two\nlines"),
            ("A=it's", "it's"),
            ("A=$B", "$B"),
            ("A=1\nA=2", "2"),
        ):
            with self.subTest(text):
                self.assertEqual({"A": value}, values.parse_dotenv(text))

    def test_comments_and_blank_lines_are_skipped(self) -> None:
        text = "\n# one\n  # two\n\t\nA=1\n\n#three\nB=2"
        self.assertEqual({"A": "1", "B": "2"}, values.parse_dotenv(text))
        self.assertEqual({}, values.parse_dotenv(""))

    def test_anything_else_is_refused_with_its_line(self) -> None:
        for text in ("\n#\nA", "\nA=1\n=2", "A=1\n\nA='open", '\n\nA="b" c', "B=1\n\nA B=1"):
            with self.subTest(text), self.assertRaisesRegex(ValueError, "line 3 "):
                values.parse_dotenv(text)


class TestStandardInput(CommandTestCase):
    def test_one_that_is_closed_is_wrong_usage(self) -> None:
        handler = ("--handler", "functions.echo")
        for name, *words in (
            ("--event", "invoke", "--event", "-", *handler),
            ("FILE", "run-local", "-", *handler),
            ("--body: -", "event", "sqs", "--body", "@-"),
            ("--detail: -", "event", "eventbridge", "--detail", "@-"),
        ):
            with self.subTest(words):
                result = self.run_redirected("<&-", *words)
                self.assertEqual((2, b""), (result.status, result.out), result.err)
                self.assertIn(f"{name}: got '-'; ", result.err)
                self.assertTrue(result.err.endswith("a file: standard input is closed\n"))


class TestParse(unittest.TestCase):
    def test_behind_two_hyphens_nothing_is_ours(self) -> None:
        options = parse(["invoke", "--memory", "256", "--", "x", "--memory", "1", "--", "y"])
        self.assertEqual(256, options.memory_size_mb)
        self.assertEqual(["x", "--memory", "1", "--", "y"], options.command)

    def test_addresses(self) -> None:
        for text, address in (
            ("127.0.0.1:80", ("127.0.0.1", 80)),
            (":8080", ("0.0.0.0", 8080)),
            ("[::1]:0", ("::1", 0)),
        ):
            options = parse(["serve", "--runtime-interface-emulator-address", text])
            self.assertEqual(address, options.runtime_interface_emulator_address)

    def test_kinds_of_environments(self) -> None:
        for command in ("invoke", "serve"):
            options = parse([command, "--handler", "a.b"])
            self.assertEqual((None, None), (options.initialization_type, options.max_concurrency))
            words = ["--initialization-type", "snap-start", "--max-concurrency", "4"]
            options = parse([command, *words])
            told = (options.initialization_type, options.max_concurrency)
            self.assertEqual(("snap-start", 4), told)

    def test_the_kinds_are_those_of_the_configuration(self) -> None:
        self.assertEqual(config.INITIALIZATION_TYPES, arguments.INITIALIZATION_TYPES)
