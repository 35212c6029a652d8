"""How the server sends what applications answer: framing, WSGI's rules, and failures."""

from __future__ import annotations

import json
import queue
import re
import shutil
import subprocess
import sys
import unittest
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest import mock

from werkzeug.wrappers import Request, Response

from lambda_sim.wire import answers
from lambda_sim.wire.server import HangUp
from tests.wire.test_server_support import PATIENCE, Client, Recorder, ServerTestCase, echo

BIG = bytes(range(256)) * 24 * 1024  # 6 MiB
LOGGER = "lambda_sim.wire.connection"


class AnswerTest(ServerTestCase):
    def answering(
        self, pieces: Any, status: str = "200 OK", *headers: tuple[str, str], **options: Any
    ) -> Client:
        """A client of an application that always answers so."""

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start(status, list(headers))
            return pieces() if callable(pieces) else pieces

        return self.connect(self.serve(app, **options))


class FramingTest(AnswerTest):
    def test_a_list_gets_a_length(self) -> None:
        for pieces in ([b"one"], (b"one",), [b"o", b"ne"]):
            reply = self.answering(pieces).get()
            self.assertEqual((reply.headers["content-length"], reply.body), ("3", b"one"))

    def test_an_empty_list_gets_the_length_zero(self) -> None:
        self.assertEqual(self.answering([]).get().headers["content-length"], "0")

    def test_an_empty_stream_gets_the_length_zero(self) -> None:
        self.assertEqual(self.answering(lambda: iter([b""])).get().headers["content-length"], "0")

    def test_a_stream_is_sent_in_chunks(self) -> None:
        client = self.answering(lambda: iter([b"one", b"", b"three"]))
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        _, headers = client.head()
        self.assertEqual(headers["transfer-encoding"], "chunked")
        self.assertNotIn("content-length", headers)
        self.assertEqual([client.chunk() for _ in range(3)], [b"one", b"three", b""])
        self.assertEqual(client.get().body, b"onethree")

    def test_a_stream_to_http_1_0_ends_with_the_connection(self) -> None:
        client = self.answering(lambda: iter([b"one", b"two"]))
        reply = client.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.assertEqual(reply.body, b"onetwo")
        self.assertNotIn("transfer-encoding", reply.headers)
        self.assertNotIn("connection", reply.headers)

    def test_a_stream_of_a_known_length_is_not_chunked(self) -> None:
        client = self.answering(lambda: iter([b"one", b"two"]), "200 OK", ("content-length", "6"))
        for _ in range(2):
            reply = client.get()
            self.assertEqual(reply.body, b"onetwo")
            self.assertNotIn("transfer-encoding", reply.headers)

    def test_each_piece_is_sent_at_once(self) -> None:
        pieces: queue.Queue[bytes] = queue.Queue()
        client = self.answering(lambda: iter(lambda: pieces.get(timeout=PATIENCE), b"end"))
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        for piece in (b"one", b"two", b"x" * 100_000):
            pieces.put(piece)
            if piece == b"one":
                client.head()
            self.assertEqual(client.chunk(), piece)
        pieces.put(b"end")
        self.assertEqual(client.chunk(), b"")

    def test_six_megabytes_are_sent_whole(self) -> None:
        self.assertEqual(self.answering([BIG]).get().body, BIG)

    def test_a_stream_of_big_pieces_is_sent_whole(self) -> None:
        self.assertEqual(self.answering(lambda: iter([BIG, BIG])).get().body, BIG + BIG)

    def test_head_gets_no_body(self) -> None:
        client = self.answering([b"one"])
        reply = client.ask(b"HEAD / HTTP/1.1\r\n\r\n", head_only=True)
        self.assertEqual(reply.headers["content-length"], "3")
        self.assertEqual(client.get().body, b"one")

    def test_head_gets_no_stream_either(self) -> None:
        client = self.answering(lambda: iter([b"one", b"two"]))
        client.ask(b"HEAD / HTTP/1.1\r\n\r\n", head_only=True)
        self.assertEqual(client.get().body, b"onetwo")

    def test_204_and_304_have_no_body(self) -> None:
        for status in ("204 No Content", "304 Not Modified"):
            client = self.answering([b"one"], status)
            reply = client.get()
            self.assertNotIn("content-length", reply.headers)
            self.assertNotIn("transfer-encoding", reply.headers)
            self.assertEqual(client.get().status, int(status[:3]))

    def test_an_application_may_close_the_connection(self) -> None:
        client = self.answering([b"one"], "200 OK", ("Connection", "close"))
        reply = client.get()
        self.assertEqual((reply.headers["connection"], reply.body), ("close", b"one"))
        self.assertTrue(client.is_closed())


