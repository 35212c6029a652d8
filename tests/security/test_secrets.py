"""What is the developer's stays the developer's, and what is in a payload stays in it."""

from __future__ import annotations

import json
import logging
import os
from typing import Any
from unittest import mock

from lambda_sim import Invocation, ProcessConfig, ProcessRole, Simulator, SimulatorConfig
from lambda_sim.model.variables import CREDENTIALS
from lambda_sim.testing import TelemetryReceiver
from lambda_sim.wire.application import Application
from lambda_sim.wire.invoke_api import InvokeApi
from lambda_sim.wire.server import WireServer
from tests.cli.case import CommandTestCase
from tests.raw import INIT_ERROR, RawConnection, RawExtension, RawRuntime
from tests.support import PATIENCE, SimulatorTest, handler_runtime

SECRET = "hunter2-of-the-developer"

DEVELOPERS = {
    name: f"{SECRET}-{name}"
    for name in (
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
        "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_ENDPOINT_URL", "GITHUB_TOKEN", "SSH_AUTH_SOCK", "HTTPS_PROXY", "DATABASE_URL",
        "PYTHONSTARTUP", "LD_PRELOAD", "NODE_OPTIONS", "BASH_ENV", "HOME", "USER",
    )
}  # fmt: skip

INVOKE = "/2015-03-31/functions/function/invocations"


class VariablesTest(SimulatorTest):
    def seen(self, **config: Any) -> str:
        """All variables of a runtime, as text."""
        with mock.patch.dict(os.environ, DEVELOPERS):
            simulator = self.start(runtime=handler_runtime("functions.surroundings"), **config)
            state = simulator.invoke({}, timeout=PATIENCE)
        assert state.response is not None, state
        return state.response.body.decode()

    def test_no_variable_of_the_developers_reaches_a_function(self) -> None:
        self.assertNotIn(SECRET, self.seen())

    def test_it_has_credentials_that_open_nothing(self) -> None:
        self.assertEqual(json.loads(self.seen())["AWS_ACCESS_KEY_ID"], CREDENTIALS.access_key_id)

    def test_nor_one_whose_credentials_are_fetched(self) -> None:
        told = self.seen(initialization_type="snap-start")
        self.assertNotIn(SECRET, told)
        self.assertNotIn("AWS_ACCESS_KEY_ID", told)

    def test_nor_an_extension(self) -> None:
        command = ["/bin/sh", "-c", 'tr "\\0" "\\n" </proc/$$/environ; exec sleep 600']
        extension = ProcessConfig(command, ProcessRole.EXTENSION, inherit_stdio=False, name="sh")
        with mock.patch.dict(os.environ, DEVELOPERS):
            simulator = self.start(extensions=[extension])
        simulator.wait_for(lambda: "AWS_LAMBDA_RUNTIME_API" in _log(simulator), PATIENCE)
        self.assertNotIn(SECRET, _log(simulator))


class CommandTest(CommandTestCase):
    def test_nor_what_the_command_was_started_with(self) -> None:
        names = json.dumps(list(DEVELOPERS)).encode()
        harmless = {
            name: value
            for name, value in DEVELOPERS.items()
            if name not in ("LD_PRELOAD", "PYTHONSTARTUP")  # the command's own would mind
        }
        result = self.run_command(
            "invoke", "--handler", "functions.environment", "--event", "-", event=names, **harmless
        )
        self.assertEqual(result.status, 0, result.err)
        self.assertNotIn(SECRET, result.out.decode() + result.err)


