"""__main__: ``python -m lambda_sim.handler`` as a real child."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from tests.support import CHILDREN_PATH, ROOT

from .doubles import ACCEPTED, PATIENCE, HandlerTestCase, Instead, Step, answer, next_answer

PROGRAMS = ROOT / "tests" / "programs" / "handlers"


class MainTestCase(HandlerTestCase):
    def start_child(self, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-B", "-W", "error", "-m", "lambda_sim.handler", *arguments]
        child = subprocess.Popen(
            command,
            cwd=PROGRAMS,
            env={"PATH": os.defpath, "PYTHONPATH": CHILDREN_PATH, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(self.end_child, child)
        return child

    def end_child(self, child: subprocess.Popen[bytes]) -> None:
        child.kill()
        child.communicate()

    def play(self, handler: str, *steps: Step, **environ: str) -> None:
        """Start the child against a script."""
        self.server = self.serve(steps)
        environ["AWS_LAMBDA_RUNTIME_API"] = self.server.address
        self.child = self.start_child(handler, **environ)

    def finish(self) -> tuple[int, str, str]:
        """Wait for the child's end; its status, standard output and standard error."""
        out, err = self.child.communicate(timeout=PATIENCE)
        return self.child.returncode, out.decode(), err.decode()


class TestStartUp(MainTestCase):
    def setUp(self) -> None:
        code = "import sys, lambda_sim.handler.__main__; sys.stdout.write(' '.join(sys.modules))"
        # Without site, which imports what it likes.
        command = [sys.executable, "-S", "-B", "-c", code]
        output = subprocess.check_output(command, cwd=ROOT, text=True, timeout=PATIENCE)
        self.modules = set(output.split())

    def test_no_other_room_of_ours_is_imported(self) -> None:
        ours = {name for name in self.modules if name.startswith("lambda_sim.")}
        others = {name for name in ours if not name.startswith("lambda_sim.handler")}
        self.assertEqual({"lambda_sim.errors", "lambda_sim.version"}, others)

    def test_nothing_heavy_is_imported(self) -> None:
        heavy = {"asyncio", "attr", "dataclasses", "decimal", "email", "http", "inspect", "urllib"}
        self.assertEqual(set(), self.modules & heavy)


class TestServing(MainTestCase):
    def test_an_event_is_answered(self) -> None:
        event = next_answer(b'{"name": "Ada"}', Lambda_Runtime_Trace_Id="Root=1")
        self.play("hello.greet", event, ACCEPTED)
        self.server.next_request()
        posted = self.server.next_request()
        self.assertEqual({"hello": "Ada", "trace": "Root=1"}, json.loads(posted.body))
        _, out, _ = self.finish()
        self.assertRegex(out, r"^\[WARNING\]\t\S+Z\t\S+\tgreeting Ada\n$")

    def test_the_handler_may_be_named_by_the_environment(self) -> None:
        server = self.serve([next_answer(b'{"name": "Ada"}'), ACCEPTED])
        self.start_child(_HANDLER="hello.greet", AWS_LAMBDA_RUNTIME_API=server.address)
        server.next_request()
        self.assertEqual("Ada", json.loads(server.next_request().body)["hello"])

    def test_an_exception_is_posted_and_printed(self) -> None:
        self.play("hello.fail", next_answer(), ACCEPTED)
        self.server.next_request()
        error = json.loads(self.server.next_request().body)
        self.assertEqual(("ValueError", "boom"), (error["errorType"], error["errorMessage"]))
        self.assertEqual(1, len(error["stackTrace"]))
        _, out, _ = self.finish()
        self.assertIn("[ERROR] ValueError: boom\nTraceback (most recent call last):\n", out)
        self.assertIn('hello.py", line', out)

    def test_logs_are_json_when_lambda_says_so(self) -> None:
        logging = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "ERROR"}
        steps = [next_answer(b'{"name": "Ada"}'), ACCEPTED, next_answer(), ACCEPTED]
        self.play("hello.greet", *steps, **logging)
        _, out, _ = self.finish()
        [error] = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(("ERROR", "KeyError"), (error["level"], error["errorType"]))

    def test_what_was_written_is_in_the_pipe_before_the_answer_is_posted(self) -> None:
        self.play("hello.whisper", next_answer(), Instead.HANG)
        self.server.next_request()
        self.server.next_request()
        for stream, text in ((self.child.stdout, b"to stdout"), (self.child.stderr, b"to stderr")):
            assert stream is not None
            self.assertEqual([stream], select.select([stream], [], [], 0)[0])
            self.assertEqual(text, os.read(stream.fileno(), 100))


