"""Real extensions of three languages around one function: events, telemetry, the end."""

from __future__ import annotations

import unittest
from typing import Any

from tests.interop import clients, extension_scenarios


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
        ids, records = self.logged("function")
        lines = [line for kind, line in records if kind == "function" and "to do" in line]
        for request_id, line in zip(ids, lines, strict=True):
            self.assertIn(request_id, line)

    def test_a_listener_that_refuses_every_batch_holds_nothing_up(self) -> None:
        """Its listener for the Logs API knows no record of init, and refuses a batch for one."""
        _, records = self.logged("platform,function")
        self.assertEqual(records, [])

    def logged(self, types: str) -> tuple[list[str], list[tuple[str, Any]]]:
        """Three invocations, and what the Logs API's listener understood of them."""
        simulator = self.around("rust", env={"API": "logs", "TYPES": types})
        ids = [self.invoke(simulator, {"do": "echo"}) for _ in range(3)]
        simulator.graceful_shutdown()
        expected = [*(f"INVOKE {one}" for one in ids), "SHUTDOWN spindown"]
        self.assertEqual(self.events(simulator, self.name), expected)
        return ids, self.records(simulator, self.name)


class TogetherTest(extension_scenarios.ExtensionTest):
    def test_three_languages_live_beside_a_function_of_a_fourth(self) -> None:
        languages = ("python", "go", "rust")
        simulator = self.around(*languages, client=clients.BASH)
        ids = [self.invoke(simulator, {"do": "echo"}) for _ in range(3)]
        simulator.graceful_shutdown()
        for language in languages:
            name = f"{language}-extension"
            expected = [*(f"INVOKE {one}" for one in ids), "SHUTDOWN spindown"]
            self.assertEqual(self.events(simulator, name), expected)
            reports = self.reports(simulator, name)
            self.assertEqual([one["requestId"] for one in reports], ids)


if __name__ == "__main__":
    unittest.main()
