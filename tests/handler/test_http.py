"""http: framing, keeping alive, reconnecting, and being closed from elsewhere."""

from __future__ import annotations

import signal
import socket
import threading
import unittest

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.http import BadAnswer, Connection, ConnectionClosed

from .doubles import PATIENCE, Early, HandlerTestCase, Instead, ScriptedServer, Step, answer


class HttpTestCase(HandlerTestCase):
    def connect(self, *connections: list[Step]) -> tuple[Connection, ScriptedServer]:
        server = self.serve(*connections)
        return self.enterContext(Connection(server.address, timeout=PATIENCE)), server


class TestRequests(HttpTestCase):
    def test_a_get_names_its_host_and_has_no_content_length(self) -> None:
        connection, server = self.connect([answer(b"")])
        connection.request("GET", "/next", [("Accept", "*/*")])
        request = server.next_request()
        self.assertEqual(("GET", "/next"), request[:2])
        self.assertEqual({"host": server.address, "accept": "*/*"}, request.headers)

    def test_a_post_without_a_body_says_that_it_has_none(self) -> None:
        connection, server = self.connect([answer(b"")])
        connection.request("POST", "/error")
        self.assertEqual("0", server.next_request().headers["content-length"])

    def test_a_body_of_none_leaves_the_content_length_out(self) -> None:
        connection, server = self.connect([answer(b"")])
        connection.request("POST", "/error", body=None)
        self.assertNotIn("content-length", server.next_request().headers)

    def test_bodies_of_any_size_arrive_whole(self) -> None:
        sizes = [1, 64 * 1024, 64 * 1024 + 1, 7 * 1024 * 1024]
        connection, server = self.connect([answer(b"") for _ in sizes])
        for size in sizes:
            connection.request("POST", "/response", body=b"x" * size)
            self.assertEqual(b"x" * size, server.next_request().body)

    def test_a_prefix_in_the_address_is_put_before_each_path(self) -> None:
        server = self.serve([answer(b"")])
        with Connection(f"{server.address}/stage/") as connection:
            connection.request("GET", "/next")
        self.assertEqual("/stage/next", server.next_request().path)

    def test_header_values_keep_text_that_is_not_ascii(self) -> None:
        connection, server = self.connect([answer(b"")])
        connection.request("GET", "/next", [("X-Name", "Zoë ✓")])
        self.assertEqual("Zoë ✓", server.next_request().headers["x-name"])

    def test_line_breaks_and_nul_are_refused_before_anything_is_sent(self) -> None:
        connection, _ = self.connect()
        for bad in ("a\r\nb", "a\nb", "a\rb", "a\0b"):
            for headers, path in (([("X", bad)], "/"), ([(bad, "x")], "/"), ([], f"/{bad}")):
                with self.subTest(headers=headers, path=path), self.assertRaises(ValueError):
                    connection.request("GET", path, headers)

    def test_the_refusal_names_the_header_and_hides_its_value(self) -> None:
        connection, _ = self.connect()
        with self.assertRaisesRegex(ValueError, "X-Token") as caught:
            connection.request("GET", "/", [("X-Token", "secret\n")])
        self.assertNotIn("secret", str(caught.exception))

    def test_addresses_of_another_form_are_refused(self) -> None:
        for bad in ("", "localhost", ":9001", "http://localhost:9001", "h:port", "h:65536"):
            with self.subTest(bad), self.assertRaises(ConfigurationError):
                Connection(bad)

    @unittest.skipUnless(socket.has_ipv6, "no IPv6 here")
    def test_an_ipv6_address_stands_in_brackets(self) -> None:
        try:
            listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError:
            self.skipTest("no IPv6 loopback here")
        with listener:
            address = f"[::1]:{listener.getsockname()[1]}"
            pool = self.start_threads()
            with Connection(address) as connection:
                asked = pool.submit(connection.request, "GET", "/")
                client, _ = listener.accept()
                with client:
                    self.assertIn(address.encode(), client.recv(1000))
                    client.sendall(answer(b"six"))
                self.assertEqual(b"six", asked.result(PATIENCE).body)


