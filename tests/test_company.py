"""A caller who waits attends to extensions' connections, too, and gives them back whatever happens
meanwhile."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import unittest
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any
from unittest import mock

from lambda_sim import InvocationState, InvocationStatus, ShutdownReason, ShuttingDown, Simulator
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.loan import Loan
from lambda_sim.lifecycle.poller import AnsweredElsewhere
from lambda_sim.wire.bell import CAN_RING
from lambda_sim.wire.connection import Connection
from tests.raw import RawExtension, RawRuntime
from tests.support import EVENT_NEXT, NEXT, PATIENCE, SimulatorTest

LONG = 600.0


class Rung(BaseException):
    """What a signal's handler raises."""


class LoanRulesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.loan, self.poll = Loan(), object()
        self.loan.offer(self.poll)

    def take(self) -> object:
        return self.take_from({self.poll})

    def take_from(self, polls: set[Any]) -> object:
        poll = self.loan.lendable(polls)
        if poll is not None:
            self.loan.lend(polls)
        return poll

    def give_back(self) -> None:
        """And its own thread goes on, and asks for Next again."""
        self.assertTrue(self.loan.give_back(self.loan.number))
        self.assertIsNone(self.take())
        with self.assertRaises(AnsweredElsewhere):
            self.loan.is_over(self.poll)

    def test_only_the_one_poll_that_was_offered_is_lent(self) -> None:
        self.assertIsNone(self.take_from(set()))
        self.assertIsNone(self.take_from({self.poll, object()}))
        self.assertIsNone(self.take_from({object()}))
        polls = {self.poll}
        self.assertIs(self.take_from(polls), self.poll)
        self.assertEqual(polls, set())

    def test_its_own_thread_waits_until_it_is_given_back(self) -> None:
        self.assertTrue(self.loan.is_over(self.poll))
        self.take()
        self.assertFalse(self.loan.is_over(self.poll))
        self.assertTrue(self.loan.give_back(self.loan.number))
        with self.assertRaises(AnsweredElsewhere):
            self.loan.is_over(self.poll)
        self.assertTrue(self.loan.is_over(self.poll))
        self.assertFalse(self.loan.give_back(self.loan.number))

    def test_it_waits_on_if_next_was_asked_for_meanwhile(self) -> None:
        self.take()
        self.assertFalse(self.loan.park(object()))
        self.assertTrue(self.loan.park(self.poll))
        self.assertFalse(self.loan.give_back(self.loan.number))
        self.assertTrue(self.loan.is_over(self.poll))
        self.assertIs(self.take(), self.poll)

    def test_who_gives_back_late_does_not_end_the_next_loan(self) -> None:
        self.take()
        first = self.loan.number
        self.loan.park(self.poll)
        self.take()
        self.assertFalse(self.loan.is_out(first))
        self.assertFalse(self.loan.give_back(first))
        self.assertTrue(self.loan.is_out(self.loan.number))
        self.assertFalse(self.loan.is_over(self.poll))

    def test_only_one_is_lent_at_one_time(self) -> None:
        self.take()
        another = object()
        self.loan.offer(another)
        self.assertIsNone(self.take_from({another}))
        self.assertTrue(self.loan.give_back(self.loan.number))
        self.assertIs(self.take_from({another}), another)
        self.loan.give_back(self.loan.number)
        for poll in (self.poll, another):  # neither has looked yet
            with self.assertRaises(AnsweredElsewhere):
                self.loan.is_over(poll)

    def test_who_is_late_is_lent_less_often(self) -> None:
        for passed in (1, 3, 7, 15, 31, 63, 64, 64):
            while self.take() is None:
                self.fail("it is its turn")
            self.give_back()
            self.loan.was_late()
            self.assertEqual([None] * passed, [self.take() for _ in range(passed)])
        self.take()
        self.loan.park(self.poll)  # in time
        self.assertIs(self.take(), self.poll)
        self.give_back()
        self.loan.was_late()
        self.assertIsNone(self.take())
        self.assertIs(self.take(), self.poll)