class HeadersTest(AnswerTest):
    def test_headers_are_sent_as_they_are(self) -> None:
        client = self.answering([], "299 Very Odd", ("X-caSe", "caf\xe9"), ("X-caSe", "two"))
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(client.line(), b"HTTP/1.1 299 Very Odd\r\n")
        self.assertEqual(client.line(), b"X-caSe: caf\xe9\r\n")
        self.assertEqual(client.line(), b"X-caSe: two\r\n")

    def test_there_is_a_date_and_no_server(self) -> None:
        headers = self.answering([]).get().headers
        self.assertRegex(headers["date"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")
        self.assertNotIn("server", headers)

    def test_the_date_follows_the_clock(self) -> None:
        with mock.patch.object(answers, "SYSTEM_CLOCK") as clock:
            client = self.answering([])
            for seconds, shown in ((0.9, "00:00:00"), (1.0, "00:00:01")):
                clock.time.return_value = seconds
                self.assertEqual(client.get().headers["date"], f"Thu, 01 Jan 1970 {shown} GMT")

    def test_an_application_may_set_the_date(self) -> None:
        client = self.answering([], "200 OK", ("date", "today"))
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        head = [client.line() for _ in range(4)]
        self.assertEqual([line for line in head if b"ate" in line], [b"date: today\r\n"])

    def test_a_line_break_in_a_header_is_the_applications_failure(self) -> None:
        for header in (("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "a\rb"), ("X\r\n", "a")):
            with self.assertLogs(LOGGER, "ERROR"):
                self.assertEqual(self.answering([], "200 OK", header).get().status, 500)

    def test_what_a_failed_head_would_have_framed_does_not_frame_the_error(self) -> None:
        with self.assertLogs(LOGGER, "ERROR"):
            client = self.answering(lambda: iter([b"one"]), "200 OK", ("X", "a\nb"))
            self.assertEqual(client.get().status, 500)
            self.assertTrue(client.is_closed())

    def test_a_header_that_is_not_latin_1_is_the_applications_failure(self) -> None:
        with self.assertLogs(LOGGER, "ERROR"):
            self.assertEqual(self.answering([], "200 OK", ("X", "\u20ac")).get().status, 500)


class WsgiTest(ServerTestCase):
    def test_write_sends_before_the_iterable(self) -> None:
        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            write = start("200 OK", [])
            write(b"one")
            return [b"two"]

        self.assertEqual(self.connect(self.serve(app)).get().body, b"onetwo")

    def test_an_application_may_change_its_mind_with_exc_info(self) -> None:
        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("200 OK", [])
            try:
                raise ValueError
            except ValueError:
                start("503 Later", [], sys.exc_info())
            return [b"sorry"]

        reply = self.connect(self.serve(app)).get()
        self.assertEqual((reply.status, reply.body), (503, b"sorry"))

    def test_it_may_not_after_something_was_sent(self) -> None:
        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
            start("200 OK", [])
            yield b"one"
            try:
                raise ValueError("the reason")
            except ValueError:
                start("503 Later", [], sys.exc_info())
            yield b"two"

        client = self.connect(self.serve(app))
        with self.assertLogs(LOGGER, "ERROR") as logs:
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            client.head()
            client.chunk()
            self.assertTrue(client.is_closed())
        self.assertIn("the reason", logs.output[0])

    def test_starting_twice_is_a_failure(self) -> None:
        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("200 OK", [])
            start("200 OK", [])
            return []

        with self.assertLogs(LOGGER, "ERROR"):
            self.assertEqual(self.connect(self.serve(app)).get().status, 500)

    def test_the_iterable_is_closed_after_it_was_sent(self) -> None:
        closed: queue.Queue[str] = queue.Queue()

        class Pieces(list[bytes]):
            def close(self) -> None:
                closed.put("closed")

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("200 OK", [])
            return Pieces([b"one"])

        self.assertEqual(self.connect(self.serve(app)).get().body, b"one")
        self.assertEqual(closed.get(timeout=PATIENCE), "closed")

    def test_the_iterable_is_closed_when_it_fails(self) -> None:
        closed: queue.Queue[str] = queue.Queue()

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
            start("200 OK", [])
            try:
                yield b"one"
                raise ValueError
            finally:
                closed.put("closed")

        with self.assertLogs(LOGGER, "ERROR"):
            self.connect(self.serve(app)).send(b"GET / HTTP/1.1\r\n\r\n")
            self.assertEqual(closed.get(timeout=PATIENCE), "closed")
            self.doCleanups()

    def test_werkzeug_runs_on_it(self) -> None:
        @Request.application
        def app(request: Request) -> Response:
            return Response(request.get_data() + request.args["x"].encode(), mimetype="x/y")

        client = self.connect(self.serve(app))
        head = b"POST /?x=%C3%A9 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        for request in (b"3\r\none\r\n0\r\n\r\n", b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"):
            reply = client.ask(head + request)
            self.assertEqual(reply.body[3:], "é".encode())
            self.assertEqual(reply.headers["content-type"], "x/y")

    def test_werkzeugs_streams_run_on_it(self) -> None:
        @Request.application
        def app(request: Request) -> Response:
            return Response(iter([b"one", b"two"]))

        self.assertEqual(self.connect(self.serve(app)).get().body, b"onetwo")

    def test_werkzeug_reads_forms_on_it(self) -> None:
        @Request.application
        def app(request: Request) -> Response:
            return Response(request.form["a"])

        client = self.connect(self.serve(app))
        reply = client.post(b"a=b", "Content-Type: application/x-www-form-urlencoded")
        self.assertEqual(reply.body, b"b")

    @unittest.skipUnless(shutil.which("curl"), "needs curl")
    def test_curl_speaks_with_it(self) -> None:
        server = self.serve(echo)
        url = f"http://127.0.0.1:{server.port}/"
        command = ["curl", "-sS", "--data-binary", "@-", "-H", "Expect: 100-continue", url, url]
        done = subprocess.run(
            command, check=False, input=BIG[:2_000_000], capture_output=True, timeout=PATIENCE
        )
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout, BIG[:2_000_000] * 2)

    @unittest.skipUnless(shutil.which("curl"), "needs curl")
    def test_curl_sends_it_chunks(self) -> None:
        url = f"http://127.0.0.1:{self.serve(echo).port}/"
        command = ["curl", "-sS", "-T", "-", "-X", "POST", url]
        done = subprocess.run(
            command, check=False, input=BIG, capture_output=True, timeout=PATIENCE
        )
        self.assertEqual(done.stdout, BIG)


class FailureTest(ServerTestCase):
    def failing(self, error: BaseException, *pieces: bytes, **headers: str) -> Client:
        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
            start("200 OK", list(headers.items()))
            yield from pieces
            raise error

        return self.connect(self.serve(app))

    def test_an_application_that_fails_answers_500_and_logs_why(self) -> None:
        client = self.failing(ValueError("the reason"))
        with self.assertLogs(LOGGER, "ERROR") as logs:
            reply = client.get("/where")
        self.assertEqual(reply.status, 500)
        self.assertEqual(reply.headers["content-type"], "application/json")
        self.assertEqual(
            reply.body,
            b'{"errorMessage":"Internal Server Error","errorType":"InternalServerError"}\n',
        )
        self.assertEqual(len(json.loads(reply.body)), 2)
        self.assertTrue(client.is_closed())
        self.assertRegex(logs.output[0], re.compile("GET /where.*the reason", re.DOTALL))

    def test_an_application_that_exits_does_not_end_the_server(self) -> None:
        client = self.failing(SystemExit(3))
        with self.assertLogs(LOGGER, "ERROR"):
            self.assertEqual(client.get().status, 500)

    def test_an_application_that_does_not_start_its_answer_fails(self) -> None:
        client = self.connect(self.serve(lambda environ, start: [b"x"]))
        with self.assertLogs(LOGGER, "ERROR"):
            self.assertEqual(client.get().status, 500)

    def test_an_application_that_answers_with_text_fails(self) -> None:
        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
            start("200 OK", [])
            return ["text"]

        with self.assertLogs(LOGGER, "ERROR"):
            self.assertEqual(self.connect(self.serve(app)).get().status, 500)

    def test_a_failure_within_a_stream_breaks_it_off(self) -> None:
        client = self.failing(ValueError(), b"one")
        with self.assertLogs(LOGGER, "ERROR"):
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            client.head()
            self.assertEqual(client.chunk(), b"one")
            self.assertTrue(client.is_closed())

    def test_a_failure_within_a_stream_to_http_1_0_resets_it(self) -> None:
        client = self.failing(ValueError(), b"one")
        with self.assertLogs(LOGGER, "ERROR"), self.assertRaises(ConnectionError):
            client.ask(b"GET / HTTP/1.0\r\n\r\n")

    def test_fewer_bytes_than_announced_break_the_connection(self) -> None:
        client = self.failing(StopAsyncIteration(), b"one", **{"Content-Length": "5"})
        with self.assertLogs(LOGGER, "ERROR"):
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            client.head()
            self.assertEqual(client.read(3), b"one")
            self.assertTrue(client.is_closed())

    def test_a_list_shorter_than_announced_breaks_the_connection(self) -> None:
        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("200 OK", [("Content-Length", "5")])
            return [b"one"]

        client = self.connect(self.serve(app))
        with self.assertLogs(LOGGER, "ERROR"):
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            client.head()
            self.assertEqual(client.read(3), b"one")
            self.assertTrue(client.is_closed())

    def test_more_bytes_than_announced_are_cut_off(self) -> None:
        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("200 OK", [("Content-Length", "2")])
            return [b"one"]

        client = self.connect(self.serve(app))
        with self.assertLogs("lambda_sim.wire.answers", "ERROR"):
            self.assertEqual(client.get().body, b"on")
            self.assertTrue(client.is_closed())

    def test_an_application_may_hang_up_without_an_answer(self) -> None:
        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            raise HangUp

        client = self.connect(self.serve(app))
        with self.assertNoLogs(LOGGER):
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            self.assertTrue(client.is_closed())

    def test_sending_that_fails_is_noted_before_the_iterable_is_closed(self) -> None:
        noted: queue.Queue[bool] = queue.Queue()
        resets: queue.Queue[None] = queue.Queue()

        class Endless:
            def __init__(self, connection: Any) -> None:
                self.connection = connection

            def __iter__(self) -> Iterator[bytes]:
                yield b"first"
                resets.get(timeout=PATIENCE)
                while True:
                    yield b"x" * 100_000

            def close(self) -> None:
                noted.put(self.connection.send_failed)

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("200 OK", [])
            return Endless(environ["lambda_sim.connection"])

        client = self.connect(self.serve(app))
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        client.head()
        client.reset()
        resets.put(None)
        self.assertTrue(noted.get(timeout=PATIENCE))

    def test_a_client_that_takes_nothing_is_given_up(self) -> None:
        noted: queue.Queue[bool] = queue.Queue()

        class Pieces(list[bytes]):
            connection: Any

            def close(self) -> None:
                noted.put(self.connection.send_failed)

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("200 OK", [])
            pieces = Pieces([BIG * 8])
            pieces.connection = environ["lambda_sim.connection"]
            return pieces

        client = self.connect(self.serve(app, request_timeout=0.05))
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        self.assertTrue(noted.get(timeout=PATIENCE))

    def test_an_answer_that_was_sent_is_not_noted_as_failed(self) -> None:
        app = Recorder()
        self.assertEqual(self.connect(self.serve(app)).get().status, 200)
        self.assertFalse(app.environs[0]["lambda_sim.connection"].send_failed)
