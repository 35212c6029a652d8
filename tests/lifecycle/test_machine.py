"""The state machine, edge by edge, with no threads and a clock of its own."""

from __future__ import annotations

import unittest
from functools import partial
from typing import Any

import attrs

from lambda_sim import refusals
from lambda_sim.errors import ConfigurationError, ShuttingDown
from lambda_sim.lifecycle import effects, failures
from lambda_sim.lifecycle.effects import Topic
from lambda_sim.lifecycle.failures import Failure
from lambda_sim.lifecycle.ledger import Record, Stage
from lambda_sim.lifecycle.machine import Life, Machine
from lambda_sim.lifecycle.poller import PollerGone
from lambda_sim.lifecycle.registry import ExtensionStage
from lambda_sim.lifecycle.runtime import RuntimeStage
from lambda_sim.model import telemetry
from lambda_sim.model.config import SimulatorConfig, SimulatorPhase
from lambda_sim.model.extension import InvokeEvent, LifecycleEvent, ShutdownEvent, ShutdownReason
from lambda_sim.model.invocation import Invocation, InvocationStatus
from lambda_sim.model.process import FreezeMode, ProcessConfig, ProcessRole
from lambda_sim.model.rules import AWS, RELAXED, Rules
from lambda_sim.model.telemetry import Status, SubscriptionApi
from lambda_sim.sync import NEVER
from lambda_sim.testing.clock import ManualClock
from tests.telemetry.doubles import subscription

RUNTIME = ProcessConfig("/bin/true", ProcessRole.RUNTIME)
POLL = "the runtime's poll"


class MachineTest(unittest.TestCase):
    """A machine, and the moves of whoever drives it."""

    def machine(self, *, extensions: tuple[str, ...] = (), **config: Any) -> Machine:
        self.clock = ManualClock()
        machine = Machine(SimulatorConfig(**config), self.clock, extensions=extensions)
        machine.start()
        return machine

    def ready(self, **config: Any) -> Machine:
        """A machine whose runtime waits in Next."""
        machine = self.machine(**config)
        machine.runtime_asks(POLL)
        return machine

    def taken(self, machine: Machine, poll: object = POLL) -> Record:
        record = machine.handover.take(poll, again=False)
        assert record is not None
        machine.runtime.leave(poll)
        return record

    def respond(self, machine: Machine, record: Record, body: bytes = b"{}") -> None:
        begun = machine.uploads.begin(record.request_id, None, Stage.RESPONDING)
        machine.respond(begun, "application/json", body)

    def extension(self, machine: Machine, name: str, *events: str) -> str:
        """A registered extension that has asked for its first Next."""
        machine.expect_external(name)
        return machine.register(name, events).id

    def event(self, machine: Machine, extension: str, poll: object) -> LifecycleEvent | None:
        notice = machine.registry.take_event(extension, poll)
        return notice and notice.event

    def advance(self, machine: Machine, seconds: float) -> None:
        self.clock.advance(seconds)
        machine.expire()

    def facts(self, machine: Machine, *kinds: type[telemetry.Fact]) -> list[Any]:
        facts = machine.chronicle.history.since(0)
        return [fact for fact in facts if not kinds or isinstance(fact, kinds)]

    def fact_names(self, machine: Machine) -> list[str]:
        return [type(fact).__name__ for fact in self.facts(machine)]

    def orders(self, machine: Machine) -> list[Any]:
        found = list(machine.outbox.orders)
        machine.outbox.orders.clear()
        return found


