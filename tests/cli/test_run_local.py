"""``lambda-sim run-local``: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import unittest
from typing import Any

from tests.cli.case import CommandTestCase, Result
from tests.support import CHILDREN_PATH, PATIENCE

HANDLERS = """
import os
import time

from lambda_sim.handler import Handler

print("imported")


class Greeter(Handler):
    def setup(self):
        return os.environ.get("GREETING", "hello")

    def run(self, shared, invocation):
        print("greeting", invocation.event["name"])
        return f"{shared} {invocation.event['name']}"

    def teardown(self, shared):
        print("bye")


class Sleepy(Greeter):
    def run(self, shared, invocation):
        print("waiting")
        for _ in range(1200):  # a signal that comes when one is just about to begin does not end it
            time.sleep(0.05)


class Leaving(Greeter):
    def teardown(self, shared):
        raise SystemExit("could not flush")


def echo(event, context):
    return event.encode() if isinstance(event, str) else event


def stubborn(event, context):
    while True:
        try:
            print("again", flush=True)
            time.sleep(60)
        except:
            pass
"""


class TestRunLocal(CommandTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.folder / "greeting.py").write_text(HANDLERS)

    def file(self, *invocations: Any, **fields: Any) -> str:
        path = self.folder / "data.json"
        path.write_text(json.dumps({"invocations": invocations, **fields}))
        return str(path)

    def run_local(self, *words: str, **environ: str) -> Result:
        return self.run_command("run-local", *words, **environ)

    def test_results_and_the_log_go_their_ways(self) -> None:
        file = self.file({"name": "Ada"}, {"name": "Zoë"}, handler="greeting.Greeter")
        result = self.run_local(file)
        self.assertEqual((0, b'"hello Ada"\n"hello Zo\\u00eb"\n'), result[:2], result.err)
        lines = result.err.splitlines()
        self.assertEqual("imported", lines[0])
        self.assertRegex(lines[1], r"^START RequestId: \S{36} Version: \$LATEST$")
        self.assertEqual("greeting Ada", lines[2])
        self.assertRegex(lines[3], r"^END RequestId: \S{36}$")
        self.assertRegex(
            lines[4],
            r"^REPORT RequestId: \S{36}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\t"
            r"Memory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t$",
        )
        self.assertNotIn("Init Duration", lines[8])
        self.assertEqual(["bye"], lines[9:])

    def test_streams_that_are_closed_hurt_nobody(self) -> None:
        file = self.file({"name": "Ada"}, handler="greeting.Greeter")
        command = f"{shlex.quote(sys.executable)} -W error -m lambda_sim run-local {file}"
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": CHILDREN_PATH}
        for closed, out, err in (("2>&-", b'"hello Ada"\n', b""), (">&-", b"", b"START")):
            with self.subTest(closed):
                done = subprocess.run(
                    ["/bin/sh", "-c", f"{command} {closed}"],
                    cwd=self.folder,
                    env=env,
                    capture_output=True,
                    timeout=PATIENCE,
                    check=False,
                )
                self.assertEqual((done.returncode, done.stdout), (0, out))
                self.assertIn(err, done.stderr)
                self.assertNotIn(b"hello", done.stderr)

    def test_a_failure_ends_it_with_1_unless_it_is_to_keep_going(self) -> None:
        file = self.file({"name": "Ada"}, {}, {"name": "Bob"}, handler="greeting.Greeter")
        result = self.run_local(file)
        self.assertEqual(1, result.status, result.err)
        first, second = map(json.loads, result.out.splitlines())
        self.assertEqual(("hello Ada", "KeyError"), (first, second["errorType"]))
        self.assertRegex(result.err, r"lambda-sim: invocations\[1\]: warm, .*, KeyError: 'name'\n")
        self.assertTrue(result.err.endswith("bye\nlambda-sim: not run: 1\n"), result.err)

        result = self.run_local(file, "--keep-going")
        self.assertEqual((1, b'"hello Bob"'), (result.status, result.out.splitlines()[2]))
        self.assertNotIn("not run", result.err)

    def test_expectations_say_what_is_a_failure(self) -> None:
        expected = {"event": {}, "error": "KeyError"}
        wrong = {"event": {"name": "Ada"}, "result": "hi Ada"}
        file = self.file(expected, handler="greeting.Greeter")
        self.assertEqual(0, self.run_local(file).status)
        result = self.run_local(self.file(wrong, handler="greeting.Greeter"))
        self.assertEqual(1, result.status)
        self.assertIn("expected the result 'hi Ada', got 'hello Ada'", result.err)

    def test_options_win_over_the_file(self) -> None:
        env = {"GREETING": "hi"}
        file = self.file({"name": "Ada"}, handler="greeting.Nobody", env=env)
        words = ("--handler", "greeting.Greeter", "--env", "GREETING=hey")
        result = self.run_local(file, *words)
        self.assertEqual((0, b'"hey Ada"\n'), result[:2], result.err)

    def test_machines_get_one_object(self) -> None:
        file = self.file("Zo", {"event": 2, "result": 3}, 4, handler="greeting.echo")
        result = self.run_local(file, "--output", "json")
        told = json.loads(result.out)
        self.assertEqual((1, False, 1), (result.status, told["success"], told["notRun"]))
        first, second = told["invocations"]
        self.assertEqual(("Wm8=", True), (first["payload"], first["isBase64Encoded"]))
        self.assertEqual((True, ["imported"]), (first["isCold"], first["logs"]))
        self.assertEqual((2, False), (second["payload"], second["success"]))
        self.assertEqual("expected the result 3, got 2", second["complaint"])
        self.assertIsNone(second["initDurationMs"])
        self.assertGreater(second["peakMemoryBytes"], 1_000_000)

    def test_what_is_stuck_ends_with_the_process(self) -> None:
        file = self.file({"event": 1, "timeout": 0.3}, 2, handler="greeting.stubborn")
        result = self.run_local(file, "--output", "json")
        self.assertEqual(1, result.status, result.err)
        told = json.loads(result.out)
        self.assertEqual("Sandbox.Timedout", told["invocations"][0]["payload"]["errorType"])
        self.assertEqual((1, False), (told["notRun"], told["success"]))
        self.assertIn("not run: 1", result.err)

    @unittest.skipUnless(os.path.exists("/dev/full"), "there is no device that is full")
    def test_what_is_stuck_ends_also_where_nothing_can_be_told_of_it(self) -> None:
        file = self.file({"event": 1, "timeout": 0.3}, handler="greeting.stubborn")
        result = self.run_redirected(">/dev/full", "run-local", file)
        self.assertEqual(3, result.status, result.err)
        self.assertIn("can't be written: No space left on device\n", result.err)

    def test_a_teardown_that_exits_takes_nothing_from_what_is_told(self) -> None:
        wrong = {"event": {"name": "Ada"}, "result": "hi Ada"}
        file = self.file(wrong, handler="greeting.Leaving")
        result = self.run_local(file, "--output", "json")
        self.assertEqual(1, result.status, result.err)
        self.assertFalse(json.loads(result.out)["success"])
        self.assertIn("SystemExit: could not flush", result.err)

    def test_test_data_comes_from_a_pipe(self) -> None:
        self.cwd = self.folder
        data = b'{"region": "eu-west-1", "invocations": [{"a": 1}]}'
        words = ("run-local", "-", "--handler", "greeting.echo")
        result = self.run_command(*words, event=data)
        self.assertEqual((0, b'{"a": 1}\n'), result[:2], result.err)

    def test_who_reads_no_more_is_no_fault(self) -> None:
        file = self.file(*["x"] * 3, handler="greeting.echo")
        child = self.start("run-local", file)
        assert child.stdout is not None
        child.stdout.close()
        assert child.stderr is not None
        err = child.stderr.read().decode()
        self.assertEqual(0, child.wait(), err)
        self.assertNotIn("BrokenPipe", err)

    def test_ctrl_c_ends_it_and_tears_down(self) -> None:
        file = self.file({"event": 1, "timeout": 60}, handler="greeting.Sleepy")
        child = self.start("run-local", file)
        self.read_until(child, "waiting")
        child.send_signal(signal.SIGINT)
        result = self.finish(child)
        self.assertEqual((130, b"", "bye\n"), result)

    def test_a_handler_that_is_not_there_fails_as_in_lambda(self) -> None:
        result = self.run_local(self.file(1), "--handler", "greeting.nobody")
        self.assertEqual(
            (1, "Runtime.HandlerNotFound"), (result.status, json.loads(result.out)["errorType"])
        )

    def test_wrong_usage_is_told(self) -> None:
        good = self.file(1)
        for pattern, *words in (
            ("required: FILE",),
            ("test data: got '/none'; .*No such file", "/none"),
            ("--handler: got None; .*module.name", good),
            ("--env: got 'x'; allowed is NAME=VALUE", good, "--env", "x"),
            ("--env: got 'AWS_REGION'; ", good, "--env", "AWS_REGION=x"),
            ("nothing: run-local runs", good, "--", "x"),
            ("unrecognized arguments: --tiemout 3\n", good, "--tiemout", "3"),
        ):
            with self.subTest(words):
                self.assert_misused(pattern, "run-local", *words)
        bad = self.file({"event": 1, "timeout": -1}, handler="greeting.echo")
        self.assert_misused(r"invocations\[0\].timeout: got -1; ", "run-local", bad)
