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
from lambda_sim.wire.bell import CAN_RING
from lambda_sim.wire.connection import KNOWS_STATES, Connection
from lambda_sim.wire.incoming import Incoming
from tests.raw import RUNTIME, RawConnection, RawExtension, RawRuntime
from tests.support import PATIENCE, SimulatorTest

RESTORE_NEXT = f"{RUNTIME}/restore/next"

MANY: tuple[dict[str, Any], ...] = (
    {"max_concurrency": 2},
    {"initialization_type": "lambda-managed-instances"},
    {"rules": RELAXED},
)
"""Environments that take several invocations at once."""


@unittest.skipUnless(KNOWS_STATES, "the system does not tell what is left unread")
class UnreadTest(SimulatorTest):
    def connection(self, simulator: Simulator) -> RawRuntime:
        runtime = RawRuntime(simulator)
        self.addCleanup(runtime.close)
        return runtime

    def await_event(self, simulator: Simulator, *connections: RawConnection) -> None:
        """Until one of them was sent something, which nobody reads."""
        simulator.wait_for(lambda: not all(one.is_silent() for one in connections), PATIENCE)


class EventTest(UnreadTest):
    def runtime(self, simulator: Simulator) -> RawRuntime:
        """One that waits in Next."""
        before = simulator.parked
        runtime = self.connection(simulator)
        runtime.ask()
        simulator.wait_for_parked(before + 1, PATIENCE)
        return runtime

    def handed(self, simulator: Simulator, *runtimes: RawRuntime) -> list[RawRuntime]:
        """First the one of them that an event was sent to, which it has not read."""
        self.await_event(simulator, *runtimes)
        return sorted(runtimes, key=RawRuntime.is_silent)

    def complete(self, simulator: Simulator, request_id: str) -> None:
        state = simulator.wait_for_invocation_complete(request_id, PATIENCE)
        self.assertIs(state.status, InvocationStatus.SUCCESS)

    def assert_handed_on(
        self, simulator: Simulator, request_id: str, *runtimes: RawRuntime
    ) -> None:
        """The one that it was sent to hangs up, and the other answers it."""
        served, waiting = self.handed(simulator, *runtimes)
        served.close()
        self.assertEqual(waiting.event().id, request_id)
        waiting.respond(request_id)
        self.complete(simulator, request_id)

    def test_it_goes_to_another_who_waits(self) -> None:
        for config in ({}, *MANY):
            with self.subTest(config):
                simulator = self.start(**config)
                runtimes = [self.runtime(simulator) for _ in range(2)]
                request_id = simulator.enqueue_payload(1)
                self.assert_handed_on(simulator, request_id, *runtimes)

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
        self.assert_handed_on(simulator, request_id, *runtimes)


class LifecycleEventTest(UnreadTest):
    def begin(self) -> Simulator:
        """An environment whose runtime and extension wait in Next."""
        simulator = self.start(extension_ready_timeout=PATIENCE)
        self.extension = self.extension_of(simulator).register("reader", "INVOKE")
        self.extension.ask()
        self.runtime = self.connection(simulator)
        self.runtime.ask()
        simulator.wait_for_parked(2, PATIENCE)
        return simulator

    def extension_of(self, simulator: Simulator) -> RawExtension:
        extension = RawExtension(simulator)
        self.addCleanup(extension.close)
        return extension

    def break_off(self, simulator: Simulator) -> RawExtension:
        """The extension's connection ends before it has read what it was sent; another."""
        self.await_event(simulator, self.extension)
        self.extension.close()
        registered = simulator._environment._machine.registry.get(self.extension.id)
        simulator.wait_for(lambda: registered.queue, PATIENCE)
        another = self.extension_of(simulator)
        another.id = self.extension.id
        return another

    def test_it_comes_again(self) -> None:
        simulator = self.begin()
        request_id = simulator.enqueue_payload(1)
        again = self.break_off(simulator)
        self.assertEqual(again.next()["requestId"], request_id)
        self.runtime.respond(self.runtime.event().id)
        self.runtime.ask()
        simulator.wait_for_invocation_complete(request_id, PATIENCE)
        self.assertFalse(simulator.are_extensions_ready(request_id))
        again.ask()
        simulator.wait_for_extensions_ready(request_id, PATIENCE)

    @unittest.skipUnless(CAN_RING, "connections are lent on Linux only")
    def test_so_it_does_where_the_caller_sent_it(self) -> None:
        simulator = self.begin()
        answer = self.soon(simulator.invoke, 1)
        again = self.break_off(simulator)
        self.assertEqual(again.next()["eventType"], "INVOKE")
        self.runtime.respond(self.runtime.event().id)
        self.runtime.ask()
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
        again.ask()
        simulator.wait_for_parked(2, PATIENCE)
        self.assertTrue(again.is_silent())


class RestoreTest(UnreadTest):
    def test_its_end_is_told_again(self) -> None:
        simulator = self.start(initialization_type="snap-start")
        first = self.connection(simulator)
        first.send_head("GET", RESTORE_NEXT)
        simulator.wait_for_parked(1, PATIENCE)
        simulator.restore()
        self.await_event(simulator, first)
        first.close()
        runtime = self.connection(simulator)
        simulator.wait_for(lambda: runtime.request("GET", RESTORE_NEXT).status == 200, PATIENCE)
        request_id = simulator.enqueue_payload(1)
        self.assertEqual(runtime.next().id, request_id)


def _is_closed(connection: Connection) -> bool:
    return connection.socket.fileno() < 0


if __name__ == "__main__":
    unittest.main()
