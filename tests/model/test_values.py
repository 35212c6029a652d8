"""Values refuse what they can't be: the error names the field, what came and what is allowed."""

from __future__ import annotations

import unittest
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from lambda_sim import (
    AWS,
    RELAXED,
    ConfigurationError,
    Invocation,
    ProcessConfig,
    ProcessRole,
    ShutdownReason,
    SimulatorConfig,
)
from lambda_sim.model import protocol, variables
from lambda_sim.model.invocation import InvocationError

RUNTIME = ProcessConfig("/bin/true", ProcessRole.RUNTIME)
EXTENSION = ProcessConfig("/bin/true", ProcessRole.EXTENSION)

BAD_SETTINGS: dict[str, list[Any]] = {
    "function_name": ["", "with space", "x" * 141, None, 5],
    "function_version": ["latest", "", 1],
    "handler": ["", "two\nlines", 5],
    "memory_size_mb": [127, 10_241, 128.5, "128", True],
    "region": ["", "US EAST", None],
    "account_id": ["12345", "abcdefghijkl", 123456789012],
    "invocation_timeout": [0, -1, 901, float("nan"), float("inf"), "3", None, True],
    "init_timeout": [0, -1, "10", None],
    "extension_ready_timeout": [-0.1, float("inf"), None],
    "shutdown_timeout": [-0.1, "2"],
    "host": ["", None, "a\nb"],
    "port": [-1, 65_536, "80", 1.5],
    "freeze_mode": ["process", None],
    "runtime_pid": [0, -5, "1"],
    "extension_pids": [[0], ["1"], "12", 5],
    "log_group_name": ["a\nb", 5],
    "log_stream_name": ["a\nb", 5],
    "instance_id": ["", "a\nb", 5],
    "environment": [
        [("a", "b")],
        {"A B": "x"},
        {"NAME": 5},
        {"_PRIVATE": "x"},
        {"AWS_REGION": "x"},
        {"BIG": "x" * 4096},
        {"NUL": "\0"},
    ],
    "initialization_type": ["warm", None],
    "max_concurrency": [0, -1, 1_601, 2.5, "4", True],
    "runtime_version": ["", "a\nb", 5],
    "log_format": ["text", "XML", None],
    "log_level": ["INFO", "LOUD"],
    "extensions_dir": ["", 5],
    "external_extensions": ["name", [""], [5]],
    "history_limit": [0, -1, 1.5, None],
    "runtime": [EXTENSION, "/bin/true", ["/bin/true"]],
    "extensions": [[RUNTIME], ["/bin/true"], EXTENSION],
    "rules": ["AWS", None],
}

BAD_INVOCATIONS: dict[str, list[Any]] = {
    "payload": [b"bytes", {1, 2}, object(), float("nan"), "x" * protocol.MAX_PAYLOAD_BYTES],
    "timeout": [0, -1, 900.5, "3", float("nan")],
    "request_id": ["", "a\nb", 5, "\ud800"],
    "invoked_function_arn": ["a\nb", 5],
    "trace_id": ["", "a\r\nb", 5],
    "client_context": ["no json", "[]", [], {"x": object()}, {"x": "y" * 4000}],
    "cognito_identity": ["no json", 5],
    "tenant_id": ["", "tab\t", "x" * 257, 5],
    "content_type": ["", "a\nb", None],
    "created_at": [datetime(2026, 1, 1), 5],
    "deadline_ms": [-1, 1.5],
}

BAD_PROCESSES: dict[str, list[Any]] = {
    "command": ["", [], [""], None, 5, b"/bin/true", ["/bin/true", 5], ["nul\0"]],
    "role": ["runtime", None],
    "env": [{"A": 1}, {"A=B": "x"}, {"": "x"}, ["A=B"], None],
    "args": ["word", [5], None],
    "cwd": [5, b"/tmp"],
    "inherit_stdio": [None, 1, "yes"],
    "name": ["", "a\nb", 5, None],
}


class RefusalTest(unittest.TestCase):
    def assert_refused(self, make: Any, table: dict[str, list[Any]], base: dict[str, Any]) -> None:
        for field, values in table.items():
            for value in values:
                with self.subTest(field, value=repr(value)[:60]):
                    with self.assertRaises(ConfigurationError) as caught:
                        make(**{**base, field: value})
                    self.assertEqual(caught.exception.field, field)
                    self.assertIn("allowed is", str(caught.exception))
                    self.assertLess(len(str(caught.exception)), 1000)

    def test_every_setting_is_checked(self) -> None:
        fields = {field.alias for field in attrs.fields(SimulatorConfig) if field.init}
        self.assertEqual(fields, set(BAD_SETTINGS))
        self.assert_refused(SimulatorConfig, BAD_SETTINGS, {})

    def test_every_field_of_an_invocation_is_checked(self) -> None:
        fields = {field.alias for field in attrs.fields(Invocation)}
        self.assertEqual(fields, set(BAD_INVOCATIONS))
        self.assert_refused(Invocation, BAD_INVOCATIONS, {"payload": 1})

    def test_every_field_of_a_process_is_checked(self) -> None:
        fields = {field.name for field in attrs.fields(ProcessConfig)}
        self.assertEqual(fields, set(BAD_PROCESSES))
        base = {"command": "/bin/true", "role": ProcessRole.RUNTIME}
        self.assert_refused(ProcessConfig, BAD_PROCESSES, base)

    def test_an_unknown_setting_is_refused(self) -> None:
        with self.assertRaises(TypeError):
            SimulatorConfig(memory=128)  # type: ignore[call-arg]


