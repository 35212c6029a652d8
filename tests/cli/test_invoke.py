"""``lambda-sim invoke`` as a real child."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime

from tests.cli.case import (
    AWSLAMBDARIC,
    BOOTSTRAP,
    CommandTestCase,
    Result,
    needs_awslambdaric,
)
from tests.support import PATIENCE, ROOT


class TestResult(CommandTestCase):
    def test_the_result_goes_to_standard_output_and_the_log_to_standard_error(self) -> None:
        status, out, err = self.invoke("echo", "--event", '{"a": 1}')
        self.assertEqual((0, b'{"a": 1}\n'), (status, out))
        init, start, line, end, report = err.splitlines()
        self.assertTrue(init.startswith("INIT_START Runtime Version: "), init)
        request_id = end.removeprefix("END RequestId: ")
        self.assertEqual(f"START RequestId: {request_id} Version: $LATEST", start)
        self.assertEqual("echo {'a': 1}", line)
        self.assertRegex(
            report,
            rf"^REPORT RequestId: {request_id}\tDuration: [0-9.]+ ms\tBilled Duration: \d+ ms\t"
            r"Memory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: [0-9.]+ ms\t$",
        )

    def test_what_is_no_text_is_handed_on_byte_for_byte(self) -> None:
        self.assertEqual((0, b"\xff\x00"), self.invoke("binary")[:2])

    def test_every_line_is_printed_once_and_in_order(self) -> None:
        _, out, err = self.invoke("count", "--event", "20000")
        self.assertEqual(b"null\n", out)
        self.assertEqual([str(number) for number in range(20000)], err.splitlines()[2:-2])

    def test_the_log_is_printed_as_it_comes(self) -> None:
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        handler = "functions.wait_for_file"
        words = ("--timeout", "60", "--event", json.dumps(str(fifo)))
        child = self.start("invoke", "--handler", handler, *words)
        self.read_until(child, "waiting")
        fifo.write_text("go on")
        self.assertEqual((0, b'"go on"\n'), self.finish(child)[:2])

    def test_a_reader_who_goes_away_is_no_trouble(self) -> None:
        child = self.start("invoke", "--handler", "functions.echo")
        assert child.stdout is not None
        child.stdout.close()
        assert child.stderr is not None
        err = child.stderr.read().decode()
        self.assertEqual(0, child.wait(PATIENCE))
        self.assertNotIn("Error", err)
        child.stderr.close()

    def test_platform_lines_may_be_json(self) -> None:
        for words, environ in (
            (["--log-format", "json"], {}),
            ([], {"AWS_LAMBDA_LOG_FORMAT": "JSON"}),
        ):
            handler = ["--handler", "functions.fail"]
            err = self.run_command("invoke", *handler, *words, **environ).err
            types = [json.loads(line).get("type") for line in err.splitlines()]
            self.assertIn("platform.start", types)
            self.assertEqual("platform.report", types[-1])


class TestKinds(CommandTestCase):
    NAMES = ("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_MAX_CONCURRENCY")

    def told(self, *words: str, **environ: str) -> list[str | None]:
        """The type and the concurrency that the function's variables name."""
        command = ("invoke", "--handler", "functions.environment", *words)
        event = ("--event", json.dumps(self.NAMES))
        result = self.run_command(*command, *event, **environ)
        self.assertEqual(0, result.status, result.err)
        return list(json.loads(result.out).values())

    def test_every_kind_may_be_had(self) -> None:
        for kind, concurrency in (
            ("on-demand", None),
            ("provisioned-concurrency", None),
            ("snap-start", None),
            ("lambda-managed-instances", "16"),
        ):
            with self.subTest(kind):
                self.assertEqual([kind, concurrency], self.told("--initialization-type", kind))

    def test_the_concurrency_may_be_had(self) -> None:
        told = self.told("--max-concurrency", "2")
        self.assertEqual(["lambda-managed-instances", "2"], told)

    def test_the_emulator_s_variable_is_for_serve(self) -> None:
        self.assertEqual(["on-demand", None], self.told(AWS_LAMBDA_MAX_CONCURRENCY="3"))


