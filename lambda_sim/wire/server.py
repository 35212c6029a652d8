"""Our own listening socket: a WSGI server on named threads, made for long polls."""

from __future__ import annotations

import errno
import logging
import os
import select
import selectors
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from lambda_sim.errors import LambdaSimError, StartError, WaitTimeout
from lambda_sim.sync import Deadline, Monitor, Worker
from lambda_sim.wire.http import (
    Answer,
    BodyError,
    DateLine,
    Headers,
    Incoming,
    RequestBody,
    RequestRefused,
    SendFailed,
    parse_headers,
    parse_request_line,
    timeout_option,
)

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

__all__ = ["Connection", "HangUp", "WireServer"]

_LOG = logging.getLogger(__name__)

JOINED = 16 * 1024
"""Answers up to so many bytes are copied behind their head: cheaper than a gathering send."""
LINGERED = 64 * 1024 * 1024
LINGER_SECONDS = 2.0
REMEMBERED = 8
"""Header blocks of one connection that need no second parsing, unless they are longer than"""
REMEMBERED_BYTES = 2048
CLOSE_SECONDS = 5.0
BREATH = 0.1
"""Seconds without accepting when the machine has no more sockets or threads to give."""

CLOSING = "the server is closing"
CLOSED = "the server closed"

INTERNAL_ERROR = b'{"errorMessage":"Internal Server Error","errorType":"InternalServerError"}\n'


class HangUp(LambdaSimError):
    """Raised by an application to close the connection with nothing sent."""


