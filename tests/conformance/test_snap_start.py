"""Section 1.6 of the contract: an environment that is restored from a snapshot of its init."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import psutil

from lambda_sim import (
    ConfigurationError,
    FreezeMode,
    InvocationStatus,
    ProcessRole,
    ShuttingDown,
    SimulatorPhase,
)
from lambda_sim.testing import ManualClock
from tests.conformance.case import EXTERNALS, ConformanceTest, runtime_of
from tests.raw import PATIENCE, RUNTIME, HungUp, RawAnswer, RawRuntime
from tests.support import program

RESTORE_NEXT = f"{RUNTIME}/restore/next"
RESTORE_ERROR = f"{RUNTIME}/restore/error"
CREDENTIALS = "/2021-04-23/credentials"
ENDPOINTS = (("GET", RESTORE_NEXT), ("POST", RESTORE_ERROR), ("GET", CREDENTIALS))

OTHER_TYPES = ("on-demand", "provisioned-concurrency", "lambda-managed-instances")
INIT = ("platform.initStart", "platform.initRuntimeDone", "platform.initReport")
RESTORE = ("platform.restoreStart", "platform.restoreRuntimeDone", "platform.restoreReport")
HOOKED = b'{"errorMessage":"the hook failed","errorType":"Hooked"}'


class SnapRuntime(RawRuntime):
    """A runtime that knows of snapshots."""

    def ask_restore(self) -> None:
        """Send restore/next, and do not wait for its answer."""
        self.send_head("GET", RESTORE_NEXT)

    def restore_error(self, body: bytes = HOOKED, **headers: str) -> RawAnswer:
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return self.request("POST", RESTORE_ERROR, pairs, body)


class SnapStartTest(ConformanceTest):
    settings: ClassVar[dict[str, Any]] = {
        "external_extensions": EXTERNALS,
        "initialization_type": "snap-start",
    }

    def snap_runtime(self) -> SnapRuntime:
        return self._closing(SnapRuntime(self.simulator))

    def snapshot(self) -> SnapRuntime:
        """A runtime that waits to be restored."""
        runtime = self.snap_runtime()
        before = self.simulator.parked
        runtime.ask_restore()
        self.simulator.wait_for_parked(before + 1, PATIENCE)
        return runtime

    def restoring(self) -> SnapRuntime:
        """A runtime that was told to restore, and has not asked for Next."""
        runtime = self.snapshot()
        self.simulator.restore()
        self.assertEqual(runtime.read_answer().status, 200)
        return runtime

    def restored(self) -> SnapRuntime:
        """A runtime that was restored, and waits in Next."""
        runtime = self.restoring()
        self.park(runtime)
        return runtime

    def run_runtime(self, *steps: str, **config: Any) -> None:
        """A simulator whose runtime takes these steps; see tests/programs/restorable.py."""
        marks = self.enterContext(tempfile.TemporaryDirectory())
        runtime = program(
            "restorable.py", *steps, role=ProcessRole.RUNTIME, env={"MARKS": str(Path(marks))}
        )
        self.simulate(**{"runtime": runtime, "invocation_timeout": PATIENCE, **config})

    def outcomes(self, event_type: str) -> list[tuple[str, str | None]]:
        """Status and error type of every event of a type."""
        return [
            (event.record["status"], event.record.get("errorType"))
            for event in self.simulator.get_telemetry_events_by_type(event_type)
        ]

    def platform_lines(self) -> list[str]:
        return [one.message for one in self.simulator.logs if one.source == "platform"]


class RestoreNextTest(SnapStartTest):
    def test_rt_60_restore_next_blocks_until_the_restore(self) -> None:
        runtime = self.snapshot()
        self.assertTrue(runtime.is_silent())
        self.simulator.restore()
        answer = runtime.read_answer()
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(answer["Content-Length"], "0")

    def test_rt_60_an_invocation_restores_too(self) -> None:
        runtime = self.snapshot()
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(runtime.read_answer().status, 200)
        self.assertEqual(runtime.next().id, request_id)
        self.assert_accepted(runtime.respond(request_id, b"1"))
        self.assertEqual(self.complete(request_id).response.body, b"1")

    def test_rt_60_next_ends_the_restore(self) -> None:
        runtime = self.restoring()
        self.assertNotIn("platform.restoreRuntimeDone", self.telemetry_types())
        self.park(runtime)
        self.assertEqual(self.outcomes("platform.restoreReport"), [("success", None)])

    def test_rt_60_an_invocation_waits_for_the_end_of_the_restore(self) -> None:
        runtime = self.restoring()
        request_id = self.simulator.enqueue_payload({})
        self.assertNotIn("platform.start", self.telemetry_types())
        state = self.simulator.get_invocation_state(request_id)
        assert state is not None
        self.assertIs(state.status, InvocationStatus.PENDING)
        self.assertEqual(runtime.next().id, request_id)

    def test_rt_60_init_is_over_when_the_runtime_asks_to_be_restored(self) -> None:
        self.snapshot()
        self.assertTrue(self.simulator.is_initialized)
        self.assertIs(self.simulator.phase, SimulatorPhase.READY)
        self.assertEqual(
            self.extension().ask_to_register("late").json["errorType"],
            "Extension.RegistrationClosed",
        )

    def test_rt_60_init_waits_for_extensions_all_the_same(self) -> None:
        watcher = self.extension("watcher")
        runtime = self.snapshot()
        self.simulator.restore()
        self.assertFalse(self.simulator.is_initialized)
        self.assertTrue(runtime.is_silent())
        watcher.ask()
        self.assertEqual(runtime.read_answer().status, 200)

    def test_rt_60_only_a_runtime_that_has_just_started_may_ask(self) -> None:
        self.snapshot()
        self.assert_transition(self.ask_once_more(), "RestoreReady", "Ready")
        self.simulate()
        self.restoring()
        self.assert_transition(self.ask_once_more(), "Restoring", "Ready")
        self.simulate()
        self.restored()
        self.assert_transition(self.ask_once_more(), "Ready", "Ready")
        self.simulate()
        self.assert_accepted(self.runtime().init_error())
        self.assert_transition(self.ask_once_more(), "InitError", "Ready")

    def test_rt_64_restore_next_is_refused_after_an_invocation(self) -> None:
        runtime = self.restored()
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(runtime.event().id, request_id)
        self.assert_transition(self.ask_once_more(), "Running", "Ready")
        runtime.respond(request_id)
        self.assert_transition(self.ask_once_more(), "RuntimeResponseSentState", "Ready")
        self.park(runtime)
        self.assert_transition(self.ask_once_more(), "Ready", "Ready")

    def ask_once_more(self) -> RawAnswer:
        return self.runtime().request("GET", RESTORE_NEXT)

    def test_rt_60_a_refusal_changes_nothing(self) -> None:
        runtime = self.snapshot()
        self.assertEqual(self.ask_once_more().status, 403)
        self.simulator.restore()
        self.assertEqual(runtime.read_answer().status, 200)
        self.assertEqual(self.ask_once_more().status, 403)
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(runtime.next().id, request_id)

    def test_rt_60_other_initialization_types_have_no_such_endpoints(self) -> None:
        for kind in OTHER_TYPES:
            self.simulate(initialization_type=kind)
            for method, path in ENDPOINTS:
                with self.subTest(kind=kind, path=path):
                    answer = self.connect().request(method, path, (), b"")
                    self.assertEqual((answer.status, answer.body), (404, b"404 page not found\n"))

    def test_rt_60_the_endpoints_take_one_method_each(self) -> None:
        for method, path in ENDPOINTS:
            wrong = "POST" if method == "GET" else "GET"
            with self.subTest(path=path):
                answer = self.connect().request(wrong, path, (), b"")
                self.assertEqual((answer.status, answer["Allow"]), (405, method))

    def test_rt_60_a_runtime_without_hooks_is_restored_at_once(self) -> None:
        runtime = self.park(self.runtime())
        self.assertTrue(self.simulator.is_initialized)
        self.assertNotIn("platform.restoreStart", self.telemetry_types())
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(runtime.event().id, request_id)
        self.assertEqual(self.outcomes("platform.restoreReport"), [("success", None)])

    def test_rt_60_a_runtime_without_hooks_may_be_restored_before(self) -> None:
        runtime = self.park(self.runtime())
        self.simulator.restore()
        self.assertEqual(self.outcomes("platform.restoreReport"), [("success", None)])
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(runtime.event().id, request_id)


class RestoreTest(SnapStartTest):
    """Simulator.restore, which stands for whatever makes Lambda restore."""

    def test_rt_60_a_restore_that_comes_too_soon_is_not_forgotten(self) -> None:
        self.simulator.restore()
        self.assertNotIn("platform.restoreStart", self.telemetry_types())
        runtime = self.snap_runtime()
        runtime.ask_restore()
        self.assertEqual(runtime.read_answer().status, 200)

    def test_rt_60_a_second_restore_does_nothing(self) -> None:
        runtime = self.snapshot()
        self.simulator.restore()
        self.simulator.restore()
        runtime.read_answer()
        self.simulator.restore()
        self.park(runtime)
        self.simulator.restore()
        self.assertEqual(self.telemetry_types().count("platform.restoreStart"), 1)

    def test_rt_60_other_initialization_types_are_not_restored(self) -> None:
        for kind in OTHER_TYPES:
            self.simulate(initialization_type=kind)
            with self.subTest(kind), self.assertRaises(ConfigurationError) as caught:
                self.simulator.restore()
            self.assertEqual(caught.exception.field, "initialization_type")

    def test_rt_60_what_has_ended_is_not_restored(self) -> None:
        self.snapshot()
        self.simulator.close()
        with self.assertRaises(ShuttingDown):
            self.simulator.restore()

    def test_rt_60_a_frozen_snapshot_is_thawed_by_the_restore(self) -> None:
        self.run_runtime("restore", "serve", freeze_mode=FreezeMode.PROCESS)
        self.simulator.wait_for_frozen(PATIENCE)
        child = psutil.Process(self.simulator.processes[0].pid)
        self.assertEqual(child.status(), psutil.STATUS_STOPPED)
        self.assertEqual(self.simulator.parked, 1)
        self.simulator.restore()
        self.wait_for_print("restored")
        self.assertFalse(self.simulator.is_frozen)
        self.assertEqual(self.simulator.invoke(1).response.payload, 1)
        self.simulator.wait_for_frozen(PATIENCE)

    def test_rt_60_a_frozen_snapshot_is_thawed_by_an_invocation(self) -> None:
        self.run_runtime("restore", "serve", freeze_mode=FreezeMode.PROCESS)
        self.simulator.wait_for_frozen(PATIENCE)
        self.assertEqual(self.simulator.invoke(1).response.payload, 1)

    def test_rt_60_a_frozen_snapshot_ends_with_the_simulator(self) -> None:
        self.run_runtime("restore", "serve", freeze_mode=FreezeMode.PROCESS)
        self.simulator.wait_for_frozen(PATIENCE)
        self.simulator.graceful_shutdown()
        self.assertFalse(self.simulator.processes[0].is_running)


class HangUpTest(SnapStartTest):
    """RT-10, of a restore/next."""

    def test_rt_10_a_runtime_whose_connection_broke_may_ask_again(self) -> None:
        for leave in ("close", "abort"):
            self.simulate()
            getattr(self.snapshot(), leave)()
            self.wait_for(lambda: self.simulator.parked == 0)
            self.assertTrue(self.simulator.is_initialized)
            again = self.snapshot()
            self.simulator.restore()
            with self.subTest(leave):
                self.assertEqual(again.read_answer().status, 200)

    def test_rt_10_it_may_ask_again_before_its_loss_was_noticed(self) -> None:
        for _ in range(5):
            self.simulate()
            self.snapshot().close()
            again = self.snap_runtime()
            again.ask_restore()
            self.simulator.restore()
            self.assertEqual(again.read_answer().status, 200)

    def test_rt_10_it_may_ask_again_after_the_restore_began(self) -> None:
        self.snapshot().close()
        self.wait_for(lambda: self.simulator.parked == 0)
        request_id = self.simulator.enqueue_payload({})
        again = self.snap_runtime()
        again.ask_restore()
        self.assertEqual(again.read_answer().status, 200)
        self.assertEqual(again.next().id, request_id)

    def test_rt_10_closing_lets_go_of_whoever_waits_to_be_restored(self) -> None:
        runtime = self.snapshot()
        self.simulator.close()
        self.assertTrue(runtime.is_closed_by_peer())

    def test_rt_10_closing_in_the_middle_of_a_restore_lets_go_of_the_invoker(self) -> None:
        runtime = self.restoring()
        request_id = self.simulator.enqueue_payload({})
        invoker = self._threads.submit(self.complete, request_id)
        self.simulator.close()
        self.assertIsInstance(invoker.exception(PATIENCE), ShuttingDown)
        with self.assertRaises((HungUp, OSError)):
            runtime.next()
        self.assertNotIn("platform.restoreReport", self.telemetry_types())


class StateTest(SnapStartTest):
    """RT-70, of the states that only SnapStart has."""

    def assert_refuses(self, state: str, *targets: str, request_id: str = "") -> None:
        moves = {
            "Ready": lambda: self.runtime().poll(),
            "InvocationResponse": lambda: self.runtime().respond(request_id),
            "InvocationErrorResponse": lambda: self.runtime().fail(request_id),
            "InitError": lambda: self.runtime().init_error(),
            "RuntimeRestoreErrorState": lambda: self.snap_runtime().restore_error(),
        }
        for target in targets:
            with self.subTest(state=state, target=target):
                self.assert_transition(moves[target](), state, target)

    def test_rt_70_started_refuses_a_restore_error(self) -> None:
        self.simulate()
        self.assert_refuses("Started", "RuntimeRestoreErrorState")

    def test_rt_70_a_runtime_that_waits_to_be_restored_may_do_nothing_else(self) -> None:
        runtime = self.snapshot()
        self.assert_refuses("RestoreReady", "Ready", "InitError", "RuntimeRestoreErrorState")
        self.simulator.restore()
        self.assertEqual(runtime.read_answer().status, 200)

    def test_rt_70_a_runtime_that_is_being_restored_refuses_answers(self) -> None:
        runtime = self.restoring()
        request_id = self.simulator.enqueue_payload({})
        answers = ("InvocationResponse", "InvocationErrorResponse")
        self.assert_refuses("Restoring", *answers, request_id=request_id)
        self.assertEqual(runtime.next().id, request_id)

    def test_rt_70_a_restore_error_refuses_everything(self) -> None:
        self.assert_accepted(self.restoring().restore_error())
        moves = ("Ready", "InitError", "RuntimeRestoreErrorState")
        self.assert_refuses("RuntimeRestoreErrorState", *moves)

    def test_rt_61_a_restore_error_is_refused_when_nothing_is_restored(self) -> None:
        runtime = self.restored()
        self.assert_refuses("Ready", "RuntimeRestoreErrorState")
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(runtime.event().id, request_id)
        self.assert_refuses("Running", "RuntimeRestoreErrorState")
        runtime.respond(request_id)
        self.assert_refuses("RuntimeResponseSentState", "RuntimeRestoreErrorState")
        self.park(runtime)
        self.assertIs(self.complete(request_id).status, InvocationStatus.SUCCESS)


class RestoreErrorTest(SnapStartTest):
    def waiting(self) -> tuple[SnapRuntime, str]:
        """A runtime that is being restored for an invocation, and its id."""
        runtime = self.snapshot()
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(runtime.read_answer().status, 200)
        return runtime, request_id

    def test_rt_61_a_restore_error_fails_the_invocation_that_waits(self) -> None:
        runtime, request_id = self.waiting()
        kind = "Runtime.AfterRestoreError"
        self.assert_accepted(runtime.restore_error(Lambda_Runtime_Function_Error_Type=kind))
        state = self.complete(request_id)
        self.assertIs(state.status, InvocationStatus.ERROR)
        self.assertEqual((state.error.body, state.error.in_restore), (HOOKED, True))
        expected = [("error", "Runtime.AfterRestoreError")]
        self.assertEqual(self.outcomes("platform.restoreRuntimeDone"), expected)
        self.assertEqual(self.outcomes("platform.restoreReport"), expected)

    def test_rt_53_an_init_error_during_the_restore_is_a_restore_error(self) -> None:
        runtime, request_id = self.waiting()
        self.assert_accepted(runtime.init_error(HOOKED))
        state = self.complete(request_id)
        self.assertEqual((state.error.body, state.error.in_restore), (HOOKED, True))
        self.assertEqual(self.outcomes("platform.restoreReport"), [("error", "Runtime.Unknown")])
        self.assertEqual(self.outcomes("platform.initReport"), [("success", None)])
        self.assert_transition(self.runtime().poll(), "RuntimeRestoreErrorState", "Ready")

    def test_rt_61_only_one_invocation_fails_with_it(self) -> None:
        self.run_runtime("restore", "once:restore-error", "serve")
        self.simulator.wait_for_parked(1, PATIENCE)
        first, second = (self.simulator.enqueue_payload(number) for number in range(2))
        self.assertEqual(self.complete(first).error.body, HOOKED)
        self.assertEqual(self.complete(second).response.body, b"1")

    def test_rt_61_a_restore_that_fails_without_an_invocation_is_kept_as_an_init_error(
        self,
    ) -> None:
        self.assert_accepted(self.restoring().restore_error())
        self.assertEqual(self.simulator.init_error, "Hooked: the hook failed")
        self.simulator.wait_for(lambda: not self.simulator.is_initialized, PATIENCE)
        self.assertEqual(self.simulator.invocation_states, [])

    def test_rt_61_the_next_invocation_initialises_and_restores_inside_itself(self) -> None:
        self.run_runtime("restore", "once:restore-error", "serve")
        self.simulator.restore()
        self.telemetry("platform.restoreReport")
        state = self.simulator.invoke(1)
        self.assertEqual(state.response.payload, 1)
        self.telemetry("platform.report")
        types = [one for one in self.telemetry_types() if one.startswith("platform.")]
        inits = [*INIT[:2], *RESTORE, INIT[2]]
        ends = ["platform.start", "platform.runtimeDone", "platform.report"]
        self.assertEqual(types, [*inits, *inits, *ends])
        phases = [
            event.record["phase"]
            for event in self.simulator.get_telemetry_events_by_type("platform.initReport")
        ]
        self.assertEqual(phases, ["snap-start", "invoke"])
        metrics = self.telemetry("platform.report")["metrics"]
        self.assertNotIn("restoreDurationMs", metrics)
        self.assertNotIn("initDurationMs", metrics)

    def test_rt_61_an_exit_fails_the_restore(self) -> None:
        # Its error is not said to be one of the restore: Invoke answers 200, and no exception.
        self.run_runtime("restore", "once:exit:3", "serve")
        self.simulator.wait_for_parked(1, PATIENCE)
        state = self.simulator.invoke({})
        self.assertEqual(state.error.error_type, "Runtime.ExitError")
        self.assertEqual(self.outcomes("platform.restoreReport"), [("error", "Runtime.ExitError")])
        self.assertEqual(self.simulator.invoke(1).response.payload, 1)
        self.assertTrue(state.error.in_restore)

    def test_rt_61_an_error_that_was_reported_wins_over_the_exit(self) -> None:
        self.run_runtime("restore", "once:restore-error", "once:exit:65", "serve")
        self.simulator.wait_for_parked(1, PATIENCE)
        self.assertEqual(self.simulator.invoke({}).error.body, HOOKED)
        self.assertEqual(self.outcomes("platform.restoreReport"), [("error", "Runtime.Hooked")])

    def test_rt_61_a_runtime_that_dies_in_the_snapshot_is_missed_by_the_next_invocation(
        self,
    ) -> None:
        self.run_runtime("restore", "serve")
        self.simulator.wait_for_parked(1, PATIENCE)
        self.simulator.processes[0].kill()
        self.simulator.wait_for(lambda: not self.simulator.is_initialized, PATIENCE)
        self.assertEqual(self.simulator.invoke(1).response.payload, 1)

    def test_rt_61_an_init_that_fails_is_tried_again_inside_the_invocation(self) -> None:
        self.run_runtime("once:init-error", "restore", "serve")
        self.telemetry("platform.initReport")
        self.assertEqual(self.simulator.invoke(1).response.payload, 1)
        expected = [("error", "Runtime.Hooked"), ("success", None)]
        self.assertEqual(self.outcomes("platform.initReport"), expected)
        self.assertEqual(self.outcomes("platform.restoreReport"), [("success", None)])


class RestoreTimeTest(SnapStartTest):
    """RT-62: ten seconds for the restore and the hooks after it."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.simulate(clock=self.clock, shutdown_timeout=0.0)

    def assert_timed_out(self, request_id: str) -> None:
        state = self.complete(request_id)
        self.assertIs(state.status, InvocationStatus.TIMEOUT)
        self.assertEqual(state.error.error_type, "Runtime.RestoreHookUserTimeout")
        self.assertTrue(state.error.in_restore)

    def test_rt_62_the_time_between_init_and_restore_does_not_count(self) -> None:
        self.snapshot()
        self.clock.advance(100_000.0)
        self.simulator.restore()
        self.assertEqual(self.outcomes("platform.initReport"), [])
        self.assertNotIn("platform.restoreReport", self.telemetry_types())

    def test_rt_62_a_restore_may_take_10_seconds(self) -> None:
        runtime = self.snapshot()
        request_id = self.simulator.enqueue_payload({})
        self.clock.advance(9.999)
        runtime.read_answer()
        self.assertEqual(runtime.next().id, request_id)
        runtime.respond(request_id)
        self.assertIs(self.complete(request_id).status, InvocationStatus.SUCCESS)

    def test_rt_62_hooks_that_take_longer_fail_the_invocation(self) -> None:
        runtime = self.snapshot()
        request_id = self.simulator.enqueue_payload({})
        runtime.read_answer()
        self.clock.advance(10.0)
        self.assert_timed_out(request_id)
        self.assertEqual(self.outcomes("platform.restoreReport"), [("timeout", None)])
        self.assertEqual(self.outcomes("platform.initReport"), [("success", None)])

    def test_rt_62_so_does_a_runtime_that_is_not_there_to_be_restored(self) -> None:
        self.snapshot().close()
        self.wait_for(lambda: self.simulator.parked == 0)
        request_id = self.simulator.enqueue_payload({})
        self.clock.advance(10.0)
        self.assert_timed_out(request_id)

    def test_rt_62_the_functions_own_time_begins_after_the_restore(self) -> None:
        runtime = self.snapshot()
        request_id = self.simulator.enqueue_payload({})
        runtime.read_answer()
        self.clock.advance(5.0)
        event = runtime.next()
        due = int(event.answer["Lambda-Runtime-Deadline-Ms"]) / 1000
        self.assertAlmostEqual(due - self.clock.time(), 3.0, places=2)
        runtime.respond(request_id)
        self.assertIs(self.complete(request_id).status, InvocationStatus.SUCCESS)

    def test_rt_62_a_late_next_is_too_late(self) -> None:
        runtime = self.snapshot()
        request_id = self.simulator.enqueue_payload({})
        runtime.read_answer()
        self.clock.advance(10.0)
        self.assert_timed_out(request_id)
        self.wait_for(lambda: self.simulator.phase is SimulatorPhase.INITIALIZING)  # again
        self.assertEqual(runtime.restore_error().status, 403)

    def test_rt_62_an_invocations_time_that_ends_inside_the_restore_ends_the_restore_too(
        self,
    ) -> None:
        """An init inside the invocation is on its time, and the restore behind it with it."""
        # Telemetry is told of an init that succeeded and timed out, and of no restore's end.
        watcher = self.extension("watcher")
        self.clock.advance(130.0)
        self.telemetry("platform.initReport")
        self.wait_for(lambda: self.simulator.extension_count == 0)
        watcher.close()
        request_id = self.simulator.enqueue_payload({})
        self.telemetry("platform.initStart", 2)
        runtime = self.snap_runtime()
        runtime.ask_restore()
        self.assertEqual(runtime.read_answer().status, 200)
        self.clock.advance(3.0)
        self.assertIs(self.complete(request_id).status, InvocationStatus.TIMEOUT)
        expected = [("timeout", None), ("success", None)]
        self.assertEqual(self.outcomes("platform.initRuntimeDone"), expected)
        self.assertEqual(self.outcomes("platform.initReport"), expected)
        self.assertEqual(self.outcomes("platform.restoreRuntimeDone"), [("timeout", None)])
        self.assertEqual(self.outcomes("platform.restoreReport"), [("timeout", None)])


