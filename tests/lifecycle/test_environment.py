"""The environment's waits, asked by callers whose connection is the test's to break."""

from __future__ import annotations

import unittest

from lambda_sim.errors import ShuttingDown
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.machine import Life
from lambda_sim.lifecycle.registry import PollerGone
from lambda_sim.lifecycle.runtime import RuntimeStage
from lambda_sim.model.config import SimulatorConfig


class Caller:
    """Somebody parked in Next."""

    def __init__(self, *, is_gone: bool = False, is_there: bool = True) -> None:
        self.is_gone = is_gone
        self.was_reset = False
        self.is_there = is_there

    def is_connected(self) -> bool:
        return self.is_there and not self.is_gone


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


if __name__ == "__main__":
    unittest.main()
