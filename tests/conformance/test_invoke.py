"""Section 4.2 of the contract: what happens during an invocation, and around it."""

from __future__ import annotations

from typing import Any

import psutil

from lambda_sim import FreezeMode, InvocationStatus
from lambda_sim.testing import ManualClock
from tests.conformance.case import ConformanceTest, runtime_of
from tests.raw import PATIENCE

FOR_EVER = 900.0


class InvokeTest(ConformanceTest):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()

    def simulate_slowly(self, **config: Any) -> None:
        """Time stands, and no extension is given up before the invocation's time is out."""
        self.simulate(clock=self.clock, extension_ready_timeout=FOR_EVER, **config)

    def test_lc_10_the_runtime_and_subscribers_get_the_event_together(self) -> None:
        extension = self.park(self.extension("watcher", "INVOKE"))
        runtime = self.park(self.runtime())
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(extension.event()["requestId"], request_id)
        self.assertEqual(runtime.event().id, request_id)

    def test_lc_10_a_subscriber_does_not_wait_for_the_runtime_to_take_it(self) -> None:
        extension = self.park(self.extension("watcher", "INVOKE"))
        runtime, first = self.running()
        self.assertEqual(extension.event()["requestId"], first)
        runtime.respond(first)
        self.park(extension)
        self.settle(runtime)
        second = self.simulator.enqueue_payload({})
        self.assertEqual(extension.event()["requestId"], second)
        self.assertEqual(self.runtime().next().id, second)

    def test_lc_10_one_invocation_runs_at_a_time(self) -> None:
        runtime, first = self.running()
        second = self.simulator.enqueue_payload({})
        self.assertEqual(runtime.next().id, first)
        self.assertIs(self.status_of(second), InvocationStatus.PENDING)
        runtime.respond(first)
        self.assertIs(self.status_of(second), InvocationStatus.PENDING)
        self.assertEqual(runtime.next().id, second)

    def status_of(self, request_id: str) -> InvocationStatus:
        state = self.simulator.get_invocation_state(request_id)
        return state.status

    def test_lc_11_the_caller_has_the_answer_when_the_runtime_gave_it(self) -> None:
        self.simulate_slowly()
        self.park(self.extension("watcher", "INVOKE"))
        runtime, request_id = self.running()
        runtime.respond(request_id, b"1")
        self.assertEqual(self.complete(request_id).response.body, b"1")
        self.assertNotIn("platform.report", self.telemetry_types())

    def test_lc_11_the_report_ends_when_everyone_asked_for_next(self) -> None:
        self.simulate_slowly()
        extension = self.park(self.extension("watcher", "INVOKE"))
        runtime, request_id = self.running()
        extension.event()
        self.clock.advance(1.0)
        runtime.respond(request_id)
        self.clock.advance(0.5)
        self.park(runtime)
        self.clock.advance(1.0)
        self.park(extension)
        metrics = self.telemetry("platform.report")["metrics"]
        self.assertEqual((metrics["durationMs"], metrics["billedDurationMs"]), (2500.0, 2500))

    def test_lc_11_an_extension_that_never_asks_for_next_times_the_invocation_out(self) -> None:
        self.simulate_slowly(invocation_timeout=5.0)
        extension = self.park(self.extension("watcher", "INVOKE"))
        runtime, request_id = self.running()
        extension.event()
        runtime.respond(request_id, b"1")
        self.park(runtime)
        self.assert_answered_and_timed_out(request_id)

    def test_lc_11_a_runtime_that_never_asks_for_next_times_the_invocation_out(self) -> None:
        self.simulate_slowly(invocation_timeout=5.0)
        runtime, request_id = self.running()
        runtime.respond(request_id, b"1")
        self.assert_answered_and_timed_out(request_id)

    def assert_answered_and_timed_out(self, request_id: str) -> None:
        """The client has its answer; the environment ran out of time all the same."""
        self.assertEqual(self.complete(request_id).response.body, b"1")
        self.clock.advance(5.0)
        self.assertEqual(self.telemetry("platform.report")["status"], "timeout")
        self.assertEqual(self.complete(request_id).response.body, b"1")
        self.simulator.enqueue_payload({})
        self.assertEqual(self.telemetry("platform.initStart", 2)["phase"], "invoke")

    def test_lc_12_what_extensions_do_after_the_answer_is_the_invocations(self) -> None:
        self.simulate_slowly(invocation_timeout=60.0)
        extension = self.park(self.extension("watcher", "INVOKE"))
        runtime, first = self.running()
        extension.event()
        second = self.simulator.enqueue_payload({})
        runtime.respond(first)
        self.park(runtime)
        self.clock.advance(20.0)
        self.assertIs(self.status_of(second), InvocationStatus.PENDING)
        extension.ask()
        self.assertEqual(runtime.event().id, second)
        spans = self.telemetry("platform.report")["spans"]
        overheads = [(one["name"], one["durationMs"]) for one in spans]
        self.assertIn(("extensionOverhead", 20_000.0), overheads)

    def test_lc_14_a_second_invocation_waits_for_its_turn(self) -> None:
        self.simulate(runtime=runtime_of("serve"))
        calls = [self.soon(self.simulator.invoke, number) for number in range(5)]
        states = [call.result(PATIENCE) for call in calls]
        self.assertEqual([state.response.payload for state in states], list(range(5)))
        self.assertEqual(len(self.simulator.processes), 1)


class FreezeTest(ConformanceTest):
    def test_lc_13_between_invocations_processes_stand_still(self) -> None:
        self.simulate(runtime=runtime_of("serve"), freeze_mode=FreezeMode.PROCESS)
        pids = set()
        for number in range(3):
            state = self.simulator.invoke(number, timeout=PATIENCE)
            self.assertEqual(state.response.payload, number)
            self.simulator.wait_for_frozen(PATIENCE)
            (process,) = self.simulator.processes
            pids.add(process.pid)
            self.assertEqual(psutil.Process(process.pid).status(), psutil.STATUS_STOPPED)
        self.assertEqual(len(pids), 1)
