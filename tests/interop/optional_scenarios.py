"""What only some clients can: stream, serve several invocations at once, be restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from lambda_sim import InvocationStatus, Simulator
from tests.interop.scenarios import Scenarios
from tests.support import PATIENCE


class StreamingScenarios(Scenarios):
    """One that sends its response in pieces."""

    def stream(self, *, fail: bool = False) -> tuple[Simulator, Path, Any]:
        """A stream whose first half is on its way; its second waits for the gate."""
        simulator = self.run_client(handler=self.client.stream_handler)
        gate = self.gate()
        event = {"do": "stream", "gate": str(gate), "fail": fail}
        return simulator, gate, simulator.invoke_stream(event, timeout=PATIENCE)

    def begin(self, stream: Any) -> bytes:
        """What came until the first half was there."""
        got = b""
        while not got.endswith(b"first, "):
            got += next(stream)
        return got

    def test_a_stream_arrives_as_it_is_written(self) -> None:
        simulator, gate, stream = self.stream()
        begun = self.begin(stream) if self.client.is_streamed else b""
        self.open_gate(simulator, gate)
        expected = self.client.prelude + b"first, second"
        self.assertEqual(begun + b"".join(stream), expected)
        self.assertIs(stream.state.status, InvocationStatus.SUCCESS)
        self.assertEqual(stream.state.response.content_type, self.client.stream_type)


class ConcurrentScenarios(Scenarios):
    """One that serves several invocations at once, as managed instances ask it to."""

    def test_invocations_run_side_by_side(self) -> None:
        simulator = self.run_client(
            initialization_type="lambda-managed-instances", max_concurrency=3
        )
        gates = {self.meet(simulator, gate): gate for gate in map(self.gate, "abc")}
        for gate in reversed(gates.values()):
            self.open_gate(simulator, gate)
        for request_id in gates:
            state = simulator.wait_for_invocation_complete(request_id, PATIENCE)
            self.assertEqual(state.response.payload, {"id": request_id, "read": ""})
        self.assertEqual(self.inits(simulator), 1)

    def meet(self, simulator: Simulator, gate: Path) -> str:
        return simulator.enqueue_payload({"do": "meet", "gate": str(gate)})


class SnapStartScenarios(Scenarios):
    """One that runs hooks before its snapshot and after it is restored."""

    before_error: ClassVar[tuple[str, str]]
    """Type and message when the hook before the snapshot fails."""
    before_error_type: ClassVar[str]
    """The type in telemetry; after the restore all have the same."""
    after_error: ClassVar[tuple[str, str]]
    """Type and message when the hook after the restore fails."""

    def snapshot(self, fail: str = "") -> Any:
        return self.run_client({"FAIL_HOOK": fail}, initialization_type="snap-start")

    def hooks(self, simulator: Simulator) -> list[str]:
        return [
            line for line in self.printed(simulator) if line in ("before snapshot", "after restore")
        ]

    def test_hooks_run_around_the_snapshot(self) -> None:
        simulator = self.snapshot()
        simulator.wait_for_telemetry("platform.initRuntimeDone", timeout=PATIENCE)
        self.assertEqual(self.hooks(simulator), ["before snapshot"])
        simulator.restore()
        self.assert_works(simulator)
        self.assertEqual(self.hooks(simulator), ["before snapshot", "after restore"])

    def test_a_hook_that_fails_before_the_snapshot_fails_init(self) -> None:
        simulator = self.snapshot("before snapshot")
        (report,) = simulator.wait_for_telemetry("platform.initReport", timeout=PATIENCE)
        told = (report.record["status"], report.record["errorType"])
        self.assertEqual(told, ("error", self.before_error_type))
        self.assertEqual(simulator.init_error, ": ".join(self.before_error))

    def test_a_hook_that_fails_after_the_restore_fails_the_restore(self) -> None:
        simulator = self.snapshot("after restore")
        error = simulator.invoke({"do": "echo"}).error
        self.assertEqual((error.error_type, error.error_message), self.after_error)
        self.assertTrue(error.in_restore)
        (report,) = simulator.get_telemetry_events_by_type("platform.restoreReport")
        told = (report.record["status"], report.record["errorType"])
        self.assertEqual(told, ("error", "Runtime.AfterRestoreError"))
