"""The environment's waits, asked by callers whose connection is the test's to break."""

from __future__ import annotations

import unittest
from unittest import mock

from lambda_sim.errors import ShuttingDown
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.failures import Failure
from lambda_sim.lifecycle.gauges import NoGauges
from lambda_sim.lifecycle.ledger import Stage
from lambda_sim.lifecycle.machine import Life
from lambda_sim.lifecycle.poller import PollerGone
from lambda_sim.lifecycle.runtime import RuntimeStage
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.invocation import Invocation
from lambda_sim.model.process import ProcessRole
from lambda_sim.refusals import InvalidStateTransition
from lambda_sim.sync import Worker
from tests.support import Key, with_default_signals

PATIENCE = 20.0


class Caller:
    """Somebody parked in Next."""

    was_reset = False
    may_be_lent = False
    is_attended = False

    def __init__(self, *, is_gone: bool = False, is_there: bool = True) -> None:
        self.is_gone = is_gone
        self.is_there = is_there

    def is_connected(self) -> bool:
        return self.is_there and not self.is_gone

    def ring(self) -> None:
        raise AssertionError("it is never lent")


class LockTest(unittest.TestCase):
    def test_a_lock_that_ctrl_c_kept_is_let_go_of_the_next_time(self) -> None:
        environment = ExecutionEnvironment(SimulatorConfig())
        environment.__enter__()  # and what would have let go of it was interrupted
        with environment:
            pass
        self.assertTrue(Worker("another", environment.close).start().join(PATIENCE))

    def test_nor_does_ctrl_c_at_the_last_step_of_a_close_keep_it(self) -> None:
        with_default_signals(self)
        environment, key = ExecutionEnvironment(SimulatorConfig()), Key()
        monitor = environment._monitor
        end = monitor.close

        def close() -> None:
            end()
            key + 0

        with (
            mock.patch.object(monitor, "close", close),
            self.assertRaises(KeyboardInterrupt),
        ):
            environment.close()
        self.assertFalse(monitor.is_ours())
        self.assertTrue(environment.is_closed)


class RestoreTest(unittest.TestCase):
    def setUp(self) -> None:
        config = SimulatorConfig(initialization_type="snap-start")
        self.environment = ExecutionEnvironment(config)
        self.addCleanup(self.environment.close)
        with self.environment as machine:
            machine.start()

    def test_a_restore_that_was_asked_for_is_there_at_once(self) -> None:
        with self.environment as machine:
            machine.restore()
        self.environment.await_restore(Caller())
        with self.environment as machine:
            self.assertIs(machine.runtime.stage, RuntimeStage.RESTORING)
            self.assertEqual(machine.parked, 0)

    def test_a_caller_who_was_seen_to_leave_waits_no_longer(self) -> None:
        with self.assertRaises(PollerGone):
            self.environment.await_restore(Caller(is_gone=True))
        with self.environment as machine:
            self.assertEqual(machine.parked, 0)

    def test_the_last_breath_of_a_runtime_that_was_ended_is_not_the_next_ones_first(self) -> None:
        # It is: init is over by the word of somebody who is not there, as next_invocation knows.
        caller = Caller(is_there=False)
        with self.environment as machine:
            machine.restore()
        with self.assertRaises(PollerGone):
            self.environment.await_restore(caller)
        with self.environment as machine:
            self.assertIs(machine.runtime.stage, RuntimeStage.STARTED)
            self.assertIs(machine.life, Life.STARTING)

    def test_the_same_of_next(self) -> None:
        with self.assertRaises(PollerGone):
            self.environment.next_invocation(Caller(is_there=False))
        with self.environment as machine:
            self.assertIs(machine.runtime.stage, RuntimeStage.STARTED)

    def test_the_same_of_an_extension_that_registers(self) -> None:
        with self.assertRaises(PollerGone):
            self.environment.register("one", [], Caller(is_there=False))
        with self.environment as machine:
            self.assertEqual(len(machine.registry), 0)

    def test_a_caller_whose_loss_nobody_noticed_is_in_nobodys_way(self) -> None:
        # It is: restore/next is refused with 403 until the loss was noticed.
        lost = Caller()
        with self.environment as machine:
            machine.runtime_asks_restore(lost)
            machine.restore()
        lost.is_there = False
        self.environment.await_restore(Caller())

    def test_closing_ends_the_wait(self) -> None:
        self.environment.close()
        with self.assertRaises(ShuttingDown):
            self.environment.await_restore(Caller())