class TestAnswers(HttpTestCase):
    def test_header_names_are_lower_case_and_repeated_ones_are_joined(self) -> None:
        raw = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 0\r\n\r\n"
        connection, _ = self.connect([raw])
        headers = connection.request("GET", "/").headers
        self.assertEqual({"x-a": "1, 2", "content-length": "0"}, headers)

    def test_a_header_is_read_as_utf_8_and_else_as_latin_1(self) -> None:
        raw = b"HTTP/1.1 200 OK\r\nA: Zo\xc3\xab\r\nB: Zo\xeb\r\nContent-Length: 0\r\n\r\n"
        connection, _ = self.connect([raw])
        headers = connection.request("GET", "/").headers
        self.assertEqual(("Zoë", "Zoë"), (headers["a"], headers["b"]))

    def test_chunks_are_put_together_and_trailers_passed_over(self) -> None:
        chunked = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
            b"3\r\nabc\r\nA;name=value\r\n0123456789\r\n0\r\nX-Trailer: x\r\n\r\n"
        )
        connection, _ = self.connect([chunked, answer(b"next")])
        self.assertEqual(b"abc0123456789", connection.request("GET", "/").body)
        self.assertEqual(b"next", connection.request("GET", "/").body)

    def test_an_answer_without_a_length_ends_with_the_connection(self) -> None:
        connection, _ = self.connect([b"HTTP/1.1 200 OK\r\n\r\nall of it"], [answer(b"new")])
        self.assertEqual(b"all of it", connection.request("GET", "/").body)
        self.assertEqual(b"new", connection.request("POST", "/").body)

    def test_answers_that_have_no_body_are_not_waited_for(self) -> None:
        no_content = b"HTTP/1.1 204 No Content\r\n\r\n"
        to_head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        connection, _ = self.connect([no_content, to_head, answer(b"end")])
        self.assertEqual(204, connection.request("GET", "/").status)
        self.assertEqual(b"", connection.request("HEAD", "/").body)
        self.assertEqual(b"end", connection.request("GET", "/").body)

    def test_100_continue_and_its_kin_are_passed_over(self) -> None:
        before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        connection, _ = self.connect([before + answer(b"done", "202 Accepted")])
        received = connection.request("POST", "/", body=b"x")
        self.assertEqual((202, b"done"), (received.status, received.body))
        self.assertNotIn("link", received.headers)

    def test_an_answer_cut_short_anywhere_is_told_apart_from_none(self) -> None:
        halves = [
            b"HTTP/1.1 2",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        ]
        for half in halves:
            with self.subTest(half):
                connection, _ = self.connect([half])
                with self.assertRaises(ConnectionClosed) as caught:
                    connection.request("GET", "/")
                self.assertTrue(caught.exception.answer_began)

    def test_what_is_not_http_is_refused_by_name(self) -> None:
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        garbage = [
            b"SSH-2.0-OpenSSH_9.0\r\n",
            b"HTTP/1.1 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            chunked + b"-1\r\n",
            chunked + b"0x1\r\na\r\n",
            chunked + b"1\r\nab\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1024 * 1024 + b"\r\n\r\n",
        ]
        for raw in garbage:
            with self.subTest(raw[:60]):
                connection, _ = self.connect([raw])
                with self.assertRaises(BadAnswer):
                    connection.request("GET", "/")

    def test_a_read_can_be_given_a_time_limit(self) -> None:
        server = self.serve([Instead.HANG])
        with (
            Connection(server.address, timeout=0.01) as connection,
            self.assertRaises(TimeoutError),
        ):
            connection.request("GET", "/")