class TestFailures(CommandTestCase):
    def assert_function_error(self, result: Result, error_type: str) -> None:
        self.assertEqual(1, result.status, result.err)
        self.assertEqual(error_type, json.loads(result.out)["errorType"])
        self.assertIn("\nREPORT RequestId: ", result.err)

    def test_an_exception(self) -> None:
        result = self.invoke("fail")
        self.assert_function_error(result, "ValueError")
        self.assertIn("[ERROR] ValueError: as asked\nTraceback", result.err)

    def test_a_timeout(self) -> None:
        result = self.invoke("hang", "--timeout", "0.5")
        self.assert_function_error(result, "Sandbox.Timedout")
        self.assertIn("hanging\n", result.err)
        self.assertTrue(result.err.endswith("\tStatus: timeout\n"))

    def test_a_crash(self) -> None:
        result = self.invoke("leave")
        self.assert_function_error(result, "Runtime.ExitError")
        self.assertIn("\nlast words\n", result.err)
        self.assertTrue(result.err.endswith("\tStatus: error\tError Type: Runtime.ExitError\n"))

    def test_a_handler_that_is_not_there(self) -> None:
        self.assert_function_error(self.invoke("nobody"), "Runtime.HandlerNotFound")

    def test_a_command_that_is_not_there(self) -> None:
        result = self.run_command("invoke", "--", "./nowhere")
        self.assert_function_error(result, "Runtime.InvalidEntrypoint")


class TestEvents(CommandTestCase):
    def test_it_may_be_a_file(self) -> None:
        path = self.folder / "event.json"
        for data in (
            b'{"a": "\xc3\xa4"}',
            '{"a": "ä"}'.encode("utf-16"),
            b'\xef\xbb\xbf{"a": "\xc3\xa4"}',
        ):
            path.write_bytes(data)
            self.assertEqual({"a": "ä"}, json.loads(self.invoke("echo", "--event", str(path)).out))

    def test_it_may_come_on_standard_input(self) -> None:
        self.assertEqual(b"[1]\n", self.invoke("echo", "--event", "-", event=b"[1]\n").out)

    def test_it_is_an_empty_object_by_default(self) -> None:
        self.assertEqual(b"{}\n", self.invoke("echo").out)

    def test_it_may_be_as_large_as_lambda_s(self) -> None:
        event = b'"' + b"x" * (6 * 1024 * 1024 + 98) + b'"'
        status, out, _ = self.invoke("count", "--event", "-", event=event)
        self.assertEqual(1, status)  # as count wants a number
        self.assertEqual("TypeError", json.loads(out)["errorType"])
        handler = ("invoke", "--handler", "functions.echo", "--event", "-")
        self.assert_misused("--event: .* at most 6291556 bytes", *handler, event=event + b" ")

    def test_what_is_no_json_is_refused_with_its_position(self) -> None:
        handler = ("invoke", "--handler", "functions.echo", "--event")
        path = self.folder / "event.json"
        path.write_text('{"a":\n nonsense}')
        self.assert_misused(r"--event: .*line 2 column 2", *handler, str(path))
        self.assert_misused(r"--event: .*line 1 column 1 .*", *handler, "-")
        self.assert_misused(
            r"--event: .*line 1 column 7 .* file that is there", *handler, '{"a": }'
        )
        self.assert_misused(r"--event: .*NaN", *handler, "[NaN]")
        self.assert_misused(r"--event: .*directory", *handler, str(self.folder))


