"""What is sent to somebody who never reads it is not lost."""

from __future__ import annotations

import threading
import unittest
from functools import partial
from unittest import mock

from lambda_sim import InvocationStatus, Simulator
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.sync import Deadline
from lambda_sim.wire.connection import KNOWS_STATES, Connection
from lambda_sim.wire.incoming import Incoming
from tests.raw import RawRuntime
from tests.support import PATIENCE, SimulatorTest


@unittest.skipUnless(KNOWS_STATES, "the system does not tell what is left unread")
class EventTest(SimulatorTest):
    def runtime(self, simulator: Simulator) -> RawRuntime:
        """One that waits in Next."""
        before = simulator.parked
        runtime = RawRuntime(simulator)
        self.addCleanup(runtime.close)
        runtime.ask()
        simulator.wait_for_parked(before + 1, PATIENCE)
        return runtime

    def handed(self, simulator: Simulator, *runtimes: RawRuntime) -> list[RawRuntime]:
        """First the one of them that an event was sent to, which it has not read."""
        simulator.wait_for(lambda: not all(one.is_silent() for one in runtimes), PATIENCE)
        return sorted(runtimes, key=RawRuntime.is_silent)

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
        state = simulator.wait_for_invocation_complete(request_id, PATIENCE)
        self.assertIs(state.status, InvocationStatus.SUCCESS)


def _is_closed(connection: Connection) -> bool:
    return connection.socket.fileno() < 0


if __name__ == "__main__":
    unittest.main()