class InitTest(MachineTest):
    def test_extensions_are_started_before_the_runtime(self) -> None:
        machine = self.machine(extensions=("one", "two"), runtime=RUNTIME)
        self.assertEqual(self.orders(machine), [effects.StartExtensions(1)])
        machine.register("one", [])
        self.assertEqual(self.orders(machine), [])
        machine.register("two", [])
        self.assertEqual(self.orders(machine), [effects.StartRuntime(1)])

    def test_relaxed_counts_registrations_whatever_their_names(self) -> None:
        machine = self.machine(extensions=("python", "python"), runtime=RUNTIME, rules=RELAXED)
        machine.register("one", [])
        self.assertNotIn(effects.StartRuntime(1), self.orders(machine))
        machine.register("two", [])
        self.assertEqual(self.orders(machine), [effects.StartRuntime(1)])

    def test_the_runtime_starts_at_once_without_extensions(self) -> None:
        self.assertEqual(self.orders(self.machine(runtime=RUNTIME)), [effects.StartRuntime(1)])

    def test_init_lasts_until_every_extension_has_asked(self) -> None:
        machine = self.machine()
        one = self.extension(machine, "one")
        machine.runtime_asks(POLL)
        self.assertIs(machine.phase, SimulatorPhase.INITIALIZING)
        machine.extension_asks(one, "poll")
        self.assertIs(machine.phase, SimulatorPhase.READY)
        self.assertEqual(
            self.fact_names(machine),
            ["InitStart", "InitRuntimeDone", "ExtensionSettled", "InitReport"],
        )

    def test_relaxed_init_ends_with_the_runtimes_first_next(self) -> None:
        machine = self.machine(rules=RELAXED)
        self.extension(machine, "one")
        machine.runtime_asks(POLL)
        self.assertIs(machine.phase, SimulatorPhase.READY)

    def test_registration_closes_when_the_runtime_asks(self) -> None:
        machine = self.machine()
        one = self.extension(machine, "one")
        machine.runtime_asks(POLL)
        with self.assertRaises(refusals.RegistrationClosed):
            machine.register("late", [])
        machine.extension_asks(one, "poll")
        with self.assertRaises(refusals.RegistrationClosed):
            machine.register("later", [])

    def test_marking_it_initialized_closes_registration_and_tells_nothing(self) -> None:
        machine = self.machine()
        machine.mark_initialized()
        self.assertIs(machine.phase, SimulatorPhase.READY)
        self.assertEqual(self.fact_names(machine), ["InitStart"])
        with self.assertRaises(refusals.RegistrationClosed):
            machine.register("late", [])

    def test_a_runtime_that_comes_after_marking_completes_the_telemetry(self) -> None:
        machine = self.machine()
        machine.mark_initialized()
        machine.runtime_asks(POLL)
        self.assertEqual(self.fact_names(machine), ["InitStart", "InitRuntimeDone", "InitReport"])

    def test_marking_it_while_only_an_extension_is_awaited_completes_the_telemetry(self) -> None:
        machine = self.machine()
        one = self.extension(machine, "one")
        machine.runtime_asks(POLL)
        machine.mark_initialized()
        machine.extension_asks(one, "poll")
        self.assertEqual(len(self.facts(machine, telemetry.InitReport)), 1)

    def test_an_init_that_is_marked_and_fails_after_it_has_its_report(self) -> None:
        machine = self.machine()
        machine.mark_initialized()
        machine.fail_init(failures.reported(b"{}", None))
        report = self.facts(machine, telemetry.InitReport)
        self.assertEqual([one.status for one in report], [Status.ERROR])

    def test_an_init_that_is_marked_once_the_runtime_is_there_is_billed(self) -> None:
        machine = self.machine()
        self.extension(machine, "one")
        self.advance(machine, 2)
        machine.runtime_asks(POLL)
        machine.mark_initialized()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.assertEqual(record.init_ms, 2000)

    def test_an_init_error_is_told_and_kept(self) -> None:
        machine = self.machine()
        body = b'{"errorType":"ImportError","errorMessage":"no such module"}'
        machine.fail_init(failures.reported(body, "Runtime.ImportModuleError"))
        self.assertEqual(machine.init_error, "ImportError: no such module")
        done, report = self.facts(machine, telemetry.InitRuntimeDone, telemetry.InitReport)
        self.assertEqual(done.error_type, "Runtime.ImportModuleError")
        self.assertIs(report.status, Status.ERROR)

    def test_an_init_error_fails_the_invocation_that_waits_with_the_runtimes_own_words(
        self,
    ) -> None:
        machine = self.machine()
        record = machine.enqueue(Invocation(1))
        machine.fail_init(failures.reported(b'{"errorMessage":"x"}', None))
        self.assertIs(record.status, InvocationStatus.ERROR)
        self.assertEqual(record.snapshot("").error.body, b'{"errorMessage":"x"}')

    def test_no_next_after_an_init_error(self) -> None:
        machine = self.machine()
        machine.fail_init(failures.reported(b"", None))
        machine.start_over()
        with self.assertRaises(refusals.InvalidStateTransition) as caught:
            machine.runtime_asks(POLL)
        self.assertIn("from InitError to Ready", str(caught.exception))

    def test_no_init_error_after_next(self) -> None:
        machine = self.ready()
        with self.assertRaises(refusals.InvalidStateTransition) as caught:
            machine.fail_init(failures.reported(b"", None))
        self.assertIn("from Ready to InitError", str(caught.exception))

    def test_a_first_init_that_fails_is_tried_again_inside_the_invocation(self) -> None:
        machine = self.machine(runtime=RUNTIME)
        record = machine.enqueue(Invocation(1))
        machine.process_exited(ProcessRole.RUNTIME, "true", 1, 1)
        self.assertIs(record.status, InvocationStatus.PENDING)
        machine.start_over()
        self.assertEqual(self.facts(machine, telemetry.InitStart)[-1].phase, "invoke")
        machine.process_exited(ProcessRole.RUNTIME, "true", 1, 2)
        self.assertIs(record.status, InvocationStatus.ERROR)
        self.assertEqual(record.failure.error_type, "Runtime.ExitError")

    def test_an_init_that_takes_too_long_is_ended(self) -> None:
        machine = self.machine(runtime=RUNTIME, init_timeout=10)
        self.orders(machine)
        self.advance(machine, 10)
        self.assertIs(self.facts(machine, telemetry.InitReport)[0].status, Status.TIMEOUT)
        self.assertIsInstance(self.orders(machine)[-1], effects.Reset)

    def test_relaxed_init_may_take_for_ever(self) -> None:
        machine = self.machine(rules=RELAXED)
        self.advance(machine, 1000)
        self.assertIs(machine.life, Life.STARTING)

    def test_a_suppressed_init_is_on_the_invocations_time(self) -> None:
        machine = self.machine(runtime=RUNTIME, invocation_timeout=3)
        self.advance(machine, 10)
        machine.start_over()
        record = machine.enqueue(Invocation(1))
        self.advance(machine, 3)
        self.assertIs(record.status, InvocationStatus.TIMEOUT)
        report = self.facts(machine, telemetry.Report)[0]
        self.assertIs(report.status, Status.TIMEOUT)
        self.assertAlmostEqual(report.duration_ms, 3000)

    def test_a_double_that_waited_through_a_reset_serves_on(self) -> None:
        machine = self.ready()
        machine.process_started(ProcessRole.EXTENSION, "x")
        machine.process_exited(ProcessRole.EXTENSION, "x", 1, 1)
        machine.start_over()
        record = machine.enqueue(Invocation(1))
        self.assertIs(self.taken(machine), record)

    def test_a_poll_of_an_ended_runtime_gets_nothing(self) -> None:
        machine = self.ready()
        machine.process_started(ProcessRole.RUNTIME, "x")
        machine.process_exited(ProcessRole.RUNTIME, "x", 1, 1)
        machine.runtime.drop_polls()
        machine.start_over()
        with self.assertRaises(PollerGone):
            machine.handover.take(POLL, again=False)
        machine.runtime.leave(POLL)
        self.assertIs(machine.runtime.stage, RuntimeStage.STARTED)