class ConfigTest(unittest.TestCase):
    def test_names_that_follow_from_others(self) -> None:
        config = SimulatorConfig(function_name="orders", region="eu-west-1", function_version="7")
        self.assertEqual(config.log_group_name, "/aws/lambda/orders")
        self.assertRegex(config.log_stream_name, r"^\d{4}/\d\d/\d\d/\[7\][0-9a-f]{32}$")
        arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
        self.assertEqual(config.function_arn, arn)
        self.assertNotEqual(config.instance_id, SimulatorConfig().instance_id)

    def test_an_init_that_nobody_waits_for_may_take_longer(self) -> None:
        self.assertEqual(SimulatorConfig().init_timeout, 10.0)
        self.assertEqual(SimulatorConfig(invocation_timeout=900).init_timeout, 10.0)
        for kind in ("provisioned-concurrency", "snap-start", "lambda-managed-instances"):
            for timeout, limit in ((3, 130), (130, 130), (131, 131), (900, 900)):
                config = SimulatorConfig(initialization_type=kind, invocation_timeout=timeout)
                self.assertEqual(config.init_timeout, limit)
            given = SimulatorConfig(initialization_type=kind, init_timeout=5)
            self.assertEqual(given.init_timeout, 5)

    def test_a_config_that_was_evolved_keeps_its_rules(self) -> None:
        managed = SimulatorConfig(initialization_type="lambda-managed-instances")
        self.assertEqual(attrs.evolve(managed, function_name="other").rules, managed.rules)
        self.assertEqual(managed.rules.max_concurrency, 16)
        fewer = attrs.evolve(managed, max_concurrency=2)
        self.assertEqual(fewer.rules.max_concurrency, 2)

    def test_a_config_that_is_evolved_to_another_type_is_of_that_type(self) -> None:
        # What was derived once stays when the config is evolved, as Simulator(config, ...) does.
        ordinary = SimulatorConfig()
        for kind in ("on-demand", "snap-start", "lambda-managed-instances"):
            made = SimulatorConfig(initialization_type=kind)
            for other in (
                ordinary,
                SimulatorConfig(initialization_type="lambda-managed-instances"),
            ):
                evolved = attrs.evolve(other, initialization_type=kind)
                with self.subTest(kind, other=other.initialization_type):
                    self.assertEqual(evolved.rules, made.rules)
                    self.assertEqual(evolved.init_timeout, made.init_timeout)

    def test_the_version_of_the_runtime_names_us_unless_one_is_given(self) -> None:
        self.assertRegex(SimulatorConfig().runtime_version, r"^provided:lambda_sim\.v\d")
        config = SimulatorConfig(runtime_version="python:3.13.v60", region="cn-north-1")
        self.assertEqual(config.runtime_version, "python:3.13.v60")
        self.assertRegex(
            config.runtime_version_arn, r"^arn:aws-cn:lambda:cn-north-1::runtime:[0-9a-f]{64}$"
        )
        again = SimulatorConfig(runtime_version="python:3.13.v60", region="cn-north-1")
        self.assertEqual(config.runtime_version_arn, again.runtime_version_arn)
        self.assertNotEqual(config.runtime_version_arn, SimulatorConfig().runtime_version_arn)

    def test_partitions_of_arns(self) -> None:
        for region, name in (("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")):
            arn = SimulatorConfig(region=region).function_arn
            self.assertTrue(arn.startswith(f"arn:{name}:lambda:{region}:"))

    def test_json_logs_have_a_level(self) -> None:
        config = SimulatorConfig(log_format="JSON", log_level="WARN")
        given = variables.runtime_variables(config, "127.0.0.1:1")
        self.assertEqual(given["AWS_LAMBDA_LOG_FORMAT"], "JSON")
        self.assertEqual(given["AWS_LAMBDA_LOG_LEVEL"], "WARN")

    def test_paths_are_taken_as_paths(self) -> None:
        self.assertEqual(SimulatorConfig(extensions_dir=Path("/opt")).extensions_dir, "/opt")
        process = ProcessConfig(Path("/opt/my ext"), ProcessRole.EXTENSION, cwd=Path("/tmp"))
        self.assertEqual((process.words, process.cwd), (("/opt/my ext",), "/tmp"))

    def test_a_process_is_named_after_its_program(self) -> None:
        for command in ("/opt/extensions/agent.sh", ["/opt/extensions/agent.sh", "-v"]):
            self.assertEqual(ProcessConfig(command, ProcessRole.EXTENSION).name, "agent.sh")
        named = ProcessConfig(["python3", "agent.py"], ProcessRole.EXTENSION, name="agent")
        self.assertEqual(named.name, "agent")


