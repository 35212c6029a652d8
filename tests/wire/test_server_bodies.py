"""How applications read bodies: lengths, chunks, trailers, limits and what goes wrong."""

from __future__ import annotations

import queue
import time
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

from lambda_sim.wire.request_body import BodyMalformed, BodyTimeout, BodyTooLarge, BodyTruncated
from tests.wire.test_server_support import PATIENCE, Client, ServerTestCase, echo, hello

CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
BIG = bytes(range(256)) * 24 * 1024  # 6 MiB


class BodyTest(ServerTestCase):
    def reading(self, read: Callable[[Any], Any], **options: Any) -> Client:
        """A client of an application that puts what ``read`` returns or raises into a queue."""
        self.results: queue.Queue[Any] = queue.Queue()

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            try:
                self.results.put(read(environ["wsgi.input"]))
            except Exception as error:
                self.results.put(error)
            start("200 OK", [])
            return [b"done"]

        return self.connect(self.serve(app, **options))

    def result(self) -> Any:
        return self.results.get(timeout=PATIENCE)


class ReadingTest(BodyTest):
    def test_read_returns_the_whole_body(self) -> None:
        client = self.reading(lambda body: body.read())
        client.post(b"one two")
        self.assertEqual(self.result(), b"one two")

    def test_read_with_a_size_returns_so_much(self) -> None:
        client = self.reading(lambda body: [body.read(3), body.read(0), body.read(9), body.read(9)])
        client.post(b"one two")
        self.assertEqual(self.result(), [b"one", b"", b" two", b""])

    def test_read_with_a_size_gathers_chunks(self) -> None:
        client = self.reading(lambda body: [body.read(3), body.read(9)])
        client.ask(CHUNKED + b"1\r\na\r\n1\r\nb\r\n2\r\ncd\r\n0\r\n\r\n")
        self.assertEqual(self.result(), [b"abc", b"d"])

    def test_a_request_without_a_body_has_an_empty_one(self) -> None:
        client = self.reading(lambda body: [body.read(), body.read_all(0), list(body.chunks())])
        client.get()
        self.assertEqual(self.result(), [b"", b"", []])

    def test_readline_returns_one_line_after_the_other(self) -> None:
        client = self.reading(lambda body: [body.readline() for _ in range(4)])
        client.post(b"a\nbc\n\nd")
        self.assertEqual(self.result(), [b"a\n", b"bc\n", b"\n", b"d"])

    def test_readline_with_a_size_stops_there(self) -> None:
        client = self.reading(lambda body: [body.readline(2), body.readline(9), body.read()])
        client.post(b"abc\nde")
        self.assertEqual(self.result(), [b"ab", b"c\n", b"de"])

    def test_readline_goes_on_across_chunks(self) -> None:
        client = self.reading(lambda body: [body.readline(), body.read(2), body.readlines()])
        client.ask(CHUNKED + b"1\r\na\r\n3\r\nb\nc\r\n4\r\nd\ne\n\r\n0\r\n\r\n")
        self.assertEqual(self.result(), [b"ab\n", b"cd", [b"\n", b"e\n"]])

    def test_iterating_yields_lines(self) -> None:
        client = self.reading(list)
        client.post(b"a\nb")
        self.assertEqual(self.result(), [b"a\n", b"b"])

    def test_a_body_of_six_megabytes_arrives_whole(self) -> None:
        client = self.reading(lambda body: body.read_all(len(BIG)))
        client.post(BIG)
        self.assertEqual(self.result(), BIG)

    def test_a_chunk_of_six_megabytes_arrives_whole(self) -> None:
        client = self.reading(lambda body: body.read_all(len(BIG)))
        client.ask(CHUNKED + b"%x\r\n" % len(BIG) + BIG + b"\r\n0\r\n\r\n")
        self.assertEqual(self.result(), BIG)

    def test_a_hundred_thousand_tiny_chunks_arrive_whole(self) -> None:
        client = self.reading(lambda body: body.read())
        client.ask(CHUNKED + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
        self.assertEqual(self.result(), b"x" * 100_000)

    def test_six_megabytes_come_back_as_they_went(self) -> None:
        client = self.connect(self.serve(echo))
        self.assertEqual(client.post(BIG).body, BIG)
        self.assertEqual(client.post(b"and on").body, b"and on")

    def test_tiny_chunks_take_little_more_than_their_bytes(self) -> None:
        """A list of them took some sixty bytes for each two."""

        def read(body: Any) -> tuple[int, int]:
            tracemalloc.start()
            try:
                return len(body.read()), tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

        client = self.reading(read)
        client.send(CHUNKED + b"2\r\nab\r\n" * 50_000 + b"0\r\n\r\n")
        size, peak = self.result()
        self.assertEqual(size, 100_000)
        self.assertLess(peak, 1_000_000)


class ChunksTest(BodyTest):
    def test_pieces_are_yielded_as_they_arrive(self) -> None:
        seen: queue.Queue[bytes] = queue.Queue()
        client = self.reading(lambda body: [seen.put(piece) for piece in body.chunks()])
        client.send(CHUNKED)
        for piece in (b"one", b"two"):
            client.send(b"3\r\n" + piece)  # the chunk is not over yet
            self.assertEqual(seen.get(timeout=PATIENCE), piece)
            client.send(b"\r\n")
        client.send(b"9\r\nthr")
        self.assertEqual(seen.get(timeout=PATIENCE), b"thr")
        client.send(b"ee-six\r\n0\r\n\r\n")
        self.assertEqual(client.reply().status, 200)

    def test_pieces_of_a_known_length_are_yielded_as_they_arrive(self) -> None:
        seen: queue.Queue[bytes] = queue.Queue()
        client = self.reading(lambda body: [seen.put(piece) for piece in body.chunks()])
        client.send(b"POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\none")
        self.assertEqual(seen.get(timeout=PATIENCE), b"one")
        client.send(b"two")
        self.assertEqual(seen.get(timeout=PATIENCE), b"two")
        self.assertEqual(client.reply().status, 200)

    def test_no_piece_is_larger_than_64_kib(self) -> None:
        client = self.reading(lambda body: list(body.chunks()))
        client.ask(CHUNKED + b"%x\r\n" % len(BIG) + BIG + b"\r\n0\r\n\r\n")
        pieces = self.result()
        self.assertLessEqual(max(map(len, pieces)), 64 * 1024)
        self.assertEqual(b"".join(pieces), BIG)

    def test_extensions_of_chunks_are_ignored(self) -> None:
        client = self.reading(lambda body: body.read())
        client.ask(CHUNKED + b'3;a=b;c="d e"\r\none\r\n03 ;x\r\ntwo\r\n00;last\r\n\r\n')
        self.assertEqual(self.result(), b"onetwo")

    def test_sizes_of_chunks_may_be_in_either_case(self) -> None:
        client = self.reading(lambda body: body.read())
        client.ask(CHUNKED + b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n")
        self.assertEqual(self.result(), b"0123456789" * 2)


class TrailersTest(BodyTest):
    def trailers(self, lines: bytes) -> Any:
        client = self.reading(lambda body: (body.read(), body.trailers)[1])
        client.ask(CHUNKED + b"1\r\nx\r\n0\r\n" + lines + b"\r\n")
        self.assertEqual(client.get().status, 200)
        return self.result()

    def test_trailers_are_there_after_the_body_in_lower_case(self) -> None:
        found = self.trailers(
            b"Lambda-Runtime-Function-Error-Type: Runtime.Oops\r\n"
            b"Lambda-Runtime-Function-Error-Body: e30=\r\n"
        )
        self.assertEqual(
            found,
            {
                "lambda-runtime-function-error-type": "Runtime.Oops",
                "lambda-runtime-function-error-body": "e30=",
            },
        )

    def test_repeated_trailers_are_joined(self) -> None:
        self.assertEqual(self.trailers(b"X: a\r\nx: b\r\n"), {"x": "a, b"})

    def test_without_trailers_there_are_none(self) -> None:
        self.assertEqual(self.trailers(b""), {})

    def test_there_are_none_before_the_body_was_read(self) -> None:
        client = self.reading(lambda body: (dict(body.trailers), body.read(), dict(body.trailers)))
        client.ask(CHUNKED + b"1\r\nx\r\n0\r\nX: a\r\n\r\n")
        self.assertEqual(self.result(), ({}, b"x", {"x": "a"}))

    def test_a_trailer_that_comes_very_often_takes_no_time_of_others(self) -> None:
        def read(body: Any) -> float:
            begin = time.thread_time()
            body.read()
            self.assertEqual(body.trailers["x"].count("y"), body.trailers["x"].count(",") + 1)
            return time.thread_time() - begin

        seconds = []
        for lines in (20_000, 160_000):
            client = self.reading(read)
            client.send(CHUNKED + b"0\r\n" + b"X: y\r\n" * lines + b"\r\n")
            seconds.append(self.result())
        # Eight times as many: 64 times the time, if each were copied for each.
        self.assertLess(seconds[1], 20 * seconds[0])


class LimitTest(BodyTest):
    def test_a_body_of_just_the_limit_is_read(self) -> None:
        client = self.reading(lambda body: body.read_all(3))
        client.post(b"one")
        client.ask(CHUNKED + b"2\r\non\r\n1\r\ne\r\n0\r\n\r\n")
        self.assertEqual([self.result(), self.result()], [b"one", b"one"])

    def test_an_announced_length_over_the_limit_is_refused_before_it_comes(self) -> None:
        client = self.reading(lambda body: body.read_all(3))
        client.send(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n")
        error = self.result()
        self.assertIsInstance(error, BodyTooLarge)
        self.assertEqual(error.limit, 3)

    def test_chunks_over_the_limit_are_refused_while_they_come(self) -> None:
        client = self.reading(lambda body: body.read_all(3))
        client.send(CHUNKED + b"2\r\non\r\n2\r\nex")
        self.assertIsInstance(self.result(), BodyTooLarge)

    def test_the_client_gets_the_answer_although_it_sent_too_much(self) -> None:
        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            try:
                environ["wsgi.input"].read_all(1000)
            except BodyTooLarge:
                start("413 Content Too Large", [])
            return [b"too large"]

        client = self.connect(self.serve(app))
        reply = client.post(BIG)
        self.assertEqual((reply.status, reply.body), (413, b"too large"))
        self.assertEqual(reply.headers["connection"], "close")
        self.assertTrue(client.is_closed())

    def test_an_application_that_lets_it_pass_answers_413(self) -> None:
        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            return [environ["wsgi.input"].read_all(3)]

        self.assertEqual(self.connect(self.serve(app)).post(b"four").status, 413)


class BrokenBodyTest(BodyTest):
    def assert_truncated(self, request: bytes) -> None:
        client = self.reading(lambda body: body.read())
        client.send(request)
        client.socket.shutdown(1)
        self.assertIsInstance(self.result(), BodyTruncated)

    def test_closing_before_the_announced_length_truncates(self) -> None:
        self.assert_truncated(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\none")

    def test_closing_within_a_big_body_truncates(self) -> None:
        self.assert_truncated(b"POST / HTTP/1.1\r\nContent-Length: 9000000\r\n\r\n" + BIG)

    def test_closing_before_the_last_chunk_truncates(self) -> None:
        self.assert_truncated(CHUNKED + b"3\r\none\r\n")

    def test_closing_within_a_chunk_truncates(self) -> None:
        self.assert_truncated(CHUNKED + b"3\r\non")

    def test_closing_within_the_trailers_truncates(self) -> None:
        self.assert_truncated(CHUNKED + b"3\r\none\r\n0\r\nX: y\r\n")

    def test_a_reset_truncates(self) -> None:
        client = self.reading(lambda body: body.read())
        client.send(CHUNKED + b"3\r\non")
        client.reset()
        self.assertIsInstance(self.result(), BodyTruncated)

    def test_chunks_that_are_none_are_malformed(self) -> None:
        for chunks in (
            b"x\r\n",
            b"-1\r\n",
            b"0x1\r\na\r\n",
            b"\r\n",
            b"1\r\nab\r\n",
            b"1\na\r\n",
            b"1\r\na\n0\r\n\r\n",
            b"1;\x00\r\na\r\n0\r\n\r\n",
            b"1" * 20 + b"\r\n",
            b"1;" + b"x" * 10_000,
            b"0\r\nX Y: z\r\n\r\n",
            b"0\r\nX: " + b"x" * 1_200_000 + b"\r\n\r\n",
        ):
            with self.subTest(chunks[:30]):
                client = self.reading(lambda body: body.read())
                reply = client.ask(CHUNKED + chunks)
                self.assertIsInstance(self.result(), BodyMalformed)
                self.assertEqual(reply.headers["connection"], "close")
                self.assertTrue(client.is_closed())

    def test_nothing_after_a_malformed_body_is_a_request(self) -> None:
        client = self.reading(lambda body: body.read())
        client.ask(CHUNKED + b"1\r\nab\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")
        self.assertTrue(client.is_closed())
        self.assertEqual(self.results.qsize(), 1)

    def test_an_application_that_lets_it_pass_answers_400(self) -> None:
        client = self.connect(self.serve(echo))
        self.assertEqual(client.ask(CHUNKED + b"x\r\n").status, 400)

    def test_a_body_that_stalls_times_out(self) -> None:
        client = self.reading(lambda body: body.read(), request_timeout=0.05)
        client.send(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\none")
        self.assertIsInstance(self.result(), BodyTimeout)

    def test_chunks_that_stall_time_out(self) -> None:
        client = self.reading(lambda body: body.read(), request_timeout=0.05)
        client.send(CHUNKED + b"3\r\none\r\n")
        error = self.result()
        self.assertIsInstance(error, BodyTimeout)
        self.assertIsInstance(error, TimeoutError)

    def test_an_application_that_lets_a_stalled_body_pass_answers_408(self) -> None:
        client = self.connect(self.serve(echo, request_timeout=0.05))
        self.assertEqual(client.ask(CHUNKED + b"3\r\none\r\n").status, 408)

    def test_without_a_timeout_a_body_may_pause(self) -> None:
        pausing: queue.Queue[bytes] = queue.Queue()

        def read(body: Any) -> bytes:
            body.timeout = None
            pieces = []
            for piece in body.chunks():
                pausing.put(piece)
                pieces.append(piece)
            return b"".join(pieces)

        client = self.reading(read, request_timeout=0.02)
        client.send(CHUNKED + b"3\r\none\r\n")
        pausing.get(timeout=PATIENCE)
        # Meanwhile a head times out, which takes as long as the body would have had.
        with Client(client.socket.getpeername()) as other:
            self.assertEqual(other.ask(b"GET ").status, 408)
        client.send(b"3\r\ntwo\r\n0\r\n\r\n")
        self.assertEqual(self.result(), b"onetwo")


class UnreadBodyTest(ServerTestCase):
    def test_a_small_unread_body_does_not_cost_the_connection(self) -> None:
        client = self.connect(self.serve(hello))
        for _ in range(3):
            self.assertEqual(client.post(b"x" * 60_000).body, b"hello")

    def test_small_unread_chunks_do_not_cost_the_connection(self) -> None:
        client = self.connect(self.serve(hello))
        for _ in range(3):
            reply = client.ask(CHUNKED + b"3\r\none\r\n0\r\nX: y\r\n\r\n")
            self.assertNotIn("connection", reply.headers)

    def test_a_large_unread_body_costs_the_connection_but_not_the_answer(self) -> None:
        client = self.connect(self.serve(hello))
        reply = client.post(BIG)
        self.assertEqual(reply.body, b"hello")
        self.assertEqual(reply.headers["connection"], "close")
        self.assertTrue(client.is_closed())

    def test_large_unread_chunks_cost_the_connection_but_not_the_answer(self) -> None:
        client = self.connect(self.serve(hello))
        reply = client.ask(CHUNKED + b"%x\r\n" % len(BIG) + BIG + b"\r\n0\r\n\r\n")
        self.assertEqual(reply.body, b"hello")
        self.assertTrue(client.is_closed())

    def test_a_body_that_does_not_come_is_not_waited_for(self) -> None:
        client = self.connect(self.serve(hello))
        reply = client.ask(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n")
        self.assertEqual(reply.headers["connection"], "close")
        client.socket.shutdown(1)
        self.assertTrue(client.is_closed())

    def test_what_a_stream_left_unread_is_thrown_away_after_it(self) -> None:
        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("200 OK", [])
            yield b"a"
            yield environ["wsgi.input"].read(1)

        client = self.connect(self.serve(app))
        for _ in range(3):
            self.assertEqual(client.post(b"xyz").body, b"ax")


class ContinueTest(ServerTestCase):
    HEAD = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"

    def test_the_client_is_told_to_go_on_when_the_body_is_read(self) -> None:
        client = self.connect(self.serve(echo))
        self.assertEqual(client.ask(self.HEAD).status, 100)
        self.assertEqual(client.ask(b"one").body, b"one")
        self.assertEqual(client.ask(self.HEAD).status, 100)
        self.assertEqual(client.ask(b"two").body, b"two")

    def test_it_is_not_told_so_when_nobody_reads_the_body(self) -> None:
        client = self.connect(self.serve(hello))
        reply = client.ask(self.HEAD)
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.headers["connection"], "close")

    def test_it_is_not_told_so_when_the_body_is_there_already(self) -> None:
        client = self.connect(self.serve(echo))
        self.assertEqual(client.ask(self.HEAD + b"one").body, b"one")

    def test_it_works_with_chunks(self) -> None:
        client = self.connect(self.serve(echo))
        head = CHUNKED.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(client.ask(head).status, 100)
        self.assertEqual(client.ask(b"3\r\none\r\n0\r\n\r\n").body, b"one")

    def test_http_1_0_knows_no_100(self) -> None:
        client = self.connect(self.serve(echo))
        client.send(self.HEAD.replace(b"1.1", b"1.0"))
        self.assertEqual(client.ask(b"one").body, b"one")