class Connection:
    """One client's socket, and the thread that answers it.

    In the environ as ``lambda_sim.connection``. Any thread may ask whether the peer is there.
    """

    def __init__(
        self,
        sock: socket.socket,
        peer: Any,
        *,
        app: WSGIApplication,
        environ: dict[str, Any],
        date_line: DateLine,
        request_timeout: float,
    ) -> None:
        self.is_gone = False
        """Whether the peer was seen to hang up. Set before ``on_hangup`` is called.

        A peer that only closed its sending side counts, too, though it may still read an answer.
        """
        self.send_failed = False
        """Whether an answer could not be sent. Set before its iterable's close() is called."""
        self.peer = peer
        self.socket = sock
        self.fd = sock.fileno()
        self._app = app
        self._date_line = date_line
        self._request_timeout = request_timeout
        self._incoming = Incoming(sock)
        self._seen: dict[bytes, Headers] = {}
        self._environ = environ | {
            "REMOTE_ADDR": peer[0],
            "REMOTE_PORT": str(peer[1]),
            "lambda_sim.connection": self,
            "werkzeug.socket": sock,
        }
        self._no_body = RequestBody(self._incoming, parse_headers(b"", {}))
        self._lingers = False
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout_option(request_timeout))

    def is_connected(self) -> bool:
        """Look at the socket: False if the peer closed or reset it. Never blocks."""
        if self.is_gone:
            return False
        try:
            if hasattr(socket, "MSG_DONTWAIT"):
                return self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
            if not select.select([self.socket], [], [], 0)[0]:
                return True
            return self.socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except (OSError, ValueError):
            return False

    def send(self, head: bytes, data: bytes, tail: bytes) -> None:
        """Send it all, or note that it failed and raise."""
        try:
            if len(data) <= JOINED:
                self.socket.sendall(head + data + tail if tail else head + data)
            elif hasattr(self.socket, "sendmsg"):
                sent = self.socket.sendmsg((head, data, tail))
                for part in (head, data, tail):
                    if sent < len(part):
                        self.socket.sendall(memoryview(part)[sent:])
                    sent = max(0, sent - len(part))
            else:
                self.socket.sendall(b"".join((head, data, tail)))
        except OSError as error:
            self.send_failed = True
            raise SendFailed from error

    def serve(self) -> None:
        """Answer requests until one side has had enough. The socket stays open for its owner."""
        try:
            while self._exchange():
                pass
            if self._lingers:
                self._linger()
        except (OSError, SendFailed) as error:
            _LOG.debug("%s: the connection broke: %s", self.peer, error)
        finally:
            # The environs hold the connection, which holds them.
            self._seen.clear()
            self._environ = {}

    def shut_down(self) -> None:
        """End whatever the connection's thread does with the socket. From any thread."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _exchange(self) -> bool:
        """One request and its answer; whether another may follow."""
        try:
            head = self._incoming.head(self._request_timeout)
            if not head:
                return False
            first, _, block = head.partition(b"\r\n")
            line = parse_request_line(first)
            headers = self._seen.get(block) or self._understand(block)
            if line["SERVER_PROTOCOL"] == "HTTP/1.1":
                keeps_alive = not headers.wants_close
            else:
                keeps_alive = headers.wants_keep_alive and not headers.wants_close
                headers = headers.for_1_0()
        except RequestRefused as error:
            return self._refuse(error.status, str(error))
        environ = headers.environ | line
        body = self._no_body
        if headers.has_body:
            body = RequestBody(self._incoming, headers, timeout=self._request_timeout)
        environ["wsgi.input"] = body
        answer = Answer(environ, body, keeps_alive, self.send, self._date_line)
        is_sent = self._answer(answer, environ)
        if is_sent and answer.keeps_alive and (body.is_over or body.drain()):
            return True
        # Closing with something unread would reset the connection, and the answer with it.
        self._lingers = answer.is_complete and (keeps_alive or not body.is_over)
        return False

    def _understand(self, block: bytes) -> Headers:
        headers = parse_headers(block, self._environ)
        if len(block) <= REMEMBERED_BYTES:
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            self._seen[block] = headers
        return headers

    def _answer(self, answer: Answer, environ: dict[str, Any]) -> bool:
        """Run the application; whether its answer went out whole."""
        try:
            answer.run(self._app)
            return True
        except (HangUp, SendFailed):
            pass
        except BodyError as error:
            if not answer.is_begun:
                with suppress(SendFailed):
                    answer.send_instead(error.status, "text/plain", f"{error}\n".encode())
        except BaseException:  # whatever it is, the client gets an answer
            _LOG.exception("%s %s failed", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            if not answer.is_begun:
                with suppress(SendFailed):
                    answer.send_instead(
                        "500 Internal Server Error", "application/json", INTERNAL_ERROR
                    )
        if answer.is_begun and not answer.is_complete:
            # Only a reset tells a client that an answer without a length is not whole.
            with suppress(OSError):
                self.socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0)
                )
        return False

    def _refuse(self, status: str, why: str) -> bool:
        text = f"{why}\n".encode("latin-1")
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n"
            f"{self._date_line()}Connection: close\r\n\r\n"
        )
        self.send(head.encode("latin-1"), text, b"")
        self._lingers = True
        return False

    def _linger(self) -> None:
        """Close our half and read on for a while, so that the peer sees the answer, not a reset."""
        self.socket.shutdown(socket.SHUT_WR)
        deadline = Deadline.after(LINGER_SECONDS)
        unread = LINGERED
        buffer = bytearray(256 * 1024)
        while unread > 0 and (left := deadline.remaining()):
            self._incoming.wait_at_most(left)
            got = self.socket.recv_into(buffer)
            if not got:
                return
            unread -= got


class _Watch(Protocol):
    """What the accepting thread sleeps on."""

    def add(self, fd: int) -> None: ...
    def forget(self, fd: int) -> None: ...
    def wait(self) -> tuple[list[int], bool]:
        """Sleep; the connections whose peer hung up, and whether a client is calling."""

    def wake(self) -> None: ...
    def close(self) -> None: ...


class _EpollWatch:
    """Linux: hang-ups are told once each, and cost nothing while requests come and go."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener.fileno()
        self._epoll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._listener, select.EPOLLIN)
        self._epoll.register(self._bell, select.EPOLLIN)

    def add(self, fd: int) -> None:
        self._epoll.register(fd, select.EPOLLRDHUP | select.EPOLLET)

    def forget(self, fd: int) -> None:
        with suppress(OSError, ValueError):
            self._epoll.unregister(fd)

    def wait(self) -> tuple[list[int], bool]:
        ready = [fd for fd, _ in self._epoll.poll()]
        others = (self._listener, self._bell)
        return [fd for fd in ready if fd not in others], self._listener in ready

    def wake(self) -> None:
        os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        self._epoll.close()
        os.close(self._bell)


