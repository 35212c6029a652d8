"""Section 5.1 of the contract: the variables that processes see."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from lambda_sim import ConfigurationError, ProcessConfig, SimulatorConfig
from tests.conformance.case import ConformanceTest, extension_of, runtime_of

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
RUNTIME_ONLY = {
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_HANDLER",
}
"""The Extensions API's list of what extensions do not see."""

INTERNAL = (
    "_LAMBDA_SB_ID",
    "_LAMBDA_LOG_FD",
    "_LAMBDA_SHARED_MEM_FD",
    "_LAMBDA_CONTROL_SOCKET",
    "_LAMBDA_DIRECT_INVOKE_SOCKET",
    "_LAMBDA_RUNTIME_LOAD_TIME",
    "_LAMBDA_CONSOLE_SOCKET",
    "_LAMBDA_TELEMETRY_API_PASSPHRASE",
    "_X_AMZN_TRACE_ID",
)
OVERRIDABLE = {
    "AWS_XRAY_CONTEXT_MISSING": "IGNORE_ERROR",
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:3000",
    "LANG": "de_DE.UTF-8",
    "PATH": "/usr/bin:/bin:/own",
    "LD_LIBRARY_PATH": "/own/lib",
    "NODE_PATH": "/own/node",
    "PYTHONPATH": "/own/python",
    "GEM_PATH": "/own/gems",
    "TZ": "Europe/Berlin",
}


class VariablesTest(ConformanceTest):
    settings = {}  # noqa: RUF012

    def seen(self, process: ProcessConfig, **config: object) -> dict[str, str]:
        """The variables that a process finds itself with."""
        kind = "runtime" if process.role.value == "runtime" else "extensions"
        self.simulate(**{kind: process if kind == "runtime" else [process]}, **config)
        self.wait_for(self.printed)
        found = json.loads(self.printed()[0])
        assert isinstance(found, dict)
        return found

    def runtimes(self, **config: object) -> dict[str, str]:
        return self.seen(runtime_of("environ", "serve"), **config)

    def extensions(self, **config: object) -> dict[str, str]:
        return self.seen(extension_of("watcher", "environ", "register", "event"), **config)


