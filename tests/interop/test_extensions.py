"""Real extensions of three languages around one function: events, telemetry, the end."""

from __future__ import annotations

import unittest

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
