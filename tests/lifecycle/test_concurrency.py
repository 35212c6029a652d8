"""Several invocations at once in the state machine, with no threads and a clock of its own."""

from __future__ import annotations

from typing import Any

from lambda_sim import refusals
from lambda_sim.lifecycle import effects
from lambda_sim.lifecycle.effects import Topic
from lambda_sim.lifecycle.ledger import LATE_KEPT, Record, Stage
from lambda_sim.lifecycle.machine import Life, Machine
from lambda_sim.model import telemetry
from lambda_sim.model.extension import ShutdownReason
from lambda_sim.model.invocation import Invocation, InvocationStatus
from lambda_sim.model.process import ProcessRole
from tests.lifecycle.test_machine import POLL, MachineTest

MANAGED: dict[str, Any] = {"initialization_type": "lambda-managed-instances"}


class ConcurrencyTest(MachineTest):
    def busy(self, count: int, **config: Any) -> tuple[Machine, list[Record]]:
        """A machine with so many invocations, each at a worker of its own."""
        machine = self.machine(**{**MANAGED, **config})
        return machine, [self.serve(machine, number) for number in range(count)]

    def serve(self, machine: Machine, poll: object, **invocation: Any) -> Record:
        machine.runtime_asks(poll)
        record = machine.enqueue(Invocation(1, **invocation))
        self.assertIs(self.taken(machine, poll), record)
        return record

    def answer(self, machine: Machine, record: Record) -> None:
        machine.uploads.begin(record.request_id, None, Stage.RESPONDING)

    def test_each_poll_takes_the_oldest_that_nobody_has(self) -> None:
        machine = self.machine(**MANAGED)
        polls = list(range(3))
        for poll in polls:
            machine.runtime_asks(poll)
        records = [machine.enqueue(Invocation(number)) for number in range(3)]
        for poll, record in zip(reversed(polls), records, strict=True):
            self.assertIs(self.taken(machine, poll), record)

    def test_what_is_given_back_comes_before_what_was_opened_later(self) -> None:
        machine, (first, _) = self.busy(2)
        machine.handover.give_back(first, 0)
        machine.enqueue(Invocation("later"))
        machine.runtime_asks(2)
        self.assertIs(self.taken(machine, 2), first)

    def test_what_was_given_back_takes_a_slot(self) -> None:
        machine, (first,) = self.busy(1)
        machine.handover.give_back(first, 0)
        waiting = machine.enqueue(Invocation("later"))
        machine.runtime_asks(1)
        self.assertIs(waiting.status, InvocationStatus.PENDING)
        machine.runtime_asks(2)
        self.assertIs(waiting.status, InvocationStatus.IN_PROGRESS)

    def test_nobody_answers_what_was_given_back(self) -> None:
        machine, (first,) = self.busy(1)
        machine.handover.give_back(first, 0)
        with self.assertRaises(refusals.InvalidStateTransition):
            self.answer(machine, first)

    def test_what_was_left_unread_is_the_next_ones(self) -> None:
        for is_waiting in (True, False):
            with self.subTest(is_waiting=is_waiting):
                machine, (first, second) = self.busy(2)
                if is_waiting:
                    machine.runtime_asks("next")
                machine.outbox.changes.clear()
                machine.hung_up(0, left_unread=True)
                self.assertIn(Topic.RUNTIME_NEXT, machine.outbox.changes)
                self.assertEqual(machine.parked, 0)
                if not is_waiting:
                    machine.runtime_asks("next")
                self.assertIs(self.taken(machine, "next"), first)
                self.answer(machine, first)
                self.answer(machine, second)

    def test_who_asked_for_more_had_read_what_it_has(self) -> None:
        machine, (first,) = self.busy(1)
        machine.runtime_asks(0)
        second = machine.enqueue(Invocation("more"))
        self.assertIs(self.taken(machine, 0), second)
        machine.hung_up(0, left_unread=True)
        machine.runtime_asks(1)
        self.assertIs(self.taken(machine, 1), second)
        self.answer(machine, first)

    def test_an_answer_under_way_keeps_its_invocation(self) -> None:
        machine, (first,) = self.busy(1)
        self.answer(machine, first)
        machine.hung_up(0, left_unread=True)
        machine.respond(first, "application/json", b"{}")
        self.assertIs(first.status, InvocationStatus.SUCCESS)

    def test_a_timeout_ends_nothing_but_its_invocation(self) -> None:
        machine, (first, second) = self.busy(2, invocation_timeout=3)
        self.advance(machine, 2)
        third = self.serve(machine, 3)
        self.advance(machine, 1)
        for record in (first, second):
            self.assertIs(record.status, InvocationStatus.TIMEOUT)
        self.assertIs(third.status, InvocationStatus.IN_PROGRESS)
        self.assertEqual(self.orders(machine), [])
        self.assertIs(machine.life, Life.RUNNING)
        self.assertEqual(len(self.facts(machine, telemetry.Report)), 2)

    def test_a_late_answer_is_told_so_once(self) -> None:
        machine, (record,) = self.busy(1)
        self.advance(machine, 3)
        with self.assertRaises(refusals.InvokeTimeout):
            self.answer(machine, record)
        with self.assertRaises(refusals.InvalidRequestId):
            self.answer(machine, record)

    def test_a_thousand_late_answers_are_remembered(self) -> None:
        machine = self.machine(**MANAGED, max_concurrency=1_600, history_limit=10)
        records = [self.serve(machine, number) for number in range(LATE_KEPT + 1)]
        self.advance(machine, 3)
        self.assertEqual(LATE_KEPT, 1_000)
        with self.assertRaises(refusals.InvalidRequestId):
            self.answer(machine, records[0])
        for record in (records[1], records[-1]):
            with self.assertRaises(refusals.InvokeTimeout):
                self.answer(machine, record)

    def test_an_id_that_came_again_and_was_answered_is_not_late(self) -> None:
        # Is: the mark that the first attempt left stays, though another attempt was served.
        machine = self.machine(**MANAGED)
        self.serve(machine, 1, request_id="again")
        self.advance(machine, 3)
        second = self.serve(machine, 2, request_id="again")
        self.respond(machine, second)
        with self.assertRaises(refusals.InvalidRequestId):
            self.answer(machine, second)

    def test_a_crash_fails_all_of_them_once(self) -> None:
        machine, records = self.busy(4)
        waiting = machine.enqueue(Invocation("later"))
        machine.process_started(ProcessRole.RUNTIME, "x")
        machine.process_exited(ProcessRole.RUNTIME, "x", 1, 1)
        for record in records:
            self.assertIs(record.status, InvocationStatus.ERROR)
        reports = self.facts(machine, telemetry.Report)
        self.assertEqual(
            [report.request_id for report in reports], [record.request_id for record in records]
        )
        self.assertIs(waiting.status, InvocationStatus.PENDING)
        self.assertEqual(self.orders(machine), [effects.Reset(ShutdownReason.FAILURE)])
        self.advance(machine, 100)
        self.assertEqual(len(self.facts(machine, telemetry.Report)), 4)

    def test_an_answer_leaves_the_others_where_they_are(self) -> None:
        machine, (first, second, third) = self.busy(3)
        self.respond(machine, second)
        self.assertTrue(second.is_reported)
        for record in (first, third):
            self.assertIs(record.status, InvocationStatus.IN_PROGRESS)
            self.assertIs(record.stage, Stage.RUNNING)

    def test_a_line_belongs_to_the_invocation_that_it_names(self) -> None:
        machine, (first, second) = self.busy(2)
        for message in (f"at {second.request_id}", f"{first.request_id}", "nobody's"):
            machine.log(ProcessRole.RUNTIME, "x", message)
        lines = [line.request_id for line in self.facts(machine, telemetry.LogLine)]
        self.assertEqual(lines, [second.request_id, first.request_id, None])

    def test_init_is_not_on_the_first_bill(self) -> None:
        machine = self.machine(**MANAGED)
        self.advance(machine, 2)
        record = self.serve(machine, 1)
        self.respond(machine, record)
        self.assertTrue(record.is_cold)
        self.assertIsNone(self.facts(machine, telemetry.Report)[0].init_duration_ms)

    def test_there_is_no_runtime_done(self) -> None:
        machine, (record,) = self.busy(1)
        self.respond(machine, record)
        self.assertEqual(self.facts(machine, telemetry.RuntimeDone), [])
        spans = [span.name for span in self.facts(machine, telemetry.Report)[0].spans]
        self.assertEqual(spans, ["responseLatency", "responseDuration"])