class TestSettings(CommandTestCase):
    def test_the_function_is_as_the_options_say(self) -> None:
        words = ("--function-name", "greeter", "--timeout", "100", "--memory", "256")
        more = ("--region", "eu-west-1", "--client-context", '{"custom": {"a": 1}}')
        told = json.loads(self.invoke("about", *words, *more).out)
        self.assertGreater(told.pop("left"), 90_000)
        arn = "arn:aws:lambda:eu-west-1:123456789012:function:greeter"
        expected = {
            "name": "greeter",
            "version": "$LATEST",
            "memory": 256,
            "arn": arn,
            "region": "eu-west-1",
            "client": {"a": 1},
        }
        self.assertEqual(expected, told)

    def test_variables_reach_the_function(self) -> None:
        path = self.folder / ".env"
        path.write_text("# ours\nexport ONE='1'\nTWO=2\n")
        event = ("--event", '["ONE", "TWO", "THREE", "FOUR"]')
        words = ("--env", "TWO=two=", "--env-file", str(path), "--env", "THREE=")
        told = json.loads(self.invoke("environment", *event, *words).out)
        self.assertEqual({"ONE": "1", "TWO": "two=", "THREE": "", "FOUR": None}, told)

    def test_the_function_s_own_search_path_is_kept(self) -> None:
        words = ("--event", '["PYTHONPATH"]', "--env", "PYTHONPATH=/nowhere")
        told = json.loads(self.invoke("environment", *words).out)
        self.assertEqual(f"{ROOT}{os.pathsep}/nowhere", told["PYTHONPATH"])

    def test_wrong_usage_names_the_option(self) -> None:
        handler = ("invoke", "--handler", "functions.echo")
        (self.folder / "bad.env").write_text("A=1\nnonsense\n")
        for pattern, *words in (
            ("--handler.* or a command behind --", "invoke"),
            ("--handler.* or a command behind --", "invoke", "--"),
            ("--memory: got 1; .*128 to 10240", *handler, "--memory", "1"),
            ("--memory: invalid int", *handler, "--memory", "much"),
            ("--timeout: got 901.0; .*900", *handler, "--timeout", "901"),
            ("--function-name: got 'a b'", *handler, "--function-name", "a b"),
            ("--region: got ", *handler, "--region", "?"),
            ("--log-format: invalid choice", *handler, "--log-format", "xml"),
            ("--env: got 'A'; .*NAME=VALUE", *handler, "--env", "A"),
            ("--env: got 'AWS_REGION'", *handler, "--env", "AWS_REGION=x"),
            ("--env-file: got .*line 2", *handler, "--env-file", str(self.folder / "bad.env")),
            ("--env-file: got .*No such file", *handler, "--env-file", "nowhere"),
            ("--extension: got 'nowhere'", *handler, "--extension", "nowhere"),
            ("--extensions-dir: got 'nowhere'", *handler, "--extensions-dir", "nowhere"),
            ("--client-context: got", *handler, "--client-context", "[]"),
            ("unrecognized arguments: --hurry", *handler, "--hurry"),
            ("COMMAND", "dance"),
            ("COMMAND",),
        ):
            with self.subTest(words):
                self.assert_misused(pattern, *words)


class TestCommands(CommandTestCase):
    def test_any_runtime_will_do(self) -> None:
        words = ("--event", '{"a":1}', "--handler", "x.y", "--", BOOTSTRAP, "--", "more")
        status, out, err = self.run_command("invoke", *words)
        self.assertEqual((0, b'{"a":1}\n'), (status, out), err)
        # Nothing is in its environment for our sake.
        self.assertIn("starting x.y plain\n", err)
        self.assertIn('got {"a":1}\n', err)

    def test_a_command_is_found_beside_us(self) -> None:
        self.assertEqual(b"{}\n", self.run_command("invoke", "--", "./bootstrap").out)

    def test_a_function_s_modules_do_not_come_before_ours(self) -> None:
        self.cwd = self.folder
        (self.folder / "http.py").write_text("raise RuntimeError\n")
        (self.folder / "functions.py").write_text("def echo(event, context): return event\n")
        self.assertEqual((0, b"{}\n"), self.invoke("echo")[:2])

    @needs_awslambdaric
    def test_awslambdaric(self) -> None:
        words = ("--event", '{"a": 1}', "--", *AWSLAMBDARIC, "functions.echo")
        status, out, err = self.run_command("invoke", *words)
        self.assertEqual((0, b'{"a": 1}\n'), (status, out), err)
        self.assertEqual(1, err.count("echo {'a': 1}\n"), err)