class _SelectorWatch:
    """Elsewhere: nobody is told of hang-ups."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._bell, self._button = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)

    def add(self, fd: int) -> None: ...
    def forget(self, fd: int) -> None: ...

    def wait(self) -> tuple[list[int], bool]:
        return [], any(key.fileobj is self._listener for key, _ in self._selector.select())

    def wake(self) -> None:
        self._button.send(b"!")

    def close(self) -> None:
        self._selector.close()
        self._bell.close()
        self._button.close()


def _open_watch(listener: socket.socket) -> _Watch:
    return _EpollWatch(listener) if hasattr(select, "epoll") else _SelectorWatch(listener)


class WireServer:
    """Serves one WSGI application on one port: a thread that accepts, and one for each connection.

    Started once and closed once, by any thread; closing again is fine. ``on_hangup`` is called by
    the accepting thread, with no lock held, for connections whose peer closed, also idle ones;
    it must not block. A callback that comes before a handler parks is not lost if the handler
    looks at ``connection.is_gone`` before it waits.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        name: str,
        host: str = "127.0.0.1",
        port: int = 0,
        on_hangup: Callable[[Connection], None] | None = None,
        request_timeout: float = 10.0,
        backlog: int = 1024,
    ) -> None:
        """
        :param name: what the threads are called by.
        :param port: 0 for any that is free.
        :param request_timeout: seconds for a request's head to come whole, for each pause within
            its body, and for a client that does not take its answer. Parked applications and
            idle connections may take for ever.
        """
        self._app = app
        self._date_line = DateLine()
        self._environ: dict[str, Any] = {}  # what every request's has in common
        self._name = name
        self._host = host
        self._port = port
        self._on_hangup = on_hangup
        self._request_timeout = request_timeout
        self._backlog = backlog
        self._numbers = count(1)
        self._address: tuple[str, int] | None = None
        self._monitor = Monitor()
        # Guarded by _monitor, all of it:
        self._is_started = False
        self._is_closing = False
        self._is_closed = False
        self._are_taken = False  # the connections' sockets, by close(); else each thread's own
        self._open: dict[int, tuple[Connection, Worker]] = {}  # by file descriptor
        self._last_to_leave: Worker | None = None
        self._undo = ExitStack()

    def start(self) -> Self:
        """Listen, then accept.

        :raises StartError: can't listen there (``errno`` says why), or started before.
        """
        with self._monitor:
            if self._is_started or self._is_closing:
                raise StartError(f"the server {self._name} was started or closed before")
            self._is_started = True
        with ExitStack() as undo:
            try:
                self._listener = undo.enter_context(_listen(self._host, self._port, self._backlog))
                self._watch = _open_watch(self._listener)
                undo.callback(self._watch.close)
                host, port = self._listener.getsockname()[:2]
                self._environ = _environ(host, port)
                self._acceptor = Worker(self._name, self._run).start()
            except (OSError, ValueError, RuntimeError) as error:
                raise self._start_error(error) from error
            self._address = (host, port)
            self._undo = undo.pop_all()
        return self

    def close(self) -> None:
        """Hang up on everyone and join all threads: milliseconds, at most a few seconds.

        From any thread once ``start`` returned. Handlers that are parked in the application
        should have been released before.
        """
        with self._monitor as monitor:
            is_first = not self._is_closing
            self._is_closing = True
            monitor.changed(CLOSING)
        if is_first:
            if self._address is not None:
                self._shut()
            with self._monitor as monitor:
                self._is_closed = True
                monitor.changed(CLOSED)
        elif self._address is not None and not self._is_own_thread():
            with self._monitor as monitor, suppress(WaitTimeout):
                monitor.wait_until(
                    CLOSED,
                    lambda: self._is_closed or None,
                    Deadline.after(2 * CLOSE_SECONDS),
                    what=CLOSED,
                )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, or did: the numeric host and the port.

        :raises StartError: it never started.
        """
        if self._address is None:
            raise StartError(f"the server {self._name} has not started, so it has no address")
        return self._address

    @property
    def port(self) -> int:
        """The port it listens on, also when any was asked for."""
        return self.address[1]

    def _start_error(self, error: Exception) -> StartError:
        where = f"can't listen on {self._host}:{self._port}"
        if isinstance(error, OSError):
            return StartError(error.errno, f"{where}: {error.strerror or error}")
        return StartError(errno.EINVAL, f"{where}: {error}")

    def _shut(self) -> None:
        deadline = Deadline.after(CLOSE_SECONDS)
        self._watch.wake()
        self._acceptor.join(deadline.remaining())
        with self._monitor:
            # From here on the sockets are closed below: a thread that closed its own could
            # have its number reused, and the wrong connection would be shut down.
            self._are_taken = True
            taken = list(self._open.values())
            workers = [self._acceptor, *(worker for _, worker in taken)]
            if self._last_to_leave is not None:
                workers.append(self._last_to_leave)
        for connection, _ in taken:
            connection.shut_down()
        for worker in workers:
            if not worker.join(deadline.remaining()) and not worker.is_current:
                _LOG.warning("the server %s closed, but a handler is still busy", self._name)
        if self._acceptor.failure is not None:
            _LOG.error("%s stopped accepting", self._name, exc_info=self._acceptor.failure)
        for connection, _ in taken:
            connection.socket.close()
        self._undo.close()

    def _is_own_thread(self) -> bool:
        with self._monitor:
            workers = [worker for _, worker in self._open.values()]
        return any(worker.is_current for worker in (self._acceptor, *workers))

    def _run(self) -> None:
        while True:
            hung_up, is_calling = self._watch.wait()
            # Hang-ups first: all of them are older than what is accepted next, which may get
            # the number of a socket that was closed since.
            for fd in hung_up:
                self._tell_hangup(fd)
            with self._monitor:
                if self._is_closing:
                    return
            if is_calling:
                self._accept()

    def _tell_hangup(self, fd: int) -> None:
        with self._monitor:
            found = self._open.get(fd)
        if found is None:
            return  # its thread noticed, too, and was quicker
        connection = found[0]
        connection.is_gone = True
        if self._on_hangup is not None:
            try:
                self._on_hangup(connection)
            except Exception:
                _LOG.exception("the hang-up callback of %s failed", self._name)

    def _accept(self) -> None:
        try:
            sock, peer = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # it went away again
        except OSError as error:
            _LOG.warning("%s can't accept a connection: %s", self._name, error)
            self._breathe()
            return
        try:
            connection = Connection(
                sock,
                peer,
                app=self._app,
                environ=self._environ,
                date_line=self._date_line,
                request_timeout=self._request_timeout,
            )
        except OSError:
            sock.close()
            return
        name = f"{self._name}-connection-{next(self._numbers)}"
        worker = Worker(name, lambda: self._serve(connection))
        with self._monitor:
            self._open[connection.fd] = (connection, worker)
        try:
            self._watch.add(connection.fd)
            worker.start()
        except (OSError, RuntimeError) as error:
            _LOG.warning("%s can't serve a connection: %s", self._name, error)
            self._leave(connection)
            self._breathe()

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            self._leave(connection)

    def _leave(self, connection: Connection) -> None:
        """Forget a connection. Each that leaves joins the one before, so only one is remembered."""
        with self._monitor:
            _, worker = self._open.pop(connection.fd)
            is_owner = not self._are_taken
            before, self._last_to_leave = self._last_to_leave, worker
        if is_owner:
            # Not watched any more before the number is free. Closing alone would not do: a child
            # that is just being forked holds the socket open, and its events would come under
            # the number's next owner.
            self._watch.forget(connection.fd)
            connection.socket.close()
        if before is not None:
            before.join()

    def _breathe(self) -> None:
        """Let some connections end before the next is accepted."""
        with self._monitor as monitor, suppress(WaitTimeout):
            monitor.wait_until(
                CLOSING, lambda: self._is_closing or None, Deadline.after(BREATH), what=CLOSING
            )


def _listen(host: str, port: int, backlog: int) -> socket.socket:
    """A listening socket on the first address of the host that can be bound, IPv4 preferred."""
    if not 0 <= port <= 65535:
        raise ValueError("ports go from 0 to 65535")
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    failure: OSError | None = None
    for family, kind, protocol, _, address in sorted(found, key=lambda f: f[0] != socket.AF_INET):
        with ExitStack() as undo:
            try:
                listener = undo.enter_context(socket.socket(family, kind, protocol))
                if os.name == "posix":
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.setblocking(False)
                listener.bind(address)
                listener.listen(backlog)
            except OSError as error:
                failure = failure or error
                continue
            undo.pop_all()
            return listener
    raise failure or OSError(errno.EADDRNOTAVAIL, "the host has no address")


def _environ(host: str, port: int) -> dict[str, Any]:
    return {
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_SOFTWARE": "lambda_sim",
        "SCRIPT_NAME": "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
