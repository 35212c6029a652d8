"""How the server reads heads: request lines, headers, framing, and what it refuses."""

from __future__ import annotations

import threading
import time
import tracemalloc
from typing import Any

from lambda_sim.wire.heads import parse_headers
from tests.wire.test_server_support import PATIENCE, Client, Recorder, ServerTestCase, echo


class RequestTest(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.app = Recorder()
        self.server = self.serve(self.app)
        self.client = self.connect(self.server)

    @property
    def environ(self) -> dict[str, Any]:
        return self.app.environs[-1]


class EnvironTest(RequestTest):
    def test_the_request_line_becomes_method_path_and_query(self) -> None:
        self.client.get("/a/b?c=d&e?f")
        self.assertEqual(self.environ["REQUEST_METHOD"], "GET")
        self.assertEqual(self.environ["PATH_INFO"], "/a/b")
        self.assertEqual(self.environ["QUERY_STRING"], "c=d&e?f")
        self.assertEqual(self.environ["SERVER_PROTOCOL"], "HTTP/1.1")
        self.assertEqual(self.environ["SCRIPT_NAME"], "")

    def test_the_path_is_percent_decoded_and_the_raw_target_kept(self) -> None:
        self.client.get("/caf%C3%A9%2Fx?q=%20")
        self.assertEqual(self.environ["PATH_INFO"], "/café/x".encode().decode("latin-1"))
        self.assertEqual(self.environ["QUERY_STRING"], "q=%20")
        self.assertEqual(self.environ["RAW_URI"], "/caf%C3%A9%2Fx?q=%20")
        self.assertEqual(self.environ["REQUEST_URI"], self.environ["RAW_URI"])

    def test_an_absolute_target_is_taken_apart_and_names_the_host(self) -> None:
        self.client.get("http://example.com:81/a?b=http://c")
        self.assertEqual(self.environ["PATH_INFO"], "/a")
        self.assertEqual(self.environ["QUERY_STRING"], "b=http://c")
        self.assertEqual(self.environ["HTTP_HOST"], "example.com:81")

    def test_an_absolute_target_without_a_path_means_the_root(self) -> None:
        self.client.get("http://example.com?x")
        self.assertEqual(self.environ["PATH_INFO"], "/")
        self.assertEqual(self.environ["QUERY_STRING"], "x")

    def test_options_may_ask_about_the_whole_server(self) -> None:
        self.client.ask(b"OPTIONS * HTTP/1.1\r\n\r\n")
        self.assertEqual(self.environ["PATH_INFO"], "*")

    def test_header_names_in_any_case_become_environ_keys(self) -> None:
        self.client.get("/", "lambda-runtime-X: 1", "CONTENT-TYPE:text/plain")
        self.assertEqual(self.environ["HTTP_LAMBDA_RUNTIME_X"], "1")
        self.assertEqual(self.environ["CONTENT_TYPE"], "text/plain")

    def test_header_values_lose_the_space_around_them_and_nothing_else(self) -> None:
        self.client.get("/", "X: \t a b : c \t", "Y:")
        self.assertEqual(self.environ["HTTP_X"], "a b : c")
        self.assertEqual(self.environ["HTTP_Y"], "")

    def test_header_values_are_decoded_as_latin_1(self) -> None:
        self.client.ask(b"GET / HTTP/1.1\r\nX: caf\xe9 \xc3\xa9\r\n\r\n")
        self.assertEqual(self.environ["HTTP_X"], "caf\xe9 \xc3\xa9")

    def test_repeated_headers_are_joined(self) -> None:
        self.client.get("/", "X: a", "x: b")
        self.assertEqual(self.environ["HTTP_X"], "a, b")

    def test_names_with_an_underscore_are_ignored(self) -> None:
        self.client.get("/", "X_Y: forged", "Content_Length: 5")
        self.assertNotIn("HTTP_X_Y", self.environ)
        self.assertNotIn("CONTENT_LENGTH", self.environ)

    def test_the_addresses_of_both_ends_are_there(self) -> None:
        self.client.get()
        host, port = self.client.socket.getsockname()
        self.assertEqual(self.environ["REMOTE_ADDR"], host)
        self.assertEqual(self.environ["REMOTE_PORT"], str(port))
        self.assertEqual(self.environ["SERVER_NAME"], "127.0.0.1")
        self.assertEqual(self.environ["SERVER_PORT"], str(self.server.port))

    def test_the_connection_and_its_socket_are_there(self) -> None:
        self.client.get()
        connection = self.environ["lambda_sim.connection"]
        self.assertEqual(connection.peer, self.client.socket.getsockname())
        self.assertIs(self.environ["werkzeug.socket"], connection.socket)

    def test_what_one_request_puts_into_its_environ_is_not_seen_by_the_next(self) -> None:
        self.client.get("/1")
        self.environ["HTTP_FORGED"] = "1"
        self.client.get("/1")
        self.assertNotIn("HTTP_FORGED", self.environ)

    def test_requests_with_alternating_headers_each_get_their_own(self) -> None:
        for number in range(40):
            self.client.get("/", f"X: {number}")
            self.assertEqual(self.environ["HTTP_X"], str(number))

    def test_a_host_is_not_asked_for(self) -> None:
        self.assertEqual(self.client.ask(b"GET / HTTP/1.1\r\n\r\n").status, 200)


class KeepAliveTest(RequestTest):
    def test_a_connection_serves_one_request_after_another(self) -> None:
        for number in range(3):
            self.assertEqual(self.client.post(b"%d" % number).body, b"%d" % number)

    def test_close_is_obeyed(self) -> None:
        reply = self.client.get("/", "Connection: x, Close")
        self.assertEqual(reply.headers["connection"], "close")
        self.assertTrue(self.client.is_closed())

    def test_http_1_0_closes(self) -> None:
        reply = self.client.ask(b"GET / HTTP/1.0\r\n\r\n")
        self.assertEqual(reply.status, 200)
        self.assertTrue(self.client.is_closed())

    def test_http_1_0_is_kept_alive_on_request(self) -> None:
        for _ in range(2):
            reply = self.client.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            self.assertEqual(reply.headers["connection"], "keep-alive")

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        one = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\none"
        two = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
        six = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nsix"
        self.client.send(one + two + six)
        self.assertEqual([self.client.reply().body for _ in range(3)], [b"one", b"two", b"six"])

    def test_a_request_may_come_byte_by_byte(self) -> None:
        for byte in b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n":
            self.client.send(bytes([byte]))
        self.assertEqual(self.client.reply().body, b"one")
        self.assertEqual(self.client.get().status, 200)

    def test_blank_lines_between_requests_are_ignored(self) -> None:
        self.client.ask(b"\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx")
        self.assertEqual(self.client.ask(b"\r\nGET /y HTTP/1.1\r\n\r\n").status, 200)
        self.assertEqual(self.environ["PATH_INFO"], "/y")

    def test_closing_in_the_middle_of_a_head_is_no_request(self) -> None:
        self.client.send(b"GET / HTTP/1.1\r\nHost")
        self.client.socket.shutdown(1)
        self.assertTrue(self.client.is_closed())
        self.assertEqual(self.app.environs, [])


class RefusedTest(RequestTest):
    def assert_refused(self, request: bytes, status: int = 400) -> None:
        with self.subTest(request[:60]), Client(self.server.address) as client:
            reply = client.ask(request)
            self.assertEqual(reply.status, status, reply)
            self.assertEqual(reply.headers["connection"], "close")
            self.assertTrue(client.is_closed())
            self.assertEqual(self.app.environs, [])

    def test_lines_that_are_no_request_line_are_refused(self) -> None:
        self.assert_refused(b"hello\r\n\r\n")
        self.assert_refused(b"GET /\r\n\r\n")
        self.assert_refused(b"GET  / HTTP/1.1\r\n\r\n")
        self.assert_refused(b"GET / x HTTP/1.1\r\n\r\n")
        self.assert_refused(b" GET / HTTP/1.1\r\n\r\n")
        self.assert_refused(b"G(T / HTTP/1.1\r\n\r\n")
        self.assert_refused(b"GET /\x00 HTTP/1.1\r\n\r\n")
        self.assert_refused(b"GET /\tx HTTP/1.1\r\n\r\n")

    def test_other_versions_are_refused(self) -> None:
        self.assert_refused(b"GET / HTTP/2.0\r\n\r\n")
        self.assert_refused(b"GET / HTTP/1.2\r\n\r\n")
        self.assert_refused(b"GET / http/1.1\r\n\r\n")
        self.assert_refused(b"GET / HTTP/1.1 \r\n\r\n")
        self.assert_refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

    def test_targets_that_are_no_path_are_refused(self) -> None:
        self.assert_refused(b"GET x HTTP/1.1\r\n\r\n")
        self.assert_refused(b"GET * HTTP/1.1\r\n\r\n")
        self.assert_refused(b"GET ? HTTP/1.1\r\n\r\n")
        self.assert_refused(b"CONNECT example.com:80 HTTP/1.1\r\n\r\n")
        self.assert_refused(b"GET http:///x HTTP/1.1\r\n\r\n")

    def test_header_lines_that_are_none_are_refused(self) -> None:
        self.assert_refused(b"GET / HTTP/1.1\r\nX\r\n\r\n")
        self.assert_refused(b"GET / HTTP/1.1\r\n: x\r\n\r\n")
        self.assert_refused(b"GET / HTTP/1.1\r\nX : y\r\n\r\n")
        self.assert_refused(b"GET / HTTP/1.1\r\nX Y: z\r\n\r\n")
        self.assert_refused(b"GET / HTTP/1.1\r\nX\xe9: z\r\n\r\n")

    def test_folded_header_lines_are_refused(self) -> None:
        self.assert_refused(b"GET / HTTP/1.1\r\nX: y\r\n z: a\r\n\r\n")
        self.assert_refused(b"GET / HTTP/1.1\r\nX: y\r\n\tz\r\n\r\n")

    def test_control_characters_in_values_are_refused(self) -> None:
        self.assert_refused(b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n")
        self.assert_refused(b"GET / HTTP/1.1\r\nX: a\nY: b\r\n\r\n")
        self.assert_refused(b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n")

    def test_lines_that_end_without_a_carriage_return_are_refused_at_once(self) -> None:
        self.assert_refused(b"GET / HTTP/1.1\nHost: h\n\n")

    def test_two_hosts_are_refused(self) -> None:
        self.assert_refused(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")

    def test_a_length_that_is_no_number_is_refused(self) -> None:
        for length in (b"", b"x", b"-1", b"+1", b"1_0", b"0x1", b"1,1", b"1 1", b"\xb2", b"9" * 40):
            self.assert_refused(b"POST / HTTP/1.1\r\nContent-Length: " + length + b"\r\n\r\n")

    def test_two_different_lengths_are_refused(self) -> None:
        self.assert_refused(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")

    def test_the_same_length_twice_is_accepted(self) -> None:
        self.client.post(b"x", "Content-Length: 1")
        self.assertEqual(self.environ["CONTENT_LENGTH"], "1")

    def test_a_length_beside_a_transfer_coding_is_refused(self) -> None:
        self.assert_refused(
            b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        self.assert_refused(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n"
        )

    def test_other_transfer_codings_are_refused(self) -> None:
        for coding in (
            b"gzip",
            b"gzip, chunked",
            b"chunked, chunked",
            b"identity",
            b"xchunked",
            b"",
        ):
            request = b"POST / HTTP/1.1\r\nTransfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n"
            self.assert_refused(request)

    def test_two_lines_of_transfer_codings_are_refused(self) -> None:
        self.assert_refused(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"
        )

    def test_chunks_in_http_1_0_are_refused(self) -> None:
        self.assert_refused(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")

    def test_what_follows_a_refused_request_is_not_a_request(self) -> None:
        smuggled = b"GET /smuggled HTTP/1.1\r\n\r\n"
        self.assert_refused(b"POST / HTTP/1.1\r\nContent-Length: 0x1a\r\n\r\n" + smuggled)

    def test_other_expectations_fail(self) -> None:
        self.assert_refused(b"GET / HTTP/1.1\r\nExpect: wonders\r\n\r\n", 417)

    def test_a_request_line_that_is_too_long_is_refused(self) -> None:
        self.assert_refused(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 414)
        self.assert_refused(b"GET /" + b"x" * 100_000, 414)

    def test_headers_that_are_too_long_are_refused(self) -> None:
        self.assert_refused(b"GET / HTTP/1.1\r\nX: " + b"x" * 1_200_000 + b"\r\n\r\n", 431)
        self.assert_refused(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200_000, 431)

    def test_a_header_that_comes_very_often_takes_no_time_of_others(self) -> None:
        def seconds(lines: int) -> float:
            begin = time.thread_time()
            parsed = parse_headers(b"\r\n".join([b"X: y"] * lines), {})
            self.assertEqual(len(parsed.environ["HTTP_X"]), 3 * lines - 2)
            return time.thread_time() - begin

        # Eight times as many: 64 times the time, if each were copied for each.
        self.assertLess(seconds(160_000), 20 * seconds(20_000))

    def test_headers_just_below_the_limit_are_accepted(self) -> None:
        self.client.get("/", "X: " + "x" * 1_100_000)
        self.assertEqual(len(self.environ["HTTP_X"]), 1_100_000)

    def test_long_names_are_not_remembered(self) -> None:
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for number in range(300):
            parse_headers(b"X%d%b: y" % (number, b"x" * 50_000), {})
        self.assertLess(tracemalloc.get_traced_memory()[0], 1_000_000)


class SlowHeadTest(ServerTestCase):
    def test_a_head_that_does_not_come_whole_in_time_is_refused(self) -> None:
        client = self.connect(self.serve(echo, request_timeout=0.05))
        reply = client.ask(b"GET / HTTP/1.1\r\nHo")
        self.assertEqual(reply.status, 408)
        self.assertTrue(client.is_closed())

    def test_a_head_that_trickles_in_has_no_more_time_than_another(self) -> None:
        client = self.connect(self.serve(echo, request_timeout=0.2))
        client.send(b"GET / HTTP/1.1\r\nX: ")
        answered = threading.Event()
        self.addCleanup(answered.set)

        def trickle() -> None:
            try:
                while not answered.wait(0.02):
                    client.send(b"x")
            except OSError:
                pass

        trickling = self.threads.submit(trickle)
        self.assertEqual(client.reply().status, 408)
        answered.set()
        trickling.result(PATIENCE)

    def test_a_connection_may_idle_for_longer_than_a_request_may_take(self) -> None:
        client = self.connect(self.serve(echo, request_timeout=0.02))
        self.assertEqual(client.post(b"1" * 200_000).status, 200)
        # Another connection times out three times; the first, idle since before, is still served.
        for _ in range(3):
            with Client(client.socket.getpeername()) as other:
                self.assertEqual(other.ask(b"GET ").status, 408)
        self.assertEqual(client.get().status, 200)