class Doomed(Caller):
    """A runtime that is ended after it was seen to be there, and started again."""

    def __init__(self, environment: ExecutionEnvironment) -> None:
        super().__init__()
        self.environment = environment

    def is_connected(self) -> bool:
        if not self.is_there:
            return False
        self.is_there = False
        with self.environment as machine:
            machine.process_exited(ProcessRole.RUNTIME, "a", 1, machine.generation)
            machine.runtime.drop_polls()
            machine.start_over()
            machine.enqueue(Invocation(1))
        return True


class LastBreathTest(unittest.TestCase):
    def test_a_runtime_that_ends_between_two_looks_is_not_taken_for_the_next(self) -> None:
        # It is: the next one's init is over before it began, and registration closed.
        for kind in ("on-demand", "snap-start"):
            with self.subTest(kind):
                environment = ExecutionEnvironment(SimulatorConfig(initialization_type=kind))
                self.addCleanup(environment.close)
                ask = (
                    environment.await_restore
                    if kind == "snap-start"
                    else environment.next_invocation
                )
                with environment as machine:
                    machine.start()
                with self.assertRaises(PollerGone):
                    ask(Doomed(environment))
                with environment as machine:
                    self.assertIs(machine.life, Life.STARTING)
                    self.assertIs(machine.runtime.stage, RuntimeStage.STARTED)


class LateReportTest(unittest.TestCase):
    def test_what_ends_one_generation_does_not_end_the_next(self) -> None:
        for kind in ("on-demand", "snap-start"):
            with self.subTest(kind):
                environment = ExecutionEnvironment(SimulatorConfig(initialization_type=kind))
                self.addCleanup(environment.close)
                with environment as machine:
                    machine.start()
                environment.gauges = Slow(environment)
                report = environment.fail_restore if kind == "snap-start" else environment.fail_init
                with self.assertRaises(InvalidStateTransition):
                    report(Failure(error_type="Function.Gone", message="it is over"))
                with environment as machine:
                    self.assertEqual((machine.generation, machine.init_error), (2, None))


class Slow(NoGauges):
    """While output is read, the environment is reset."""

    def __init__(self, environment: ExecutionEnvironment) -> None:
        self._environment = environment

    def drain(self, flush: bool = False) -> None:
        with self._environment as machine:
            machine.start_over()
            machine.start()


class Unread(Caller):
    """One that closed before it had read what was sent."""

    was_reset = True


class HangUpTest(unittest.TestCase):
    def test_only_what_was_never_read_goes_to_the_next(self) -> None:
        # All does: a client that closes after each answer has its event served twice.
        for caller, is_open in ((Caller(), False), (Unread(), True)):
            with self.subTest(caller), ExecutionEnvironment(SimulatorConfig()) as machine:
                machine.start()
                machine.runtime_asks(caller)
                machine.runtime_asks("another")
                record = machine.enqueue(Invocation(1))
                self.assertIs(machine.handover.take(caller, again=False), record)
                machine.runtime.leave(caller)
                machine.hung_up(caller, left_unread=caller.was_reset)
                again = machine.handover.take("another", again=False)
                self.assertIs(again is record, is_open)


class Dying(NoGauges):
    """One that is killed for its memory, and is seen dying so often."""

    def __init__(self, times: int) -> None:
        self.times = times

    def peak_memory_bytes(self, max_age: float) -> int:
        return 1 << 40

    def enforce_memory(self) -> bool:
        self.times -= 1
        return self.times >= 0


class MemoryTest(unittest.TestCase):
    def test_an_answer_waits_for_as_long_as_a_process_is_dying(self) -> None:
        # It is: a runtime that takes a second to die has answered.
        environment = ExecutionEnvironment(SimulatorConfig())
        self.addCleanup(environment.close)
        environment.gauges = dying = Dying(2)
        with environment as machine:
            machine.start()
        record = environment.enqueue(Invocation(1))
        environment.next_invocation(Caller())
        environment.begin_answer(record.request_id, None, Stage.RESPONDING)
        with mock.patch("lambda_sim.lifecycle.environment.DEATH_GRACE", 0.0):
            environment.respond(record, "", b"")
        self.assertEqual(dying.times, -1)


if __name__ == "__main__":
    unittest.main()
