"""Processes that say why they end, and hear that they were heard before they are ended."""

from __future__ import annotations

import itertools
import threading
from typing import Any
from unittest import mock

from lambda_sim import Simulator, SimulatorConfig
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.failures import Failure
from lambda_sim.process import LocalSandbox, tree
from lambda_sim.sync import Deadline
from lambda_sim.testing import TelemetryReceiver
from tests.conformance.case import subscription
from tests.raw import RawExtension, RawRuntime
from tests.support import PATIENCE, SimulatorTest, handler_runtime


class ReportTest(SimulatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.order: list[str] = []
        self.is_ending = threading.Event()
        self.enterContext(mock.patch("lambda_sim.conductor.ANSWER_SECONDS", PATIENCE))
        self.before(LocalSandbox, "stop", lambda: self.order.append("ended"))
        self.before(
            ExecutionEnvironment, "reporter_answered", lambda: self.order.append("answered")
        )
        self.looks = itertools.count(1)
        self.look_awaited = 1
        self.before(ExecutionEnvironment, "answer_reporters", self.look)

    def look(self) -> None:
        """The conductor is about to end somebody."""
        if next(self.looks) == self.look_awaited:
            self.is_ending.set()

    def before(self, owner: type, name: str, act: Any) -> None:
        original = getattr(owner, name)

        def instead(*arguments: Any, **named: Any) -> Any:
            act()
            return original(*arguments, **named)

        self.enterContext(mock.patch.object(owner, name, instead))

    def begin(self, report: str) -> Simulator:
        """The answer to this report is begun only when the conductor is about to end everyone."""
        original = getattr(ExecutionEnvironment, report)

        def slow(*arguments: Any) -> None:
            original(*arguments)
            self.is_ending.wait(PATIENCE)

        self.enterContext(mock.patch.object(ExecutionEnvironment, report, slow))
        return self.start(external_extensions=["ours"])

    def test_a_runtime_that_can_not_start_is_answered_before_it_is_ended(self) -> None:
        simulator = self.begin("fail_init")
        runtime = RawRuntime(simulator)
        self.addCleanup(runtime.close)
        self.assertEqual(202, runtime.init_error().status)
        self.assert_answered_first(simulator)

    def test_an_extension_that_fails_is_answered_before_it_is_ended(self) -> None:
        for kind in ("init", "exit"):
            with self.subTest(kind):
                self.order.clear()
                self.is_ending.clear()
                self.looks = itertools.count(1)
                simulator = self.begin("extension_fails")
                extension = RawExtension(simulator)
                self.addCleanup(extension.close)
                extension.register("ours")
                self.assertEqual(202, extension.report(kind, "Extension.Sad").status)
                self.assert_answered_first(simulator)
                simulator.close()  # it ends more than once

    def assert_answered_first(self, simulator: Simulator) -> None:
        simulator.wait_for(lambda: "ended" in self.order, PATIENCE)
        self.assertEqual("answered", self.order[0])

    def test_an_extension_that_fails_at_shutdown_is_answered_before_it_is_ended(self) -> None:
        self.look_awaited = 3  # after the runtime, and those who are not told
        simulator = self.begin("extension_fails")
        extension = RawExtension(simulator)
        self.addCleanup(extension.close)
        extension.register("ours", "SHUTDOWN").ask()
        simulator.wait_for_parked(1, PATIENCE)
        ending = self.soon(simulator.graceful_shutdown)
        extension.event()
        tree.asked_until(lambda: len(self.order) == 2, PATIENCE)
        self.assertEqual(202, extension.report("exit", "Extension.Sad").status)
        ending.result(PATIENCE)
        self.assertEqual(["ended", "ended", "answered", "ended"], self.order[:4])

    def test_who_does_not_take_its_answer_is_not_waited_for_for_ever(self) -> None:
        environment = ExecutionEnvironment(SimulatorConfig())
        with environment as machine:
            machine.start()
        environment.fail_init(Failure(error_type="Runtime.Unknown", message="it said so"))
        environment.answer_reporters(Deadline.after(0.0))


class ShortageTest(SimulatorTest):
    def test_a_machine_without_threads_fails_an_init_and_the_environment_lives_on(self) -> None:
        start = threading.Thread.start

        def refuse(thread: threading.Thread) -> None:
            if thread.name.startswith("lambda-sim:exit-"):
                raise RuntimeError("can't start new thread")
            start(thread)

        with mock.patch.object(threading.Thread, "start", refuse):
            simulator = self.start(runtime=handler_runtime("functions.echo"))
            error = simulator.invoke({}, timeout=PATIENCE).error
        assert error is not None
        self.assertEqual("Runtime.InvalidEntrypoint", error.error_type)
        self.assertIn("can't start new thread", error.error_message)
        self.assertIsNone(simulator.invoke({}, timeout=PATIENCE).error)

    def test_one_without_a_thread_for_a_subscriber_keeps_the_telemetry_of_the_others(self) -> None:
        start = threading.Thread.start
        refused: list[str] = []

        def refuse(thread: threading.Thread) -> None:
            if "telemetry-late" in thread.name and not refused:
                refused.append(thread.name)
                raise RuntimeError("can't start new thread")
            start(thread)

        self.enterContext(mock.patch.object(threading.Thread, "start", refuse))
        self.enterContext(self.assertLogs("lambda_sim.telemetry.dispatcher", "WARNING"))
        receivers = [self.enterContext(TelemetryReceiver()) for _ in range(2)]
        simulator = self.start()
        for name, receiver in zip(("well", "late"), receivers, strict=True):
            extension = RawExtension(simulator)
            self.addCleanup(extension.close)
            extension.register(name)
            self.assertEqual(extension.subscribe(subscription(receiver, timeoutMs=25)).status, 200)
            extension.ask()
        runtime = RawRuntime(simulator)
        self.addCleanup(runtime.close)
        simulator.enqueue_payload({})
        runtime.respond(runtime.next().id)
        runtime.ask()
        for receiver in receivers:
            receiver.wait_for("platform.report", PATIENCE)
            self.assertEqual(receiver.events[0]["type"], "platform.initStart")