class InvocationTest(unittest.TestCase):
    def test_ids_exist_from_construction(self) -> None:
        one, two = Invocation({}), Invocation({})
        self.assertNotEqual(one.request_id, two.request_id)
        self.assertRegex(
            one.trace_id, r"^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$"
        )

    def test_any_json_value_is_a_payload(self) -> None:
        for payload in (None, 0, "", [], {}, "é", {"deep": [1, {"er": None}]}):
            self.assertEqual(Invocation(payload).payload, payload)

    def test_bytes_stay_bytes(self) -> None:
        for body in (b"\xff", bytearray(b"x"), memoryview(b"y")):
            invocation = Invocation.from_bytes(body, "text/plain")
            self.assertEqual(invocation.body, bytes(body))
        with self.assertRaises(ConfigurationError):
            Invocation.from_bytes("text")  # type: ignore[arg-type]

    def test_the_largest_payload_fits(self) -> None:
        Invocation.from_bytes(bytes(protocol.MAX_PAYLOAD_BYTES))
        with self.assertRaises(ConfigurationError):
            Invocation.from_bytes(bytes(protocol.MAX_PAYLOAD_BYTES + 1))

    def test_a_deadline_is_known_when_a_timeout_is_given(self) -> None:
        self.assertIsNone(Invocation({}).deadline_ms)
        invocation = Invocation({}, timeout=2)
        expected = (invocation.created_at.timestamp() + 2) * 1000
        self.assertAlmostEqual(invocation.deadline_ms, expected, delta=1)

    def test_evolving_keeps_the_body(self) -> None:
        invocation = attrs.evolve(Invocation.from_bytes(b"\xff"), request_id="other")
        self.assertEqual(invocation.body, b"\xff")

    def test_errors_are_read_where_they_have_aws_form(self) -> None:
        at = datetime.now().astimezone()
        body = b'{"errorType":"T","errorMessage":"m","stackTrace":["a",1,"b"]}'
        error = InvocationError.of("id", body, "Runtime.Unknown", "?", at)
        told = (error.error_type, error.error_message, error.stack_trace)
        self.assertEqual(told, ("T", "m", ["a", "b"]))
        for body in (b"", b"no json", b"[]", b'{"errorType":5}'):
            error = InvocationError.of("id", body, "Runtime.Unknown", "?", at)
            self.assertEqual((error.error_type, error.error_message), ("Runtime.Unknown", "?"))
        self.assertIsNone(InvocationError.of("id", b"no json", "T", "m", at).payload)


class VariablesTest(unittest.TestCase):
    def test_extensions_do_not_get_what_is_the_runtimes(self) -> None:
        config = SimulatorConfig(handler="a.b", environment={"OWN": "1"})
        runtime = variables.runtime_variables(config, "127.0.0.1:1")
        extension = variables.extension_variables(config, "127.0.0.1:1")
        self.assertEqual(extension["OWN"], "1")
        self.assertIn("AWS_REGION", extension)
        self.assertEqual(
            set(runtime) - set(extension),
            {name for name in runtime if name.startswith("_")}
            | {
                "AWS_LAMBDA_LOG_GROUP_NAME",
                "AWS_LAMBDA_LOG_STREAM_NAME",
                "AWS_XRAY_CONTEXT_MISSING",
                "AWS_XRAY_DAEMON_ADDRESS",
                "LAMBDA_RUNTIME_DIR",
                "LAMBDA_TASK_ROOT",
            },
        )

    def test_a_snapshot_fetches_its_credentials(self) -> None:
        config = SimulatorConfig(initialization_type="snap-start")
        for of in (variables.runtime_variables, variables.extension_variables):
            given = of(config, "127.0.0.1:1", "the token")
            uri = "http://127.0.0.1:1/2021-04-23/credentials"
            self.assertEqual(given["AWS_CONTAINER_CREDENTIALS_FULL_URI"], uri)
            self.assertEqual(given["AWS_CONTAINER_AUTHORIZATION_TOKEN"], "the token")
            absent = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
            absent |= {"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"}
            self.assertEqual(absent & set(given), set())

    def test_a_function_may_not_set_its_type_or_its_concurrency(self) -> None:
        for name in ("AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_INITIALIZATION_TYPE"):
            with self.subTest(name), self.assertRaises(ConfigurationError):
                SimulatorConfig(environment={name: "x"})

    def test_a_function_may_set_what_lambda_lets_it(self) -> None:
        config = SimulatorConfig(environment={"PATH": "/mine", "TZ": "CET"})
        given = variables.runtime_variables(config, "127.0.0.1:1")
        self.assertEqual((given["PATH"], given["TZ"]), ("/mine", "CET"))


class EnumTest(unittest.TestCase):
    def test_shutdown_reasons_are_read_in_any_case(self) -> None:
        for text in ("spindown", "SPINDOWN", "SpinDown"):
            self.assertIs(ShutdownReason(text), ShutdownReason.SPINDOWN)
        with self.assertRaises(ValueError):
            ShutdownReason("boredom")

    def test_rules_are_named(self) -> None:
        self.assertEqual((AWS.name, RELAXED.name), ("AWS", "RELAXED"))


if __name__ == "__main__":
    unittest.main()
