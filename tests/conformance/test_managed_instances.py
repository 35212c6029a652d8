"""Sections 2.6 and 6.5 of the contract, and LC-15: several invocations at once."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from lambda_sim import Invocation, InvocationState, InvocationStatus, ProcessRole
from lambda_sim.testing import ManualClock
from tests.conformance.case import EXTERNALS, ConformanceTest, refusal, runtime_of
from tests.raw import PATIENCE, RawRuntime, error_path, response_path
from tests.support import program

INVALID_ID = ("InvalidRequestID", "Invalid request ID")
GONE = refusal("InvokeTimeout", "Invoke timeout")
MANAGED = "lambda-managed-instances"


class ManagedTest(ConformanceTest):
    settings: ClassVar[dict[str, Any]] = {
        "external_extensions": EXTERNALS,
        "initialization_type": MANAGED,
    }

    def workers(self, count: int) -> list[RawRuntime]:
        """Workers of one runtime, each of which waits in Next."""
        return [self.park(self.runtime()) for _ in range(count)]

    def busy(self, count: int, **invocation: Any) -> dict[str, RawRuntime]:
        """Workers by the id of the invocation that each was handed."""
        workers = self.workers(count)
        ids = [self.enqueue(number, **invocation) for number in range(count)]
        found = {worker.event().id: worker for worker in workers}
        self.assertEqual(set(found), set(ids))
        return {request_id: found[request_id] for request_id in ids}

    def enqueue(self, payload: Any = None, **invocation: Any) -> str:
        return self.simulator.enqueue(Invocation(payload, **invocation))

    def state_of(self, request_id: str) -> InvocationState:
        state = self.simulator.get_invocation_state(request_id)
        assert state is not None
        return state

    def statuses(self) -> list[InvocationStatus]:
        """Of all invocations, oldest first."""
        return [state.status for state in self.simulator.invocation_states]

    def records(self, event_type: str) -> dict[str, Any]:
        """All records of a type by their request id, of which each has one."""
        events = self.simulator.get_telemetry_events_by_type(event_type)
        found = {event.record["requestId"]: event.record for event in events}
        self.assertEqual(len(found), len(events))
        return found

    def kill(self) -> None:
        """Kill the runtime's process, whose workers are the test's sockets."""
        self.wait_for(lambda: self.simulator.processes)
        self.simulator.processes[0].kill()

    def assert_alive(self) -> None:
        """The environment is the one that was started, and serves."""
        self.assertEqual(self.telemetry_types().count("platform.initStart"), 1)
        self.assertTrue(self.simulator.is_initialized)
        request_id = self.enqueue("alive?")
        worker = self.runtime()
        self.assertEqual(worker.next().id, request_id)
        self.assert_accepted(worker.respond(request_id))
        self.assertIs(self.complete(request_id).status, InvocationStatus.SUCCESS)


class SlotTest(ManagedTest):
    def test_lc_05_init_is_over_when_one_worker_asks(self) -> None:
        self.assertFalse(self.simulator.is_initialized)
        self.workers(1)
        self.assertTrue(self.simulator.is_initialized)

    def test_lmi_an_invocation_during_init_waits(self) -> None:
        request_id = self.enqueue()
        self.assertIs(self.state_of(request_id).status, InvocationStatus.PENDING)
        self.assertEqual(self.runtime().next().id, request_id)

    def test_lmi_there_are_as_many_slots_as_workers_wait(self) -> None:
        self.busy(3)
        waiting = self.enqueue()
        in_progress, pending = InvocationStatus.IN_PROGRESS, InvocationStatus.PENDING
        self.assertEqual(self.statuses(), [in_progress, in_progress, in_progress, pending])
        self.assertEqual(self.runtime().next().id, waiting)

    def test_lmi_each_invocation_goes_to_one_worker(self) -> None:
        workers = self.workers(3)
        request_id = self.enqueue()
        self.assertEqual(self.first_told(workers).event().id, request_id)
        self.assertEqual(self.simulator.parked, 2)

    def test_lmi_no_more_run_at_once_than_are_allowed(self) -> None:
        for settings, limit in (({}, 16), ({"max_concurrency": 3}, 3)):
            with self.subTest(limit=limit):
                self.simulate(**settings)
                workers = self.workers(limit + 1)
                for number in range(limit + 1):
                    self.enqueue(number)
                pending = [one for one in self.statuses() if one is InvocationStatus.PENDING]
                self.assertEqual(len(pending), 1)
                told = self.first_told(workers)
                event = told.event()
                told.respond(event.id)
                self.complete(event.id)
                self.assertNotIn(InvocationStatus.PENDING, self.statuses())

    def first_told(self, workers: list[RawRuntime]) -> RawRuntime:
        """Whoever of those in Next is told something first."""
        self.wait_for(lambda: not all(worker.is_silent() for worker in workers))
        return next(worker for worker in workers if not worker.is_silent())

    def test_lmi_the_runtime_is_told_how_many(self) -> None:
        for settings, told in (
            ({}, "16"),
            ({"max_concurrency": 1}, "1"),
            ({"max_concurrency": 1_600}, "1600"),
            ({"initialization_type": "on-demand"}, None),
            ({"initialization_type": "on-demand", "max_concurrency": 1}, None),
            ({"initialization_type": "on-demand", "max_concurrency": 4}, "4"),
        ):
            with self.subTest(settings):
                self.simulate(**settings)
                variables = self.simulator.lambda_env_vars()
                self.assertEqual(variables.get("AWS_LAMBDA_MAX_CONCURRENCY"), told)
                kind = settings.get("initialization_type", MANAGED)
                self.assertEqual(variables["AWS_LAMBDA_INITIALIZATION_TYPE"], kind)

    def test_lmi_whoever_waits_for_a_slot_waits_in_order(self) -> None:
        parked = self.workers(1)
        ids = [self.enqueue(number) for number in range(5)]
        served = [parked[0].event().id, *(self.runtime().next().id for _ in ids[1:])]
        self.assertEqual(served, ids)

    def test_lmi_a_worker_that_asks_again_gets_another_invocation(self) -> None:
        (first,) = self.busy(1)
        second = self.enqueue()
        self.assertEqual(self.runtime().next().id, second)
        self.assertIs(self.state_of(first).status, InvocationStatus.IN_PROGRESS)

    def test_lmi_time_in_the_queue_does_not_count(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock)
        self.busy(1, timeout=900.0)
        waiting = self.enqueue()
        clock.advance(100.0)
        self.assertIs(self.state_of(waiting).status, InvocationStatus.PENDING)
        event = self.runtime().next()
        due = int(event.answer["Lambda-Runtime-Deadline-Ms"]) / 1000
        self.assertAlmostEqual(due - clock.time(), 3.0, places=2)


class AnswerTest(ManagedTest):
    def test_lmi_answers_come_in_any_order(self) -> None:
        for request_id, worker in reversed(self.busy(3).items()):
            self.assert_accepted(worker.respond(request_id, request_id.encode()))
        for state in self.simulator.invocation_states:
            answer = self.complete(state.request_id).response
            self.assertEqual(answer.body, state.request_id.encode())

    def test_lmi_an_error_is_one_invocations_own(self) -> None:
        busy = self.busy(2)
        (bad, first), (good, second) = busy.items()
        self.assert_accepted(first.fail(bad, b'{"errorType":"Sad","errorMessage":"x"}'))
        self.assert_accepted(second.respond(good))
        self.assertEqual(self.complete(bad).error.error_type, "Sad")
        self.assertIs(self.complete(good).status, InvocationStatus.SUCCESS)
        self.assert_alive()

    def test_lmi_any_connection_may_answer(self) -> None:
        """Workers are one runtime: what counts is the id."""
        first, second = self.busy(2)
        other = self.runtime()
        self.assert_accepted(other.respond(second, b"2"))
        self.assert_accepted(other.respond(first, b"1"))
        self.assertEqual(self.complete(first).response.body, b"1")

    def test_lmi_a_second_answer_is_400(self) -> None:
        (request_id,) = busy = self.busy(1)
        worker = busy[request_id]
        self.assert_accepted(worker.respond(request_id))
        self.assert_refused(worker.respond(request_id), 400, *INVALID_ID)
        self.assert_refused(worker.fail(request_id), 400, *INVALID_ID)

    def test_lmi_a_second_answer_is_400_while_the_first_arrives(self) -> None:
        # Is 403 InvalidStateTransition, as on demand: AWS's emulator says InvalidRequestID.
        (request_id,) = busy = self.busy(1)
        worker = busy[request_id]
        self.begin_upload(worker, response_path(request_id))
        answer = self.runtime().respond(request_id)
        worker.end_chunks()
        self.assert_accepted(worker.read_answer())
        self.assert_refused(answer, 400, *INVALID_ID)

    def test_lmi_an_error_of_more_than_1_mib_is_413(self) -> None:
        # Errors may have 6 MiB, as on demand.
        (request_id,) = busy = self.busy(1)
        answer = busy[request_id].fail(request_id, b"x" * (1024 * 1024 + 1))
        self.assertEqual(answer.status, 413)

    def begin_upload(self, worker: RawRuntime, path: str) -> None:
        headers = {"Transfer-Encoding": "chunked", "Expect": "100-continue"}
        worker.send_head("POST", path, headers)
        self.assertEqual(worker.read_answer().status, 100)

    def test_lmi_a_request_id_may_come_again_when_it_is_done(self) -> None:
        (request_id,) = busy = self.busy(1)
        busy[request_id].respond(request_id, b"1")
        self.complete(request_id)
        self.enqueue(request_id=request_id)
        worker = self.runtime()
        worker.next()
        self.assert_accepted(worker.respond(request_id, b"2"))
        self.assertEqual(self.complete(request_id).response.body, b"2")


class TimeoutTest(ManagedTest):
    """LC-15: a timeout is one invocation's own."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.simulate(clock=self.clock)

    def timed_out(self) -> tuple[str, RawRuntime]:
        """An invocation that ran out of time, and the worker that is still at it."""
        (found,) = self.busy(1).items()
        self.clock.advance(3.0)
        self.assertIs(self.complete(found[0]).status, InvocationStatus.TIMEOUT)
        return found

    def test_lc_15_a_timeout_fails_that_invocation_only(self) -> None:
        slow = self.busy(2, timeout=60.0)
        request_id, _ = self.timed_out()
        self.assert_failed(
            request_id,
            "Sandbox.Timedout",
            "RequestId: <id> Error: Task timed out after 3.00 seconds",
        )
        for one, worker in slow.items():
            self.assertIs(self.state_of(one).status, InvocationStatus.IN_PROGRESS)
            self.assert_accepted(worker.respond(one))
            self.assertIs(self.complete(one).status, InvocationStatus.SUCCESS)
        self.assert_alive()

    def test_lc_15_a_late_answer_is_410_once_and_then_400(self) -> None:
        for path in (response_path, error_path):
            request_id, worker = self.timed_out()
            with self.subTest(path("id")):
                answer = worker.request("POST", path(request_id), (), b"{}")
                self.assertEqual((answer.status, answer.body), (410, GONE))
                answer = worker.request("POST", path(request_id), (), b"{}")
                self.assert_refused(answer, 400, *INVALID_ID)
        self.assert_alive()

    def test_lc_15_a_late_answer_changes_nothing(self) -> None:
        request_id, worker = self.timed_out()
        before = self.telemetry_types()
        worker.respond(request_id, b"late")
        self.assertIs(self.state_of(request_id).status, InvocationStatus.TIMEOUT)
        self.assertEqual(self.telemetry_types(), before)

    def test_lc_15_the_worker_serves_on(self) -> None:
        first, worker = self.timed_out()
        worker.respond(first)
        second = self.enqueue()
        self.assertEqual(worker.next().id, second)
        self.assert_accepted(worker.respond(second))
        self.assertIs(self.complete(second).status, InvocationStatus.SUCCESS)

    def test_lc_15_an_answer_that_time_overtakes_is_410_too(self) -> None:
        # Is 400 InvalidRequestID, and the 410 comes for the next.
        (request_id, worker), *_ = self.busy(1).items()
        headers = {"Transfer-Encoding": "chunked", "Expect": "100-continue"}
        worker.send_head("POST", response_path(request_id), headers)
        self.assertEqual(worker.read_answer().status, 100)
        self.clock.advance(3.0)
        self.complete(request_id)
        worker.send_chunk(b"late")
        worker.end_chunks()
        answer = worker.read_answer()
        self.assertEqual((answer.status, answer.body), (410, GONE))

    def test_lc_15_processes_run_on(self) -> None:
        self.simulate(clock=self.clock, runtime=runtime_of("next", "hang"))
        request_id = self.enqueue()
        self.wait_for(lambda: self.state_of(request_id).started_at)
        self.wait_for(lambda: self.simulator.parked == 0)
        self.clock.advance(3.0)
        self.assertIs(self.complete(request_id).status, InvocationStatus.TIMEOUT)
        self.assertTrue(self.simulator.processes[0].is_running)
        self.assert_alive()

    def test_lc_15_an_answer_to_an_earlier_attempt_is_no_answer_to_the_next(self) -> None:
        (request_id,) = self.busy(1)
        self.clock.advance(3.0)
        self.complete(request_id)
        self.enqueue(request_id=request_id)
        worker = self.runtime()
        event = worker.next()
        late = self.runtime().respond(request_id, Lambda_Runtime_Invocation_Id="an earlier one")
        self.assertEqual((late.status, late.body), (410, GONE))
        echo = {"Lambda_Runtime_Invocation_Id": event.answer["Lambda-Runtime-Invocation-Id"]}
        self.assert_accepted(worker.respond(request_id, b"2", **echo))
        self.assertEqual(self.complete(request_id).response.body, b"2")

    def test_lc_15_several_run_out_of_time_at_once(self) -> None:
        busy = self.busy(4)
        waiting = self.enqueue()
        self.clock.advance(3.0)
        for request_id, worker in busy.items():
            self.assertIs(self.complete(request_id).status, InvocationStatus.TIMEOUT)
            self.assertEqual(worker.respond(request_id).status, 410)
        self.assertEqual(set(self.records("platform.report")), set(busy))
        self.assertEqual(self.runtime().next().id, waiting)

    def test_lc_15_a_slot_is_a_worker_that_waits_and_no_timeout_makes_one(self) -> None:
        """Though it is the only one allowed, what waits is not started while its worker hangs."""
        # With max_concurrency=1 it is started at once, and its time runs with nobody at it.
        for limit in (2, 1):
            self.simulate(clock=self.clock, max_concurrency=limit)
            first, worker = self.timed_out()
            waiting = self.enqueue()
            with self.subTest(max_concurrency=limit):
                self.assertEqual(worker.respond(first).status, 410)
                self.assertIs(self.state_of(waiting).status, InvocationStatus.PENDING)
            self.assertEqual(worker.next().id, waiting)