class TestExtensions(CommandTestCase):
    def test_they_are_told_of_the_invocation_and_of_the_end(self) -> None:
        path = self.extension("keen")
        for words in (("--extension", str(path)), ("--extensions-dir", str(self.folder))):
            with self.subTest(words):
                status, _, err = self.invoke("echo", *words)
                self.assertEqual(0, status, err)
                lines = err.splitlines()
                wanted = ("keen INVOKE ", "keen SHUTDOWN spindown", "keen is clean")
                self.assertEqual([1, 1, 1], [lines.count(line) for line in wanted], err)
                self.assertIn(
                    "EXTENSION\tName: keen\tState: Ready\tEvents: [INVOKE, SHUTDOWN]", lines
                )


class TestJson(CommandTestCase):
    def summary(self, function: str, *words: str) -> tuple[int, dict[str, object]]:
        status, out, _ = self.invoke(function, "--output", "json", *words)
        self.assertEqual(1, out.count(b"\n"))
        return status, json.loads(out)

    def test_all_that_is_known(self) -> None:
        status, told = self.summary("echo", "--event", '{"a": 1}')
        self.assertEqual(0, status)
        logs = told.pop("logs")
        assert isinstance(logs, list)
        self.assertEqual(
            ["platform", "platform", "function", "platform", "platform"],
            [x["source"] for x in logs],
        )
        self.assertEqual("echo {'a': 1}", logs[2]["message"])
        self.assertIsNotNone(datetime.fromisoformat(logs[0]["time"]).tzinfo)
        for name in ("durationMs", "billedDurationMs", "initDurationMs", "maxMemoryUsedMB"):
            self.assertGreater(told.pop(name), 0)
        self.assertIn(told.pop("requestId"), logs[1]["message"])
        expected = {
            "status": "success",
            "statusCode": 200,
            "functionError": None,
            "executedVersion": "$LATEST",
            "payload": {"a": 1},
            "isBase64Encoded": False,
            "memorySizeMB": 128,
        }
        self.assertEqual(expected, told)

    def test_what_is_no_json_is_in_base64(self) -> None:
        _, told = self.summary("binary")
        self.assertEqual(("/wA=", True), (told["payload"], told["isBase64Encoded"]))

    def test_failures(self) -> None:
        for function, status in (("fail", "error"), ("leave", "error"), ("hang", "timeout")):
            with self.subTest(function):
                code, told = self.summary(function, "--timeout", "0.5")
                self.assertEqual((1, status), (code, told["status"]))
                self.assertEqual("Unhandled", told["functionError"])
                self.assertIn("errorType", told["payload"])


class TestSignals(CommandTestCase):
    def test_a_signal_ends_the_command_and_all_it_started(self) -> None:
        path = self.extension("keen")
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(number):
                words = ("--handler", "functions.hang", "--timeout", "60", "--extension", str(path))
                child = self.start("invoke", *words)
                self.read_until(child, "hanging")
                result = self.assert_signal_ends(child, number, status)
                self.assertEqual(b"", result.out)
                self.assertIn("keen SHUTDOWN spindown\nkeen is clean\n", result.err)

    def test_a_signal_that_is_ignored_stays_so(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        child = self.start("invoke", "--handler", "functions.hang", "--timeout", "60")
        self.read_until(child, "hanging")
        child.send_signal(signal.SIGINT)
        self.assert_signal_ends(child, signal.SIGTERM, 143)


class TestStartUp(CommandTestCase):
    def test_help_imports_nothing_heavy(self) -> None:
        code = (
            "import sys; from lambda_sim.cli import main; main(['--help']); "
            "sys.stderr.write(' '.join(sys.modules))"
        )
        told = subprocess.run(
            [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, check=True, text=True
        )
        self.assertIn("invoke", told.stdout)
        heavy = {"werkzeug", "psutil", "attr", "json", "logging", "lambda_sim.simulator"}
        self.assertEqual(set(), set(told.stderr.split()) & heavy)

    def test_version_and_help_are_no_failure(self) -> None:
        self.assertRegex(self.run_command("--version").out, rb"^lambda-sim \d")
        for words in (["--help"], ["invoke", "--help"], ["serve", "--help"]):
            status, out, err = self.run_command(*words)
            self.assertEqual((0, ""), (status, err))
            self.assertIn(b"Exit status", out)

    def test_the_tests_runtime_may_be_executed(self) -> None:
        self.assertTrue(os.access(BOOTSTRAP, os.X_OK))
