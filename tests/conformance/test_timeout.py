"""Section 4.3 of the contract: an invocation whose time runs out."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lambda_sim import Invocation, InvocationStatus
from lambda_sim.testing import ManualClock
from tests.conformance.case import ConformanceTest, extension_of, runtime_of
from tests.raw import PATIENCE, RawRuntime

INVALID_ID = ("InvalidRequestID", "Invalid request ID")


class TimeoutTest(ConformanceTest):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()

    def time_out(self, seconds: float = 3.0) -> tuple[RawRuntime, str]:
        """A runtime whose invocation ran out of time, and the invocation's id."""
        self.simulate(clock=self.clock, invocation_timeout=seconds, init_timeout=900.0)
        runtime, request_id = self.running()
        self.clock.advance(seconds)
        self.complete(request_id)
        return runtime, request_id

    def test_lc_20_the_invoker_is_told_the_configured_seconds(self) -> None:
        for seconds, told in ((1.0, "1.00"), (0.5, "0.50"), (2.345, "2.35"), (900.0, "900.00")):
            with self.subTest(seconds=seconds):
                _, request_id = self.time_out(seconds)
                message = f"RequestId: <id> Error: Task timed out after {told} seconds"
                self.assert_failed(request_id, "Sandbox.Timedout", message)
                self.assertIs(self.complete(request_id).status, InvocationStatus.TIMEOUT)

    def test_lc_20_an_invocations_own_timeout_is_the_one_that_counts(self) -> None:
        self.simulate(clock=self.clock)
        request_id = self.simulator.enqueue(Invocation({}, timeout=1.5))
        self.runtime().next()
        self.clock.advance(1.5)
        message = "RequestId: <id> Error: Task timed out after 1.50 seconds"
        self.assert_failed(request_id, "Sandbox.Timedout", message)

    def test_lc_20_an_answer_in_time_is_an_answer(self) -> None:
        self.simulate(clock=self.clock, invocation_timeout=3.0)
        runtime, request_id = self.running()
        self.clock.advance(2.999)
        self.assert_accepted(runtime.respond(request_id))
        self.assertIs(self.complete(request_id).status, InvocationStatus.SUCCESS)

    def test_lc_22_a_late_answer_is_refused(self) -> None:
        for verb in ("respond", "fail"):
            with self.subTest(verb=verb):
                runtime, request_id = self.time_out()
                answer = getattr(runtime, verb)(request_id)
                self.assert_refused(answer, 400, *INVALID_ID)
                self.assertEqual(self.complete(request_id).error.error_type, "Sandbox.Timedout")

    def test_lc_22_a_late_answer_is_refused_during_the_next_invocation(self) -> None:
        late, first = self.time_out()
        second = self.simulator.enqueue_payload({})
        runtime = self.runtime()
        self.assertEqual(runtime.next().id, second)
        self.assert_refused(late.respond(first), 400, *INVALID_ID)
        self.assert_accepted(runtime.respond(second))

    def test_lc_23_the_next_invocation_initialises_within_itself(self) -> None:
        self.time_out()
        request_id = self.simulator.enqueue_payload({})
        runtime = self.runtime()
        runtime.next()
        runtime.respond(request_id)
        self.settle(runtime)
        self.assertEqual(self.telemetry("platform.initStart", 2)["phase"], "invoke")
        self.assertNotIn("initDurationMs", self.telemetry("platform.report", 2)["metrics"])
        line = [one.message for one in self.simulator.logs if one.request_id == request_id][-1]
        self.assertTrue(line.startswith("REPORT"), line)
        self.assertNotIn("Init Duration", line)

    def test_lc_23_that_init_is_in_the_duration(self) -> None:
        self.time_out()
        request_id = self.simulator.enqueue_payload({})
        self.telemetry("platform.initStart", 2)
        self.clock.advance(1.0)
        runtime = self.runtime()
        runtime.next()
        self.clock.advance(0.5)
        runtime.respond(request_id)
        self.settle(runtime)
        metrics = self.telemetry("platform.report", 2)["metrics"]
        self.assertEqual((metrics["durationMs"], metrics["billedDurationMs"]), (1500.0, 1500))


class ResetTest(ConformanceTest):
    settings = {}  # noqa: RUF012

    def time_out(self, *runtime: str, watcher: tuple[str, ...], **config: float) -> None:
        """Have an invocation run out of time, and wait until everything is ended."""
        self.simulate(
            runtime=runtime_of(*runtime, "next", "hang"),
            extensions=[extension_of("watcher", *watcher)],
            invocation_timeout=0.2,
            **config,
        )
        state = self.simulator.invoke({}, timeout=PATIENCE)
        self.assertIs(state.status, InvocationStatus.TIMEOUT)
        self.wait_for(lambda: not any(one.is_running for one in self.simulator.processes))

    def test_lc_21_the_runtime_ends_before_extensions_are_told(self) -> None:
        self.time_out("deafen", watcher=("register:INVOKE,SHUTDOWN", "listen"))
        self.assertEqual(
            self.printed(), ["watcher INVOKE", "runtime SIGTERM", "watcher SHUTDOWN timeout"]
        )

    def test_lc_21_who_does_not_end_is_killed(self) -> None:
        self.time_out(watcher=("register:SHUTDOWN", "event", "hang"), shutdown_timeout=0.3)
        watcher, runtime = self.simulator.processes
        self.assertEqual((watcher.returncode, runtime.returncode), (-9, -15))
        self.assertEqual(self.printed(), ["watcher SHUTDOWN timeout"])

    def test_lc_21_files_stay_and_processes_are_new(self) -> None:
        marks = self.enterContext(tempfile.TemporaryDirectory())
        steps = ("once:next", "once:hang", "serve")
        self.simulate(runtime=runtime_of(*steps, MARKS=marks), invocation_timeout=0.3)
        self.assertIs(self.simulator.invoke({}).status, InvocationStatus.TIMEOUT)
        state = self.simulator.invoke(Invocation({"a": 1}, timeout=PATIENCE))
        self.assertEqual(state.response.payload, {"a": 1})
        self.assertEqual({file.name for file in Path(marks).iterdir()}, {"next", "hang"})
        self.assertEqual(len({one.pid for one in self.simulator.processes}), 2)