class InitTimeTest(ConformanceTest):
    """LC-05: nobody waits for these inits, and they may take longer."""

    def test_lc_05_an_init_that_nobody_waits_for_may_take_130_seconds(self) -> None:
        for kind in ("provisioned-concurrency", "snap-start", "lambda-managed-instances"):
            for timeout, limit in ((3.0, 130.0), (131.0, 131.0), (900.0, 900.0)):
                with self.subTest(kind=kind, timeout=timeout):
                    clock = ManualClock()
                    self.simulate(clock=clock, initialization_type=kind, invocation_timeout=timeout)
                    self.extension("watcher")
                    clock.advance(limit - 0.5)
                    self.assertNotIn("platform.initReport", self.telemetry_types())
                    clock.advance(0.5)
                    self.assertEqual(self.telemetry("platform.initReport")["status"], "timeout")


class TelemetryTest(SnapStartTest):
    def served(self, **config: Any) -> str:
        """One invocation that was served by an environment restored for it."""
        self.clock = ManualClock()
        self.simulate(clock=self.clock, memory_size_mb=256, **config)
        self.clock.advance(2.0)
        runtime = self.snapshot()
        self.clock.advance(60.0)
        request_id = self.simulator.enqueue_payload({})
        runtime.read_answer()
        self.clock.advance(1.5)
        runtime.next()
        self.clock.advance(0.25)
        runtime.respond(request_id)
        self.park(runtime)
        self.complete(request_id)
        return request_id

    def test_te_32_init_is_reported_after_the_restore(self) -> None:
        self.snapshot()
        self.assertEqual(self.telemetry_types(), [*INIT[:2]])
        request_id = self.served()
        self.assertEqual(
            self.telemetry_types(),
            [
                *INIT[:2],
                *RESTORE,
                INIT[2],
                "platform.start",
                "platform.runtimeDone",
                "platform.report",
            ],
        )
        self.assertEqual(self.telemetry("platform.start")["requestId"], request_id)

    def test_te_32_the_init_report_tells_of_the_init_alone(self) -> None:
        self.served()
        self.assertEqual(self.telemetry("platform.initReport")["metrics"]["durationMs"], 2000.0)

    def test_te_40_type_and_phase_are_those_of_snap_start(self) -> None:
        self.served()
        for event_type in INIT:
            with self.subTest(event_type):
                record = self.telemetry(event_type)
                self.assertEqual(record["initializationType"], "snap-start")
                self.assertEqual(record["phase"], "snap-start")

    def test_te_40_an_init_that_fails_is_of_the_same_phase(self) -> None:
        self.assert_accepted(self.runtime().init_error())
        self.assertEqual(self.telemetry("platform.initReport")["phase"], "snap-start")

    def test_restore_start_names_the_function_and_the_runtimes_version(self) -> None:
        self.served(runtime_version="java:21.v7", instance_id="here")
        config = self.simulator.config
        self.assertEqual(
            self.telemetry("platform.restoreStart"),
            {
                "functionName": "test-function",
                "functionVersion": "$LATEST",
                "runtimeVersion": "java:21.v7",
                "runtimeVersionArn": config.runtime_version_arn,
                "instanceId": "here",
                "instanceMaxMemory": 256 * 1024 * 1024,
            },
        )

    def test_restore_runtime_done_and_report_tell_how_it_went(self) -> None:
        self.served()
        self.assertEqual(self.telemetry("platform.restoreRuntimeDone")["status"], "success")
        report = self.telemetry("platform.restoreReport")
        self.assertEqual(report["status"], "success")
        self.assertEqual(report["metrics"], {"durationMs": 1500.0})

    def test_the_report_bills_the_restore_and_not_the_init(self) -> None:
        self.served()
        metrics = self.telemetry("platform.report")["metrics"]
        self.assertEqual(metrics["durationMs"], 250.0)
        self.assertEqual(metrics["restoreDurationMs"], 1500.0)
        self.assertEqual(metrics["billedRestoreDurationMs"], 1500)
        self.assertEqual(metrics["billedDurationMs"], 1750)
        self.assertNotIn("initDurationMs", metrics)

    def test_only_the_first_report_tells_of_the_restore(self) -> None:
        runtime = self.restored()
        for number in range(2):
            request_id = self.simulator.enqueue_payload({})
            self.assertEqual(runtime.event().id, request_id)
            runtime.respond(request_id)
            self.park(runtime)
            metrics = self.telemetry("platform.report", number + 1)["metrics"]
            self.assertEqual("restoreDurationMs" in metrics, number == 0)

    def test_log_04_the_report_line_tells_of_the_restore(self) -> None:
        request_id = self.served()
        line = self.platform_lines()[-1]
        self.assertRegex(
            line,
            rf"\AREPORT RequestId: {request_id}\tDuration: 250\.00 ms\tBilled Duration: 1750 ms\t"
            r"Memory Size: 256 MB\tMax Memory Used: \d+ MB\tRestore Duration: 1500\.00 ms\t"
            r"Billed Restore Duration: 1500 ms\t\Z",
        )

    def test_log_05_a_snapshots_init_always_has_its_line(self) -> None:
        self.served()
        lines = [line for line in self.platform_lines() if line.startswith("INIT_REPORT")]
        self.assertEqual(len(lines), 1)
        self.assertTrue(lines[0].startswith("INIT_REPORT Init Duration: 2000.00 ms\tPhase: "))

    def test_log_06_a_restore_has_its_lines(self) -> None:
        self.served(runtime_version="java:21.v7")
        arn = self.simulator.config.runtime_version_arn
        lines = [line for line in self.platform_lines() if line.startswith("RESTORE")]
        self.assertEqual(
            [line.rstrip("\t") for line in lines],
            [
                f"RESTORE_START Runtime Version: java:21.v7\tRuntime Version ARN: {arn}",
                "RESTORE_REPORT Restore Duration: 1500.00 ms",
            ],
        )

    def test_log_06_a_restore_that_fails_says_how(self) -> None:
        self.clock = ManualClock()
        self.simulate(clock=self.clock)
        runtime = self.restoring()
        self.clock.advance(1.0)
        kind = "Runtime.AfterRestoreError"
        runtime.restore_error(Lambda_Runtime_Function_Error_Type=kind)
        line = next(one for one in self.platform_lines() if one.startswith("RESTORE_REPORT"))
        self.assertEqual(
            line.rstrip("\t"),
            "RESTORE_REPORT Restore Duration: 1000.00 ms\tStatus: error"
            "\tError Type: Runtime.AfterRestoreError",
        )

    def test_log_06_a_restore_that_takes_too_long_says_so(self) -> None:
        self.clock = ManualClock()
        self.simulate(clock=self.clock)
        self.restoring()
        self.clock.advance(10.0)
        self.telemetry("platform.restoreReport")
        line = next(one for one in self.platform_lines() if one.startswith("RESTORE_REPORT"))
        self.assertEqual(
            line.rstrip("\t"), "RESTORE_REPORT Restore Duration: 10000.00 ms\tStatus: timeout"
        )