class OnDemandTest(MachineTest):
    """The same of an on-demand environment, with a number and without."""

    def late(self, **config: Any) -> tuple[Machine, Record]:
        """An invocation that ran out of time at its worker."""
        machine = self.ready(invocation_timeout=3, **config)
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.advance(machine, 3)
        self.assertIs(record.status, InvocationStatus.TIMEOUT)
        return machine, record

    def test_with_a_number_a_timeout_ends_nothing_but_its_invocation(self) -> None:
        machine, record = self.late(max_concurrency=4)
        self.assertEqual(self.orders(machine), [])
        with self.assertRaises(refusals.InvokeTimeout):
            machine.uploads.begin(record.request_id, None, Stage.RESPONDING)

    def test_without_one_it_ends_the_environment(self) -> None:
        for config in ({}, {"max_concurrency": 1}):
            with self.subTest(config):
                machine, record = self.late(**config)
                self.assertEqual(self.orders(machine), [effects.Reset(ShutdownReason.TIMEOUT)])
                machine.start_over()
                with self.assertRaises(refusals.InvalidRequestId):
                    machine.uploads.begin(record.request_id, None, Stage.RESPONDING)

    def test_a_slot_is_free_once_its_answer_is_there_whatever_extensions_do(
        self,
    ) -> None:
        machine = self.machine(max_concurrency=2)
        one = self.extension(machine, "one", "INVOKE")
        machine.extension_asks(one, "poll")
        for worker in "first", "second", "third":
            machine.runtime_asks(worker)
        first, _, waiting = [machine.enqueue(Invocation(number)) for number in range(3)]
        self.taken(machine, "first")
        self.taken(machine, "second")
        self.assertIs(waiting.status, InvocationStatus.PENDING)
        self.respond(machine, first)
        self.assertFalse(first.is_reported)
        self.assertIs(self.taken(machine, "third"), waiting)

    def test_with_a_number_telemetry_and_bill_are_as_ever(self) -> None:
        machine = self.machine(max_concurrency=4)
        self.advance(machine, 2)
        machine.runtime_asks(POLL)
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.respond(machine, record)
        self.assertEqual(len(self.facts(machine, telemetry.RuntimeDone)), 1)
        report = self.facts(machine, telemetry.Report)[0]
        self.assertEqual((report.init_duration_ms, report.spans), (2000, ()))
