"""``lambda-sim serve`` as a real child, asked over HTTP."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import psutil

from lambda_sim.process import tree
from tests.cli.case import AWSLAMBDARIC, BOOTSTRAP, CommandTestCase, needs_awslambdaric
from tests.support import PATIENCE, is_alive

INVOKE = "/2015-03-31/functions/function/invocations"
STREAM = "/2021-11-15/functions/function/response-streaming-invocations"


class Reply(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class ServeTestCase(CommandTestCase):
    def serve(self, *words: str, **environ: str) -> None:
        """The command, as soon as it listens; it takes any port unless told otherwise."""
        self.child = self.start("serve", "--port", "0", *words, **environ)
        self.line = self.read_until(self.child, "listening")
        found = re.search(r"http://([^/\s]+):(\d+)", self.line)
        assert found is not None, self.line
        self.address = (found[1], int(found[2]))

    def post(self, body: bytes = b"{}", path: str = INVOKE, **headers: str) -> Reply:
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("POST", path, body, named)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()


class TestServing(ServeTestCase):
    def test_it_says_where_it_listens_and_how_to_call_it(self) -> None:
        self.serve("--handler", "functions.echo")
        curl = self.line.partition("try: ")[2].strip()
        said = subprocess.run(curl, shell=True, capture_output=True, check=True, timeout=PATIENCE)
        self.assertEqual(b"{}", said.stdout)

    def test_functions_answer_and_fail_and_go_on(self) -> None:
        self.serve("--handler", "functions.leave")
        for _ in range(2):
            reply = self.post(X_Amz_Log_Type="Tail")
            self.assertEqual(
                (200, "Unhandled"), (reply.status, reply.headers["X-Amz-Function-Error"])
            )
            self.assertEqual("Runtime.ExitError", json.loads(reply.body)["errorType"])
            tail = base64.b64decode(reply.headers["X-Amz-Log-Result"]).decode()
            self.assertIn("last words\n", tail)
            self.read_until(self.child, "REPORT")

    def test_parallel_requests_are_all_answered(self) -> None:
        self.serve("--handler", "functions.echo")
        bodies = [b"%d" % number for number in range(30)]
        with ThreadPoolExecutor(len(bodies)) as threads:
            replies = list(threads.map(self.post, bodies))
        self.assertEqual([(200, body) for body in bodies], [(r.status, r.body) for r in replies])

    def test_any_runtime_will_do(self) -> None:
        self.serve("--handler", "x.y", "--", BOOTSTRAP)
        self.assertEqual(b"[1]", self.post(b"[1]").body)

    def test_a_command_may_stand_without_dashes_as_with_the_emulator(self) -> None:
        self.serve("--handler", "x.y", BOOTSTRAP)
        self.assertEqual(b"[2]", self.post(b"[2]").body)

    @needs_awslambdaric
    def test_awslambdaric_reads_what_curl_and_sdks_send_as_json(self) -> None:
        self.serve("--", *AWSLAMBDARIC, "functions.echo")
        for kind in ("application/x-www-form-urlencoded", "application/octet-stream"):
            self.assertEqual(b'{"a": 1}', self.post(b'{"a": 1}', Content_Type=kind).body)

    def test_a_stream(self) -> None:
        self.serve("--handler", "functions.echo")
        reply = self.post(b'"streamed"', STREAM)
        self.assertEqual("application/vnd.amazon.eventstream", reply.headers["Content-Type"])
        self.assertIn(b'"streamed"', reply.body)

    def test_large_payloads_both_ways(self) -> None:
        self.serve("--handler", "functions.echo", "--timeout", "20")
        body = b'"' + b"x" * 6_000_000 + b'"'
        self.assertTrue(self.post(body).body == body)
        self.assertEqual(413, self.post(body + b" " * 300_000).status)


class TestSettings(ServeTestCase):
    def about(self) -> dict[str, object]:
        told: dict[str, object] = json.loads(self.post().body)
        return told

    def test_the_emulator_s_variables_are_defaults(self) -> None:
        self.serve(
            "--memory",
            "512",
            AWS_LAMBDA_FUNCTION_NAME="greeter",
            AWS_LAMBDA_FUNCTION_VERSION="7",
            AWS_LAMBDA_FUNCTION_MEMORY_SIZE="256",
            AWS_LAMBDA_FUNCTION_TIMEOUT="100",
            AWS_LAMBDA_FUNCTION_HANDLER="functions.about",
            _HANDLER="functions.fail",
        )
        told = self.about()
        self.assertEqual(("greeter", "7", 512), (told["name"], told["version"], told["memory"]))
        left = told["left"]
        assert isinstance(left, int)
        self.assertGreater(left, 90_000)
        path = "/2015-03-31/functions/greeter:7/invocations"
        self.assertEqual("7", self.post(path=path).headers["X-Amz-Executed-Version"])

    def test_the_emulator_s_other_variable_for_the_handler(self) -> None:
        self.serve(_HANDLER="functions.about")
        self.assertEqual("test-function", self.about()["name"])

    def test_the_emulator_s_flags(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        api = f"127.0.0.1:{port}"
        words = ("--handler", "functions.environment", "--runtime-api-address", api)
        more = ("--runtime-interface-emulator-address", "127.0.0.1:0", "--log-level", "panic")
        self.serve(*words, *more, "--enable-init-caching")
        told = json.loads(self.post(b'["AWS_LAMBDA_RUNTIME_API"]').body)
        self.assertEqual({"AWS_LAMBDA_RUNTIME_API": api}, told)

    def test_wrong_usage_names_the_option_or_the_variable(self) -> None:
        serve = ("serve", "--handler", "functions.echo")
        timeout, memory = "AWS_LAMBDA_FUNCTION_TIMEOUT", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
        for name, value in ((timeout, "soon"), (timeout, "2.5"), (timeout, "0"), (memory, "1")):
            with self.subTest(name=name, value=value):
                self.assert_misused(f"{name}: got", *serve, **{name: value})
        self.assert_misused("--runtime-api-address", *serve, "--runtime-api-address", "here")
        self.assert_misused("--log-level", *serve, "--log-level", "loud")
        self.assert_misused("--port: ", *serve, "--port", "70000")
        self.assert_misused("--handler", "serve")
        self.assert_misused("--hanlder.* -- ?", "serve", "--hanlder", "x")

    def test_a_port_that_is_taken_is_a_failure_of_the_simulator(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            for words in (["--port", port], ["--runtime-api-address", f"127.0.0.1:{port}"]):
                with self.subTest(words):
                    command = ("serve", "--handler", "functions.echo", "--port", "0", *words)
                    status, out, err = self.run_command(*command)
                    self.assertEqual((3, b""), (status, out))
                    self.assertIn(f"lambda-sim: [Errno 98] can't listen on 127.0.0.1:{port}", err)
                    self.assertNotIn("Traceback", err)


class TestKinds(ServeTestCase):
    """Which kind of environment is served."""

    def told(self, *words: str, **environ: str) -> tuple[str | None, str | None]:
        """The type and the concurrency that the function's variables name."""
        self.serve("--handler", "functions.environment", *words, **environ)
        names = ("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_MAX_CONCURRENCY")
        found = json.loads(self.post(json.dumps(names).encode()).body)
        return found[names[0]], found[names[1]]

    def test_it_is_on_demand_unless_something_else_is_said(self) -> None:
        self.assertEqual(("on-demand", None), self.told())
        self.assertEqual(("on-demand", None), self.told(AWS_LAMBDA_MAX_CONCURRENCY=""))

    def test_every_kind_may_be_had(self) -> None:
        for kind, concurrency in (
            ("on-demand", None),
            ("provisioned-concurrency", None),
            ("snap-start", None),
            ("lambda-managed-instances", "16"),
        ):
            with self.subTest(kind):
                self.assertEqual((kind, concurrency), self.told("--initialization-type", kind))

    def test_the_emulator_s_variable_makes_it_a_managed_instance(self) -> None:
        told = self.told(AWS_LAMBDA_MAX_CONCURRENCY="3")
        self.assertEqual(("lambda-managed-instances", "3"), told)

    def test_the_option_says_the_same_and_wins(self) -> None:
        managed = "lambda-managed-instances"
        self.assertEqual((managed, "2"), self.told("--max-concurrency", "2"))
        told = self.told("--max-concurrency", "2", AWS_LAMBDA_MAX_CONCURRENCY="3")
        self.assertEqual((managed, "2"), told)

    def test_a_kind_that_was_asked_for_stays(self) -> None:
        words = ("--initialization-type", "on-demand")
        self.assertEqual(("on-demand", "3"), self.told(*words, AWS_LAMBDA_MAX_CONCURRENCY="3"))

    def test_wrong_usage_names_the_option_or_the_variable(self) -> None:
        serve = ("serve", "--handler", "functions.echo")
        variable, option = "AWS_LAMBDA_MAX_CONCURRENCY", "--max-concurrency"
        for value in ("0", "-1", "1601"):
            with self.subTest(value):
                self.assert_misused(f"{option}: got", *serve, option, value)
                self.assert_misused(f"{variable}: got", *serve, **{variable: value})
        for value in ("many", "2.5"):
            with self.subTest(value):
                self.assert_misused(option, *serve, option, value)
                self.assert_misused(f"{variable}: got", *serve, **{variable: value})
        self.assert_misused("--initialization-type", *serve, "--initialization-type", "warm")

    @needs_awslambdaric
    def test_awslambdaric_serves_several_at_once(self) -> None:
        words = ("--", *AWSLAMBDARIC, "functions.wait_for_file")
        self.serve("--timeout", "60", *words, AWS_LAMBDA_MAX_CONCURRENCY="2")
        fifos = [self.folder / name for name in ("one", "two")]
        for fifo in fifos:
            os.mkfifo(fifo)
        with ThreadPoolExecutor(2) as threads:
            callers = [threads.submit(self.post, json.dumps(str(fifo)).encode()) for fifo in fifos]
            for _ in fifos:
                self.read_until(self.child, "waiting")
            for fifo in reversed(fifos):
                fifo.write_text(fifo.name)
            answers = [caller.result(PATIENCE).body for caller in callers]
        self.assertEqual([b'"one"', b'"two"'], answers)

    @needs_awslambdaric
    def test_a_snapshot_is_restored_for_the_first_request(self) -> None:
        words = ("--initialization-type", "snap-start", "--", *AWSLAMBDARIC, "functions.echo")
        self.serve(*words)
        self.assertEqual(b'{"a": 1}', self.post(b'{"a": 1}').body)
        self.assertIn("\tRestore Duration: ", self.read_until(self.child, "REPORT RequestId"))


