"""Real clients of six languages, each in every situation."""

from __future__ import annotations

import unittest

from lambda_sim import InvocationStatus
from tests.interop import clients, optional_scenarios


class EmbeddedTest(optional_scenarios.ConcurrentScenarios):
    """The yardstick: our own client."""

    client = clients.EMBEDDED


class PythonTest(optional_scenarios.ConcurrentScenarios):
    client = clients.PYTHON


class JavaTest(optional_scenarios.ConcurrentScenarios, optional_scenarios.SnapStartScenarios):
    client = clients.JAVA
    # What the hook threw is suppressed within.
    before_error = ("com.amazonaws.services.lambda.crac.CheckpointException",) * 2
    before_error_type = "Runtime.BeforeCheckpointError"
    after_error = ("com.amazonaws.services.lambda.crac.RestoreException",) * 2


class NodeTest(optional_scenarios.StreamingScenarios, optional_scenarios.ConcurrentScenarios):
    client = clients.NODE

    def test_a_stream_that_breaks_off_says_why_in_its_trailers(self) -> None:
        simulator, gate, stream = self.stream(fail=True)
        self.assertEqual(self.begin(stream), b"first, ")
        self.open_gate(simulator, gate)
        self.assertEqual(list(stream), [])
        error = stream.state.error
        self.assertEqual((error.error_type, error.error_message), self.client.error)


class GoTest(optional_scenarios.StreamingScenarios, optional_scenarios.ConcurrentScenarios):
    client = clients.GO

    def test_a_reader_that_fails_says_why_in_its_trailers(self) -> None:
        simulator, gate, stream = self.stream(fail=True)
        self.open_gate(simulator, gate)
        self.assertEqual(list(stream), [])
        error = stream.state.error
        self.assertEqual((error.error_type, error.error_message), self.client.error)

    def test_a_panic_is_an_error_and_then_an_exit(self) -> None:
        simulator = self.run_client()
        error = simulator.invoke({"do": "panic"}).error
        self.assertEqual((error.error_type, error.error_message), ("string", "as asked"))
        self.assertIn("handler", [frame["label"] for frame in error.payload["stackTrace"]])
        self.assert_works(simulator)
        self.assertEqual(self.inits(simulator), 2)


class RustTest(
    optional_scenarios.StreamingScenarios,
    optional_scenarios.ConcurrentScenarios,
    optional_scenarios.SnapStartScenarios,
):
    client = clients.RUST
    before_error = (clients.RUST.error[0], "before snapshot failed")
    before_error_type = "Runtime.InitError"
    after_error = (clients.RUST.error[0], "after restore failed")

    def test_a_stream_that_breaks_off_says_so_in_its_bytes(self) -> None:
        """Its trailers are text in one more chunk, so nobody sees an error."""
        simulator, gate, stream = self.stream(fail=True)
        self.begin(stream)
        self.open_gate(simulator, gate)
        rest = b"".join(stream)
        self.assertTrue(rest.startswith(b"Lambda-Runtime-Function-Error-Type: Runtime.StreamError"))
        self.assertIs(stream.state.status, InvocationStatus.SUCCESS)

    def test_a_panic_is_an_error_like_any_other(self) -> None:
        simulator = self.run_client()
        error = simulator.invoke({"do": "panic"}).error
        self.assertEqual(error.error_message, "Lambda panicked: as asked")
        self.assert_works(simulator)
        self.assertEqual(self.inits(simulator), 1)


class BashTest(optional_scenarios.StreamingScenarios):
    client = clients.BASH


if __name__ == "__main__":
    unittest.main()
