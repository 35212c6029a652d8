"""One client's connection: its requests answered one after another."""

from __future__ import annotations

import logging
import select
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from lambda_sim.errors import LambdaSimError
from lambda_sim.sync import Deadline, Eagerness, this_thread
from lambda_sim.wire.answers import Answer, DateLine, Lines, SendFailed
from lambda_sim.wire.bell import CAN_RING, Bell
from lambda_sim.wire.heads import Headers, parse_headers, parse_request_line
from lambda_sim.wire.incoming import (
    BLANK_LINE,
    RECEIVE,
    Incoming,
    RequestRefused,
    timeout_option,
)
from lambda_sim.wire.pages import refuse_strangers
from lambda_sim.wire.request_body import BodyError, RequestBody

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

__all__ = ["Connection", "HangUp"]

_LOG = logging.getLogger(__name__)

JOINED = 16 * 1024
"""Answers up to so many bytes are copied behind their head: cheaper than a gathering send."""
KNOWS_STATES = sys.platform == "linux"
"""Whether the system tells a connection's state, and by these numbers:"""
TCP_ESTABLISHED = 1
TCP_CLOSE = 7
"""It was reset; of one that was closed the state is another."""
LINGERED = 64 * 1024 * 1024
LINGER_SECONDS = 2.0
REMEMBERED = 8
"""Header blocks of one connection that need no second parsing, unless they are longer than"""
REMEMBERED_BYTES = 2048
INTERNAL_ERROR = b'{"errorMessage":"Internal Server Error","errorType":"InternalServerError"}\n'


class HangUp(LambdaSimError):
    """Raised by an application to close the connection with nothing sent."""


class Unanswered(LambdaSimError):
    """Raised by an application whose answer another thread sends, or sent."""


class NotForAttendants(LambdaSimError):
    """Raised by an application, with nothing done, for a request that the connection's own thread
    has to ask it again: see ``answer_next``."""


