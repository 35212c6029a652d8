"""How the server starts, notices that peers hang up, and closes: threads, sockets, nothing left."""

from __future__ import annotations

import errno
import os
import queue
import socket
import threading
import unittest
from collections.abc import Callable, Iterable
from typing import Any
from unittest import mock

from lambda_sim.errors import StartError
from lambda_sim.process import tree
from lambda_sim.sync import Deadline, Worker
from lambda_sim.wire import hangups
from lambda_sim.wire import server as server_module
from lambda_sim.wire.connection import KNOWS_STATES
from lambda_sim.wire.server import Connection, WireServer
from tests.wire.test_server_support import (
    PATIENCE,
    Client,
    Recorder,
    ServerTestCase,
    count_of_files,
    echo,
    hello,
    names_of_threads,
)


class ParkingLot:
    """An application whose handlers wait until they are released."""

    def __init__(self) -> None:
        self.parked: queue.Queue[Connection] = queue.Queue()
        self.released = threading.Event()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        self.parked.put(environ["lambda_sim.connection"])
        if not self.released.wait(PATIENCE):
            raise TimeoutError
        start("200 OK", [])
        return [b"released"]


class StartTest(ServerTestCase):
    def test_any_free_port_is_taken_unless_one_is_asked_for(self) -> None:
        server = self.serve(hello)
        self.assertEqual(server.address, ("127.0.0.1", server.port))
        self.assertGreater(server.port, 0)

    def test_a_port_can_be_asked_for_again_right_after_it_was_closed(self) -> None:
        server = self.serve(hello)
        self.connect(server).get("/", "Connection: close")
        server.close()
        again = self.serve(hello, port=server.port)
        self.assertEqual(self.connect(again).get().body, b"hello")

    def test_the_address_is_still_known_after_closing(self) -> None:
        server = self.serve(hello)
        server.close()
        self.assertGreater(server.port, 0)

    def test_before_it_started_there_is_no_address(self) -> None:
        with self.assertRaises(StartError):
            _ = WireServer(hello, name="idle").port

    def test_a_taken_port_is_a_start_error(self) -> None:
        port = self.serve(hello).port
        with self.assertRaisesRegex(StartError, f"127.0.0.1:{port}") as caught:
            WireServer(hello, name="second", port=port).start()
        self.assertEqual(caught.exception.errno, errno.EADDRINUSE)

    def test_hosts_and_ports_that_do_not_exist_are_start_errors(self) -> None:
        for options in (
            {"host": "192.0.2.1"},
            {"host": "no.such.host.invalid"},
            {"host": "x" * 300},
            {"host": "a\0b"},
            {"port": 70_000},
            {"port": -1},
        ):
            with self.subTest(options), self.assertRaises(StartError) as caught:
                WireServer(hello, name="nowhere", **options).start()
            self.assertIsNotNone(caught.exception.errno)

    @unittest.skipIf(os.name != "posix" or os.geteuid() == 0, "root may take any port")
    def test_a_forbidden_port_is_a_start_error(self) -> None:
        with self.assertRaises(StartError) as caught:
            WireServer(hello, name="forbidden", port=1).start()
        self.assertEqual(caught.exception.errno, errno.EACCES)

    def test_a_failed_start_leaves_nothing_behind(self) -> None:
        port = self.serve(hello).port
        files, threads = count_of_files(), names_of_threads()
        errors = (OSError(errno.EMFILE, ""), RuntimeError("no more threads"), KeyboardInterrupt())
        for patched in ("HangUp", "Worker.start", "open_watch"):
            for error in errors[: 1 if patched == "HangUp" else None]:
                server = WireServer(hello, name="failing", port=port * (patched == "HangUp"))
                with (
                    self.subTest(patched, error=error),
                    mock.patch(f"{server_module.__name__}.{patched}", side_effect=error),
                    self.assertRaises((StartError, KeyboardInterrupt)),
                ):
                    server.start()
                server.close()
                self.assertEqual((count_of_files(), names_of_threads()), (files, threads))

    def test_it_starts_only_once(self) -> None:
        server = self.serve(hello)
        for _ in range(2):
            with self.assertRaises(StartError):
                server.start()
            server.close()

    def test_names_of_hosts_are_looked_up(self) -> None:
        server = self.serve(hello, host="localhost")
        self.assertEqual(self.connect(server).get().body, b"hello")

    @unittest.skipUnless(socket.has_ipv6, "needs IPv6")
    def test_ipv6_hosts_work(self) -> None:
        app = Recorder()
        try:
            server = self.serve(app, host="::1")
        except StartError as error:
            self.skipTest(str(error))
        self.assertEqual(self.connect(server).get().status, 200)
        self.assertEqual(app.environs[0]["SERVER_NAME"], "::1")
        self.assertEqual(app.environs[0]["REMOTE_ADDR"], "::1")

    def test_an_idle_server_has_one_thread(self) -> None:
        self.serve(hello, name="idle")
        self.assertEqual(names_of_threads(), ["lambda-sim:idle"])

    def test_each_open_connection_has_a_thread_of_its_own(self) -> None:
        server = self.serve(hello, name="api")
        for _ in range(2):
            self.connect(server).get()
        self.assertEqual(
            sorted(names_of_threads()),
            ["lambda-sim:api", "lambda-sim:api-connection-1", "lambda-sim:api-connection-2"],
        )