class TestKeepingAlive(HttpTestCase):
    def test_requests_share_one_connection(self) -> None:
        connection, _ = self.connect([answer(b"1"), answer(b"2"), answer(b"3")])
        bodies = [connection.request("GET", "/").body for _ in range(3)]
        self.assertEqual([b"1", b"2", b"3"], bodies)

    def test_connection_close_is_heeded(self) -> None:
        connection, _ = self.connect([answer(b"1", Connection="close")], [answer(b"2")])
        connection.request("GET", "/")
        self.assertEqual(b"2", connection.request("POST", "/").body)

    def test_a_connection_closed_meanwhile_is_replaced_for_any_method(self) -> None:
        for method in ("GET", "POST"):
            with self.subTest(method):
                connection, server = self.connect([answer(b"old")], [answer(b"new")])
                connection.request("GET", "/")
                server.wait_for_hang_up()
                self.assertEqual(b"new", connection.request(method, "/", body=b"x").body)

    def test_a_get_that_got_no_answer_is_sent_again(self) -> None:
        for ending in (b"", Instead.RESET):
            with self.subTest(ending):
                connection, _ = self.connect([answer(b"old"), ending], [answer(b"new")])
                connection.request("GET", "/")
                self.assertEqual(b"new", connection.request("GET", "/").body)

    def test_a_get_is_not_sent_a_third_time(self) -> None:
        connection, _ = self.connect([answer(b"old"), b""], [b""], [answer(b"third")])
        connection.request("GET", "/")
        with self.assertRaises(ConnectionClosed):
            connection.request("GET", "/")

    def test_a_post_that_was_sent_whole_is_not_sent_again(self) -> None:
        connection, _ = self.connect([answer(b"old"), b""], [answer(b"new")])
        connection.request("GET", "/")
        with self.assertRaises(ConnectionClosed) as caught:
            connection.request("POST", "/", body=b"x")
        self.assertFalse(caught.exception.answer_began)

    def test_a_get_whose_answer_began_is_not_sent_again(self) -> None:
        connection, _ = self.connect([answer(b"old"), b"HTTP/1.1 200"], [answer(b"new")])
        connection.request("GET", "/")
        with self.assertRaises(ConnectionClosed):
            connection.request("GET", "/")

    def test_an_answer_that_came_before_the_whole_body_went_is_heard(self) -> None:
        refusal = Early(answer(b"too large", "413 Payload Too Large"))
        connection, _ = self.connect([refusal], [answer(b"new")])
        received = connection.request("POST", "/", body=b"x" * 32 * 1024 * 1024)
        self.assertEqual((413, b"too large"), (received.status, received.body))
        self.assertEqual(b"new", connection.request("GET", "/").body)

    def test_after_an_error_the_connection_is_made_anew(self) -> None:
        connection, _ = self.connect([b"garbage\r\n"], [answer(b"fine")])
        with self.assertRaises(BadAnswer):
            connection.request("GET", "/")
        self.assertEqual(b"fine", connection.request("POST", "/").body)

    def test_nobody_listening_is_the_system_s_own_error(self) -> None:
        server = self.serve()
        server.close()
        with Connection(server.address) as connection, self.assertRaises(ConnectionRefusedError):
            connection.request("GET", "/")


class TestClosing(HttpTestCase):
    def test_close_in_another_thread_ends_a_blocked_request(self) -> None:
        connection, server = self.connect([Instead.HANG])
        asked = self.start_threads().submit(connection.request, "GET", "/next")
        server.next_request()
        connection.close()
        with self.assertRaises(ConnectionClosed):
            asked.result(PATIENCE)

    def test_close_ends_a_blocked_request_on_a_kept_connection_for_good(self) -> None:
        connection, server = self.connect([answer(b""), Instead.HANG], [answer(b"never")])
        connection.request("GET", "/")
        asked = self.start_threads().submit(connection.request, "GET", "/next")
        server.next_request()
        server.next_request()
        connection.close()
        with self.assertRaisesRegex(ConnectionClosed, "from our side"):
            asked.result(PATIENCE)

    def test_close_in_the_middle_of_an_answer_ends_the_request(self) -> None:
        listener = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        connection = Connection(f"127.0.0.1:{listener.getsockname()[1]}")
        asked = self.start_threads().submit(connection.request, "GET", "/")
        client = self.enterContext(listener.accept()[0])
        client.recv(1000)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        connection.close()
        with self.assertRaises(ConnectionClosed):
            asked.result(PATIENCE)

    def test_a_signal_handler_may_close_what_its_own_thread_waits_on(self) -> None:
        connection, server = self.connect([Instead.HANG])
        previous = signal.signal(signal.SIGUSR1, lambda number, frame: connection.close())
        self.addCleanup(signal.signal, signal.SIGUSR1, previous)

        def interrupt(thread: int) -> None:
            server.next_request()
            signal.pthread_kill(thread, signal.SIGUSR1)

        interrupting = self.start_threads().submit(interrupt, threading.get_ident())
        with self.assertRaises(ConnectionClosed):
            connection.request("GET", "/next")
        interrupting.result(PATIENCE)

    def test_after_close_nothing_is_asked_any_more(self) -> None:
        connection, _ = self.connect([answer(b"")])
        connection.close()
        connection.close()
        with self.assertRaisesRegex(ConnectionClosed, "closed"):
            connection.request("GET", "/")

    def test_two_threads_at_once_are_refused(self) -> None:
        connection, server = self.connect([Instead.HANG])
        asked = self.start_threads().submit(connection.request, "GET", "/next")
        server.next_request()
        with self.assertRaisesRegex(RuntimeError, "busy"):
            connection.request("GET", "/")
        connection.close()
        self.assertIsInstance(asked.exception(PATIENCE), ConnectionClosed)