class RuntimeTest(VariablesTest):
    def test_env_01_a_runtime_is_told_of_its_function(self) -> None:
        found = self.runtimes(
            function_name="greeter",
            function_version="7",
            memory_size_mb=256,
            handler="app.main",
            region="eu-central-1",
        )
        expected = {
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_NAME": "greeter",
            "AWS_LAMBDA_FUNCTION_VERSION": "7",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/greeter",
            "AWS_LAMBDA_RUNTIME_API": self.simulator.runtime_api,
            "AWS_REGION": "eu-central-1",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "_AWS_XRAY_DAEMON_PORT": "2000",
            "_HANDLER": "app.main",
        }
        self.assertEqual({name: found.get(name) for name in expected}, expected)
        stream = r"\A\d{4}/\d\d/\d\d/\[7\][0-9a-f]{32}\Z"
        self.assertRegex(found["AWS_LAMBDA_LOG_STREAM_NAME"], stream)
        self.assertTrue(all(found.get(name) for name in CREDENTIALS))

    def test_env_01_x_ray_has_an_address_in_three_parts(self) -> None:
        found = self.runtimes()
        host, port = found["_AWS_XRAY_DAEMON_ADDRESS"], found["_AWS_XRAY_DAEMON_PORT"]
        self.assertEqual(found["AWS_XRAY_DAEMON_ADDRESS"], f"{host}:{port}")

    def test_env_01_lambdas_search_paths_are_searched(self) -> None:
        found = self.runtimes()
        for name, entries in (
            ("PATH", "/var/lang/bin /usr/local/bin /usr/bin /bin /opt/bin"),
            (
                "LD_LIBRARY_PATH",
                "/var/lang/lib /lib64 /usr/lib64 /var/runtime /var/runtime/lib /var/task "
                "/var/task/lib /opt/lib",
            ),
        ):
            with self.subTest(name=name):
                have = {entry.rstrip("/") for entry in found[name].split(":")}
                self.assertLessEqual(set(entries.split()), have)

    def test_env_01_a_custom_runtime_has_no_execution_environment(self) -> None:
        self.assertNotIn("AWS_EXECUTION_ENV", self.runtimes())

    def test_env_01_json_logs_are_told_of(self) -> None:
        found = self.runtimes(log_format="JSON", log_level="DEBUG")
        self.assertEqual(found["AWS_LAMBDA_LOG_FORMAT"], "JSON")
        self.assertEqual(found["AWS_LAMBDA_LOG_LEVEL"], "DEBUG")
        self.assertNotIn("AWS_LAMBDA_LOG_FORMAT", self.runtimes())

    def test_env_01_an_initialization_type_is_told(self) -> None:
        found = self.runtimes(initialization_type="provisioned-concurrency")
        self.assertEqual(found["AWS_LAMBDA_INITIALIZATION_TYPE"], "provisioned-concurrency")

    def test_env_01_a_function_does_not_set_what_lambda_reserves(self) -> None:
        for name in (
            *CREDENTIALS,
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "AWS_EXECUTION_ENV",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "AWS_LAMBDA_FUNCTION_VERSION",
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            "AWS_LAMBDA_LOG_GROUP_NAME",
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "AWS_LAMBDA_RUNTIME_API",
            "LAMBDA_TASK_ROOT",
            "LAMBDA_RUNTIME_DIR",
        ):
            with self.subTest(name=name), self.assertRaises(ConfigurationError):
                SimulatorConfig(environment={name: "mine"})

    def test_env_02_a_function_sets_no_names_with_an_underscore_first(self) -> None:
        for name in ("_MINE", "_HANDLER", "_X_AMZN_TRACE_ID", "_LAMBDA_SB_ID"):
            with self.subTest(name=name), self.assertRaises(ConfigurationError):
                SimulatorConfig(environment={name: "mine"})

    def test_env_03_values_may_hold_equals_signs(self) -> None:
        value = "=a=b==c="
        self.assertEqual(self.runtimes(environment={"PAIRS": value})["PAIRS"], value)

    def test_env_04_nothing_internal_leaks(self) -> None:
        with outside(*INTERNAL):
            for found in (self.runtimes(), self.extensions()):
                self.assertEqual([name for name in INTERNAL if name in found], [])

    def test_env_04_the_developers_own_variables_stay_outside(self) -> None:
        with outside("AWS_PROFILE", "SECRET_OF_MINE", *CREDENTIALS):
            for found in (self.runtimes(), self.extensions()):
                self.assertNotIn("outer", found.values())

    def test_env_05_a_function_has_4_kb(self) -> None:
        name = "N" * 96
        found = self.runtimes(environment={name: "x" * 4000})
        self.assertEqual(len(found[name]), 4000)
        with self.assertRaises(ConfigurationError):
            SimulatorConfig(environment={name: "x" * 4001})

    def test_env_05_what_is_not_reserved_may_be_set(self) -> None:
        found = self.runtimes(environment=OVERRIDABLE)
        self.assertEqual({name: found.get(name) for name in OVERRIDABLE}, OVERRIDABLE)


class ExtensionTest(VariablesTest):
    def test_env_06_extensions_see_the_functions_own_credentials_and_platform(self) -> None:
        found = self.extensions(environment={"MINE": "1"}, handler="app.main")
        expected = {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_NAME": "test-function",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_RUNTIME_API": self.simulator.runtime_api,
            "AWS_REGION": "us-east-1",
            "MINE": "1",
            "TZ": ":UTC",
        }
        self.assertEqual({name: found.get(name) for name in expected}, expected)
        self.assertTrue(all(found.get(name) for name in CREDENTIALS))

    def test_env_06_extensions_do_not_see_what_is_the_runtimes(self) -> None:
        found = self.extensions(handler="app.main")
        self.assertEqual(RUNTIME_ONLY & set(found), set())
        self.assertEqual([name for name in found if name.startswith("_")], [])

    def test_env_06_extensions_and_the_runtime_share_their_credentials(self) -> None:
        runtime, extension = self.runtimes(), self.extensions()
        for name in CREDENTIALS:
            self.assertEqual(runtime[name], extension[name])


@contextmanager
def outside(*names: str) -> Iterator[None]:
    """Have variables set in the process that simulates."""
    with patch.dict(os.environ, dict.fromkeys(names, "outer")):
        yield