class HangUpTest(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.app = ParkingLot()
        self.hung_up: queue.Queue[Connection] = queue.Queue()
        self.addCleanup(self.app.released.set)

    def park(self, server: WireServer) -> tuple[Client, Connection]:
        client = self.connect(server)
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        return client, self.app.parked.get(timeout=PATIENCE)

    def test_a_peer_that_closes_while_its_handler_is_parked_is_noticed(self) -> None:
        client, connection = self.park(self.serve(self.app, on_hangup=self.hung_up.put))
        self.assertFalse(connection.is_gone)
        client.close()
        self.assertIs(self.hung_up.get(timeout=PATIENCE), connection)
        self.assertTrue(connection.is_gone)
        self.assertFalse(connection.is_connected())
        self.app.released.set()

    def test_a_peer_that_resets_is_noticed(self) -> None:
        client, connection = self.park(self.serve(self.app, on_hangup=self.hung_up.put))
        client.reset()
        self.assertIs(self.hung_up.get(timeout=PATIENCE), connection)
        self.app.released.set()

    @unittest.skipUnless(KNOWS_STATES, "the system does not tell")
    def test_who_leaves_something_unread_is_known_from_who_ends_well(self) -> None:
        self.app.released.set()
        server = self.serve(self.app, on_hangup=self.hung_up.put)

        def refused(client: Client) -> None:
            self.assertEqual(client.ask(b"nonsense\r\n\r\n").status, 400)
            self.assertTrue(client.is_closed())
            client.close()

        for end, was_reset in ((Client.close, False), (refused, False), (Client.reset, True)):
            client, _ = self.park(server)
            client.reply()
            end(client)
            self.assertIs(self.hung_up.get(timeout=PATIENCE).was_reset, was_reset, end)

    @unittest.skipUnless(KNOWS_STATES, "the system does not tell")
    def test_what_is_sent_to_who_has_just_closed_is_told_as_unread(self) -> None:
        parked = self.app.parked
        deadline = Deadline.after(PATIENCE)

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
            parked.put(connection := environ["lambda_sim.connection"])
            self.app.released.wait(PATIENCE)
            start("200 OK", [])(b"too late")
            while not connection.has_left_unread() and deadline.remaining():
                pass
            return []

        client, connection = self.park(self.serve(app, on_hangup=self.hung_up.put))
        client.close()
        self.assertIs(self.hung_up.get(timeout=PATIENCE), connection)
        self.assertFalse(connection.was_reset)
        self.app.released.set()
        self.assertIs(self.hung_up.get(timeout=PATIENCE), connection)
        self.assertTrue(connection.was_reset)

    def test_the_one_that_hung_up_is_named_among_many(self) -> None:
        server = self.serve(self.app, on_hangup=self.hung_up.put)
        parked = [self.park(server) for _ in range(20)]
        for client, connection in parked[::3]:
            client.close()
            self.assertIs(self.hung_up.get(timeout=PATIENCE), connection)
        self.app.released.set()
        for index, (client, connection) in enumerate(parked):
            if index % 3:
                self.assertFalse(connection.is_gone)
                self.assertEqual(client.reply().body, b"released")

    def test_the_callback_may_use_the_server_and_fail(self) -> None:
        told: queue.Queue[None] = queue.Queue()

        def fail(connection: Connection) -> None:
            told.put(None)
            raise ValueError("the callback's")

        with self.assertLogs("lambda_sim.wire.server", "ERROR"):
            server = self.serve(self.app, on_hangup=fail)
            self.park(server)[0].close()
            told.get(timeout=PATIENCE)
            self.park(server)[0].close()
            told.get(timeout=PATIENCE)
            self.app.released.set()
            server.close()

    def test_requests_are_no_hang_ups(self) -> None:
        self.app.released.set()
        client = self.connect(self.serve(self.app, on_hangup=self.hung_up.put))
        for _ in range(50):
            client.get()
        self.assertTrue(self.hung_up.empty())

    def test_asking_sees_a_peer_that_is_there(self) -> None:
        client, connection = self.park(self.serve(self.app))
        self.assertTrue(connection.is_connected())
        client.send(b"GET / HTTP/1.1\r\n\r\n")  # pipelined, and not to be eaten by the look
        self.assertTrue(connection.is_connected())
        self.app.released.set()
        self.assertEqual([client.reply().status for _ in range(2)], [200, 200])

    def test_without_epoll_asking_sees_a_peer_that_is_not(self) -> None:
        with mock.patch.object(server_module, "open_watch", hangups.SelectorWatch):
            server = self.serve(self.app, on_hangup=self.hung_up.put)
        client, connection = self.park(server)
        self.assertTrue(connection.is_connected())
        client.close()
        deadline = threading.Event()
        while connection.is_connected():
            self.assertFalse(deadline.wait(0.001))
        self.assertFalse(connection.is_gone)
        self.app.released.set()

    def test_without_epoll_it_serves_and_closes_all_the_same(self) -> None:
        with mock.patch.object(server_module, "open_watch", hangups.SelectorWatch):
            server = self.serve(echo)
        for _ in range(3):
            with Client(server.address) as client:
                self.assertEqual(client.post(b"one").body, b"one")

    def test_numbers_of_closed_sockets_are_never_mistaken_for_their_next_owners(self) -> None:
        """Clients come and go quickly, so numbers are reused; those that stay must not be gone."""
        mistaken: queue.Queue[str] = queue.Queue()

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            connection = environ["lambda_sim.connection"]
            if connection.is_gone:
                mistaken.put("a peer that waits for its answer is gone")
            start("200 OK", [])
            return [str(connection.peer[1]).encode()]

        def told(connection: Connection) -> None:
            if connection.peer in staying:
                mistaken.put("a peer that stays was told to have hung up")

        staying: set[Any] = set()
        server = self.serve(app, on_hangup=told)

        def come_and_go(number: int) -> None:
            for turn in range(60):
                with Client(server.address) as client:
                    own = client.socket.getsockname()
                    staying.add(own)
                    if client.get().body != str(own[1]).encode():
                        mistaken.put("an answer went to somebody else")
                    staying.discard(own)
                    if (turn + number) % 3 == 0:
                        client.reset()

        for done in [self.threads.submit(come_and_go, number) for number in range(16)]:
            done.result(PATIENCE)
        self.assertEqual(list(mistaken.queue), [])


class CloseTest(ServerTestCase):
    def join_threads(self) -> None:
        for thread in threading.enumerate():
            if thread.name.startswith("lambda-sim:"):
                thread.join(PATIENCE)

    def test_closing_twice_is_fine(self) -> None:
        server = self.serve(hello)
        server.close()
        server.close()

    def test_closing_what_never_started_is_fine(self) -> None:
        server = WireServer(hello, name="idle")
        server.close()
        server.close()

    def test_threads_may_close_it_all_at_once(self) -> None:
        server = self.serve(hello)
        clients = [self.connect(server) for _ in range(10)]
        for client in clients:
            client.get()
        for closing in [self.threads.submit(server.close) for _ in range(16)]:
            closing.result(PATIENCE)
            self.assertEqual(names_of_threads(), [])

    def test_nobody_is_accepted_any_more(self) -> None:
        server = self.serve(hello)
        server.close()
        with self.assertRaises(ConnectionError):
            Client(server.address)

    def test_idle_connections_are_closed(self) -> None:
        server = self.serve(hello)
        clients = [self.connect(server) for _ in range(10)]
        for client in clients:
            client.get()
        server.close()
        for client in clients:
            self.assertTrue(client.is_closed())
        self.assertEqual(names_of_threads(), [])

    def test_fifty_handlers_parked_sending_and_receiving_are_ended(self) -> None:
        parking = ParkingLot()
        busy = threading.Semaphore(0)

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            if environ["PATH_INFO"] == "/park":
                return parking(environ, start)
            busy.release()
            if environ["PATH_INFO"] == "/receive":
                return echo(environ, start)
            start("200 OK", [])
            return [bytes(50_000_000)]  # more than the sockets hold, and nobody takes it

        server = self.serve(app, request_timeout=PATIENCE)
        paths = [b"/park"] * 20 + [b"/receive"] * 20 + [b"/send"] * 10
        for path in paths:
            self.connect(server).send(b"POST %s HTTP/1.1\r\nContent-Length: 9\r\n\r\nx" % path)
        for _ in range(20):
            parking.parked.get(timeout=PATIENCE)
        for _ in range(30):
            self.assertTrue(busy.acquire(timeout=PATIENCE))
        parking.released.set()
        files_with_clients = count_of_files()
        server.close()
        self.assertEqual(names_of_threads(), [])
        # 50 connections, the listener, epoll and its bell.
        self.assertEqual(count_of_files(), files_with_clients - 53)

    def test_a_handler_that_never_returns_does_not_hold_it_for_ever(self) -> None:
        parking = ParkingLot()
        server = self.serve(parking)
        self.connect(server).send(b"GET / HTTP/1.1\r\n\r\n")
        parking.parked.get(timeout=PATIENCE)
        with (
            mock.patch.object(server_module, "CLOSE_SECONDS", 0.05),
            self.assertLogs("lambda_sim.wire.server", "WARNING"),
        ):
            server.close()
        parking.released.set()
        self.join_threads()

    def test_ctrl_c_during_any_wait_of_it_leaves_no_socket_and_no_thread(self) -> None:
        for turn in range(5):  # the acceptor, it and a handler, and both again
            with self.subTest(turn=turn):
                files = count_of_files()
                server = WireServer(hello, name="interrupted").start()
                with Client(server.address) as client:
                    client.get()
                    self.interrupt_wait(turn, server.close)
                    server.close()
                    self.assertTrue(client.is_closed())
                self.join_threads()
                self.assertEqual((count_of_files(), names_of_threads()), (files, []))
                self.serve(hello, port=server.port).close()

    def interrupt_wait(self, turn: int, close: Callable[[], None]) -> None:
        join = Worker.join
        waits = iter(range(100))

        def join_or_not(worker: Worker, seconds: float | None = None) -> bool:
            if threading.current_thread() is threading.main_thread() and next(waits) == turn:
                raise KeyboardInterrupt
            return join(worker, seconds)

        with mock.patch.object(Worker, "join", join_or_not), self.assertRaises(KeyboardInterrupt):
            close()

    def test_an_application_may_close_its_own_server(self) -> None:
        closed: queue.Queue[None] = queue.Queue()

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            server.close()
            closed.put(None)
            start("200 OK", [])
            return []

        server = self.serve(app)
        self.connect(server).send(b"GET / HTTP/1.1\r\n\r\n")
        closed.get(timeout=PATIENCE)
        self.join_threads()

    def test_a_hang_up_callback_may_close_the_server(self) -> None:
        told: queue.Queue[None] = queue.Queue()
        parking = ParkingLot()

        def close(connection: Connection) -> None:
            parking.released.set()
            server.close()
            told.put(None)

        server = self.serve(parking, on_hangup=close)
        client = self.connect(server)
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        parking.parked.get(timeout=PATIENCE)
        client.close()
        told.get(timeout=PATIENCE)
        self.join_threads()


class LeftoversTest(ServerTestCase):
    def test_a_connection_that_gets_no_thread_is_closed_and_the_next_one_served(self) -> None:
        server = self.serve(hello)
        with (
            mock.patch.object(server_module, "BREATH", 0.01),
            mock.patch.object(server_module.Worker, "start", side_effect=RuntimeError("no more")),
            self.assertLogs("lambda_sim.wire.server", "WARNING"),
        ):
            self.assertTrue(self.connect(server).is_closed())
        self.assertEqual(self.connect(server).get().body, b"hello")

    def test_two_thousand_connections_leave_no_thread_and_no_file(self) -> None:
        server = self.serve(hello)
        with Client(server.address) as client:
            client.get()
        files = count_of_files()
        for _ in range(2000):
            with Client(server.address) as client:
                client.get("/", "Connection: close")
                self.assertTrue(client.is_closed())
        # The last ones may be on their way out.
        tree.asked_until(lambda: len(names_of_threads()) < 3, PATIENCE)
        self.assertLess(count_of_files(), files + 5)
        self.assertLess(len(names_of_threads()), 3)
        server.close()
        self.assertLess(count_of_files(), files)

    def test_a_server_without_descriptors_goes_on_when_there_are_some_again(self) -> None:
        server = self.serve(hello)
        accept = server._listener.accept
        refused: queue.Queue[OSError] = queue.Queue()
        for _ in range(2):
            refused.put(OSError(errno.EMFILE, "Too many open files"))

        def accept_later() -> tuple[socket.socket, Any]:
            if refused.empty():
                return accept()
            raise refused.get()

        with (
            mock.patch.object(server_module, "BREATH", 0.01),
            mock.patch.object(server, "_listener", mock.Mock(accept=accept_later)),
            self.assertLogs("lambda_sim.wire.server", "WARNING") as logs,
        ):
            self.assertEqual(self.connect(server).get().body, b"hello")
        self.assertEqual(len(logs.output), 2)