class BrokenWorkerTest(ManagedTest):
    def test_rt_10_another_worker_gets_what_a_broken_connection_had(self) -> None:
        for leave in ("close", "abort"):
            self.simulate()
            broken, sound = self.workers(2)
            getattr(broken, leave)()
            ids = {self.enqueue(number) for number in range(2)}
            third = self.runtime()
            third.ask()
            with self.subTest(leave):
                self.assertEqual({sound.event().id, third.event().id}, ids)

    def test_rt_10_what_is_given_back_comes_before_what_waits(self) -> None:
        broken = self.workers(1)[0]
        broken.close()
        first, second = self.enqueue(1), self.enqueue(2)
        self.wait_for(lambda: self.simulator.parked == 0)
        self.assertEqual(self.runtime().next().id, first)
        self.assertEqual(self.runtime().next().id, second)

    def test_lmi_a_runtime_that_exits_fails_all_that_is_in_flight(self) -> None:
        self.simulate(runtime=runtime_of("hang"))
        busy = self.busy(5)
        waiting = self.enqueue()
        self.kill()
        for request_id in busy:
            self.assert_failed(
                request_id,
                "Runtime.ExitError",
                "RequestId: <id> Error: Runtime exited with error: signal: killed",
            )
        reports = self.records("platform.report")
        self.assertEqual(set(reports), set(busy))
        for record in reports.values():
            self.assertEqual(
                (record["status"], record["errorType"]), ("error", "Runtime.ExitError")
            )
        self.assertIs(self.state_of(waiting).status, InvocationStatus.PENDING)

    def test_lmi_an_answer_that_was_given_outlives_the_exit(self) -> None:
        self.simulate(runtime=runtime_of("hang"))
        busy = self.busy(3)
        done, *others = busy
        self.assert_accepted(busy[done].respond(done, b"good"))
        self.kill()
        for request_id in others:
            self.assertIs(self.complete(request_id).status, InvocationStatus.ERROR)
        self.assertEqual(self.complete(done).response.body, b"good")

    def test_lmi_whoever_waits_is_served_after_the_exit(self) -> None:
        self.simulate(runtime=runtime_of("serve"))
        self.simulator.wait_for_parked(1, PATIENCE)
        ids = [self.enqueue(number) for number in range(20)]
        self.kill()
        for request_id in ids:
            self.assertTrue(self.complete(request_id).is_complete)
        self.assertEqual(set(self.records("platform.report")), set(ids))

    def test_lmi_an_extension_that_exits_fails_all_that_is_in_flight(self) -> None:
        watcher = self.park(self.extension("watcher"))
        busy = self.busy(3)
        other = self.extension()
        other.id = watcher.id
        self.assert_accepted(other.report("exit", "Extension.Sad"))
        for request_id in busy:
            error = self.complete(request_id).error
            self.assertEqual(error.error_type, "Extension.Sad")
        self.assertEqual(set(self.records("platform.report")), set(busy))

    def test_lmi_closing_lets_every_invoker_go(self) -> None:
        busy = self.busy(3)
        invokers = [self._threads.submit(self.complete, request_id) for request_id in busy]
        self.simulator.close()
        for invoker in invokers:
            self.assertIsNotNone(invoker.exception(PATIENCE))
        for worker in busy.values():
            self.assertTrue(worker.is_closed_by_peer())