class RuntimeTest(MachineTest):
    def test_an_invocation_is_dispatched_to_the_runtime_that_waits(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        self.assertIs(record.status, InvocationStatus.IN_PROGRESS)
        self.assertIs(self.taken(machine), record)

    def test_one_invocation_at_a_time(self) -> None:
        machine = self.ready()
        first, second = machine.enqueue(Invocation(1)), machine.enqueue(Invocation(2))
        self.taken(machine)
        self.assertIs(second.status, InvocationStatus.PENDING)
        self.respond(machine, first)
        self.assertIs(second.status, InvocationStatus.PENDING)
        machine.runtime_asks(POLL)
        self.assertIs(self.taken(machine), second)

    def test_relaxed_serves_as_many_as_there_are_polls(self) -> None:
        machine = self.ready(rules=RELAXED)
        machine.runtime_asks("another poll")
        records = [machine.enqueue(Invocation(number)) for number in range(3)]
        self.assertIs(self.taken(machine), records[0])
        self.assertIs(self.taken(machine, "another poll"), records[1])
        self.assertIs(records[2].status, InvocationStatus.PENDING)

    def test_next_while_running_returns_the_same_event(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        again = machine.runtime_asks("a second poll")
        self.assertTrue(again)
        self.assertIs(machine.handover.take("a second poll", again=again), record)

    def test_who_only_has_to_wake_is_not_counted_as_parked(self) -> None:
        machine = self.machine()
        one = self.extension(machine, "one", "INVOKE")
        machine.extension_asks(one, "poll")
        machine.runtime_asks(POLL)
        self.assertEqual(machine.parked, 2)
        machine.enqueue(Invocation(1))
        self.assertEqual(machine.parked, 0)

    def test_who_did_not_wake_in_time_is_parked_again(self) -> None:
        machine = self.machine(max_concurrency=2)
        machine.runtime_asks(POLL)
        machine.enqueue(Invocation(1))
        machine.outbox.changes.clear()
        self.advance(machine, 3)
        self.assertEqual(machine.parked, 1)
        self.assertIn(effects.Topic.PARKED, machine.outbox.changes)

    def test_two_parked_polls_share_no_event(self) -> None:
        machine = self.ready()
        machine.runtime_asks("a second poll")
        machine.enqueue(Invocation(1))
        self.taken(machine)
        self.assertIsNone(machine.handover.take("a second poll", again=False))

    def test_what_was_not_delivered_is_given_to_the_next_poll(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        machine.handover.give_back(record, POLL)
        machine.runtime_asks("a second poll")
        self.assertIs(self.taken(machine, "a second poll"), record)

    def test_next_during_an_upload_is_refused(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        for stage in (Stage.RESPONDING, Stage.REPORTING):
            record.stage = Stage.RUNNING
            machine.uploads.begin(record.request_id, None, stage)
            with self.subTest(stage), self.assertRaises(refusals.InvalidStateTransition):
                machine.runtime_asks("a second poll")

    def test_an_answer_needs_the_current_id(self) -> None:
        machine = self.ready()
        with self.assertRaises(refusals.InvalidRequestId):
            machine.uploads.begin("nobody's", None, Stage.RESPONDING)
        machine.enqueue(Invocation(1))
        self.taken(machine)
        with self.assertRaises(refusals.InvalidRequestId):
            machine.uploads.begin("nobody's", None, Stage.RESPONDING)

    def test_an_answer_before_next_is_refused_by_state(self) -> None:
        machine = self.machine()
        record = machine.enqueue(Invocation(1))
        with self.assertRaises(refusals.InvalidStateTransition) as caught:
            machine.uploads.begin(record.request_id, None, Stage.RESPONDING)
        self.assertIn("from Started to InvocationResponse", str(caught.exception))

    def test_an_answer_to_an_undelivered_event_is_refused_by_state(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        with self.assertRaises(refusals.InvalidStateTransition) as caught:
            machine.uploads.begin(record.request_id, None, Stage.REPORTING)
        self.assertIn("from Ready to InvocationErrorResponse", str(caught.exception))

    def test_a_second_answer_is_refused_by_state_and_then_by_id(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.respond(machine, record, b"1")
        with self.assertRaises(refusals.InvalidStateTransition) as caught:
            self.respond(machine, record, b"2")
        self.assertIn("RuntimeResponseSentState", str(caught.exception))
        machine.runtime_asks(POLL)
        with self.assertRaises(refusals.InvalidRequestId):
            self.respond(machine, record, b"3")
        self.assertEqual(record.snapshot("").response.body, b"1")

    def test_an_answer_to_an_earlier_attempt_is_gone(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        with self.assertRaises(refusals.InvokeTimeout):
            machine.uploads.begin(record.request_id, "another attempt", Stage.RESPONDING)
        machine.uploads.begin(record.request_id, record.attempt_id, Stage.RESPONDING)

    def test_a_request_id_may_come_again_when_it_is_done(self) -> None:
        machine = self.ready()
        first = machine.enqueue(Invocation(1, request_id="again"))
        with self.assertRaises(ConfigurationError):
            machine.enqueue(Invocation(1, request_id="again"))
        self.taken(machine)
        self.respond(machine, first)
        machine.runtime_asks(POLL)
        second = machine.enqueue(Invocation(2, request_id="again"))
        self.assertNotEqual(first.attempt_id, second.attempt_id)
        self.assertEqual([record.request_id for record in machine.ledger], ["again"])

    def test_a_stream_is_as_large_as_its_reader_lets_it_be(self) -> None:
        piece = bytes(1024 * 1024)
        for is_streamed in (False, True):
            machine = self.ready()
            record = machine.enqueue(Invocation(1), is_streamed=is_streamed)
            self.taken(machine)
            machine.uploads.begin(record.request_id, None, Stage.RESPONDING)
            for _ in range(6):
                machine.uploads.add_chunk(record, piece)
            with self.subTest(is_streamed=is_streamed):
                if is_streamed:
                    machine.uploads.add_chunk(record, piece)
                else:
                    with self.assertRaises(refusals.PayloadTooLarge):
                        machine.uploads.add_chunk(record, piece)

    def test_history_is_bounded(self) -> None:
        machine = self.ready(history_limit=3)
        for number in range(10):
            record = machine.enqueue(Invocation(number))
            self.taken(machine)
            self.respond(machine, record)
            machine.runtime_asks(POLL)
        self.assertEqual(len(list(machine.ledger)), 3)
        self.assertEqual(len(self.facts(machine)), 3)
        self.assertIs(list(machine.ledger)[-1], record)


class TimeTest(MachineTest):
    def test_the_deadline_counts_from_dispatch(self) -> None:
        machine = self.machine(invocation_timeout=3)
        record = machine.enqueue(Invocation(1))
        self.advance(machine, 2)
        machine.runtime_asks(POLL)
        self.assertEqual(record.deadline_ms, int((self.clock.time() + 3) * 1000))

    def test_relaxed_counts_an_own_timeout_from_creation(self) -> None:
        machine = self.machine(rules=RELAXED)
        invocation = Invocation(1, timeout=5)
        record = machine.enqueue(invocation)
        self.advance(machine, 2)
        machine.runtime_asks(POLL)
        self.assertEqual(record.deadline_ms, invocation.deadline_ms)

    def test_an_invocation_that_takes_too_long_ends_with_the_environment(self) -> None:
        machine = self.ready(invocation_timeout=3)
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.advance(machine, 3)
        self.assertIs(record.status, InvocationStatus.TIMEOUT)
        error = record.snapshot("").error
        self.assertEqual(error.error_type, "Sandbox.Timedout")
        self.assertIn("Task timed out after 3.00 seconds", error.error_message)
        self.assertEqual(self.orders(machine), [effects.Reset(ShutdownReason.TIMEOUT)])
        self.assertEqual(self.fact_names(machine)[-2:], ["RuntimeDone", "Report"])

    def test_a_late_answer_changes_nothing(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        begun = machine.uploads.begin(record.request_id, None, Stage.RESPONDING)
        self.advance(machine, 3)
        with self.assertRaises(refusals.InvalidRequestId):
            machine.respond(begun, "application/json", b"late")
        machine.start_over()
        with self.assertRaises(refusals.InvalidRequestId):
            machine.uploads.begin(record.request_id, None, Stage.RESPONDING)
        self.assertIs(record.status, InvocationStatus.TIMEOUT)

    def test_relaxed_enforces_no_timeout(self) -> None:
        machine = self.ready(rules=RELAXED)
        record = machine.enqueue(Invocation(1, timeout=1))
        self.taken(machine)
        self.advance(machine, 100)
        self.respond(machine, record)
        self.assertIs(record.status, InvocationStatus.SUCCESS)

    def test_a_runtime_that_never_returns_to_next_holds_the_report_for_the_ready_timeout(
        self,
    ) -> None:
        machine = self.ready(extension_ready_timeout=2)
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.respond(machine, record)
        self.assertNotIn("Report", self.fact_names(machine))
        self.advance(machine, 2)
        self.assertEqual(self.fact_names(machine)[-2:], ["RuntimeDone", "Report"])

    def test_a_dawdling_extension_times_the_environment_out_but_the_answer_stands(self) -> None:
        machine = self.machine(extension_ready_timeout=100, invocation_timeout=3)
        slow = self.extension(machine, "slow", "INVOKE")
        machine.extension_asks(slow, "poll")
        machine.runtime_asks(POLL)
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        machine.registry.take_event(slow, "poll")
        self.respond(machine, record)
        machine.runtime_asks(POLL)
        self.advance(machine, 3)
        self.assertIs(record.status, InvocationStatus.SUCCESS)
        self.assertIs(self.facts(machine, telemetry.Report)[0].status, Status.TIMEOUT)
        self.assertEqual(self.orders(machine)[-1], effects.Reset(ShutdownReason.TIMEOUT))


class ReadinessTest(MachineTest):
    def with_extension(self, **config: Any) -> tuple[Machine, str]:
        machine = self.machine(**config)
        one = self.extension(machine, "one", "INVOKE")
        machine.extension_asks(one, "poll")
        machine.runtime_asks(POLL)
        return machine, one

    def test_the_report_waits_for_the_extension(self) -> None:
        machine, one = self.with_extension()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        event = self.event(machine, one, "poll")
        machine.registry.left(one, "poll")
        self.assertIsInstance(event, InvokeEvent)
        self.respond(machine, record)
        machine.runtime_asks(POLL)
        self.assertFalse(record.is_reported)
        machine.extension_asks(one, "poll")
        self.assertTrue(record.is_reported)

    def test_who_waits_for_extensions_is_told_whatever_comes_last(self) -> None:
        for is_runtime_last in (False, True):
            with self.subTest(is_runtime_last=is_runtime_last):
                machine, one = self.with_extension()
                record = machine.enqueue(Invocation(1))
                self.taken(machine)
                self.event(machine, one, "poll")
                machine.registry.left(one, "poll")
                moves = [
                    partial(self.respond, machine, record),
                    partial(machine.extension_asks, one, "poll"),
                ]
                if is_runtime_last:
                    moves.reverse()
                moves[0]()
                machine.outbox.changes.clear()
                moves[1]()
                self.assertIn(Topic.READINESS, machine.outbox.changes)

    def test_the_poll_that_fetches_an_event_says_nothing_of_it(self) -> None:
        """BUG5 of the model system: a poll counted that came before the work."""
        machine, one = self.with_extension()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        machine.registry.left(one, "poll")
        machine.extension_asks(one, "a slow poll")
        machine.registry.take_event(one, "a slow poll")
        self.respond(machine, record)
        machine.runtime_asks(POLL)
        self.assertFalse(record.is_reported)

    def test_a_poll_is_credited_to_its_own_invocation_only(self) -> None:
        """BUG4 of the model system: with a backlog, polls went to the last one enqueued."""
        machine, one = self.with_extension(rules=RELAXED)
        machine.runtime_asks("another poll")
        first, second = machine.enqueue(Invocation(1)), machine.enqueue(Invocation(2))
        self.taken(machine)
        self.taken(machine, "another poll")
        machine.registry.take_event(one, "poll")
        machine.registry.left(one, "poll")
        machine.extension_asks(one, "poll")
        self.assertTrue(first.readiness.is_complete)
        self.assertFalse(second.readiness.is_complete)
        self.respond(machine, second)
        self.respond(machine, first)
        self.assertTrue(first.is_reported)
        self.assertFalse(second.is_reported)

    def test_relaxed_counts_a_poll_that_comes_after_the_answer(self) -> None:
        machine, one = self.with_extension(rules=RELAXED)
        record = machine.enqueue(Invocation(1))
        machine.registry.left(one, "poll")
        self.taken(machine)
        self.respond(machine, record)
        self.assertFalse(record.is_reported)
        machine.extension_asks(one, "poll")
        self.assertTrue(record.is_reported)

    def test_an_extension_without_invoke_is_not_waited_for(self) -> None:
        machine = self.machine()
        quiet = self.extension(machine, "quiet", "SHUTDOWN")
        machine.extension_asks(quiet, "poll")
        machine.runtime_asks(POLL)
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.respond(machine, record)
        machine.runtime_asks(POLL)
        self.assertTrue(record.is_reported)
        self.assertIsNone(machine.registry.take_event(quiet, "poll"))

    def test_an_event_given_back_comes_again_and_is_not_credited(self) -> None:
        machine, one = self.with_extension()
        machine.enqueue(Invocation(1))
        notice = machine.registry.take_event(one, "poll")
        assert notice is not None
        machine.registry.give_back(one, notice, "poll")
        machine.registry.left(one, "poll")
        machine.extension_asks(one, "poll")
        self.assertIs(machine.registry.take_event(one, "poll"), notice)

    def test_an_event_that_is_missed_late_is_waited_for_again(self) -> None:
        machine, one = self.with_extension()
        record = machine.enqueue(Invocation(1))
        notice = machine.registry.take_event(one, "poll")
        assert notice is not None
        machine.registry.left(one, "poll")
        machine.extension_asks(one, "another poll")
        machine.registry.give_back(one, notice, "poll")
        self.taken(machine)
        self.respond(machine, record)
        machine.runtime_asks(POLL)
        self.assertFalse(record.is_reported)
        self.assertIs(machine.registry.take_event(one, "another poll"), notice)

    def test_an_event_that_was_left_unread_comes_again_once(self) -> None:
        machine, one = self.with_extension()
        record = machine.enqueue(Invocation(1))
        notice = machine.registry.take_event(one, "poll")
        assert notice is not None
        machine.registry.left(one, "poll")
        machine.outbox.changes.clear()
        machine.hung_up("poll", left_unread=True)
        self.assertIn(one, machine.outbox.changes)
        machine.extension_asks(one, "another poll")
        self.assertEqual(record.readiness.awaited, {one})
        self.assertIs(machine.registry.take_event(one, "another poll"), notice)
        machine.registry.give_back(one, notice, "poll")  # whose thread finds out late
        self.assertIsNone(machine.registry.take_event(one, "another poll"))
        self.assertEqual(record.readiness.awaited, {one})

    def test_an_extension_that_asked_again_or_failed_had_read_its_event(self) -> None:
        for fails in (False, True):
            with self.subTest(fails=fails):
                machine, one = self.with_extension()
                machine.enqueue(Invocation(1))
                machine.registry.take_event(one, "poll")
                machine.registry.left(one, "poll")
                if fails:
                    machine.begin_shutdown(None)  # else it resets
                    machine.extension_fails(one, ExtensionStage.EXIT_ERROR, "Extension.Sad")
                else:
                    machine.extension_asks(one, "another poll")
                machine.hung_up("poll", left_unread=True)
                self.assertFalse(machine.registry.get(one).queue)

    def test_relaxed_sends_invoke_at_enqueue(self) -> None:
        machine = self.machine(rules=RELAXED)
        one = self.extension(machine, "one", "INVOKE")
        machine.extension_asks(one, "poll")
        machine.enqueue(Invocation(1))
        self.assertIsInstance(self.event(machine, one, "poll"), InvokeEvent)

    def test_relaxed_counts_a_poll_that_comes_before_the_runtime_does(self) -> None:
        machine = self.machine(rules=RELAXED)
        one = self.extension(machine, "one", "INVOKE")
        machine.extension_asks(one, "poll")
        record = machine.enqueue(Invocation(1))
        machine.registry.take_event(one, "poll")
        machine.registry.left(one, "poll")
        machine.extension_asks(one, "poll")
        machine.runtime_asks(POLL)
        self.respond(machine, self.taken(machine))
        self.assertTrue(record.is_reported)

    def test_aws_sends_invoke_at_dispatch(self) -> None:
        machine = self.machine()
        one = self.extension(machine, "one", "INVOKE")
        machine.extension_asks(one, "poll")
        machine.enqueue(Invocation(1))
        self.assertIsNone(machine.registry.take_event(one, "poll"))
        machine.runtime_asks(POLL)
        self.assertIsInstance(self.event(machine, one, "poll"), InvokeEvent)


class ExtensionTest(MachineTest):
    def test_an_internal_extension_may_not_have_shutdown(self) -> None:
        machine = self.machine()
        with self.assertRaises(refusals.InvalidEventType) as caught:
            machine.register("inner", ["SHUTDOWN"])
        self.assertIn("ShutdownEventNotSupportedForInternalExtension", str(caught.exception))
        self.assertEqual(len(machine.registry), 0)

    def test_relaxed_lets_anyone_have_anything(self) -> None:
        machine = self.machine(rules=RELAXED)
        machine.register("inner", ["SHUTDOWN", "INVOKE"])

    def test_events_are_spelled_exactly(self) -> None:
        machine = self.machine()
        with self.assertRaises(refusals.InvalidEventType) as caught:
            machine.register("one", ["invoke"])
        self.assertEqual(str(caught.exception), "invoke: ErrorInvalidEventType")

    def test_a_name_registers_once(self) -> None:
        machine = self.machine(external_extensions=["outer"])
        for name, words in (("outer", "Registered to Registered"), ("inner", "already registered")):
            machine.register(name, [])
            with self.subTest(name), self.assertRaises(refusals.InvalidExtensionState) as caught:
                machine.register(name, [])
            self.assertIn(words, str(caught.exception))

    def test_an_environment_holds_ten(self) -> None:
        machine = self.machine()
        for number in range(10):
            machine.register(f"number-{number}", [])
        with self.assertRaises(refusals.TooManyExtensions):
            machine.register("eleventh", [])

    def test_a_second_poll_while_one_is_parked_is_refused(self) -> None:
        machine = self.machine()
        one = self.extension(machine, "one")
        machine.extension_asks(one, "poll")
        with self.assertRaises(refusals.InvalidExtensionState):
            machine.extension_asks(one, "a second poll")
        machine.registry.left(one, "poll")
        machine.extension_asks(one, "a second poll")

    def test_after_an_error_report_nothing_is_allowed(self) -> None:
        for target in (ExtensionStage.INIT_ERROR, ExtensionStage.EXIT_ERROR):
            machine = self.machine()
            one = self.extension(machine, "one")
            machine.extension_fails(one, target, "Extension.Oops")
            with self.subTest(target), self.assertRaises(refusals.InvalidExtensionState):
                machine.extension_asks(one, "poll")

    def test_an_init_error_comes_before_next_only(self) -> None:
        machine = self.machine()
        one = self.extension(machine, "one")
        machine.extension_asks(one, "poll")
        with self.assertRaises(refusals.InvalidExtensionState) as caught:
            machine.extension_fails(one, ExtensionStage.INIT_ERROR, "Extension.Oops")
        self.assertIn(f"from Ready to InitError failed for extension {one}", str(caught.exception))

    def test_an_old_identifier_is_unknown_after_a_reset(self) -> None:
        machine = self.ready()
        machine.process_started(ProcessRole.RUNTIME, "x")
        machine.process_exited(ProcessRole.RUNTIME, "x", 1, 1)
        machine.start_over()
        one = self.extension(machine, "one")
        machine.process_exited(ProcessRole.RUNTIME, "x", 1, 1)
        self.assertEqual(machine.registry.get(one).name, "one")
        self.assertEqual(machine.generation, 2)


class TelemetryTest(MachineTest):
    def test_nothing_is_kept_or_waited_for_when_nobody_delivers_any_more(self) -> None:
        machine = self.machine()
        for name in ("one", "two"):
            one = self.extension(machine, name)
            machine.subscribe(one, SubscriptionApi.TELEMETRY, lambda _: subscription())
            mark = machine.chronicle.flush(NEVER)
            machine.outbox.changes.clear()
            machine.chronicle.deliveries_failed()
            self.assertIn(Topic.FLUSHED, machine.outbox.changes)
            self.assertEqual(machine.chronicle.flushes, mark)
        machine.runtime_asks(POLL)
        self.assertFalse(machine.outbox.outgoing)
        self.assertEqual(machine.chronicle.flush(NEVER), mark)


class CrashTest(MachineTest):
    def crash(self, machine: Machine, code: int, role: ProcessRole = ProcessRole.RUNTIME) -> None:
        machine.process_started(role, "x")
        machine.process_exited(role, "x", code, 1)

    def test_a_runtime_that_dies_ends_its_invocation(self) -> None:
        for code, words in (
            (0, "Runtime exited without providing a reason"),
            (7, "Runtime exited with error: exit status 7"),
            (-9, "Runtime exited with error: signal: killed"),
        ):
            machine = self.ready()
            record = machine.enqueue(Invocation(1))
            self.taken(machine)
            self.crash(machine, code)
            with self.subTest(code):
                error = record.snapshot("").error
                self.assertEqual(error.error_type, "Runtime.ExitError")
                expected = f"RequestId: {record.request_id} Error: {words}"
                self.assertEqual(error.error_message, expected)
                self.assertEqual(self.orders(machine), [effects.Reset(ShutdownReason.FAILURE)])

    def test_a_runtime_that_dies_after_its_answer_leaves_it_standing(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.respond(machine, record, b"good")
        self.crash(machine, 1)
        self.assertIs(record.status, InvocationStatus.SUCCESS)
        report = self.facts(machine, telemetry.Report)[0]
        self.assertEqual((report.status, report.error_type), (Status.ERROR, "Runtime.ExitError"))

    def test_an_extension_that_dies_ends_the_invocation(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.crash(machine, 5, ProcessRole.EXTENSION)
        error = record.snapshot("").error
        self.assertEqual(error.error_type, "Extension.Crash")
        self.assertEqual(
            error.error_message, f"RequestId: {record.request_id} Error: exit status 5"
        )

    def test_nothing_is_dispatched_into_a_crash(self) -> None:
        for rules in (AWS, RELAXED):
            machine = self.ready(rules=rules)
            first, second = machine.enqueue(Invocation(1)), machine.enqueue(Invocation(2))
            self.taken(machine)
            machine.runtime_asks(POLL) if rules is AWS else None
            self.crash(machine, 1)
            with self.subTest(rules.name):
                self.assertIs(first.status, InvocationStatus.ERROR)
                self.assertIs(second.status, InvocationStatus.PENDING)

    def test_processes_of_an_older_generation_do_not_matter(self) -> None:
        machine = self.ready()
        self.crash(machine, 1)
        machine.start_over()
        machine.enqueue(Invocation(1))
        self.orders(machine)
        machine.process_exited(ProcessRole.RUNTIME, "x", 1, 1)
        self.assertEqual(self.orders(machine), [])

    def test_the_first_word_counts_when_an_extension_brings_the_runtime_down(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.crash(machine, 1, ProcessRole.EXTENSION)
        self.crash(machine, 1)
        self.assertEqual(record.failure.error_type, "Extension.Crash")


class FreezeTest(MachineTest):
    def served(self, machine: Machine) -> None:
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.respond(machine, record)
        machine.runtime_asks(POLL)

    def test_it_freezes_when_idle(self) -> None:
        machine = self.ready(freeze_mode=FreezeMode.PROCESS)
        self.assertEqual(self.orders(machine), [])
        self.served(machine)
        self.assertEqual(self.orders(machine), [effects.Freeze(1)])
        machine.frost.frozen(1, 2)
        self.assertTrue(machine.frost.is_frozen)

    def test_it_does_not_freeze_with_work_pending(self) -> None:
        """BUG1 of the model system: an invocation in the queue was frozen with its runtime."""
        machine = self.ready(freeze_mode=FreezeMode.PROCESS)
        first, second = machine.enqueue(Invocation(1)), machine.enqueue(Invocation(2))
        self.taken(machine)
        self.respond(machine, first)
        machine.runtime_asks(POLL)
        self.assertEqual(self.orders(machine), [])
        self.assertIs(self.taken(machine), second)

    def test_a_thaw_that_races_a_freeze_wins(self) -> None:
        """BUG7 of the model system: a freeze could land after the thaw it should have heeded."""
        machine = self.ready(freeze_mode=FreezeMode.PROCESS)
        self.served(machine)
        machine.enqueue(Invocation(2))
        self.assertEqual(self.orders(machine), [effects.Freeze(1), effects.Thaw()])
        self.assertFalse(machine.frost.still_stands(1))
        machine.frost.frozen(1, 2)
        self.assertFalse(machine.frost.is_frozen)

    def test_the_epoch_counts_enqueues_in_any_mode(self) -> None:
        machine = self.ready()
        for _ in range(3):
            machine.enqueue(Invocation(1))
        self.assertEqual(machine.frost.epoch, 3)

    def test_nothing_to_freeze_is_not_frozen(self) -> None:
        machine = self.ready(freeze_mode=FreezeMode.PROCESS)
        self.served(machine)
        machine.frost.frozen(1, 0)
        self.assertFalse(machine.frost.is_frozen)

    def test_ending_thaws_and_never_freezes_again(self) -> None:
        machine = self.ready(freeze_mode=FreezeMode.PROCESS)
        self.served(machine)
        machine.frost.frozen(1, 1)
        self.orders(machine)
        machine.begin_shutdown(ShutdownReason.SPINDOWN)
        self.assertEqual(
            self.orders(machine), [effects.Thaw(), effects.Shutdown(ShutdownReason.SPINDOWN)]
        )


class ShutdownTest(MachineTest):
    def test_the_phase_never_moves_back(self) -> None:
        """BUG6 of the model system: a poll during shutdown made the phase READY again."""
        machine = self.machine()
        machine.begin_shutdown(ShutdownReason.SPINDOWN)
        machine.runtime_asks(POLL)
        machine.mark_initialized()
        self.assertIs(machine.phase, SimulatorPhase.SHUTTING_DOWN)

    def test_shutdown_goes_to_subscribers_only(self) -> None:
        machine = self.machine()
        told = self.extension(machine, "told", "SHUTDOWN")
        untold = self.extension(machine, "untold", "INVOKE")
        machine.begin_shutdown(ShutdownReason.SPINDOWN)
        machine.announce(ShutdownReason.SPINDOWN, 5)
        for one in (told, untold):
            machine.extension_asks(one, "poll")
        event = self.event(machine, told, "poll")
        self.assertEqual(event, ShutdownEvent(reason=ShutdownReason.SPINDOWN, deadline_ms=5))
        self.assertIsNone(machine.registry.take_event(untold, "poll"))

    def test_only_the_poll_after_shutdown_says_that_an_extension_is_done(self) -> None:
        machine = self.machine()
        one = self.extension(machine, "one", "SHUTDOWN")
        machine.begin_shutdown(ShutdownReason.SPINDOWN)
        machine.announce(ShutdownReason.SPINDOWN, 5)
        machine.extension_asks(one, "poll")
        machine.registry.take_event(one, "poll")
        machine.registry.left(one, "poll")
        self.assertEqual(len(machine.registry.lingering()), 1)
        machine.extension_asks(one, "poll")
        self.assertEqual(machine.registry.lingering(), [])
        self.assertIsNone(machine.registry.take_event(one, "poll"))

    def test_shutdown_is_sent_once_whatever_ends_it(self) -> None:
        machine = self.machine()
        early, late = (self.extension(machine, name, "SHUTDOWN") for name in ("early", "late"))
        machine.announce(ShutdownReason.TIMEOUT, 5)
        machine.extension_asks(early, "poll")
        self.assertIsNotNone(machine.registry.take_event(early, "poll"))
        machine.begin_shutdown(ShutdownReason.SPINDOWN)
        machine.announce(ShutdownReason.SPINDOWN, 6)
        self.assertIsNone(machine.registry.take_event(early, "poll"))
        machine.extension_asks(late, "poll")
        event = ShutdownEvent(reason=ShutdownReason.TIMEOUT, deadline_ms=5)
        self.assertEqual(self.event(machine, late, "poll"), event)
        self.assertIsNone(machine.registry.take_event(late, "poll"))

    def test_an_event_that_was_sent_before_comes_before_shutdown(self) -> None:
        machine = self.machine(rules=RELAXED)
        one = self.extension(machine, "one", "INVOKE", "SHUTDOWN")
        machine.enqueue(Invocation(1))
        machine.begin_shutdown(ShutdownReason.SPINDOWN)
        machine.announce(ShutdownReason.SPINDOWN, 5)
        machine.extension_asks(one, "poll")
        self.assertIsInstance(self.event(machine, one, "poll"), InvokeEvent)
        self.assertIsInstance(self.event(machine, one, "poll"), ShutdownEvent)

    def test_a_second_failure_in_a_reset_orders_no_second_one(self) -> None:
        machine = self.machine(runtime=RUNTIME, extensions=("x",))
        self.orders(machine)
        machine.process_started(ProcessRole.EXTENSION, "x")
        machine.process_exited(ProcessRole.EXTENSION, "x", 1, 1)
        machine.fail_init(failures.reported(b"", None))
        self.assertEqual(self.orders(machine), [effects.Reset(ShutdownReason.FAILURE)])

    def test_start_orders_of_an_older_generation_are_not_carried_out(self) -> None:
        machine = self.machine(runtime=RUNTIME)
        self.assertTrue(machine.may_launch(1))
        machine.process_started(ProcessRole.RUNTIME, "true")
        machine.process_exited(ProcessRole.RUNTIME, "true", 1, 1)
        self.assertFalse(machine.may_launch(1))
        self.assertIsNone(machine.process_started(ProcessRole.RUNTIME, "another"))
        machine.start_over()
        self.assertFalse(machine.may_launch(1))
        self.assertTrue(machine.may_launch(2))

    def test_what_an_earlier_timer_cancels_does_not_fire(self) -> None:
        machine = self.ready(invocation_timeout=3, extension_ready_timeout=2)
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.respond(machine, record)
        self.orders(machine)
        self.advance(machine, 10)
        self.assertEqual(self.orders(machine), [])
        self.assertIs(machine.life, Life.RUNNING)

    def test_a_late_give_back_takes_nothing_from_another_poll(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        again = machine.runtime_asks("a second poll")
        machine.handover.take("a second poll", again=again)
        machine.handover.give_back(record, POLL)
        self.respond(machine, record)
        self.assertIs(record.status, InvocationStatus.SUCCESS)

    def test_what_was_left_unread_stays_its_own_as_long_as_no_other_waits(self) -> None:
        machine = self.ready()
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        machine.hung_up(POLL, left_unread=True)
        self.respond(machine, record)
        self.assertIs(record.status, InvocationStatus.SUCCESS)

    def test_a_closed_connection_says_so_too_unless_a_process_is_behind_it(self) -> None:
        for has_process in (False, True):
            machine = self.machine()
            one = self.extension(machine, "one", "SHUTDOWN")
            if has_process:
                machine.process_started(ProcessRole.EXTENSION, "one")
            machine.begin_shutdown(ShutdownReason.SPINDOWN)
            machine.announce(ShutdownReason.SPINDOWN, 5)
            machine.extension_asks(one, "poll")
            machine.hung_up("poll")
            self.assertEqual(len(machine.registry.lingering()), 1)
            machine.registry.take_event(one, "poll")
            machine.hung_up("poll")
            with self.subTest(has_process=has_process):
                self.assertEqual(len(machine.registry.lingering()), int(has_process))
            machine.process_exited(ProcessRole.EXTENSION, "one", 0, 1)
            with self.subTest("exited", has_process=has_process):
                self.assertEqual(machine.registry.lingering(), [])

    def test_shutdown_that_was_left_unread_comes_again_to_who_has_a_process(self) -> None:
        for has_process in (False, True):
            machine = self.machine()
            one = self.extension(machine, "one", "SHUTDOWN")
            if has_process:
                machine.process_started(ProcessRole.EXTENSION, "one")
            machine.begin_shutdown(ShutdownReason.SPINDOWN)
            machine.announce(ShutdownReason.SPINDOWN, 5)
            machine.extension_asks(one, "poll")
            machine.registry.take_event(one, "poll")
            machine.registry.left(one, "poll")
            machine.hung_up("poll", left_unread=True)
            with self.subTest(has_process=has_process):
                self.assertEqual(len(machine.registry.lingering()), int(has_process))
                machine.extension_asks(one, "another poll")
                self.assertEqual(len(machine.registry.lingering()), int(has_process))
                event = self.event(machine, one, "another poll")
                self.assertEqual(isinstance(event, ShutdownEvent), has_process)

    def test_nothing_more_is_taken(self) -> None:
        machine = self.ready()
        machine.begin_shutdown(None)
        with self.assertRaises(ShuttingDown):
            machine.enqueue(Invocation(1))
        with self.assertRaises(ShuttingDown):
            machine.process_started(ProcessRole.RUNTIME, "x")
        with self.assertRaises(refusals.RegistrationClosed):
            machine.register("late", [])


class RulesTest(unittest.TestCase):
    def test_the_two_sets_differ_in_every_rule_that_is_theirs(self) -> None:
        of_managed_instances = {"tells_runtime_done", "extensions_see_invocations"}
        same = {
            field.name
            for field in attrs.fields(Rules)
            if getattr(AWS, field.name) == getattr(RELAXED, field.name)
        }
        self.assertEqual(same, of_managed_instances)

    def test_managed_instances_change_these_and_what_concurrency_changes(self) -> None:
        managed = AWS.for_instances(None, is_managed=True)
        changed = {
            field.name
            for field in attrs.fields(Rules)
            if getattr(AWS, field.name) != getattr(managed, field.name)
        }
        self.assertEqual(
            changed,
            {
                "max_concurrency",
                "timeout_ends_environment",
                "tells_runtime_done",
                "extensions_see_invocations",
            },
        )


class FailureTest(unittest.TestCase):
    def test_error_types_are_checked_as_lambda_checks_them(self) -> None:
        for given, expected in (
            ("Runtime.ImportModuleError", "Runtime.ImportModuleError"),
            ("Function.Oops", "Function.Oops"),
            ("Function.oops", "Function.Unknown"),
            ("unhandled", "Runtime.Unknown"),
            (None, "Runtime.Unknown"),
            ("xx Runtime.Yes xx", "xx Runtime.Yes xx"),
        ):
            with self.subTest(given):
                self.assertEqual(failures.checked_error_type(given), expected)

    def test_sandbox_errors_are_failures_and_timeouts_name_no_type(self) -> None:
        self.assertIs(Failure(error_type="Sandbox.Oops", message="").status, Status.FAILURE)
        timed_out = failures.timed_out(1)
        self.assertEqual((timed_out.status, timed_out.telemetry_type), (Status.TIMEOUT, None))

    def test_unknown_signals_have_numbers(self) -> None:
        self.assertEqual(failures.exit_words(-64), "signal: signal 64")
        self.assertEqual(failures.exit_words(-11), "signal: segmentation fault")
