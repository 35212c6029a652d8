"""Ctrl-C at any step of what a simulator does: the close that follows ends it all.

Run by ``test_ctrl_c.py``, in a process of its own.
"""

from __future__ import annotations

import random
import socket
import unittest
import warnings
from collections.abc import Callable
from functools import partial

import attrs

from lambda_sim import ProcessConfig, ProcessRole, Simulator
from lambda_sim.closing import Steps
from lambda_sim.process import tree
from lambda_sim.testing.leftovers import Census
from tests.conformance.case import subscription
from tests.raw import RawExtension
from tests.reliability import chaos
from tests.reliability.steps import count_of, interrupted
from tests.support import PATIENCE, handler_runtime

TIMES = 12 * chaos.TIMES
SLEEPER = ProcessConfig(["/bin/sleep", "600"], ProcessRole.RUNTIME, inherit_stdio=False)
HELPER = attrs.evolve(SLEEPER, role=ProcessRole.EXTENSION)


class CtrlCTest(unittest.TestCase):
    def setUp(self) -> None:
        # Of a socket that had just been made, and of which nobody could know: Python closes it.
        self.enterContext(warnings.catch_warnings())
        warnings.simplefilter("ignore", ResourceWarning)
        self.listener = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        self.guests: list[RawExtension] = []

    def test_in_a_start(self) -> None:
        self.assert_all_is_ended(new, Simulator.start)

    def test_in_a_spawn(self) -> None:
        self.assert_all_is_ended(running, lambda one: one.spawn_process_with_config(HELPER))

    def test_in_an_invocation(self) -> None:
        self.assert_all_is_ended(serving, lambda simulator: simulator.invoke({}))

    def test_in_a_close(self) -> None:
        self.assert_all_is_ended(running, Simulator.close)

    def test_in_a_close_with_guests(self) -> None:
        self.assert_all_is_ended(self.with_guest, Simulator.close)

    def test_in_a_graceful_shutdown(self) -> None:
        self.assert_all_is_ended(running, Simulator.graceful_shutdown)

    def assert_all_is_ended(
        self, begin: Callable[[], Simulator], work: Callable[[Simulator], object]
    ) -> None:
        simulator = begin()
        count = count_of(partial(work, simulator))
        simulator.close()
        self.see_guests_off()
        dice = random.Random(chaos.SEED)
        for _ in range(TIMES):
            step = dice.randint(1, count)
            with self.subTest(step=step, of=count, seed=chaos.SEED):
                before = Census.now()
                simulator = begin()
                interrupted(partial(work, simulator), step)
                simulator.close()
                self.assert_nobody_came(before)
                self.see_guests_off()

    def with_guest(self) -> Simulator:
        """An environment with an extension that is not its own process, and keeps its connection;
        telemetry goes to it, and it does not read any."""
        simulator = running()
        guest = RawExtension(simulator).register("guest")
        guest.subscribe(subscription(self.listener.getsockname()[1]))
        self.guests.append(guest)
        return simulator

    def see_guests_off(self) -> None:
        while self.guests:
            guest = self.guests.pop()
            self.assertTrue(guest.is_closed_by_peer())
            guest.close()

    def assert_nobody_came(self, before: Census) -> None:
        # A thread that nobody joined any more ends a moment later.
        tree.asked_until(lambda: not before.newcomers(), PATIENCE)
        self.assertEqual([], before.newcomers())


class StepsTest(unittest.TestCase):
    """The steps of any end."""

    def setUp(self) -> None:
        self.done: list[str] = []

    def do(self, name: str) -> None:
        """Nothing, if it is done already."""
        if name not in self.done:
            self.done.append(name)

    def collected(self) -> Steps:
        self.done.clear()
        steps = Steps()
        for name in ("first", "second", "third"):
            steps.add(partial(self.do, name))
        return steps

    def test_the_next_close_takes_what_is_left(self) -> None:
        count = count_of(self.collected().close)
        self.assertGreater(count, 10)
        for step in range(1, count + 1):
            with self.subTest(step=step, of=count):
                steps = self.collected()
                self.assertTrue(interrupted(steps.close, step))
                steps.close()
                self.assertEqual(self.done, ["third", "second", "first"])


def new() -> Simulator:
    return Simulator(runtime=SLEEPER, shutdown_timeout=0.1)


def running() -> Simulator:
    simulator = new().start()
    simulator.wait_for(lambda: simulator.processes, PATIENCE)
    return simulator


def serving() -> Simulator:
    simulator = Simulator(runtime=handler_runtime("functions.echo")).start()
    simulator.wait_for_parked(1, PATIENCE)
    return simulator


if __name__ == "__main__":
    unittest.main()
