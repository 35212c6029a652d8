"""What every extension has to get through; test_extensions.py has a class for each language."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from lambda_sim import (
    FreezeMode,
    Invocation,
    InvocationStatus,
    ProcessConfig,
    ProcessRole,
    Simulator,
)
from tests.interop import clients
from tests.interop.build import PROGRAMS
from tests.interop.clients import Client
from tests.interop.scenarios import InteropTest
from tests.support import PATIENCE

COMMANDS: dict[str, Sequence[str | Path]] = {
    "python": [sys.executable, "extension.py"],
    "go": [PROGRAMS["go"].folder / "bin" / "extension"],
    "rust": [PROGRAMS["rust"].folder / "target" / "debug" / "extension"],
}


def extension(language: str, **env: str) -> ProcessConfig:
    return ProcessConfig(
        COMMANDS[language],
        ProcessRole.EXTENSION,
        name=f"{language}-extension",
        env=env,
        cwd=PROGRAMS[language].folder,
        inherit_stdio=False,
    )


class ExtensionTest(InteropTest):
    """Has extensions print what they hear; its lines are read back."""

    def around(
        self,
        *languages: str,
        client: Client = clients.EMBEDDED,
        env: Mapping[str, str] | None = None,
        **config: Any,
    ) -> Any:
        """A function with these extensions around it, all registered."""
        for language in languages:
            if (lacking := PROGRAMS[language].lacking()) is not None:
                self.skipTest(lacking)
        extensions = [extension(language, **(env or {})) for language in languages]
        simulator = self.started(client, extensions=extensions, **config)
        simulator.wait_for_extensions(len(languages), PATIENCE)
        return simulator

    def invoke(self, simulator: Simulator, event: Any) -> str:
        """An invocation that succeeds, after which everybody waits in Next again."""
        state = simulator.invoke(event)
        self.assertIs(state.status, InvocationStatus.SUCCESS, state.error)
        simulator.wait_for_extensions_ready(state.request_id, PATIENCE)
        return state.request_id

    def events(self, simulator: Simulator, name: str) -> list[str]:
        """What an extension was sent by Next."""
        return [line for line in self.said(simulator, name) if line.split()[0].isupper()]

    def records(self, simulator: Simulator, name: str) -> list[tuple[str, Any]]:
        """The telemetry that an extension's listener was sent."""
        lines = [line.split(" ", 1) for line in self.said(simulator, name)]
        return [(kind, json.loads(told)) for kind, told in lines if not kind.isupper()]

    def reports(self, simulator: Simulator, name: str) -> list[str]:
        """The invocations whose report has come."""
        records = self.records(simulator, name)
        return [told["requestId"] for kind, told in records if kind == "platform.report"]

    def wait_for_reports(self, simulator: Simulator, count: int, *names: str) -> None:
        """Telemetry is given little time at the end; these tests are not of that."""
        for name in names:
            simulator.wait_for(
                lambda name=name: len(self.reports(simulator, name)) == count, PATIENCE
            )

    def said(self, simulator: Simulator, name: str) -> list[str]:
        return [
            line.message
            for line in simulator.logs
            if line.source == "extension" and line.name == name
        ]


class ExtensionScenarios(ExtensionTest):
    """One extension in every situation."""

    language: ClassVar[str]
    failure: ClassVar[int] = 7
    """The status that it exits with when it is told to fail."""

    @property
    def name(self) -> str:
        return f"{self.language}-extension"

    def test_it_hears_of_every_invocation_and_of_the_end(self) -> None:
        simulator = self.around(self.language)
        ids = [self.invoke(simulator, {"do": "echo"}) for _ in range(3)]
        simulator.graceful_shutdown()
        expected = [*(f"INVOKE {one}" for one in ids), "SHUTDOWN spindown"]
        self.assertEqual(self.events(simulator, self.name), expected)

    def test_its_listener_is_sent_all_telemetry_once_and_in_order(self) -> None:
        simulator = self.around(self.language)
        ids = [self.invoke(simulator, {"do": "echo"}) for _ in range(3)]
        self.wait_for_reports(simulator, 3, self.name)
        simulator.graceful_shutdown()
        records = self.records(simulator, self.name)
        for request_id in ids:
            mine = [kind for kind, told in records if request_id in json.dumps(told)]
            expected = ["platform.start", "function", "platform.runtimeDone", "platform.report"]
            self.assertEqual(mine, expected, records)
        starts = [told["requestId"] for kind, told in records if kind == "platform.start"]
        self.assertEqual(starts, ids)

    def test_it_is_told_of_a_timeout_and_started_again(self) -> None:
        simulator = self.around(self.language)
        state = simulator.invoke(Invocation({"do": "sleep"}, timeout=0.3))
        self.assertIs(state.status, InvocationStatus.TIMEOUT)
        after = self.invoke(simulator, {"do": "echo"})
        expected = [f"INVOKE {state.request_id}", "SHUTDOWN timeout", f"INVOKE {after}"]
        self.assertEqual(self.events(simulator, self.name), expected)

    def test_it_is_told_of_a_crash_and_started_again(self) -> None:
        simulator = self.around(self.language)
        state = simulator.invoke({"do": "crash"})
        after = self.invoke(simulator, {"do": "echo"})
        expected = [f"INVOKE {state.request_id}", "SHUTDOWN failure", f"INVOKE {after}"]
        self.assertEqual(self.events(simulator, self.name), expected)

    def test_it_works_between_freeze_and_thaw(self) -> None:
        simulator = self.around(self.language, freeze_mode=FreezeMode.PROCESS)
        ids: list[str] = []

        def has_been_told() -> bool:
            ids.append(self.invoke(simulator, {"do": "echo"}))
            simulator.wait_for_frozen(PATIENCE)
            return len(self.reports(simulator, self.name)) >= 2

        simulator.wait_for(has_been_told, PATIENCE)
        told = self.reports(simulator, self.name)
        self.assertEqual(told, ids[: len(told)])

    def test_if_it_fails_so_does_the_invocation(self) -> None:
        simulator = self.around(self.language, env={"FAIL": "INVOKE"})
        state = simulator.invoke({"do": "sleep"})
        message = f"RequestId: {state.request_id} Error: exit status {self.failure}"
        error = state.error
        self.assertEqual((error.error_type, error.error_message), ("Extension.Crash", message))
