"""SnapStart in the state machine, with no threads and a clock of its own."""

from __future__ import annotations

from typing import Any

from lambda_sim import refusals
from lambda_sim.errors import ConfigurationError, ShuttingDown
from lambda_sim.lifecycle import effects, failures
from lambda_sim.lifecycle.machine import Life, Machine
from lambda_sim.lifecycle.poller import PollerGone
from lambda_sim.lifecycle.runtime import RuntimeStage
from lambda_sim.model import telemetry
from lambda_sim.model.config import SimulatorPhase
from lambda_sim.model.extension import ShutdownReason
from lambda_sim.model.invocation import Invocation, InvocationStatus
from lambda_sim.model.process import FreezeMode, ProcessRole
from lambda_sim.model.rules import RELAXED
from lambda_sim.model.telemetry import Status
from tests.lifecycle.test_machine import POLL, RUNTIME, MachineTest

RESTORE = "the runtime's restore/next"
RESTORED = ["RestoreStart", "RestoreRuntimeDone", "RestoreReport", "InitReport"]


class SnapshotTest(MachineTest):
    def machine(self, *, extensions: tuple[str, ...] = (), **config: Any) -> Machine:
        kind = {"initialization_type": "snap-start"}
        return super().machine(extensions=extensions, **{**kind, **config})

    def snapshot(self, **config: Any) -> Machine:
        """A machine whose runtime waits to be restored."""
        machine = self.machine(**config)
        machine.runtime_asks_restore(RESTORE)
        return machine

    def restoring(self, **config: Any) -> Machine:
        """A machine whose runtime was told to restore."""
        machine = self.snapshot(**config)
        machine.restore()
        self.take(machine)
        return machine

    def take(self, machine: Machine) -> None:
        self.assertTrue(machine.take_restore(RESTORE))
        machine.runtime.leave_restore(RESTORE)

    def test_its_life_goes_from_a_snapshot_over_a_restore(self) -> None:
        machine = self.snapshot()
        self.assertIs(machine.life, Life.SNAPSHOT)
        self.assertIs(machine.phase, SimulatorPhase.READY)
        self.assertFalse(machine.take_restore(RESTORE))
        machine.restore()
        self.assertIs(machine.life, Life.RESTORING)
        self.take(machine)
        self.assertIs(machine.runtime.stage, RuntimeStage.RESTORING)
        machine.runtime_asks(POLL)
        self.assertIs(machine.life, Life.RUNNING)
        self.assertEqual(self.fact_names(machine), ["InitStart", "InitRuntimeDone", *RESTORED])

    def test_an_invocation_that_waits_since_init_restores_by_itself(self) -> None:
        machine = self.machine()
        record = machine.enqueue(Invocation(1))
        machine.runtime_asks_restore(RESTORE)
        self.take(machine)
        machine.runtime_asks(POLL)
        self.assertIs(self.taken(machine), record)

    def test_relaxed_restores_without_a_limit(self) -> None:
        machine = self.restoring(rules=RELAXED)
        self.advance(machine, 1_000)
        machine.runtime_asks(POLL)
        self.assertIs(machine.life, Life.RUNNING)
        self.assertEqual(self.facts(machine, telemetry.RestoreReport)[0].duration_ms, 1_000_000)

    def test_a_poll_that_left_makes_room_for_another(self) -> None:
        machine = self.snapshot()
        self.assertEqual(machine.parked, 1)
        with self.assertRaises(refusals.InvalidStateTransition):
            machine.runtime_asks_restore("another")
        machine.runtime.leave_restore("another")
        self.assertEqual(machine.parked, 1)
        machine.runtime.leave_restore(RESTORE)
        self.assertEqual(machine.parked, 0)
        machine.runtime_asks_restore("another")
        machine.restore()
        with self.assertRaises(PollerGone):
            machine.take_restore(RESTORE)
        self.assertTrue(machine.take_restore("another"))

    def test_an_answer_that_was_lost_is_given_to_the_next_poll(self) -> None:
        machine = self.restoring()
        machine.runtime.give_back_restore(RESTORE)
        self.assertIs(machine.runtime.stage, RuntimeStage.RESTORE_READY)
        machine.runtime_asks_restore(RESTORE)
        self.take(machine)
        machine.runtime_asks(POLL)
        self.assertIs(machine.life, Life.RUNNING)

    def test_who_may_not_have_read_it_asks_again_or_goes_on(self) -> None:
        for asks_again in (True, False):
            with self.subTest(asks_again=asks_again):
                machine = self.restoring()
                with self.assertRaises(refusals.InvalidStateTransition):
                    machine.runtime_asks_restore(RESTORE)
                machine.hung_up("another", left_unread=True)
                with self.assertRaises(refusals.InvalidStateTransition):
                    machine.runtime_asks_restore(RESTORE)
                machine.hung_up(RESTORE, left_unread=True)
                if asks_again:
                    machine.runtime_asks_restore(RESTORE)
                    self.take(machine)
                machine.runtime_asks(POLL)
                self.assertIs(machine.life, Life.RUNNING)

    def test_an_answer_that_was_given_back_late_changes_nothing(self) -> None:
        machine = self.restoring()
        machine.runtime_asks(POLL)
        machine.runtime.give_back_restore(RESTORE)
        self.assertIs(machine.runtime.stage, RuntimeStage.READY)

    def test_a_poll_of_an_ended_runtime_is_not_restored(self) -> None:
        machine = self.snapshot(runtime=RUNTIME)
        machine.process_started(ProcessRole.RUNTIME, "x")
        machine.process_exited(ProcessRole.RUNTIME, "x", 1, 1)
        machine.runtime.drop_polls()
        machine.start_over()
        with self.assertRaises(PollerGone):
            machine.take_restore(RESTORE)
        self.assertIs(machine.runtime.stage, RuntimeStage.STARTED)

    def test_a_double_that_waits_through_a_reset_is_restored_after_it(self) -> None:
        machine = self.snapshot()
        machine.process_started(ProcessRole.EXTENSION, "x")
        machine.process_exited(ProcessRole.EXTENSION, "x", 1, 1)
        machine.start_over()
        self.assertIs(machine.runtime.stage, RuntimeStage.RESTORE_READY)
        record = machine.enqueue(Invocation(1))
        self.take(machine)
        machine.runtime_asks(POLL)
        self.assertIs(self.taken(machine), record)

    def test_the_time_ends_a_restore_once(self) -> None:
        machine = self.restoring()
        self.advance(machine, 10)
        self.assertEqual(self.orders(machine), [effects.Reset(ShutdownReason.TIMEOUT)])
        self.advance(machine, 100)
        self.assertEqual(self.orders(machine), [])
        self.assertIs(self.facts(machine, telemetry.RestoreReport)[0].status, Status.TIMEOUT)
        self.assertIn("Restore timed out after 10.00 seconds", str(machine.init_error))

    def test_a_runtime_that_dies_after_its_restore_error_changes_nothing(self) -> None:
        machine = self.restoring()
        record = machine.enqueue(Invocation(1))
        machine.process_started(ProcessRole.RUNTIME, "x")
        machine.fail_restore(failures.reported(b'{"errorType":"Sad"}', None))
        machine.process_exited(ProcessRole.RUNTIME, "x", 65, 1)
        self.assertEqual(self.orders(machine), [effects.Reset(ShutdownReason.FAILURE)])
        self.assertEqual(record.snapshot("").error.error_type, "Sad")
        self.assertEqual(len(self.facts(machine, telemetry.RestoreReport)), 1)

    def test_a_runtime_that_dies_while_it_is_restored_failed_in_the_restore(self) -> None:
        # Its failure is not marked so: see test_rt_61_an_exit_fails_the_restore.
        machine = self.restoring()
        record = machine.enqueue(Invocation(1))
        machine.process_started(ProcessRole.RUNTIME, "x")
        machine.process_exited(ProcessRole.RUNTIME, "x", 3, 1)
        self.assertIs(record.status, InvocationStatus.ERROR)
        self.assertTrue(record.snapshot("").error.in_restore)

    def test_a_restore_error_during_a_reset_is_heard_and_ends_nothing_again(self) -> None:
        machine = self.restoring()
        self.advance(machine, 10)
        machine.fail_restore(failures.reported(b"", None))
        self.assertEqual(self.orders(machine), [effects.Reset(ShutdownReason.TIMEOUT)])
        machine.start_over()
        with self.assertRaises(refusals.InvalidStateTransition):
            machine.runtime_asks(POLL)
        machine.enqueue(Invocation(1))
        machine.runtime_asks(POLL)
        self.assertIs(machine.life, Life.RUNNING)

    def test_a_snapshot_freezes_and_its_restore_thaws(self) -> None:
        machine = self.snapshot(freeze_mode=FreezeMode.PROCESS)
        self.assertEqual(self.orders(machine), [effects.Freeze(0)])
        machine.frost.frozen(0, 1)
        machine.restore()
        self.assertEqual(self.orders(machine), [effects.Thaw()])
        self.assertFalse(machine.frost.is_frozen)

    def test_a_freeze_under_way_is_undone_by_a_restore(self) -> None:
        machine = self.snapshot(freeze_mode=FreezeMode.PROCESS)
        machine.restore()
        self.assertEqual(self.orders(machine), [effects.Freeze(0), effects.Thaw()])
        machine.frost.frozen(0, 1)
        self.assertFalse(machine.frost.is_frozen)

    def test_what_was_asked_for_too_soon_ends_in_a_restore(self) -> None:
        machine = self.machine()
        machine.restore()
        self.assertIs(machine.life, Life.STARTING)
        machine.runtime_asks_restore(RESTORE)
        self.take(machine)

    def test_marking_it_initialized_leaves_something_to_restore(self) -> None:
        # It counts as running, and a restore/next that comes then is never answered.
        machine = self.machine()
        machine.mark_initialized()
        machine.runtime_asks_restore(RESTORE)
        machine.restore()
        self.assertTrue(machine.take_restore(RESTORE))

    def test_ending_begins_no_restore(self) -> None:
        machine = self.snapshot()
        machine.begin_shutdown(None)
        with self.assertRaises(ShuttingDown):
            machine.restore()
        self.assertIs(machine.life, Life.SNAPSHOT)
        self.assertNotIn("RestoreStart", self.fact_names(machine))

    def test_others_have_no_snapshot(self) -> None:
        for kind in ("on-demand", "provisioned-concurrency", "lambda-managed-instances"):
            machine = self.machine(initialization_type=kind)
            with self.subTest(kind), self.assertRaises(ConfigurationError):
                machine.restore()

    def test_a_provisioned_init_is_reported_with_the_first_invocation(self) -> None:
        machine = self.machine(initialization_type="provisioned-concurrency")
        machine.runtime_asks(POLL)
        self.assertEqual(self.fact_names(machine), ["InitStart", "InitRuntimeDone"])
        self.advance(machine, 60)
        machine.enqueue(Invocation(1))
        self.assertEqual(self.fact_names(machine)[2:], ["InitReport", "Start"])
        self.assertEqual(self.facts(machine, telemetry.InitReport)[0].duration_ms, 0)

    def test_a_snapshot_taken_by_hand_is_restored_for_what_waits(self) -> None:
        # It is: the invocation waits for ever, and no timer is set.
        machine = self.machine()
        record = machine.enqueue(Invocation(1))
        machine.mark_initialized()
        self.assertIs(machine.life, Life.RESTORING)
        machine.runtime_asks_restore(RESTORE)
        self.take(machine)
        machine.runtime_asks(POLL)
        self.assertIs(self.taken(machine), record)

    def test_a_snapshot_taken_by_hand_is_restored_if_that_was_asked_for(self) -> None:
        machine = self.machine()
        machine.restore()
        machine.mark_initialized()
        self.assertIs(machine.life, Life.RESTORING)

    def test_a_runtime_without_hooks_may_come_during_the_restore(self) -> None:
        # It is: the restore ends with its time limit, and never where there is none.
        machine = self.machine()
        machine.mark_initialized()
        machine.restore()
        machine.runtime_asks(POLL)
        self.assertIs(machine.life, Life.RUNNING)
        self.assertEqual(self.fact_names(machine).count("RestoreReport"), 1)

    def test_an_init_error_during_the_restore_of_one_marked_by_hand_ends_it(self) -> None:
        machine = self.machine()
        machine.mark_initialized()
        machine.restore()
        machine.fail_init(failures.reported(b"{}", None))
        self.assertIs(machine.life, Life.RESETTING)
        for kind in (telemetry.InitReport, telemetry.RestoreReport):
            self.assertEqual([one.status for one in self.facts(machine, kind)], [Status.ERROR])

    def test_a_snapshot_taken_by_hand_has_its_reports_once_the_runtime_came(self) -> None:
        machine = self.machine()
        machine.mark_initialized()
        machine.runtime_asks_restore(RESTORE)
        machine.restore()
        self.take(machine)
        machine.runtime_asks(POLL)
        for kind in (telemetry.InitReport, telemetry.RestoreReport):
            self.assertEqual([one.status for one in self.facts(machine, kind)], [Status.SUCCESS])

    def test_who_only_has_to_wake_to_be_restored_is_not_parked(self) -> None:
        machine = self.restoring()
        self.assertEqual(machine.parked, 0)

    def test_only_the_runtime_that_was_told_of_a_restore_gives_it_back(self) -> None:
        machine = self.restoring()
        machine.runtime.give_back_restore("an earlier one's")
        self.assertIs(machine.runtime.stage, RuntimeStage.RESTORING)
        machine.runtime.give_back_restore(RESTORE)
        self.assertIs(machine.runtime.stage, RuntimeStage.RESTORE_READY)