class ExtensionTest(ManagedTest):
    """Section 2.6."""

    def ask(self, name: str, *events: str) -> Any:
        return self.extension().ask_to_register(name, json.dumps({"events": events}).encode())

    def test_lmi_external_extensions_may_have_shutdown_only(self) -> None:
        self.assertEqual(self.ask("watcher", "SHUTDOWN").status, 200)
        for events in (("INVOKE",), ("SHUTDOWN", "INVOKE"), ("INVOKE", "SHUTDOWN")):
            with self.subTest(events):
                self.assert_refused(
                    self.ask("second", *events),
                    403,
                    "Extension.InvalidEventType",
                    "INVOKE: ErrorInvalidEventType",
                )
        self.assertEqual(self.ask("second").status, 200)

    def test_lmi_internal_extensions_may_have_no_events(self) -> None:
        for events in (("INVOKE",), ("SHUTDOWN",), ("FOO",)):
            with self.subTest(events):
                self.assert_refused(
                    self.ask("inner", *events),
                    403,
                    "Extension.InvalidEventType",
                    "No events allowed for internal extensions",
                )
        self.assertEqual(self.ask("inner").status, 200)

    def test_lmi_an_unknown_event_is_refused_by_its_name(self) -> None:
        self.assert_refused(
            self.ask("watcher", "FOO"),
            403,
            "Extension.InvalidEventType",
            "FOO: ErrorInvalidEventType",
        )

    def test_lmi_invocations_do_not_wake_extensions(self) -> None:
        watcher = self.park(self.extension("watcher", "SHUTDOWN"))
        (request_id,) = busy = self.busy(1)
        busy[request_id].respond(request_id)
        self.complete(request_id)
        self.assertTrue(watcher.is_silent())

    def test_lmi_shutdown_is_told_as_a_spindown(self) -> None:
        watcher = self.park(self.extension("watcher", "SHUTDOWN"))
        self.workers(1)
        ended = self.soon(self.simulator.graceful_shutdown)
        event = watcher.event()
        self.assertEqual((event["eventType"], event["shutdownReason"]), ("SHUTDOWN", "spindown"))
        watcher.close()
        ended.result(PATIENCE)

    def test_lmi_an_exit_is_told_as_a_failure(self) -> None:
        self.simulate(runtime=runtime_of("hang"))
        watcher = self.park(self.extension("watcher", "SHUTDOWN"))
        self.workers(1)
        self.kill()
        self.assertEqual(watcher.event()["shutdownReason"], "failure")
        watcher.close()

    def test_lmi_an_init_that_timed_out_is_told_as_a_failure(self) -> None:
        # Is told as a timeout, a reason that managed instances do not have.
        clock = ManualClock()
        self.simulate(clock=clock)
        watcher = self.park(self.extension("watcher", "SHUTDOWN"))
        clock.advance(130.0)
        self.assertEqual(watcher.event()["shutdownReason"], "failure")
        watcher.close()

    def test_ex_36_a_well_formed_error_type_is_taken_over(self) -> None:
        for told, expected in (
            ("Extension.OutOfCoffee", "Extension.OutOfCoffee"),
            ("Extension.oops", "Extension.ExitError"),
            ("Sad", "Extension.ExitError"),
        ):
            self.simulate()
            watcher = self.extension("watcher")
            self.park(watcher)
            (request_id,) = self.busy(1)
            other = self.extension()
            other.id = watcher.id
            self.assert_accepted(other.report("exit", told))
            with self.subTest(told):
                self.assertEqual(self.complete(request_id).error.error_type, expected)

    def test_ex_36_an_init_error_is_checked_in_the_same_way(self) -> None:
        for told, expected in (
            ("Extension.OutOfCoffee", "Extension.OutOfCoffee"),
            ("Sad", "Extension.InitError"),
        ):
            self.simulate()
            self.assert_accepted(self.extension("watcher").report("init", told))
            with self.subTest(told):
                record = self.telemetry("platform.initReport")
                self.assertEqual((record["status"], record["errorType"]), ("error", expected))

    def test_ex_36_on_demand_the_type_is_lambdas_own(self) -> None:
        self.simulate(initialization_type="on-demand")
        self.extension("watcher").report("init", "Extension.OutOfCoffee")
        self.assertEqual(self.telemetry("platform.initReport")["errorType"], "Extension.InitError")