class TestLeaving(MainTestCase):
    def setUp(self) -> None:
        # Children inherit ignored signals, and a job in a shell's background ignores SIGINT.
        for number in (signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.signal(number, signal.SIG_DFL))

    def test_sys_exit_in_the_handler_ends_the_process_with_nothing_posted(self) -> None:
        for status in (0, 5):
            with self.subTest(status):
                self.play("hello.leave", next_answer(b'{"status": %d}' % status))
                self.assertEqual((status, "", ""), self.finish())
                self.assertEqual(1, self.server.requests.qsize())

    def test_an_interrupt_in_the_handler_ends_the_process_quietly(self) -> None:
        self.play("hello.interrupt", next_answer())
        self.assertEqual((130, "", ""), self.finish())

    def test_ctrl_c_while_waiting_for_next_ends_the_process_quietly(self) -> None:
        self.play("hello.greet", Instead.HANG)
        self.server.next_request()
        self.child.send_signal(signal.SIGINT)
        self.assertEqual((130, "", ""), self.finish())

    def test_a_runtime_api_that_goes_away_is_told_in_one_line(self) -> None:
        self.play("hello.greet", Instead.HANG)
        self.server.next_request()
        self.server.close()
        status, out, err = self.finish()
        self.assertEqual((1, ""), (status, out))
        self.assertRegex(err, r"\Athe Runtime API is gone: .*\n\Z")

    def test_sigterm_ends_the_process_at_once(self) -> None:
        self.play("hello.greet", Instead.HANG)
        self.server.next_request()
        self.child.terminate()
        self.assertEqual((-signal.SIGTERM, "", ""), self.finish())

    def test_after_a_sigterm_the_function_took_the_runtime_api_may_go_away(self) -> None:
        self.play("graceful.handler", Instead.HANG)
        self.server.next_request()
        self.child.terminate()
        assert self.child.stdout is not None
        self.assertEqual(b"goodbye\n", self.child.stdout.readline())
        self.server.close()
        self.assertEqual((0, "", ""), self.finish())


class TestInit(MainTestCase):
    def test_a_handler_that_can_t_be_loaded_is_posted_and_ends_the_process(self) -> None:
        names = {
            "hello.nobody": "Runtime.HandlerNotFound",
            "nowhere.handler": "Runtime.ImportModuleError",
            "nodots": "Runtime.MalformedHandlerName",
            "sys.exit": "Runtime.BuiltInModuleConflict",
            "raises_at_import.handler": "NoDatabase",
        }
        for name, error_type in names.items():
            with self.subTest(name):
                self.play(name, ACCEPTED)
                posted = self.server.next_request()
                self.assertEqual("/2018-06-01/runtime/init/error", posted.path)
                self.assertEqual(error_type, json.loads(posted.body)["errorType"])
                header = posted.headers["lambda-runtime-function-error-type"]
                self.assertEqual(error_type, header)
                status, out, err = self.finish()
                self.assertEqual((1, ""), (status, err))
                self.assertIn(f"[ERROR] {error_type}: ", out)

    def test_the_stack_trace_of_an_init_error_has_no_frames_of_ours(self) -> None:
        self.play("raises_at_import.handler", ACCEPTED)
        stack_trace = json.loads(self.server.next_request().body)["stackTrace"]
        self.assertNotIn(str(Path("lambda_sim", "handler")), "".join(stack_trace))
        self.assertIn("raises_at_import.py", stack_trace[-1])

    def test_an_init_error_that_is_refused_is_told_in_one_line(self) -> None:
        self.play("nowhere.handler", answer(b"", "403 Forbidden"))
        status, _, err = self.finish()
        self.assertEqual(1, status)
        self.assertRegex(err, r"\Athe init error could not be posted: .*403.*\n\Z")

    def test_sys_exit_at_import_ends_the_process_with_its_status(self) -> None:
        self.play("leaves_at_import.handler", ACCEPTED)
        self.assertEqual((7, "", ""), self.finish())
        self.assertEqual(0, self.server.requests.qsize())


class TestUsage(MainTestCase):
    def assert_usage_error(self, pattern: str, *arguments: str, **environ: str) -> None:
        self.child = self.start_child(*arguments, **environ)
        status, out, err = self.finish()
        self.assertEqual((2, ""), (status, out))
        self.assertRegex(err, rf"\A.*{pattern}.*\n\Z")

    def test_no_handler_is_a_usage_error(self) -> None:
        self.assert_usage_error("usage: .*_HANDLER")

    def test_too_many_arguments_and_options_are_usage_errors(self) -> None:
        self.assert_usage_error("usage: ", "a.b", "c.d")
        self.assert_usage_error("usage: ", "--help")

    def test_no_runtime_api_is_a_usage_error(self) -> None:
        self.assert_usage_error("AWS_LAMBDA_RUNTIME_API", "hello.greet")

    def test_a_runtime_api_of_another_form_is_a_usage_error(self) -> None:
        bad = "http://localhost:1"
        self.assert_usage_error("host:port", "hello.greet", AWS_LAMBDA_RUNTIME_API=bad)