@unittest.skipUnless(CAN_RING, "connections are lent on Linux only")
class CompanyTest(SimulatorTest):
    def begin(self, count: int = 1, **config: Any) -> Simulator:
        """An environment whose runtime and extensions wait in Next."""
        simulator = self.start(extension_ready_timeout=LONG, **config)
        self.extensions = [self.extension_of(simulator, f"n{n}") for n in range(count)]
        self.runtime = RawRuntime(simulator)
        self.addCleanup(self.runtime.close)
        self.park(simulator)
        return simulator

    def extension_of(self, simulator: Simulator, name: str) -> RawExtension:
        extension = RawExtension(simulator)
        self.addCleanup(extension.close)
        return extension.register(name, "INVOKE")

    def park(self, simulator: Simulator) -> None:
        for one in (*self.extensions, self.runtime):
            one.ask()
        simulator.wait_for_parked(len(self.extensions) + 1, PATIENCE)

    def invoke(self, simulator: Simulator, **named: Any) -> Future[InvocationState]:
        return self.soon(simulator.invoke, {}, **named)

    def serve(self) -> str:
        """Everybody has their event, answers, and asks for the next; whose it was."""
        event = self.runtime.event()
        for extension in self.extensions:
            self.assertEqual(extension.event()["requestId"], event.id)
        self.runtime.respond(event.id)
        for one in (*self.extensions, self.runtime):
            one.ask()
        return event.id

    def assert_it_goes_on(self, simulator: Simulator) -> None:
        for _ in range(3):
            simulator.wait_for_parked(len(self.extensions) + 1, PATIENCE)
            answer = self.invoke(simulator)
            served = self.serve()
            self.assertEqual(answer.result(PATIENCE).request_id, served)

    def test_the_callers_own_thread_hears_them_ask_for_the_next(self) -> None:
        simulator = self.begin(3)
        heard = []
        asks = ExecutionEnvironment.next_event

        def noting(*arguments: Any) -> Any:
            heard.append(threading.current_thread())
            return asks(*arguments)

        with mock.patch.object(ExecutionEnvironment, "next_event", noting):
            event, go_on = threading.Event(), threading.Event()

            def serve() -> None:
                request_id = self.runtime.event().id
                for extension in self.extensions:
                    extension.event()
                    extension.ask()
                event.set()
                go_on.wait(PATIENCE)
                self.runtime.respond(request_id)
                self.runtime.ask()

            served = self.soon(serve)
            self.soon(
                lambda: (
                    event.wait(PATIENCE),
                    simulator.wait_for(lambda: len(heard) == 3, timeout=PATIENCE),
                    go_on.set(),
                )
            )
            state = simulator.invoke({})
            served.result(PATIENCE)
        self.assertEqual([threading.current_thread()] * 3, heard)
        self.assertIn("REPORT", state.log_tail)
        self.assertEqual(4, simulator.parked)

    def test_each_hears_of_each_invocation_once(self) -> None:
        simulator = self.begin(5)
        served = []

        def serve() -> None:
            for _ in range(50):
                served.append(self.serve())

        serving = self.soon(serve)
        states = [simulator.invoke({}) for _ in range(50)]
        serving.result(PATIENCE)
        self.assertEqual([state.request_id for state in states], served)
        simulator.wait_for(lambda: simulator.parked == 6, timeout=PATIENCE)

    def test_one_that_works_on_holds_nobody_up(self) -> None:
        simulator = self.begin(2)
        slow, quick = self.extensions
        answer = self.invoke(simulator)
        event = self.runtime.event()
        quick.event()
        quick.ask()
        self.runtime.respond(event.id)
        self.runtime.ask()
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
        self.assertEqual(slow.event()["requestId"], event.id)
        self.assertNotIn("REPORT", simulator.invocation_states[-1].log_tail)
        slow.ask()
        simulator.wait_for(
            lambda: "REPORT" in simulator.invocation_states[-1].log_tail, timeout=PATIENCE
        )
        self.assert_it_goes_on(simulator)

    def test_without_descriptors_their_own_threads_tell_them_once(self) -> None:
        simulator = self.begin(2)
        for place in ("attendance.select.epoll", "connection.Bell"):
            with self.subTest(place):
                none_left = OSError(errno.EMFILE, "Too many open files")
                with mock.patch(f"lambda_sim.wire.{place}", side_effect=none_left):
                    answer = self.invoke(simulator)
                    served = self.serve()
                    self.assertEqual(answer.result(PATIENCE).request_id, served)
                    simulator.wait_for_parked(3, PATIENCE)
                for one in (*self.extensions, self.runtime):
                    self.assertTrue(one.is_silent())
        self.assert_it_goes_on(simulator)

    def test_so_does_one_whose_next_comes_in_drops(self) -> None:
        simulator = self.begin()
        (extension,) = self.extensions
        answer = self.invoke(simulator)
        event = self.runtime.event()
        extension.event()
        extension.send(b"GET /2020-01-01/extension/ev")
        self.runtime.respond(event.id)
        self.runtime.ask()
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
        rest = f"ent/next HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: {extension.id}\r\n"
        extension.send(f"{rest}\r\n".encode())
        self.assert_it_goes_on(simulator)

    def test_a_next_with_a_body_is_as_good_as_any(self) -> None:
        simulator = self.begin()
        (extension,) = self.extensions
        length = [("Content-Length", "2")]
        for _ in range(4):
            answer = self.invoke(simulator)
            event = self.runtime.event()
            self.assertEqual(extension.event()["requestId"], event.id)
            extension.send_head("GET", EVENT_NEXT, [*extension.headers, *length])
            extension.send(b"{}")
            self.runtime.respond(event.id)
            self.runtime.ask()
            self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
            simulator.wait_for_parked(2, PATIENCE)

    def test_one_may_ask_on_another_connection(self) -> None:
        simulator = self.begin()
        (extension,) = self.extensions
        answer = self.invoke(simulator)
        event = self.runtime.event()
        extension.event()
        other = RawExtension(simulator)
        self.addCleanup(other.close)
        other.id = extension.id
        other.ask()
        self.runtime.respond(event.id)
        self.runtime.ask()
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
        self.extensions = [other]
        self.assert_it_goes_on(simulator)

    def test_one_that_was_gone_before_is_told_when_it_comes_back(self) -> None:
        simulator = self.begin()
        (extension,) = self.extensions
        identifier = extension.id
        extension.close()
        answer = self.invoke(simulator)
        self.extensions = [RawExtension(simulator)]
        self.addCleanup(self.extensions[0].close)
        self.extensions[0].id = identifier
        self.extensions[0].ask()
        self.serve()
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
        self.assert_it_goes_on(simulator)

    def test_one_that_hangs_up_in_the_middle_may_come_back(self) -> None:
        simulator = self.begin()
        (extension,) = self.extensions
        answer = self.invoke(simulator)
        event = self.runtime.event()
        extension.event()
        extension.close()
        self.runtime.respond(event.id)
        self.runtime.ask()
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
        self.extensions = [RawExtension(simulator)]
        self.addCleanup(self.extensions[0].close)
        self.extensions[0].id = extension.id
        self.extensions[0].ask()
        self.assert_it_goes_on(simulator)

    def test_one_that_reports_an_error_ends_the_environment(self) -> None:
        simulator = self.begin(2, shutdown_timeout=0.1)
        answer = self.invoke(simulator)
        self.runtime.event()
        self.extensions[0].event()
        self.assertEqual(202, self.extensions[0].report("exit", "Extension.ExitError").status)
        state = answer.result(PATIENCE)
        self.assertIs(state.status, InvocationStatus.ERROR)
        assert state.error is not None
        self.assertEqual("Extension.ExitError", state.error.error_type)
        # The other's connection is its own again, and its identifier is not known any more.
        self.extensions[1].event()
        self.assertEqual(403, self.extensions[1].poll().status)

    def test_the_runtimes_next_on_an_extensions_connection_holds_nobody_up(self) -> None:
        simulator = self.begin()
        (extension,) = self.extensions
        answer = self.invoke(simulator)
        event = self.runtime.event()
        extension.event()
        self.runtime.respond(event.id)
        extension.send_head("GET", NEXT)  # as clients do that share their connections
        self.runtime.send_head("GET", EVENT_NEXT, extension.headers)
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
        simulator.wait_for_parked(2, PATIENCE)
        answer = self.invoke(simulator)
        self.assertIn(b"INVOKE", self.runtime.read_answer().body)
        request_id = extension.read_answer()["Lambda-Runtime-Aws-Request-Id"]
        self.runtime.respond(request_id)
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)

    def test_a_shutdown_in_the_middle_comes_with_the_next(self) -> None:
        simulator = self.start(
            external_extensions=["both"], extension_ready_timeout=LONG, shutdown_timeout=PATIENCE
        )
        extension = RawExtension(simulator)
        self.addCleanup(extension.close)
        self.extensions = [extension.register("both", "INVOKE", "SHUTDOWN")]
        self.runtime = RawRuntime(simulator)
        self.addCleanup(self.runtime.close)
        self.park(simulator)
        answer = self.invoke(simulator)
        self.runtime.event()
        extension.event()
        ending = self.soon(simulator.graceful_shutdown, ShutdownReason.SPINDOWN)
        simulator.wait_for_phase(simulator.phase.SHUTTING_DOWN, PATIENCE)
        extension.ask()
        self.assertEqual("SHUTDOWN", extension.event()["eventType"])
        extension.ask()
        ending.result(PATIENCE)
        self.assertIsInstance(answer.exception(PATIENCE), ShuttingDown)

    def test_closing_ends_the_wait(self) -> None:
        for is_answered in (False, True):
            with self.subTest(is_answered=is_answered):
                simulator = self.begin(3)
                answer = self.invoke(simulator)
                event = self.runtime.event()
                if is_answered:
                    self.runtime.respond(event.id)
                    self.runtime.ask()
                    answer.result(PATIENCE)
                simulator.close()
                if not is_answered:
                    with self.assertRaises(ShuttingDown):
                        answer.result(PATIENCE)

    def test_others_who_call_meanwhile_have_their_turn(self) -> None:
        simulator = self.begin(2)
        answers = [self.invoke(simulator) for _ in range(8)]
        served = [self.serve() for _ in answers]
        found = {answer.result(PATIENCE).request_id for answer in answers}
        self.assertEqual(set(served), found)

    def test_what_was_not_sent_when_a_signal_came_is_sent_by_their_own_threads(self) -> None:
        simulator = self.begin(3)
        caller, look = threading.current_thread(), Connection.is_connected
        for sent in range(4):
            with self.subTest(sent=sent):
                looks = iter(range(sent))

                def interrupted(connection: Connection, looks: Iterator[int] = looks) -> bool:
                    if threading.current_thread() is caller and next(looks, None) is None:
                        raise Rung
                    return look(connection)

                with mock.patch.object(Connection, "is_connected", interrupted):
                    with self.assertRaises(Rung):
                        simulator.invoke({})
                    self.serve()
                self.assert_it_goes_on(simulator)

    @unittest.skipIf(sys.platform == "win32", "signals")
    def test_a_signals_exception_reaches_the_caller_and_all_goes_on(self) -> None:
        simulator = self.begin(3)

        def ring(number: int, frame: object) -> None:
            raise Rung

        before = signal.signal(signal.SIGUSR1, ring)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        machine = simulator._environment._machine

        def answered() -> None:
            request_id = self.runtime.event().id
            self.extensions[0].event()
            os.kill(os.getpid(), signal.SIGUSR1)
            simulator.wait_for(
                lambda: (
                    machine.runtime.loan.lent is None
                    and all(one.loan.lent is None for one in machine.registry)
                ),
                timeout=PATIENCE,
            )
            self.runtime.respond(request_id)
            for extension in self.extensions[1:]:
                self.assertEqual(request_id, extension.event()["requestId"])
            for one in (*self.extensions, self.runtime):
                one.ask()

        serving = self.soon(answered)
        with self.assertRaises(Rung):
            simulator.invoke({})
        serving.result(PATIENCE)
        self.assertIs(simulator.invocation_states[-1].status, InvocationStatus.SUCCESS)
        self.assert_it_goes_on(simulator)


if __name__ == "__main__":
    unittest.main()
