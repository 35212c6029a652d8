"""Clients that take their time, or much room: they hold up nobody else, and cost what they send."""

from __future__ import annotations

import socket
import tracemalloc
from contextlib import ExitStack

from lambda_sim import InvocationStatus, Simulator
from lambda_sim.testing import ScriptedRuntime
from tests.raw import INIT_ERROR, RawAnswer, RawConnection
from tests.support import PATIENCE, SimulatorTest
from tests.wire.test_server_support import ServerTestCase, echo

PING = b"GET /2018-06-01/ping HTTP/1.1\r\nHost: x\r\n"
POST = f"POST {INIT_ERROR} HTTP/1.1\r\nHost: x\r\n".encode()
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
MEGABYTE = 1_000_000

HALVES = (
    b"G", PING, PING + b"X: ", POST + b"Content-Length: 5\r\n\r\n{", CHUNKED, CHUNKED + b"5",
    CHUNKED + b"5\r\n{", CHUNKED + b"2\r\n{}\r\n0\r\nX",
)  # fmt: skip
"""Requests of which the rest never comes."""


class SlowTest(SimulatorTest):
    def test_two_hundred_half_requests_hold_up_no_invocation(self) -> None:
        simulator = self.start()
        with ExitStack() as held, ScriptedRuntime(simulator, lambda event, context: event):
            for number in range(200):
                client = held.enter_context(socket.create_connection(simulator.addr, PATIENCE))
                client.sendall(HALVES[number % len(HALVES)])
            for number in range(20):
                state = simulator.invoke(number)
                self.assertIs(state.status, InvocationStatus.SUCCESS)
            # Hang-ups are not what ends it: they are all still there.
            simulator.close()

    def test_what_is_fed_in_drops_is_answered_all_the_same(self) -> None:
        simulator = self.start()
        slow = [RawConnection(simulator) for _ in range(8)]
        for client in slow:
            self.addCleanup(client.close)
        body = b'2\r\n{"\r\n5\r\na":1}\r\n0\r\nX: y\r\n\r\n'
        for byte in CHUNKED + body:
            for client in slow:
                client.send(bytes([byte]))
        # The first report ends the init, and the others come too late for it.
        statuses = sorted(client.read_answer().status for client in slow)
        self.assertEqual(statuses, [202, *[403] * 7])


class PauseTest(ServerTestCase):
    def test_each_client_has_only_so_long_between_two_drops(self) -> None:
        server = self.serve(echo, request_timeout=0.1)
        clients = [self.connect(server) for _ in range(4)]
        for client, half in zip(clients, HALVES[3:7], strict=True):
            client.send(half)
        for client in clients:
            self.assertEqual(client.reply().status, 408)
            self.assertTrue(client.is_closed())


class LargeTest(SimulatorTest):
    """What is refused, is refused before it is read or kept."""

    def setUp(self) -> None:
        super().setUp()
        self.simulator = self.start()
        self.answer(self.simulator, PING + b"\r\n")  # what is imported once, is
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)

    def answer(self, simulator: Simulator, data: bytes) -> RawAnswer:
        connection = RawConnection(simulator)
        self.addCleanup(connection.close)
        connection.send(data)
        return connection.read_answer()

    def assert_costs(self, most: int, data: bytes, status: int) -> None:
        """The peak of what was allocated for a request, beyond the bytes of the test's own."""
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        self.assertEqual(self.answer(self.simulator, data).status, status)
        self.assertLess(tracemalloc.get_traced_memory()[1] - before, most)

    def test_an_announced_exabyte_is_refused_at_once(self) -> None:
        self.assert_costs(MEGABYTE, POST + b"Content-Length: 1" + b"0" * 17 + b"\r\n\r\n", 413)

    def test_a_chunk_of_an_exabyte_takes_no_more_than_a_piece_of_it(self) -> None:
        """Its size is believed as far as its bytes come."""
        connection = RawConnection(self.simulator)
        self.addCleanup(connection.close)
        tracemalloc.reset_peak()
        connection.send(CHUNKED + b"F" * 15 + b"\r\nabc")
        connection.half_close()
        self.assertEqual(connection.read_answer().status, 400)
        self.assertLess(tracemalloc.get_traced_memory()[1], 20 * MEGABYTE)

    def test_the_line_before_a_chunk_is_short(self) -> None:
        self.assert_costs(MEGABYTE, CHUNKED + b"1;" + b"x" * 10_000, 400)
        self.assert_costs(MEGABYTE, CHUNKED + b"0" * 10_000, 400)

    def test_a_header_block_has_an_end(self) -> None:
        self.assert_costs(12 * MEGABYTE, PING + b"X: y\r\n" * 250_000 + b"\r\n", 431)
        self.assert_costs(12 * MEGABYTE, PING + b"X: " + b"y" * 1_500_000 + b"\r\n\r\n", 431)

    def test_so_have_the_trailers(self) -> None:
        trailers = (b"X: " + b"y" * 1_000 + b"\r\n") * 1_500
        self.assert_costs(8 * MEGABYTE, CHUNKED + b"0\r\n" + trailers + b"\r\n", 400)

    def test_many_chunks_of_a_byte_are_as_many_bytes(self) -> None:
        chunks = b"1\r\n \r\n" * 30_000
        self.assert_costs(MEGABYTE, CHUNKED + chunks + b"0\r\n\r\n", 202)

    def test_json_that_is_nested_without_end_is_a_body_like_any(self) -> None:
        body = b"[" * 200_000
        self.assert_costs(8 * MEGABYTE, POST + b"Content-Length: 200000\r\n\r\n" + body, 202)
