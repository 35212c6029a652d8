"""What is sent to somebody who never reads it is not lost."""

from __future__ import annotations

import threading
import unittest
from functools import partial
from typing import Any
from unittest import mock

from lambda_sim import RELAXED, InvocationStatus, Simulator
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.sync import Deadline
from lambda_sim.wire.connection import KNOWS_STATES, Connection
from lambda_sim.wire.incoming import Incoming
from tests.raw import RawRuntime
from tests.support import PATIENCE, SimulatorTest

MANY: tuple[dict[str, Any], ...] = (
    {"max_concurrency": 2},
    {"initialization_type": "lambda-managed-instances"},
    {"rules": RELAXED},
)
"""Environments that take several invocations at once."""


@unittest.skipUnless(KNOWS_STATES, "the system does not tell what is left unread")
class EventTest(SimulatorTest):
    def runtime(self, simulator: Simulator) -> RawRuntime:
        """One that waits in Next."""
        before = simulator.parked
        runtime = self.connection(simulator)
        runtime.ask()
        simulator.wait_for_parked(before + 1, PATIENCE)
        return runtime

    def connection(self, simulator: Simulator) -> RawRuntime:
        runtime = RawRuntime(simulator)
        self.addCleanup(runtime.close)
        return runtime

    def handed(self, simulator: Simulator, *runtimes: RawRuntime) -> list[RawRuntime]:
        """First the one of them that an event was sent to, which it has not read."""
        simulator.wait_for(lambda: not all(one.is_silent() for one in runtimes), PATIENCE)
        return sorted(runtimes, key=RawRuntime.is_silent)

    def complete(self, simulator: Simulator, request_id: str) -> None:
        state = simulator.wait_for_invocation_complete(request_id, PATIENCE)
        self.assertIs(state.status, InvocationStatus.SUCCESS)

    def test_it_goes_to_another_who_waits(self) -> None:
        for config in ({}, *MANY):
            with self.subTest(config):
                simulator = self.start(**config)
                runtimes = [self.runtime(simulator) for _ in range(2)]
                request_id = simulator.enqueue_payload(1)
                served, waiting = self.handed(simulator, *runtimes)
                served.close()
                self.assertEqual(waiting.event().id, request_id)
                waiting.respond(request_id)
                self.complete(simulator, request_id)

    def test_or_to_who_asks_next(self) -> None:
        for config in ({}, *MANY):
            with self.subTest(config):
                simulator = self.start(**config)
                runtime = self.runtime(simulator)
                request_id = simulator.enqueue_payload(1)
                self.handed(simulator, runtime)[0].close()
                runtime = self.connection(simulator)
                self.assertEqual(runtime.next().id, request_id)
                runtime.respond(request_id)
                self.complete(simulator, request_id)

    def test_a_worker_whose_next_is_cut_off_answers_what_it_had(self) -> None:
        for config in MANY:
            with self.subTest(config):
                simulator = self.start(**config)
                worker = self.runtime(simulator)
                request_id = simulator.enqueue_payload(1)
                worker.event()
                worker.ask()
                simulator.wait_for_parked(1, PATIENCE)
                worker.abort()
                simulator.wait_for(lambda one=simulator: one.parked == 0, PATIENCE)
                waiting = self.runtime(simulator)
                self.assertEqual(self.connection(simulator).respond(request_id).status, 202)
                self.complete(simulator, request_id)
                self.assertTrue(waiting.is_silent())

    def test_it_is_seen_before_the_connection_s_own_thread_has_closed_it(self) -> None:
        is_told = threading.Event()
        begin, hung_up = Incoming._begin, ExecutionEnvironment.hung_up

        def late(incoming: Incoming) -> bytes:
            try:
                return begin(incoming)
            except OSError:
                is_told.wait(PATIENCE)
                raise

        def once_closed(environment: ExecutionEnvironment, connection: Connection) -> None:
            if not is_told.is_set():  # of the first
                is_told.set()
                is_closed = partial(_is_closed, connection)
                environment.wait_for(is_closed, Deadline.after(PATIENCE), "its end")
            hung_up(environment, connection)

        self.enterContext(mock.patch.object(Incoming, "_begin", late))
        self.enterContext(mock.patch.object(ExecutionEnvironment, "hung_up", once_closed))
        simulator = self.start()
        runtimes = [self.runtime(simulator) for _ in range(2)]
        request_id = simulator.enqueue_payload(1)
        served, waiting = self.handed(simulator, *runtimes)
        served.close()
        self.assertEqual(waiting.event().id, request_id)
        waiting.respond(request_id)
        self.complete(simulator, request_id)


def _is_closed(connection: Connection) -> bool:
    return connection.socket.fileno() < 0


if __name__ == "__main__":
    unittest.main()