class RecordTest(ManagedTest):
    """What telemetry tells of invocations that run side by side."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.simulate(clock=self.clock)

    def served(self) -> str:
        (request_id, worker), *_ = self.busy(1).items()
        self.clock.advance(0.25)
        headers = {"Transfer-Encoding": "chunked", "Expect": "100-continue"}
        worker.send_head("POST", response_path(request_id), headers)
        self.assertEqual(worker.read_answer().status, 100)
        self.clock.advance(0.5)
        worker.send_chunk(b"{}")
        worker.end_chunks()
        self.assert_accepted(worker.read_answer())
        self.complete(request_id)
        return request_id

    def test_lmi_there_is_no_runtime_done(self) -> None:
        self.served()
        self.assertEqual(self.telemetry_types()[-2:], ["platform.start", "platform.report"])
        self.assertNotIn("platform.runtimeDone", self.telemetry_types())

    def test_lmi_a_report_tells_the_duration_only(self) -> None:
        request_id = self.served()
        record = self.telemetry("platform.report")
        self.assertEqual((record["requestId"], record["status"]), (request_id, "success"))
        self.assertEqual(record["metrics"], {"durationMs": 750.0})

    def test_lmi_a_reports_spans_are_those_of_the_response(self) -> None:
        self.served()
        spans = {one["name"]: one for one in self.telemetry("platform.report")["spans"]}
        self.assertEqual(set(spans), {"responseLatency", "responseDuration"})
        self.assertEqual(spans["responseLatency"]["durationMs"], 250.0)
        self.assertEqual(spans["responseDuration"]["durationMs"], 500.0)
        self.assertEqual(spans["responseDuration"]["start"], "2023-11-14T22:13:20.250Z")

    def test_lmi_a_report_of_a_timeout_says_so(self) -> None:
        self.busy(1)
        self.clock.advance(3.0)
        record = self.telemetry("platform.report")
        self.assertEqual(record["status"], "timeout")
        self.assertEqual(record["metrics"], {"durationMs": 3000.0})
        self.assertNotIn("errorType", record)

    def test_lmi_a_report_of_an_error_names_it(self) -> None:
        (request_id, worker), *_ = self.busy(1).items()
        worker.fail(request_id, Lambda_Runtime_Function_Error_Type="Function.Sad")
        record = self.telemetry("platform.report")
        self.assertEqual((record["status"], record["errorType"]), ("error", "Function.Sad"))

    def test_lmi_each_invocation_has_its_own_records(self) -> None:
        busy = self.busy(3)
        for number, (request_id, worker) in enumerate(busy.items()):
            self.clock.advance(0.5)
            if number == 1:
                worker.fail(request_id)
            else:
                worker.respond(request_id)
        self.assertEqual(set(self.records("platform.start")), set(busy))
        reports = self.records("platform.report")
        durations = [reports[request_id]["metrics"]["durationMs"] for request_id in busy]
        self.assertEqual(durations, [500.0, 1000.0, 1500.0])
        found = [reports[request_id]["status"] for request_id in busy]
        self.assertEqual(found, ["success", "error", "success"])

    def test_log_05_an_init_that_succeeds_has_no_line(self) -> None:
        # It has, as those of SnapStart and provisioned concurrency do.
        self.served()
        lines = [one.message for one in self.simulator.logs if one.source == "platform"]
        self.assertEqual([line for line in lines if line.startswith("INIT_REPORT")], [])

    def test_lmi_init_is_told_of_as_managed_and_not_billed(self) -> None:
        self.served()
        record = self.telemetry("platform.initReport")
        self.assertEqual((record["initializationType"], record["phase"]), (MANAGED, "init"))


class LogTest(ManagedTest):
    def request_ids(self, *lines: str) -> list[str | None]:
        """Whose the lines are that a process prints, in order."""
        self.simulator.spawn_process_with_config(runtime_of(*(f"print:{one}" for one in lines)))
        self.wait_for_print(*lines)
        found = {one.message: one.request_id for one in self.simulator.logs}
        return [found[line] for line in lines]

    def test_lmi_a_line_that_names_an_invocation_belongs_to_it(self) -> None:
        first, second = self.busy(2)
        lines = (f"of {second}", f"{first}\tINFO\tof the first", "of nobody")
        self.assertEqual(self.request_ids(*lines), [second, first, None])

    def test_lmi_a_line_is_in_the_log_of_its_invocation_only(self) -> None:
        (first, one), (second, other) = self.busy(2).items()
        self.request_ids(f"about {first}", f"about {second}", "about nothing")
        one.respond(first)
        other.respond(second)
        for mine, foreign in ((first, second), (second, first)):
            tail = self.complete(mine).log_tail
            self.assertIn(f"about {mine}", tail)
            self.assertNotIn(foreign, tail)
            self.assertNotIn("about nothing", tail)

    def test_lmi_a_line_of_an_invocation_that_timed_out_is_not_anothers(self) -> None:
        # It goes to the only one that is at work, though it names another.
        clock = ManualClock()
        self.simulate(clock=clock)
        (late,) = self.busy(1)
        (other,) = self.busy(1, timeout=60.0)
        clock.advance(3.0)
        self.complete(late)
        found = self.request_ids(f"{late} goes on", f"{other} goes on, too")
        self.assertNotEqual(found[0], other)
        self.assertEqual(found[1], other)

    def test_lmi_a_line_is_whole_though_another_worker_asks_while_it_is_written(self) -> None:
        # Is cut in two: Next, and an invocation that starts, hand half a line over.
        marks = Path(self.enterContext(tempfile.TemporaryDirectory()))
        steps = ("half:one ", "mark:begun", "until:go", "print:line", "hang")
        env = {"MARKS": str(marks)}
        config = program("restorable.py", *steps, role=ProcessRole.RUNTIME, env=env)
        self.simulator.spawn_process_with_config(config)
        self.wait_for((marks / "begun").exists)
        self.busy(1)
        (marks / "go").touch()
        self.wait_for(lambda: any("line" in one for one in self.printed()))
        self.assertEqual(self.printed(), ["one line"])


class OnDemandTest(ManagedTest):
    """max_concurrency with another type: concurrency changes, and what a timeout does."""

    settings: ClassVar[dict[str, Any]] = {
        "external_extensions": EXTERNALS,
        "initialization_type": "on-demand",
        "max_concurrency": 4,
    }

    def test_it_takes_as_many_at_once(self) -> None:
        self.workers(5)
        ids = [self.enqueue(number) for number in range(5)]
        self.assertEqual(self.statuses().count(InvocationStatus.IN_PROGRESS), 4)
        self.assertIs(self.state_of(ids[-1]).status, InvocationStatus.PENDING)

    def test_a_timeout_fails_that_invocation_only(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock)
        (slow,) = self.busy(1, timeout=60.0)
        (request_id, worker), *_ = self.busy(1).items()
        clock.advance(3.0)
        self.assertIs(self.complete(request_id).status, InvocationStatus.TIMEOUT)
        self.assertEqual((worker.respond(request_id).status, self.simulator.parked), (410, 0))
        self.assertIs(self.state_of(slow).status, InvocationStatus.IN_PROGRESS)
        self.assert_alive()

    def test_telemetry_is_as_on_demand(self) -> None:
        (request_id, worker), *_ = self.busy(1).items()
        worker.respond(request_id)
        self.complete(request_id)
        types = ["platform.start", "platform.runtimeDone", "platform.report"]
        self.assertEqual(self.telemetry_types()[-3:], types)
        metrics = self.telemetry("platform.report")["metrics"]
        self.assertLessEqual({"billedDurationMs", "memorySizeMB", "initDurationMs"}, set(metrics))

    def test_extensions_hear_of_every_invocation(self) -> None:
        watcher = self.park(self.extension("watcher", "INVOKE", "SHUTDOWN"))
        busy = self.busy(2)
        told = [watcher.event()["requestId"], watcher.next()["requestId"]]
        self.assertEqual(told, list(busy))
        for request_id, worker in busy.items():
            worker.respond(request_id)
        self.assertNotIn(told[1], self.records("platform.report"))
        self.park(watcher)
        self.telemetry("platform.report", 2)
        self.assertEqual(set(self.records("platform.report")), set(busy))

    def test_a_timeout_reports_though_an_extension_is_still_at_work(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock)
        watcher = self.park(self.extension("watcher", "INVOKE"))
        (request_id,) = self.busy(1)
        self.assertEqual(watcher.event()["requestId"], request_id)
        clock.advance(3.0)
        self.complete(request_id)
        self.assertEqual(set(self.records("platform.report")), {request_id})
        self.park(watcher)
        self.assertEqual(set(self.records("platform.report")), {request_id})
        self.assert_alive()

    def test_internal_extensions_are_limited_as_ever(self) -> None:
        body = b'{"events":["INVOKE"]}'
        self.assertEqual(self.extension().ask_to_register("inner", body).status, 200)

    def test_init_may_take_10_seconds(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock)
        clock.advance(10.0)
        self.assertEqual(self.telemetry("platform.initReport")["status"], "timeout")