class Lent(Protocol):
    """What somebody borrowed a connection for."""

    is_sent: bool


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
        is_eager: bool = False,
        refuses_strangers: bool,
    ) -> None:
        self.is_gone = False
        """Whether the peer was seen to hang up. Set before ``on_hangup`` is called.

        A peer that only closed its sending side counts, too, though it may still read an answer.
        """
        self.was_reset = False
        """Whether it was seen to have left something unread. Set before ``on_hangup`` is called."""
        self.may_be_lent = False
        """Whether another thread can answer what is asked just now, and attend to what follows."""
        self.send_failed = False
        """Whether an answer could not be sent. Set before its iterable's close() is called."""
        self.peer = peer
        self.socket = sock
        self.fd = sock.fileno()
        self._app = app
        self._date_line = date_line
        self._request_timeout = request_timeout
        self._refuses_strangers = refuses_strangers
        self._incoming = Incoming(sock, Eagerness() if is_eager else None)
        self._seen: dict[bytes, Headers] = {}
        self._environ = environ | {
            "REMOTE_ADDR": peer[0],
            "REMOTE_PORT": str(peer[1]),
            "lambda_sim.connection": self,
            "werkzeug.socket": sock,
        }
        self._no_body = RequestBody(self._incoming, parse_headers(b"", {}))
        self._lingers = False
        self._thread = 0  # before its own thread runs
        self._is_finished = False
        """Whether nothing more is answered, though it was not the own thread who found out."""
        self._bell: Bell | None = None
        self.eagerness = (Eagerness(), Eagerness())
        """Of waits for what comes first, and for what comes then: an answer may take long, Next
        does not."""
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout_option(request_timeout))

    @property
    def is_attended(self) -> bool:
        """Whether who asks is another thread than its own, which sleeps."""
        return this_thread() != self._thread

    def is_connected(self) -> bool:
        """Look at the socket: False if the peer closed or reset it. Never blocks."""
        if self.is_gone:
            return False
        try:
            if KNOWS_STATES:
                return self._state() == TCP_ESTABLISHED
            if not select.select([self.socket], [], [], 0)[0]:
                return True
            return self.socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except (OSError, ValueError):
            return False

    def has_left_unread(self) -> bool:
        """Whether the peer closed before it had read all that was sent to it: that resets the
        connection, as breaking off an upload does. False where the system does not tell, and of
        one whose half we closed first: there, every end looks like that."""
        try:
            return KNOWS_STATES and not self._lingers and self._state() == TCP_CLOSE
        except OSError:
            return False

    def _state(self) -> int:
        return self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]

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
        self._thread = this_thread()
        try:
            while not self._is_finished and self._exchange():
                pass
            if self._lingers:
                self._linger()
        except (OSError, SendFailed) as error:
            _LOG.debug("%s: the connection broke: %s", self.peer, error)
        finally:
            # The environs hold the connection, which holds them.
            self._seen.clear()
            self._environ = {}
            if self._bell is not None:
                self._bell.close()

    def ring(self) -> None:
        """Have whoever attends to it look whether it is over. From any thread."""
        if self._bell is not None:
            self._bell.ring()

    def answer_lent(self, loan: Lent, status: str, lines: Lines, data: bytes) -> None:
        """Send the answer that this connection's own thread sleeps over. What does not go out whole
        is the last that it answers.

        :raises SendFailed: it did not go out.
        """
        head = lines.head(status, self._date_line())
        size = len(head) + len(data)
        sent: list[int] = []
        try:
            if not self.is_connected():
                raise SendFailed
            # Counted in C: wherever a signal cuts in, what went out is known.
            if len(data) <= JOINED:
                sent.extend(map(self.socket.send, (head + data,)))
            while (at := sum(sent)) < size:
                sent.extend(map(self.socket.sendmsg, (_behind((head, data), at),)))
        except (OSError, SendFailed) as error:
            loan.is_sent = self._is_finished = True
            raise SendFailed from error
        except BaseException:
            loan.is_sent = bool(sent)
            self._is_finished = 0 < sum(sent) < size
            raise
        loan.is_sent = True

    # --- In the own thread's stead: it sleeps in the application, in an answer that may be lent

    @property
    def bell(self) -> Bell:
        """Wakes who waits for this connection in its own thread's stead."""
        if self._bell is None:
            self._bell = Bell(self.socket)
        return self._bell

    def take_in(self) -> bool:
        """Receive what is there already; False if the peer hung up, which is the own thread's to
        find out, too."""
        try:
            return self._incoming.take_in()
        except OSError:
            return False

    def answer_next(self) -> bool | None:
        """Answer a request of which all has been taken in; False if none is there yet.

        :returns: None if the own thread has to go on, which the application lets it do by raising
            Unanswered: with a request that does not come whole, as the peer may take any time to
            send the rest; with one at which NotForAttendants was raised; or to the end.
        """
        is_whole = self._is_whole()
        if not is_whole:
            return is_whole
        incoming = self._incoming
        begin = incoming.data, incoming.at
        try:
            if self._exchange():
                return True
        except NotForAttendants:
            incoming.data, incoming.at = begin
            return None
        except (OSError, SendFailed) as error:
            _LOG.debug("%s: the connection broke: %s", self.peer, error)
        except BaseException:  # a signal's: the own thread begins again, unless it may not go on
            incoming.data, incoming.at = begin
            raise
        self._is_finished = True
        return None

    def _is_whole(self) -> bool | None:
        """Whether the next request was received from end to end. None for one that is not waited
        for: long, in chunks or to be asked for, it may take the peer any time to send."""
        incoming = self._incoming
        data, at = incoming.data, incoming.at
        if (end := data.find(BLANK_LINE, at)) < 0:
            return None if len(data) - at > RECEIVE else False
        if data.startswith(b"\r\n", at):
            return None
        block = data[data.find(b"\r\n", at, end + 2) + 2 : end]
        try:
            headers = self._seen.get(block) or self._understand(block)
        except RequestRefused:
            return True
        if headers.is_chunked or headers.expects_continue or headers.length > RECEIVE:
            return None
        return len(data) - end - len(BLANK_LINE) >= headers.length

    def take_no_more(self) -> None:
        """End after the answer that is under way. From any thread."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RD)

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
        # A body that nobody reads is in the way of what comes next until its answer is sent.
        is_simple = keeps_alive and line["SERVER_PROTOCOL"] == "HTTP/1.1" and not headers.has_body
        self.may_be_lent = CAN_RING and is_simple
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
        if self._refuses_strangers:
            refuse_strangers(headers.environ)
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
        except Unanswered:
            return True
        except NotForAttendants:
            raise
        except (HangUp, SendFailed):
            pass
        except BodyError as error:
            if not answer.is_begun:
                with suppress(SendFailed):
                    answer.send_instead(error.status, "text/plain", f"{error}\n".encode())
        except BaseException as error:  # whatever it is, the client gets an answer
            if self.is_attended and not isinstance(error, Exception):
                # A signal of the caller's, meant for him; whatever it cut in two ends here.
                self._is_finished = True
                raise
            # As it was sent: decoded, a path may hold line breaks, and with them forged lines.
            path = environ["RAW_URI"].partition("?")[0]
            _LOG.exception("%s %s failed", environ["REQUEST_METHOD"], path)
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


def _behind(parts: Iterable[bytes], count: int) -> list[memoryview]:
    """What is left of them when so many bytes were sent."""
    left = []
    for part in parts:
        left.append(memoryview(part)[count:])
        count = max(0, count - len(part))
    return left
