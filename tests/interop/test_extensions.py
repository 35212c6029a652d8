"""Real extensions of three languages around one function: events, telemetry, the end."""

from __future__ import annotations

import unittest

from lambda_sim import Simulator
from tests.interop import clients, extension_scenarios
from tests.support import PATIENCE


class PythonTest(extension_scenarios.ExtensionScenarios):
    """Python's own HTTP."""

    language = "python"


class GoTest(extension_scenarios.ExtensionScenarios):
    """Go's own HTTP."""

    language = "go"


class RustTest(extension_scenarios.ExtensionScenarios):
    """The crate lambda-extension. What fails at an INVOKE it reports as an error of init, and does
    not mind that it is refused."""

    language = "rust"
    failure = 1

    def test_the_logs_api_tells_its_listener_what_the_function_wrote(self) -> None:
        simulator, ids = self.logging("function")
        simulator.wait_for(lambda: len(self.records(simulator, self.name)) == 3, PATIENCE)
        lines = self.records(simulator, self.name)
        for request_id, (_, line) in zip(ids, lines, strict=True):
            self.assertIn(request_id, line)

    def test_a_listener_that_refuses_every_batch_holds_nothing_up(self) -> None:
        """Its listener for the Logs API knows no record of init, and refuses a batch for one."""
        simulator, ids = self.logging("platform,function")
        simulator.graceful_shutdown()
        expected = [*(f"INVOKE {one}" for one in ids), "SHUTDOWN spindown"]
        self.assertEqual(self.events(simulator, self.name), expected)
        self.assertEqual(self.records(simulator, self.name), [])

    def logging(self, types: str) -> tuple[Simulator, list[str]]:
        """Three invocations with a listener for the Logs API."""
        simulator = self.around("rust", env={"API": "logs", "TYPES": types})
        return simulator, [self.invoke(simulator, {"do": "echo"}) for _ in range(3)]


class TogetherTest(extension_scenarios.ExtensionTest):
    def test_three_languages_live_beside_a_function_of_a_fourth(self) -> None:
        languages = ("python", "go", "rust")
        names = [f"{language}-extension" for language in languages]
        simulator = self.around(*languages, client=clients.BASH)
        ids = [self.invoke(simulator, {"do": "echo"}) for _ in range(3)]
        self.wait_for_reports(simulator, 3, *names)
        simulator.graceful_shutdown()
        for name in names:
            expected = [*(f"INVOKE {one}" for one in ids), "SHUTDOWN spindown"]
            self.assertEqual(self.events(simulator, name), expected)
            self.assertEqual(self.reports(simulator, name), ids)


if __name__ == "__main__":
    unittest.main()
