"""http and client: a body that is sent as it comes."""

from __future__ import annotations

import itertools
from base64 import b64decode
from collections.abc import Iterator

from lambda_sim.handler.client import RuntimeApiError, RuntimeClient
from lambda_sim.handler.failure import ErrorReport
from lambda_sim.handler.http import Connection, ConnectionClosed

from .doubles import (
    ACCEPTED,
    PATIENCE,
    REQUEST_ID,
    Early,
    HandlerTestCase,
    Instead,
    ScriptedServer,
    Step,
    answer,
    make_event,
)

REPORT = ErrorReport("Value\nError", "boom", ["  File …\n"], REQUEST_ID)


class StreamTestCase(HandlerTestCase):
    def connect(self, *connections: list[Step]) -> tuple[Connection, ScriptedServer]:
        server = self.serve(*connections)
        return self.enterContext(Connection(server.address, timeout=PATIENCE)), server


class TestConnection(StreamTestCase):
    def test_each_piece_is_a_chunk_and_an_empty_one_is_left_out(self) -> None:
        connection, server = self.connect([ACCEPTED])
        answered = connection.stream("POST", "/x", [("A", "b")], [b"one", b"", b"\r\n2"])
        request = server.next_request()
        self.assertEqual(202, answered.status)
        self.assertEqual([b"one", b"\r\n2"], request.chunks)
        self.assertEqual(
            ("chunked", "b"), (request.headers["transfer-encoding"], request.headers["a"])
        )
        self.assertNotIn("content-length", request.headers)

    def test_large_pieces_arrive_whole(self) -> None:
        connection, server = self.connect([ACCEPTED])
        pieces = [b"x" * (64 * 1024), b"y" * (64 * 1024 + 1), b"z"]
        connection.stream("POST", "/", (), pieces)
        self.assertEqual(pieces, server.next_request().chunks)

    def test_trailers_are_asked_for_after_the_last_piece(self) -> None:
        connection, server = self.connect([ACCEPTED])
        told: list[tuple[str, str]] = []

        def pieces() -> Iterator[bytes]:
            yield b"a"
            told.append(("X-End", "now"))

        connection.stream("POST", "/", (), pieces(), lambda: told)
        self.assertEqual({"x-end": "now"}, server.next_request().trailers)

    def test_a_connection_serves_on_after_a_stream(self) -> None:
        connection, server = self.connect([ACCEPTED, ACCEPTED])
        connection.stream("POST", "/", (), [b"a"])
        connection.request("POST", "/", body=b"b")
        self.assertEqual([b"a", b"b"], [server.next_request().body for _ in range(2)])

    def test_what_the_pieces_raise_breaks_it_off(self) -> None:
        connection, _ = self.connect([Early(b"")])

        def pieces() -> Iterator[bytes]:
            yield b"a"
            raise ConnectionError("theirs")

        with self.assertRaisesRegex(ConnectionError, "theirs"):
            connection.stream("POST", "/", (), pieces())

    def test_a_peer_that_refuses_early_is_heard_and_no_more_is_taken(self) -> None:
        refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        connection, _ = self.connect([Early(refusal)])
        endless = itertools.repeat(b"x" * 100_000)
        self.assertEqual(413, connection.stream("POST", "/", (), endless).status)

    def test_it_is_not_sent_again(self) -> None:
        connection, _ = self.connect([ACCEPTED, Instead.RESET], [ACCEPTED])
        connection.stream("POST", "/", (), [b"a"])
        with self.assertRaises(ConnectionClosed):
            connection.stream("POST", "/", (), [b"a"])


class TestEndFromElsewhere(StreamTestCase):
    def test_another_thread_ends_it_behind_the_last_piece(self) -> None:
        connection, server = self.connect([ACCEPTED])
        threads, ended = self.start_threads(), []

        def pieces() -> Iterator[bytes]:
            yield b"a"
            ended.append(threads.submit(connection.end_stream, [("X-End", "now")]).result(PATIENCE))
            yield b"too late"

        with self.assertRaises(ConnectionClosed):  # for the other thread has had the answer
            connection.stream("POST", "/", (), pieces())
        request = server.next_request()
        self.assertEqual((ended, request.chunks), ([True], [b"a"]))
        self.assertEqual({"x-end": "now"}, request.trailers)

    def test_there_is_nothing_to_end_when_nothing_is_streamed(self) -> None:
        connection, _ = self.connect([ACCEPTED, ACCEPTED])
        self.assertFalse(connection.end_stream(()))
        connection.stream("POST", "/", (), [b"a"])
        self.assertFalse(connection.end_stream(()))
        connection.stream("POST", "/", (), [b"b"])

    def test_it_is_not_ended_where_its_end_was_refused(self) -> None:
        connection, _ = self.connect([answer(b"", "410 Gone")])
        threads, ended = self.start_threads(), []

        def pieces() -> Iterator[bytes]:
            yield b"a"
            ended.append(threads.submit(connection.end_stream, ()).result(PATIENCE))

        with self.assertRaises(ConnectionClosed):
            connection.stream("POST", "/", (), pieces())
        self.assertEqual(ended, [False])


class TestClient(StreamTestCase):
    def test_a_stream_says_what_it_is_and_echoes_the_attempt(self) -> None:
        server = self.serve([ACCEPTED])
        with RuntimeClient(server.address) as client:
            client.stream(make_event(invocation_id="7"), [b"a"], "text/plain")
        request = server.next_request()
        expected = {
            "content-type": "text/plain",
            "lambda-runtime-function-response-mode": "streaming",
            "lambda-runtime-invocation-id": "7",
            "trailer": "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
        }
        self.assertLessEqual(expected.items(), request.headers.items())

    def test_an_error_type_of_several_lines_does_not_break_the_trailer(self) -> None:
        server = self.serve([ACCEPTED])
        with RuntimeClient(server.address) as client:
            client.stream(make_event(), [b"a"], "text/plain", lambda: REPORT)
        trailers = server.next_request().trailers
        self.assertEqual("Value Error", trailers["lambda-runtime-function-error-type"])

    def test_an_error_from_aside_ends_a_stream_and_else_has_a_connection_of_its_own(self) -> None:
        server = self.serve([ACCEPTED], [ACCEPTED])
        threads = self.start_threads()
        with RuntimeClient(server.address) as client:

            def pieces() -> Iterator[bytes]:
                yield b"a"
                threads.submit(client.fail_from_aside, make_event(), REPORT).result(PATIENCE)

            with self.assertRaises(ConnectionClosed):
                client.stream(make_event(), pieces(), "text/plain")
            client.fail_from_aside(make_event(), REPORT)
        streamed, posted = server.next_request(), server.next_request()
        body = b64decode(streamed.trailers["lambda-runtime-function-error-body"])
        self.assertEqual((body, posted.body), (REPORT.to_json(), REPORT.to_json()))
        self.assertTrue(posted.path.endswith(f"/{REQUEST_ID}/error"), posted.path)

    def test_a_refusal_is_raised(self) -> None:
        server = self.serve([answer(b"no", "410 Gone")])
        with RuntimeClient(server.address) as client, self.assertRaises(RuntimeApiError) as caught:
            client.stream(make_event(), [b"a"], "text/plain")
        self.assertEqual(410, caught.exception.status)
