"""Our own listening socket: a WSGI server on named threads, made for long polls."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lambda_sim.closing import each
from lambda_sim.errors import StartError, WaitTimeout
from lambda_sim.sync import Deadline, Monitor, Worker
from lambda_sim.wire.answers import DateLine
from lambda_sim.wire.connection import Connection, HangUp, NotForAttendants, Unanswered
from lambda_sim.wire.hangups import open_watch
from lambda_sim.wire.pages import is_loopback

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

__all__ = ["Connection", "HangUp", "NotForAttendants", "Unanswered", "WireServer"]

_LOG = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
FINISH_SECONDS = 0.25
"""How long an answer that is being written when the server closes may take."""
BREATH = 0.1
"""Seconds without accepting when the machine has no more sockets or threads to give."""
CLOSING = "the server is closing"


class WireServer:
    """Serves one WSGI application on one port: a thread that accepts, and one for each connection.

    Started once and closed once, by any thread; closing again is fine. ``on_hangup`` is called by
    the accepting thread, with no lock held, for connections whose peer closed, also idle ones;
    it must not block, and may be called again of one that ``was_reset``. A callback that comes
    before a handler parks is not lost if the handler looks at ``connection.is_gone`` before it
    waits.
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
        is_eager: bool = False,
    ) -> None:
        """
        :param name: what the threads are called by.
        :param port: 0 for any that is free.
        :param request_timeout: seconds for a request's head to come whole, for each pause within
            its body, and for a client that does not take its answer. Parked applications and
            idle connections may take for ever.
        :param is_eager: whether requests mostly follow each other closely, so that it pays to look
            for the next a moment longer before sleeping.
        """
        self._app = app
        self._date_line = DateLine()
        self._environ: dict[str, Any] = {}  # what every request's has in common
        self._is_private = False  # bound to loopback, where strange pages have no business
        self._name = name
        self._host = host
        self._port = port
        self._on_hangup = on_hangup
        self._request_timeout = request_timeout
        self._backlog = backlog
        self._is_eager = is_eager
        self._numbers = count(1)
        self._address: tuple[str, int] | None = None
        self._monitor = Monitor()
        # Guarded by _monitor, all of it:
        self._is_started = False
        self._is_closing = False
        self._open: dict[int, tuple[Connection, Worker]] = {}  # by file descriptor
        self._are_taken = False  # the connections' sockets, by close(); else each thread's own
        self._taken: dict[int, tuple[Connection, Worker]] = {}
        self._last_to_leave: Worker | None = None
        self._acceptor = Worker(self._name, self._run)
        self._undo = ExitStack()
        self._closers = Monitor()
        # Guarded by _closers, held for the whole of it:
        self._is_closed = False

    def start(self) -> Self:
        """Listen, then accept.

        :raises StartError: can't listen there (``errno`` says why), or started before.
        """
        with self._monitor:
            if self._is_started or self._is_closing:
                raise StartError(f"the server {self._name} was started or closed before")
            self._is_started = True
        try:
            self._listen()
        except (OSError, ValueError, RuntimeError) as error:
            self._undo.close()
            raise self._start_error(error) from error
        except BaseException:
            self.close()
            raise
        return self

    def _listen(self) -> None:
        self._listener = self._undo.enter_context(_listen(self._host, self._port, self._backlog))
        self._watch = open_watch(self._listener)
        self._undo.callback(self._watch.close)
        host, port = self._listener.getsockname()[:2]
        self._environ = _environ(host, port)
        self._is_private = is_loopback(host)
        self._acceptor.start()
        self._address = (host, port)

    def close(self) -> None:
        """Hang up on everyone and join all threads: milliseconds, at most a few seconds.

        From any thread once ``start`` returned. Handlers that are parked in the application
        should have been released before.
        """
        with (monitor := self._monitor):
            self._is_closing = True
            monitor.changed(CLOSING)
        if not self._closers.acquire(timeout=0 if self._is_own_thread() else 2 * CLOSE_SECONDS):
            return  # somebody else closes, and waits for our thread if it is one of these
        try:
            if not self._is_closed:
                self._shut()
        finally:
            self._closers.release()

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
        """All steps to the end, each also if Ctrl-C cuts another short; then the next close takes
        all of them again."""
        deadline = Deadline.after(CLOSE_SECONDS)
        each(
            partial(self._end_acceptor, deadline),
            partial(self._end_acceptor, deadline),  # if that was cut short
            partial(self._end_connections, deadline),
            self._undo.close,
        )
        self._is_closed = True

    def _end_acceptor(self, deadline: Deadline) -> None:
        if self._acceptor.is_alive:
            self._watch.wake()
        self._acceptor.join(deadline.remaining())

    def _end_connections(self, deadline: Deadline) -> None:
        with self._monitor:
            # From here on the sockets are closed below: a thread that closed its own could
            # have its number reused, and the wrong connection would be shut down.
            self._are_taken = True
            self._taken |= self._open  # to those of a close that was cut short
            taken = list(self._taken.values())
            workers = [self._acceptor, *(worker for _, worker in taken)]
            if self._last_to_leave is not None:
                workers.append(self._last_to_leave)
        # Nothing is closed before all is shut down, also where Ctrl-C cuts in: a thread that reads
        # from what was only closed reads on, and who is at the other end hears of nothing.
        _finish(taken, workers, deadline)
        for connection, _ in taken:
            connection.shut_down()
        self._await_ends(workers, deadline)
        for connection, _ in taken:
            connection.socket.close()

    def _await_ends(self, workers: list[Worker], deadline: Deadline) -> None:
        for worker in workers:
            if not worker.join(deadline.remaining()) and not worker.is_current:
                _LOG.warning("the server %s closed, but a handler is still busy", self._name)
        if self._acceptor.failure is not None:
            _LOG.error("%s stopped accepting", self._name, exc_info=self._acceptor.failure)

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
                with self._monitor:
                    found = self._open.get(fd)
                if found is not None:
                    self._tell_hangup(found[0])
            with self._monitor:
                if self._is_closing:
                    return
            if is_calling:
                self._accept()

    def _tell_hangup(self, connection: Connection) -> None:
        """By the watch, while its thread is busy, or by its own thread: whoever notices first, and
        again if what was sent at that moment came too late. Looked at before others know that it is
        gone, as its thread closes it then, which would show nothing any more."""
        if not connection.was_reset and connection.has_left_unread():
            connection.was_reset = True
        elif connection.is_gone:
            return
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
                is_eager=self._is_eager,
                refuses_strangers=self._is_private,
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
            self._tell_hangup(connection)
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
        with (monitor := self._monitor), suppress(WaitTimeout):
            monitor.wait_until(
                CLOSING, lambda: self._is_closing or None, Deadline.after(BREATH), what=CLOSING
            )


def _finish(
    taken: list[tuple[Connection, Worker]], workers: list[Worker], deadline: Deadline
) -> None:
    """Let answers that are being written come to their end."""
    for connection, _ in taken:
        connection.take_no_more()
    finishing = Deadline.after(FINISH_SECONDS).earlier_of(deadline)
    for worker in workers:
        worker.join(finishing.remaining())


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