class LoggingTest(SimulatorTest):
    """Nothing of what passes through is logged above debug, whatever goes wrong with it."""

    def setUp(self) -> None:
        super().setUp()
        self.logged: list[str] = []
        handler = logging.Handler(logging.INFO)
        handler.emit = lambda record: self.logged.append(  # type: ignore[method-assign]
            logging.Formatter().format(record)
        )
        logger = logging.getLogger()
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        self.addCleanup(logger.setLevel, level)
        self.addCleanup(logger.removeHandler, handler)

    def assert_kept_quiet(self) -> None:
        self.assertNotIn(SECRET, "\n".join(self.logged))

    def test_what_goes_well(self) -> None:
        simulator = self.start()
        runtime = self.runtime(simulator)
        invocation = Invocation({"key": SECRET}, client_context={"custom": {"key": SECRET}})
        invoking = self.soon(simulator.invoke, invocation)
        runtime.respond(runtime.next().id, json.dumps(SECRET).encode(), Content_Type=SECRET)
        self.assertIn(SECRET, repr(invoking.result(PATIENCE).response))
        simulator.graceful_shutdown()
        self.assert_kept_quiet()

    def test_what_a_runtime_reports(self) -> None:
        simulator = self.start(external_extensions=("watcher",))
        extension = RawExtension(simulator).register("watcher", "INVOKE")
        self.addCleanup(extension.close)
        receiver = self.enterContext(TelemetryReceiver())
        receiver.refuse(1)
        self.assertEqual(extension.subscribe(_wanted(f"http://{SECRET}:1/")).status, 400)
        self.assertEqual(extension.subscribe(_wanted(f"{receiver.url}{SECRET}")).status, 200)
        extension.ask()
        runtime = self.runtime(simulator)
        invoking = self.soon(simulator.invoke, {"key": SECRET})
        request_id = runtime.next().id
        receiver.wait_for("platform.start", PATIENCE)  # so the post that was refused came before
        self.assertEqual(extension.event()["eventType"], "INVOKE")
        told = json.dumps({"errorType": SECRET, "errorMessage": SECRET}).encode()
        answers = [
            runtime.fail(request_id, told, Lambda_Runtime_Function_Error_Type=SECRET),
            runtime.respond("x", told),
            extension.report("exit", SECRET, told),
        ]
        self.assertEqual([answer.status for answer in answers], [202, 400, 202])
        invoking.result(PATIENCE)
        simulator.graceful_shutdown()
        self.assert_kept_quiet()

    def test_what_breaks_off(self) -> None:
        simulator = self.start()
        for data in (
            f"POST {INIT_ERROR} HTTP/1.1\r\nX: {SECRET}\r\nContent-Length: 99\r\n\r\n{SECRET}",
            f"POST {INIT_ERROR}?{SECRET} HTTP/1.1\r\nX: {SECRET}\n{SECRET}\r\n\r\n",
            f"{SECRET} /{SECRET} {SECRET}\r\n\r\n",
        ):
            connection = RawConnection(simulator)
            self.addCleanup(connection.close)
            connection.send(data.encode())
            connection.half_close()
            self.assertEqual(connection.read_answer().status, 400)
            connection.abort()
        simulator.close()
        self.assert_kept_quiet()

    def test_what_fails_within(self) -> None:
        """The one thing that is logged aloud: a fault of ours, its place and not its data."""
        simulator = self.start()
        server = self.enterContext(
            WireServer(Application(InvokeApi(simulator).routes()), name="invoke-api")
        )
        connection = RawConnection(server.address)
        self.addCleanup(connection.close)
        with mock.patch.object(Simulator, "invoke", side_effect=ZeroDivisionError):
            answer = connection.request(
                "POST", f"{INVOKE}?{SECRET}", {"X-Amzn-Trace-Id": SECRET}, SECRET.encode()
            )
        self.assertEqual(answer.status, 500)
        self.assertIn("ZeroDivisionError", "\n".join(self.logged))
        self.assert_kept_quiet()

    def test_what_is_shown_of_settings(self) -> None:
        runtime = ProcessConfig("x", ProcessRole.RUNTIME, env={"KEY": SECRET})
        shown = [
            SimulatorConfig(environment={"KEY": SECRET}, runtime=runtime),
            Invocation(
                {"key": SECRET},
                client_context={"key": SECRET},
                cognito_identity={"cognitoIdentityId": SECRET},
            ),
        ]
        self.assertNotIn(SECRET, repr(shown))

    def runtime(self, simulator: Simulator) -> RawRuntime:
        runtime = RawRuntime(simulator)
        self.addCleanup(runtime.close)
        return runtime


def _wanted(uri: str) -> Any:
    """A subscription that is delivered soon."""
    return {
        "schemaVersion": "2022-12-13",
        "types": ["platform", "function", "extension"],
        "buffering": {"timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": uri},
    }


def _log(simulator: Simulator) -> str:
    return "\n".join(record.message for record in simulator.logs)