class TestSignals(ServeTestCase):
    def test_a_signal_ends_it_gracefully(self) -> None:
        path = self.extension("keen")
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                self.serve("--handler", "functions.echo", "--extension", str(path))
                self.assertEqual(200, self.post().status)
                result = self.assert_signal_ends(self.child, number, 0)
                self.assertIn("keen SHUTDOWN spindown\nkeen is clean\n", result.err)

    def test_a_caller_who_waits_is_let_go(self) -> None:
        self.serve("--handler", "functions.hang", "--timeout", "60")
        with ThreadPoolExecutor(1) as threads:
            caller = threads.submit(self.post)
            self.read_until(self.child, "hanging")
            self.assert_signal_ends(self.child, signal.SIGTERM, 0)
            # Told so, unless the server was quicker and hung up.
            if not isinstance(caller.exception(PATIENCE), ConnectionError):
                self.assertEqual(500, caller.result().status)

    def test_a_command_that_is_killed_leaves_nothing_behind_either(self) -> None:
        self.serve("--handler", "functions.hang", "--timeout", "60")
        with ThreadPoolExecutor(1) as threads:
            caller = threads.submit(self.post)
            self.read_until(self.child, "hanging")
            family = psutil.Process(self.child.pid).children(recursive=True)
            self.child.kill()
            self.child.wait()
            self.assertIsNotNone(caller.exception(PATIENCE))
        gone = tree.asked_until(lambda: not any(is_alive(one.pid) for one in family), PATIENCE)
        self.assertTrue(gone, family)
