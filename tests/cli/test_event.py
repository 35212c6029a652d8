"""``lambda-sim event``: every source, its options, and what it says to wrong ones."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from contextlib import redirect_stderr
from datetime import datetime
from io import StringIO
from typing import Any

from lambda_sim.cli import arguments, event, main
from lambda_sim.handler.events import samples
from tests.cli.case import CommandTestCase, Result

SEEDED = ("--seed", "7", "--at", "2026-11-28T12:10:00.250+00:00")


class TestEvent(CommandTestCase):
    def event(self, *words: str, stdin: bytes = b"") -> Any:
        result = self.run_command("event", *words, event=stdin)
        self.assertEqual((0, ""), (result.status, result.err))
        return json.loads(result.out)

    def test_an_event_is_that_of_the_generator(self) -> None:
        made = self.event("sqs", "--body", "hello", "--count", "2", *SEEDED)
        at = datetime.fromisoformat(SEEDED[3])
        self.assertEqual(samples.sqs("hello", count=2, seed=7, at=at), made)

    def test_an_event_goes_to_a_function(self) -> None:
        made = self.run_command("event", "sqs", "--body", "one", "--body", '{"two": 2}')
        words = ("invoke", "--handler", "counting.handler", "--event", "-")
        result: Result = self.run_command(*words, event=made.out)
        self.assertEqual(0, result.status, result.err)
        self.assertEqual(["one", '{"two": 2}'], json.loads(result.out))

    def test_each_form_of_an_option(self) -> None:
        path = self.folder / "item.json"
        path.write_text('{"id": 5, "tags": ["a"]}')
        image = f"@{path}"
        (record,) = self.event("dynamodb", "--new-image", image, "--key", "id")["Records"]
        self.assertEqual({"id": {"N": "5"}}, record["dynamodb"]["Keys"])

        headers = ("--header", "X-Tag: a", "--header", "X-Tag=b=c", "--multi-value")
        request = self.event("alb", *headers, "--method", "PUT", "--body", "@-", stdin=b"\xff")
        self.assertEqual(["a", "b=c"], request["multiValueHeaders"]["x-tag"])
        self.assertEqual(("/w==", "PUT"), (request["body"], request["httpMethod"]))

        words = ("--detail", '{"a": 1}', "--source", "my.shop", "--resource", "r1")
        bus = self.event("eventbridge", *words, "--resource", "r2")
        self.assertEqual(({"a": 1}, "my.shop"), (bus["detail"], bus["source"]))
        self.assertEqual(["r1", "r2"], bus["resources"])

    def test_nobody_need_read_it_to_its_end(self) -> None:
        child = self.start("event", "sqs", "--count", "2000")
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr is not None
        self.assertEqual(b"", child.stderr.read())
        self.assertEqual(0, child.wait())

    def test_wrong_usage_names_the_option(self) -> None:
        for words, fault in (
            ((), "required: SOURCE"),
            (("nope",), "invalid choice: 'nope'"),
            (("sqs", "--count", "0"), "lambda-sim: --count: got 0; allowed is 1 to 10000 records"),
            (("sqs", "--body", "a", "--body", "b", "--count", "2"), "--count: got 2"),
            (("sqs", "--at", "noon"), "--at: 'noon' is no time"),
            (("sqs", "--body", "@/nope"), "--body: /nope can't be read: No such file"),
            (("sqs", "--attribute", "x"), "--attribute: 'x' is not NAME=VALUE"),
            (("eventbridge", "--detail", "[1]"), "--detail: that is JSON, but no object"),
            (("eventbridge", "--detail", "{"), "--detail: that is no JSON: "),
            (("dynamodb", "--key", "zz"), "--key: got .*allowed is names of the item's attrib"),
            (("sqs", "--", "x"), "allowed is nothing: an event runs no command"),
            (("sqs", "--bod", "x"), "unrecognized arguments: --bod x\n"),
        ):
            with self.subTest(words), redirect_stderr(StringIO()) as err:
                self.assertEqual(2, main(["event", *words]))
                self.assertRegex(err.getvalue(), fault)


class TestOptions(CommandTestCase):
    def test_every_source_has_a_command_whose_defaults_are_the_generators(self) -> None:
        for name in samples.__all__:
            with self.subTest(name):
                options = arguments.parse(["event", name.replace("_", "-")])
                given = {k: v for k, v in vars(options).items() if v not in (None, [])}
                self.assertEqual({"run", "event_of"}, given.keys())

    def test_every_option_is_explained(self) -> None:
        for name in samples.__all__:
            taken = set(inspect.signature(getattr(samples, name)).parameters)
            with self.subTest(name):
                options = {option.name: option.help for option in event._options(name)}
                self.assertLessEqual(taken - {"each", "where"}, options.keys())
                self.assertLessEqual({"region", "account_id", "at", "seed"}, options.keys())
                self.assertNotIn(None, options.values())

    def test_other_commands_pay_nothing_for_it(self) -> None:
        code = (
            "import sys\n"
            "from lambda_sim.cli import arguments\n"
            "arguments.parse(['serve', '--', 'event'])\n"
            "print('attr' in sys.modules, 'lambda_sim.cli.event' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        self.assertEqual("False False\n", done.stdout)
