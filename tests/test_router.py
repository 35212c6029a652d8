"""What ends the router ends telemetry, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from unittest import mock

from lambda_sim import InvocationStatus, Simulator
from lambda_sim.sync import NEVER
from lambda_sim.telemetry.dispatcher import Dispatcher
from lambda_sim.testing import TelemetryReceiver
from tests.conformance.case import subscription
from tests.raw import RawExtension, RawRuntime
from tests.support import PATIENCE, SimulatorTest


class FailureTest(SimulatorTest):
    def subscribe(self, simulator: Simulator, name: str) -> RawExtension:
        extension = RawExtension(simulator)
        self.addCleanup(extension.close)
        wanted = subscription(self.receiver)
        self.assertEqual(extension.register(name).subscribe(wanted).status, 200)
        return extension

    def test_it_is_logged_and_raised_and_nothing_is_kept_or_waited_for(self) -> None:
        self.receiver = self.enterContext(TelemetryReceiver())
        broken = mock.patch.object(Dispatcher, "subscribe", side_effect=ZeroDivisionError)
        self.enterContext(broken)
        simulator = Simulator().start()
        self.addCleanup(self.close, simulator)
        environment = simulator._environment
        with self.assertLogs("lambda_sim.router", "ERROR"):
            extensions = [self.subscribe(simulator, "first")]
            self.soon(environment.flush, NEVER).result(PATIENCE)
        extensions.append(self.subscribe(simulator, "second"))
        self.soon(environment.flush, NEVER).result(PATIENCE)
        for extension in extensions:
            extension.ask()
        runtime = RawRuntime(simulator)
        self.addCleanup(runtime.close)
        request_id = simulator.enqueue_payload({})
        runtime.respond(runtime.next().id)
        state = simulator.wait_for_invocation_complete(request_id, PATIENCE)
        self.assertIs(state.status, InvocationStatus.SUCCESS)
        with environment as machine:
            self.assertFalse(machine.outbox.outgoing)
        with self.assertRaises(ZeroDivisionError):
            simulator.close()

    def close(self, simulator: Simulator) -> None:
        with suppress(ZeroDivisionError):
            simulator.close()