class CredentialsTest(SnapStartTest):
    """RT-63, and the variables that say where and with what they are fetched."""

    def variables(self) -> dict[str, str]:
        self.run_runtime("environ", "restore", "serve")
        self.simulator.wait_for_parked(1, PATIENCE)
        told: dict[str, str] = json.loads(self.printed()[0])
        return told

    def fetch(self, token: str | None) -> RawAnswer:
        headers = {} if token is None else {"Authorization": token}
        return self.connect().request("GET", CREDENTIALS, headers)

    def test_env_01_a_snapshot_has_no_credentials_in_it(self) -> None:
        names = set(self.variables())
        keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
        stream = {"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"}
        self.assertEqual(names & (keys | stream), set())

    def test_env_01_a_snapshots_variables_say_where_they_are_fetched(self) -> None:
        told = self.variables()
        self.assertEqual(
            told["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
            f"http://{told['AWS_LAMBDA_RUNTIME_API']}{CREDENTIALS}",
        )
        self.assertEqual(told["AWS_LAMBDA_INITIALIZATION_TYPE"], "snap-start")
        answer = self.fetch(told["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
        self.assertEqual(answer.status, 200)

    def test_env_01_other_initialization_types_have_them_as_variables(self) -> None:
        for kind in OTHER_TYPES:
            self.simulate(initialization_type=kind)
            told = self.simulator.lambda_env_vars()
            with self.subTest(kind):
                self.assertIn("AWS_ACCESS_KEY_ID", told)
                self.assertNotIn("AWS_CONTAINER_CREDENTIALS_FULL_URI", told)
                self.assertNotIn("AWS_CONTAINER_AUTHORIZATION_TOKEN", told)

    def test_rt_63_the_token_opens_the_credentials(self) -> None:
        clock = ManualClock(1_700_000_000.0)
        self.simulate(clock=clock)
        token = self.simulator.lambda_env_vars()["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        answer = self.fetch(token)
        self.assertEqual((answer.status, answer["Content-Type"]), (200, "application/json"))
        self.assertEqual(
            set(answer.json), {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
        )
        for name in ("AccessKeyId", "SecretAccessKey", "Token"):
            self.assertTrue(answer.json[name])
        first = answer.json["Expiration"]
        self.assertRegex(first, r"\A2023-11-15T\d\d:\d\d:\d\dZ\Z")
        clock.advance(3600.0)
        self.assertGreater(self.fetch(token).json["Expiration"], first)

    def test_rt_63_nothing_else_does(self) -> None:
        token = self.simulator.lambda_env_vars()["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        for wrong in (None, "", "other", f"Bearer {token}", token.upper() + "x", "\u00e9"):
            with self.subTest(wrong):
                answer = self.fetch(wrong)
                self.assertEqual(answer.status, 404)
                self.assertEqual(
                    answer.body.strip(), b"cannot get credentials for the provided token"
                )
                self.assertTrue(answer["Content-Type"].startswith("text/plain"))

    def test_rt_63_another_simulators_token_does_not_either(self) -> None:
        token = self.simulator.lambda_env_vars()["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        self.simulate()
        self.assertEqual(self.fetch(token).status, 404)


class OtherPartsTest(SnapStartTest):
    def test_extensions_live_in_the_snapshot(self) -> None:
        watcher = self.park(self.extension("watcher", "INVOKE", "SHUTDOWN"))
        runtime = self.snapshot()
        request_id = self.simulator.enqueue_payload({})
        runtime.read_answer()
        self.assertTrue(watcher.is_silent())
        self.assertEqual(runtime.next().id, request_id)
        self.assertEqual(watcher.event()["requestId"], request_id)
        self.park(watcher)
        runtime.respond(request_id)
        self.park(runtime)
        self.telemetry("platform.report")
        ended = self.soon(self.simulator.graceful_shutdown)
        self.assertEqual(watcher.event()["eventType"], "SHUTDOWN")
        watcher.close()
        ended.result(PATIENCE)

    def test_an_extension_that_fails_during_the_restore_fails_it(self) -> None:
        watcher = self.extension("watcher")
        self.park(watcher)
        runtime = self.snapshot()
        request_id = self.simulator.enqueue_payload({})
        runtime.read_answer()
        other = self.extension()
        other.id = watcher.id
        self.assert_accepted(other.report("exit", "Extension.Sad"))
        self.assertEqual(self.complete(request_id).error.error_type, "Extension.ExitError")
        self.assertEqual(
            self.outcomes("platform.restoreReport"), [("error", "Extension.ExitError")]
        )

    def test_a_runtime_of_another_kind_is_served_too(self) -> None:
        """One that never heard of snapshots, as a real process."""
        self.simulate(runtime=runtime_of("serve"))
        self.assertEqual(self.simulator.invoke(1).response.payload, 1)
        self.assertEqual(self.outcomes("platform.restoreReport"), [("success", None)])

    def test_a_simulator_that_ends_in_the_snapshot_leaves_nothing(self) -> None:
        self.run_runtime("restore", "serve")
        self.simulator.wait_for_parked(1, PATIENCE)
        child = self.simulator.processes[0]
        self.simulator.graceful_shutdown()
        self.assertFalse(child.is_running)
        self.assertNotIn("platform.restoreStart", self.telemetry_types())
