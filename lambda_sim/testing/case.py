"""LambdaTestCase: the base class for tests of functions, runtimes and extensions."""

from __future__ import annotations

import inspect
import os
import unittest
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from lambda_sim.errors import ShuttingDown, WaitTimeout
from lambda_sim.model.invocation import Invocation, InvocationState, InvocationStatus
from lambda_sim.model.process import FreezeMode, ProcessRole
from lambda_sim.model.telemetry import TelemetryEvent
from lambda_sim.process import tree
from lambda_sim.simulator import Simulator
from lambda_sim.testing.commands import process_config
from lambda_sim.testing.leftovers import Census
from lambda_sim.testing.story import Witness, summary, tell

__all__ = ["LambdaTestCase"]

# What unittest knows its own modules by: the traceback of a failed assertion ends in the test.
__unittest = True

SETTLE_SECONDS = 1.0
"""What is about to end when a test does may take so long, and is no leftover."""


class LambdaTestCase(unittest.TestCase):
    """A test with a simulator of its own, which a failure describes and nothing survives. ::

        class GreetingTest(LambdaTestCase):
            runtime_command = [sys.executable, "-m", "lambda_sim.handler", "app.handler"]

            def test_it_greets_by_name(self):
                self.assertResponse(self.invoke({"name": "Ada"}), {"message": "Hello, Ada!"})

    Whatever fails, in setUp, in the test, in a subTest or in tearDown, carries as notes what the
    last invocation came to and logged, the environment's phase and processes, and which telemetry
    events there were. At its end a test fails that left a thread of the simulator's or a child
    process behind.

    What the processes print is in ``self.simulator.logs``, and not copied to the tests' output.

    Set on the class: ``runtime_command`` and ``extension_commands``, the processes to start;
    ``lambda_config``, keywords of SimulatorConfig; ``working_directory``, where the processes run
    (the test file's own directory by default); ``patience``, seconds that assertions wait.
    """

    lambda_config: ClassVar[Mapping[str, Any]] = {}
    """Keywords of SimulatorConfig, for every test of the class. They win over what follows here."""

    runtime_command: ClassVar[Sequence[str] | None] = None
    """The runtime's process; none is started without one, for tests with a ScriptedRuntime."""

    extension_commands: ClassVar[Sequence[Sequence[str]]] = ()
    """The external extensions' processes. Each registers under its program's file name, or
    under its script's when its first word is ``sys.executable``."""

    working_directory: ClassVar[str | os.PathLike[str] | None] = None
    """Where the processes run, seen from the directory of the file that defines the class; that
    directory itself by default, so that a handler's module is found beside its test."""

    patience: ClassVar[float] = 5.0
    """Seconds that assertTelemetry and assertFrozen wait for what they assert."""

    simulator: Simulator
    """Started anew for each test by setUp, and closed after it."""

    _subject: InvocationState | None = None

    def setUp(self) -> None:
        super().setUp()
        self._before = Census.now()
        self.addCleanup(self.assertNoLeftovers)
        self.simulator = self.enterContext(Simulator(**self._fields()))

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult:
        """As in TestCase; the result hears of failures with what the simulator has to say."""
        if result is None:
            result = self.defaultTestResult()
        super().run(Witness(result, self._tell))  # type: ignore[arg-type]
        return result

    def invoke(self, payload: Any | Invocation, **kw: Any) -> InvocationState:
        """Invoke the function and wait for its answer, as :meth:`Simulator.invoke` does.

        :param kw: that method's keywords, such as ``timeout`` in seconds.
        """
        invocation = payload if isinstance(payload, Invocation) else Invocation(payload)
        # If no answer comes, the failure is about this.
        self._subject = InvocationState(invocation=invocation, status=InvocationStatus.PENDING)
        self._subject = self.simulator.invoke(invocation, **kw)
        return self._subject

    # --- Assertions -----------------------------------------------------------------------------

    def assertSucceeded(self, state: InvocationState) -> None:
        """The function answered, and with no error."""
        self._assert_status(state, InvocationStatus.SUCCESS)

    def assertFailed(self, state: InvocationState, error_type: str | None = None) -> None:
        """The function, or its runtime, failed. A timeout is another thing: assertTimedOut.

        :param error_type: what Lambda calls the error, such as ``ValueError``.
        """
        self._assert_status(state, InvocationStatus.ERROR)
        if error_type is not None and state.error is not None:
            self.assertEqual(state.error.error_type, error_type, summary(state))

    def assertResponse(self, state: InvocationState, expected: object) -> None:
        """The function answered just this: a JSON value, or bytes to be compared with the body."""
        self.assertSucceeded(state)
        response = state.response
        if response is None:
            self.fail(f"there is no response, but {summary(state)}")
        if isinstance(expected, bytes):
            self.assertEqual(response.body, expected, summary(state))
            return
        try:
            payload = response.payload
        except ValueError:
            self.fail(f"the response is no JSON: {response.body!r}")
        self.assertEqual(payload, expected, summary(state))

    def assertTimedOut(self, state: InvocationState) -> None:
        """Lambda ended the invocation as its time was over."""
        self._assert_status(state, InvocationStatus.TIMEOUT)

    def assertTelemetry(self, event_type: str, /, **record_fields: Any) -> TelemetryEvent:
        """There is such an event, or comes within ``patience``; the first one.

        :param event_type: such as ``platform.report``.
        :param record_fields: what the record has to hold; of a dict, only the members given are
            compared. ``unittest.mock.ANY`` equals everything.
        """

        def matching() -> TelemetryEvent | None:
            events = self.simulator.get_telemetry_events_by_type(event_type)
            return next((one for one in events if not _differences(one, record_fields)), None)

        # What it waited for is told below, in the words of this question.
        with suppress(WaitTimeout, ShuttingDown):
            self.simulator.wait_for(matching, self.patience)
        found = matching()
        if found is None:
            self.fail(self._no_such_event(event_type, record_fields))
        return found

    def assertFrozen(self) -> None:
        """The processes are frozen, or will be within ``patience``."""
        if self.simulator.freeze_mode is FreezeMode.NONE:
            self.fail("nothing is ever frozen, as freeze_mode is NONE")
        try:
            self.simulator.wait_for_frozen(self.patience)
        except (WaitTimeout, ShuttingDown) as late:
            raise self.failureException(f"the processes are not frozen: {late}") from None

    def assertNoLeftovers(self) -> None:
        """No thread of the simulator's and no child process is there that was not before setUp.

        Called by itself when a test is over and its simulator closed; before that, the
        simulator's own would be found.
        """
        tree.asked_until(lambda: not self._before.newcomers(), SETTLE_SECONDS)
        if left := self._before.newcomers():
            self.fail("\n  ".join(["the test left behind:", *left]))

    # --- Within ---------------------------------------------------------------------------------

    def _fields(self) -> dict[str, Any]:
        """The simulator's settings."""
        environment = self.lambda_config.get("environment", {})
        directory = self._directory()

        def process(command: Sequence[str], role: ProcessRole) -> Any:
            return process_config(command, role, directory=directory, environment=environment)

        extensions = [process(one, ProcessRole.EXTENSION) for one in self.extension_commands]
        runtime = self.runtime_command and process(self.runtime_command, ProcessRole.RUNTIME)
        return {"runtime": runtime, "extensions": extensions, **self.lambda_config}

    def _directory(self) -> str:
        try:
            own = os.path.dirname(os.path.abspath(inspect.getfile(type(self))))
        except (TypeError, OSError):
            own = os.getcwd()  # the class was typed in at a prompt
        return os.path.normpath(os.path.join(own, self.working_directory or ""))

    def _assert_status(self, state: InvocationState, expected: InvocationStatus) -> None:
        self._subject = state
        if state.status is not expected:
            self.fail(f"expected {expected.name}, but {summary(state)}")

    def _no_such_event(self, event_type: str, fields: Mapping[str, Any]) -> str:
        events = self.simulator.get_telemetry_events_by_type(event_type)
        if not events:
            return f"there is no telemetry event {event_type}"
        lines = [f"none of {len(events)} telemetry events {event_type} is as expected:"]
        for number, event in enumerate(events, 1):
            lines += [f"  {number}: {line}" for line in _differences(event, fields)]
        return "\n".join(lines)

    def _tell(self, failure: BaseException) -> None:
        simulator = self.__dict__.get("simulator")
        if simulator is None:
            return  # setUp failed before there was one
        try:
            tell(failure, simulator, self._subject)
        except Exception as error:  # the failure itself must come through
            failure.add_note(f"(what the simulator saw could not be told: {error!r})")


def _differences(event: TelemetryEvent, fields: Mapping[str, Any]) -> list[str]:
    """Where an event's record is not as expected."""
    if not fields:
        return []
    if isinstance(event.record, str):
        return [f"its record is text: {event.record!r}"]
    return _unlike(event.record, fields, "")


def _unlike(found: Mapping[str, Any], expected: Mapping[str, Any], path: str) -> list[str]:
    lines = []
    for name, value in expected.items():
        where = f"{path}{name}"
        if name not in found:
            lines.append(f"{where} is missing, expected {value!r}")
        elif isinstance(value, Mapping) and isinstance(found[name], Mapping):
            lines += _unlike(found[name], value, f"{where}.")
        elif found[name] != value:
            lines.append(f"{where} is {found[name]!r}, expected {value!r}")
    return lines
