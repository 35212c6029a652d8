"""Section 4.6 of the contract: how an environment ends."""

from __future__ import annotations

from lambda_sim.testing import ManualClock
from tests.conformance.case import ConformanceTest
from tests.raw import PATIENCE


class AcknowledgementTest(ConformanceTest):
    def test_lc_56_a_closed_connection_says_that_an_extension_is_done(self) -> None:
        for attempt in range(20):
            with self.subTest(attempt=attempt):
                # A clock that stands: no deadline ends the wait for the extension.
                self.simulate(clock=ManualClock(), shutdown_timeout=60.0)
                extension = self.park(self.extension("watcher", "SHUTDOWN"))
                self.park(self.runtime())
                done = self.soon(self.simulator.graceful_shutdown)
                self.assertEqual(extension.event()["eventType"], "SHUTDOWN")
                extension.close()
                done.result(PATIENCE)
