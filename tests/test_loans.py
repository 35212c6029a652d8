"""A caller who waits attends to the runtime's connection himself, and gives it back whatever
happens meanwhile."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
import unittest
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from unittest import mock

from lambda_sim import (
    InvocationState,
    InvocationStatus,
    ShutdownReason,
    ShuttingDown,
    Simulator,
    WaitTimeout,
)
from lambda_sim.conductor import Conductor
from lambda_sim.lifecycle import handover
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.machine import Machine
from lambda_sim.wire import connection
from lambda_sim.wire.bell import CAN_RING
from tests.raw import HungUp, RawAnswer, RawRuntime, response_path
from tests.support import EVENT_NEXT, NEXT, PATIENCE, SimulatorTest

Answer = Callable[[RawRuntime, str], RawAnswer]
REGISTER = "/2020-01-01/extension/register"


NONE_LEFT = OSError(errno.EMFILE, "Too many open files")


class Rung(BaseException):
    """What a signal's handler raises."""


@unittest.skipUnless(CAN_RING, "connections are lent on Linux only")
class LoanTest(SimulatorTest):
    def begin(self, **config: Any) -> Simulator:
        """An environment whose runtime waits in Next."""
        simulator = self.start(**config)
        self.runtime = self.runtime_of(simulator)
        self.park(simulator)
        return simulator

    def runtime_of(self, simulator: Simulator) -> RawRuntime:
        runtime = RawRuntime(simulator)
        self.addCleanup(runtime.close)
        return runtime

    def park(self, simulator: Simulator) -> None:
        self.runtime.ask()
        simulator.wait_for_parked(1, PATIENCE)

    def invoke(
        self, simulator: Simulator, payload: Any = None, **named: Any
    ) -> Future[InvocationState]:
        return self.soon(simulator.invoke, payload, **named)

    def assert_it_goes_on(self, simulator: Simulator) -> None:
        """The runtime asks for Next on its connection, and is handed what comes next."""
        self.park(simulator)
        answer = self.invoke(simulator)
        self.runtime.respond(self.runtime.event().id, b"again")
        self.runtime.ask()
        state = answer.result(PATIENCE)
        assert state.response is not None
        self.assertEqual(state.response.body, b"again")

    def told_of_taking_back(self) -> threading.Event:
        """Set when a caller has given back what he had borrowed."""
        has_left = threading.Event()
        take_back = ExecutionEnvironment.take_back

        def leave(environment: ExecutionEnvironment, borrowed: Any) -> None:
            take_back(environment, borrowed)
            has_left.set()

        self.enterContext(mock.patch.object(ExecutionEnvironment, "take_back", leave))
        return has_left

    def test_the_caller_s_own_thread_takes_the_answer_and_the_report(self) -> None:
        simulator = self.begin()
        took = []
        respond = ExecutionEnvironment.respond

        def noting(*arguments: Any) -> None:
            took.append(threading.current_thread())
            respond(*arguments)

        with mock.patch.object(ExecutionEnvironment, "respond", noting):
            runtime = self.soon(lambda: self.runtime.respond(self.runtime.event().id))
            self.soon(lambda: (runtime.result(PATIENCE), self.runtime.ask()))
            state = simulator.invoke({})
        self.assertEqual(took, [threading.current_thread()])
        self.assertIn("REPORT", state.log_tail)
        self.assertEqual(simulator.parked, 1)
        self.assertIs(state.status, InvocationStatus.SUCCESS)

    def test_a_caller_who_has_no_more_time_leaves_the_runtime_to_answer(self) -> None:
        simulator = self.begin()
        with self.assertRaises(WaitTimeout):
            simulator.invoke({}, timeout=0.02)
        event = self.runtime.event()
        self.assertEqual(self.runtime.respond(event.id, b"late").status, 202)
        state = simulator.get_invocation_state(event.id)
        assert state is not None
        assert state.response is not None
        self.assertEqual(state.response.body, b"late")
        self.assert_it_goes_on(simulator)

    def test_a_caller_who_has_no_more_time_does_not_wait_for_the_rest_of_an_answer(self) -> None:
        length = (("Content-Length", "4"),)
        chunks = (("Transfer-Encoding", "chunked"),)
        stream = (*chunks, ("Lambda-Runtime-Function-Response-Mode", "streaming"))
        for headers, body, begun in (
            (length, b"late", 20),
            (length, b"late", -3),
            (chunks, b"4\r\nlate\r\n0\r\n\r\n", -12),
            (stream, b"4\r\nlate\r\n0\r\n\r\n", -12),
            ((("Content-Length", "1000000"),), b"late" * 250_000, -500_000),
        ):
            with self.subTest(headers, begun=begun):
                simulator = self.begin()
                answer = self.invoke(simulator, timeout=0.05)
                event = self.runtime.event()
                lines = [f"POST {response_path(event.id)} HTTP/1.1", "Host: x"]
                lines += [f"{name}: {value}" for name, value in headers]
                data = "\r\n".join([*lines, "", ""]).encode() + body
                self.runtime.send(data[:begun])
                with self.assertRaises(WaitTimeout):
                    answer.result(PATIENCE)
                # It would be 408 by now, if he had waited as long as a request may take.
                self.runtime.send(data[begun:])
                self.assertEqual(self.runtime.read_answer().status, 202)
                self.assert_it_goes_on(simulator)

    def test_a_next_with_a_body_is_as_good_as_any(self) -> None:
        simulator = self.start()
        self.runtime = self.runtime_of(simulator)
        for _ in range(3):
            self.runtime.send_head("GET", NEXT, {"Content-Length": "2"})
            self.runtime.send(b"{}")
            simulator.wait_for_parked(1, PATIENCE)
            answer = self.invoke(simulator)
            self.assertEqual(self.runtime.respond(self.runtime.event().id).status, 202)
            self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)

    def test_an_answer_may_come_in_drops(self) -> None:
        simulator = self.begin()
        answer = self.invoke(simulator)
        event = self.runtime.event()
        head = f"POST {response_path(event.id)} HTTP/1.1\r\nContent-Length: 5\r\n\r\n"
        for byte in head.encode() + b"drops":
            self.runtime.send(bytes([byte]))
        self.assertEqual(self.runtime.read_answer().status, 202)
        self.runtime.ask()
        state = answer.result(PATIENCE)
        assert state.response is not None
        self.assertEqual(state.response.body, b"drops")

    def test_a_function_that_runs_out_of_time_answers_nobody_and_serves_on(self) -> None:
        simulator = self.begin(invocation_timeout=0.05, shutdown_timeout=0.1)
        state = simulator.invoke({})
        self.assertIs(state.status, InvocationStatus.TIMEOUT)
        self.assertEqual(self.runtime.respond(self.runtime.event().id).status, 400)

    def test_the_same_in_the_middle_of_its_answer(self) -> None:
        simulator = self.begin(invocation_timeout=0.2, shutdown_timeout=0.1)
        answer = self.invoke(simulator)
        streaming = {"Lambda-Runtime-Function-Response-Mode": "streaming"}
        path = response_path(self.runtime.event().id)
        self.runtime.send_head("POST", path, {**streaming, "Transfer-Encoding": "chunked"})
        self.runtime.send_chunk(b"half")
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.TIMEOUT)

    def test_a_runtime_that_talks_and_talks_is_left_to_its_own_thread(self) -> None:
        simulator = self.begin()
        answer = self.invoke(simulator, timeout=0.1)
        event = self.runtime.event()
        while not answer.done():
            self.assertEqual(self.runtime.request("GET", "/2018-06-01/ping").status, 200)
        self.assertIsInstance(answer.exception(), WaitTimeout)
        self.assertEqual(self.runtime.respond(event.id).status, 202)

    def test_an_answer_may_come_on_another_connection(self) -> None:
        simulator = self.begin()
        answer = self.invoke(simulator)
        event = self.runtime.event()
        other = self.runtime_of(simulator)
        other.respond(event.id, b"elsewhere")
        state = answer.result(PATIENCE)
        assert state.response is not None
        self.assertEqual(state.response.body, b"elsewhere")
        self.assert_it_goes_on(simulator)

    def test_a_runtime_that_works_on_after_its_answer_holds_nobody_up(self) -> None:
        simulator = self.begin()
        answer = self.invoke(simulator)
        self.runtime.respond(self.runtime.event().id, b"done")
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
        self.assert_it_goes_on(simulator)

    def test_what_an_extension_asks_on_the_runtime_s_connection_holds_nobody_up(self) -> None:
        """As an internal one may, whose client shares connections with the runtime's."""
        simulator = self.start()
        self.runtime = self.runtime_of(simulator)
        extension = self.runtime_of(simulator)
        identifier = self.register(extension, "INVOKE")
        for is_answered in (False, True):
            with self.subTest(is_answered=is_answered):
                extension.send_head("GET", EVENT_NEXT, identifier)
                self.runtime.ask()
                simulator.wait_for_parked(2, PATIENCE)
                answer = self.invoke(simulator)
                event = self.runtime.event()
                self.assertEqual(extension.read_answer().status, 200)
                if is_answered:
                    self.runtime.respond(event.id)
                self.runtime.send_head("GET", EVENT_NEXT, identifier)
                if not is_answered:
                    self.assertEqual(extension.respond(event.id).status, 202)
                extension.ask()
                self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
                simulator.wait_for_parked(2, PATIENCE)
                self.assertEqual(simulator.invocation_states[-1].log_tail.count("REPORT"), 1)
                # Each is handed what it asked for, where it asked.
                answer = self.invoke(simulator)
                self.assertIn(b"INVOKE", self.runtime.read_answer().body)
                self.assertEqual(extension.respond(extension.event().id).status, 202)
                self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)

    def register(self, connection: RawRuntime, *events: str) -> dict[str, str]:
        """An extension; what it names itself by from then on."""
        name = {"Lambda-Extension-Name": "beside"}
        body = json.dumps({"events": events}).encode()
        answer = connection.request("POST", REGISTER, name, body)
        return {"Lambda-Extension-Identifier": answer["Lambda-Extension-Identifier"]}

    def test_a_second_answer_is_refused_as_ever(self) -> None:
        simulator = self.begin()
        answer = self.invoke(simulator)
        event = self.runtime.event()
        self.runtime.respond(event.id, b"first")
        self.assertEqual(self.runtime.respond(event.id, b"second").status, 403)
        state = answer.result(PATIENCE)
        assert state.response is not None
        self.assertEqual(state.response.body, b"first")
        self.assert_it_goes_on(simulator)

    def test_a_large_event_that_nobody_reads_does_not_keep_its_caller_beyond_his_time(self) -> None:
        simulator = self.begin()
        answer = self.invoke(simulator, payload="a" * 5_900_000, timeout=0.2)
        self.assertIsInstance(answer.exception(PATIENCE / 2), WaitTimeout)

    def test_nor_does_one_that_follows_keep_the_caller_before(self) -> None:
        simulator = self.begin()
        answer = self.invoke(simulator)
        event = self.runtime.event()
        simulator.enqueue_payload("a" * 5_900_000)
        self.runtime.respond(event.id)
        self.runtime.ask()
        self.assertIs(answer.result(PATIENCE / 2).status, InvocationStatus.SUCCESS)
        self.assertEqual(len(self.runtime.event().body), 5_900_002)

    def test_others_who_call_meanwhile_have_their_turn(self) -> None:
        simulator = self.begin()
        answers = [self.invoke(simulator) for _ in range(5)]
        for _ in answers:
            event = self.runtime.event()
            self.runtime.respond(event.id, event.id.encode())
            self.runtime.ask()
        for answer in answers:
            state = answer.result(PATIENCE)
            assert state.response is not None
            self.assertEqual(state.response.body.decode(), state.request_id)

    def test_a_runtime_that_closes_its_connection_with_its_answer_is_heard(self) -> None:
        simulator = self.begin()
        answer = self.invoke(simulator)
        event = self.runtime.event()
        self.assertEqual(self.runtime.respond(event.id, Connection="close").status, 202)
        self.assertTrue(self.runtime.is_closed_by_peer())
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
        self.runtime = self.runtime_of(simulator)
        self.assert_it_goes_on(simulator)

    def test_a_runtime_that_hangs_up_in_the_middle_may_come_back(self) -> None:
        simulator = self.begin()
        answer = self.invoke(simulator)
        event = self.runtime.event()
        self.runtime.close()
        self.runtime = self.runtime_of(simulator)
        again = self.runtime.next()
        self.assertEqual(again.id, event.id)
        self.runtime.respond(event.id)
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
        self.assert_it_goes_on(simulator)

    def test_a_runtime_that_was_gone_before_is_not_handed_anything(self) -> None:
        simulator = self.begin()
        self.runtime.close()
        answer = self.invoke(simulator)
        self.runtime = self.runtime_of(simulator)
        self.runtime.respond(self.runtime.next().id)
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)

    def test_closing_ends_the_wait(self) -> None:
        simulator = self.begin()
        answer = self.invoke(simulator)
        self.runtime.event()
        simulator.close()
        with self.assertRaises(ShuttingDown):
            answer.result(PATIENCE)

    def test_a_caller_who_gives_back_late_leaves_the_next_caller_his_connection(self) -> None:
        simulator = self.begin()
        is_asked, is_lent, is_given_back = (threading.Event() for _ in range(3))
        take_back, lend = ExecutionEnvironment.take_back, ExecutionEnvironment.enqueue_and_borrow

        def late(environment: ExecutionEnvironment, borrowed: Any) -> None:
            if not is_asked.is_set():  # the first
                is_asked.set()
                is_lent.wait(PATIENCE)
                take_back(environment, borrowed)
                is_given_back.set()
            else:
                take_back(environment, borrowed)

        def lent(environment: ExecutionEnvironment, invocation: Any, held: Any) -> Any:
            record = lend(environment, invocation, held)
            if is_asked.is_set():
                is_lent.set()
                is_given_back.wait(PATIENCE)
                with environment as machine:
                    self.assertIs(machine.runtime.loan.lent, held[0].poll)
            return record

        self.enterContext(mock.patch.object(ExecutionEnvironment, "take_back", late))
        self.enterContext(mock.patch.object(ExecutionEnvironment, "enqueue_and_borrow", lent))
        for _ in range(2):
            answer = self.invoke(simulator)
            self.runtime.respond(self.runtime.event().id)
            self.runtime.ask()
            if is_lent.is_set():
                self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
            is_asked.wait(PATIENCE)

    def test_a_runtime_that_asks_for_next_on_another_connection_is_heard_on_both(self) -> None:
        simulator = self.begin()
        another = self.runtime_of(simulator)
        is_asked, is_enqueued = threading.Event(), threading.Event()
        take_back = ExecutionEnvironment.take_back

        def late(environment: ExecutionEnvironment, borrowed: Any) -> None:
            is_asked.set()
            is_enqueued.wait(PATIENCE)
            take_back(environment, borrowed)

        self.enterContext(mock.patch.object(ExecutionEnvironment, "take_back", late))
        first = self.invoke(simulator)
        request_id = self.runtime.event().id
        self.assertEqual(another.respond(request_id).status, 202)
        another.ask()
        is_asked.wait(PATIENCE)
        second = self.invoke(simulator)
        request_id = another.event().id
        is_enqueued.set()
        self.assertEqual(self.runtime.respond(request_id).status, 202)
        self.runtime.ask()
        for answer in (first, second):
            self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)

    def test_who_asks_for_next_while_all_ends_is_attended_to_no_more(self) -> None:
        simulator = self.begin()
        is_over, has_left = threading.Event(), self.told_of_taking_back()
        self.addCleanup(is_over.set)

        def hold(conductor: Conductor) -> None:
            is_over.wait(PATIENCE)

        with mock.patch.object(Conductor, "_await_launches", hold):
            answer = self.invoke(simulator)
            self.runtime.event()
            with simulator._environment as machine:
                machine.begin_shutdown(ShutdownReason.SPINDOWN)
            self.runtime.ask()
            self.assertTrue(has_left.wait(PATIENCE))
            is_over.set()
            simulator.close()
        with self.assertRaises(ShuttingDown):
            answer.result(PATIENCE)

    def test_half_of_an_event_is_the_last_that_a_connection_has_of_us(self) -> None:
        patience = connection.timeout_option(0.05)
        self.enterContext(mock.patch.object(connection, "timeout_option", return_value=patience))
        self.enterContext(mock.patch.object(handover, "LENT_BYTES", 5_000_002))
        simulator = self.begin()
        has_left = self.told_of_taking_back()
        answer = self.soon(simulator.invoke, "x" * 5_000_000)
        has_left.wait(PATIENCE)  # and does not read
        with self.assertRaises(HungUp):
            self.runtime.event()
        self.runtime = self.runtime_of(simulator)
        self.runtime.ask()
        self.runtime.respond(self.runtime.event().id)
        self.runtime.ask()
        self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)

    def test_what_a_signal_keeps_a_caller_from_sending_the_own_thread_sends(
        self,
    ) -> None:
        simulator = self.begin()
        for place in (
            "lambda_sim.simulator.attend",
            "lambda_sim.wire.attendance.nullcontext",
            "lambda_sim.wire.attendance.invocation_lines",
        ):
            with self.subTest(place):
                with mock.patch(place, side_effect=Rung), self.assertRaises(Rung):
                    simulator.invoke({})
                self.runtime.respond(self.runtime.event().id)
                self.park(simulator)
                self.assertIs(simulator.invocation_states[-1].status, InvocationStatus.SUCCESS)

    def test_what_a_caller_has_no_descriptor_for_the_own_thread_sends(self) -> None:
        simulator = self.begin()
        with mock.patch.object(connection, "Bell", side_effect=NONE_LEFT):
            answer = self.invoke(simulator)
            self.assertEqual(self.runtime.respond(self.runtime.event().id).status, 202)
            self.assertIs(answer.result(PATIENCE).status, InvocationStatus.SUCCESS)
        self.assertTrue(self.runtime.is_silent())
        self.assert_it_goes_on(simulator)

    def test_a_signal_in_the_middle_of_a_request_leaves_it_to_the_own_thread(self) -> None:
        simulator = self.begin()
        answering = self.soon(lambda: self.runtime.respond(self.runtime.event().id, b"late"))
        parse = connection.parse_request_line
        once = iter([Rung()])

        def ring(line: bytes) -> Any:
            for error in once:
                raise error
            return parse(line)

        with mock.patch.object(connection, "parse_request_line", ring), self.assertRaises(Rung):
            simulator.invoke({})
        self.assertEqual(answering.result(PATIENCE).status, 202)
        self.assert_it_goes_on(simulator)

    def test_an_answer_that_a_signal_cut_off_may_be_given_again(self) -> None:
        simulator = self.begin()

        def serve(ids: list[str], answer: Answer) -> None:
            ids.append(self.runtime.event().id)
            answer(self.runtime, ids[0])

        for owner, name, answer in (
            (ExecutionEnvironment, "respond", RawRuntime.respond),
            (ExecutionEnvironment, "fail", RawRuntime.fail),
            (Machine, "_answer", RawRuntime.respond),  # with what was said put down already
        ):
            with self.subTest(name):
                ids: list[str] = []
                cut_off = self.soon(serve, ids, answer)
                with (
                    mock.patch.object(owner, name, side_effect=Rung),
                    self.assertRaises(Rung),
                ):
                    simulator.invoke({})
                with self.assertRaises(HungUp):
                    cut_off.result(PATIENCE)
                self.runtime = self.runtime_of(simulator)
                self.assertEqual(answer(self.runtime, ids[0]).status, 202)
                self.park(simulator)
                response = simulator.invocation_states[-1].response
                self.assertIn(response and response.body, (None, b"{}"))

    @unittest.skipIf(sys.platform == "win32", "signals")
    def test_a_signal_s_exception_reaches_the_caller_and_the_invocation_goes_on(self) -> None:
        simulator = self.begin()

        def ring(number: int, frame: object) -> None:
            raise Rung

        before = signal.signal(signal.SIGUSR1, ring)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)

        def answered() -> int:
            event = self.runtime.event()
            os.kill(os.getpid(), signal.SIGUSR1)
            simulator.wait_for(lambda: simulator._environment._machine.runtime.loan.lent is None)
            return self.runtime.respond(event.id, b"late").status

        status = self.soon(answered)
        with self.assertRaises(Rung):
            simulator.invoke({})
        self.assertEqual(status.result(PATIENCE), 202)
        self.assertIs(simulator.invocation_states[-1].status, InvocationStatus.SUCCESS)
        self.assert_it_goes_on(simulator)


if __name__ == "__main__":
    unittest.main()
