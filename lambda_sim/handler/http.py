"""HTTP/1.1 as runtimes and extensions need it: one kept-alive connection over a plain socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from io import BufferedReader
from typing import Any, NamedTuple, Self

from lambda_sim.errors import ConfigurationError, LambdaSimError

__all__ = ["Answer", "BadAnswer", "Connection", "ConnectionClosed"]

CONNECT_TIMEOUT = 10.0
"""Seconds. The API is on this machine: a longer wait hides a mistake in the address."""

MAX_LINE = 1024 * 1024
"""Bytes. Lambda's own bound for the headers of an invocation."""

TURN_TIMEOUT = 0.05
"""Seconds for a chunk to be sent before its body is ended from elsewhere, in a hurry then."""

SMALL_BODY = 64 * 1024
"""Bytes. Up to here one copy is cheaper than a second system call."""

_HEX_DIGITS = b"0123456789abcdefABCDEF"


class Answer(NamedTuple):
    """What the server said; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class ConnectionClosed(LambdaSimError, ConnectionError):
    """The connection ended before a whole answer came, by the peer or by ``close``.

    ``answer_began`` tells whether any byte of the answer had come.
    """

    def __init__(self, message: str, *, answer_began: bool) -> None:
        self.answer_began = answer_began
        super().__init__(message)


class BadAnswer(LambdaSimError):
    """What came is not an answer in HTTP/1.1, or lacks what the API promises."""


class Connection:
    """One kept-alive connection to ``host:port`` or ``host:port/prefix``, opened on first use.

    One thread asks at a time. Any thread, and a signal handler too, may ``close``.

    :param timeout: seconds a single read or send may take; None, the default, is for ever,
        since AWS tells runtimes not to time Next out.
    :raises ConfigurationError: the address has another form (AWS gives it without a scheme).
    """

    def __init__(self, address: str, *, timeout: float | None = None) -> None:
        self._authority, self._host, self._port, self._prefix = _parse_address(address)
        self._timeout = timeout
        self._is_closed = False
        # Whoever holds this owns the link and alone may free it: a file number freed under a
        # waiting reader could be given to another file.
        self._ownership = threading.Lock()
        self._link: _Link | None = None
        self._chunked: _ChunkedBody | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def request(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = b"",
    ) -> Answer:
        """Send one request and return its answer, whatever the status.

        Content-Length is sent, save for an empty GET and a body of None.

        A kept-alive connection may have been closed by the peer meanwhile. Then a new one is
        made and the request sent again, once, when that can't make it count twice: a GET as
        long as no byte was answered (Next gives the same event again); anything else only when
        the peer was gone before the request had left us whole.

        :raises ConnectionClosed: the peer or ``close`` ended it before the answer was complete.
        :raises BadAnswer: what came is not HTTP.
        :raises TimeoutError: ``timeout`` went by.
        :raises OSError: no connection could be made.
        :raises ValueError: a line break or NUL in the method, the path or a header.
        """
        head = self._head(method, path, headers, body)
        return self._own(self._exchange, method, head, body or b"")

    def stream(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        chunks: Iterable[bytes],
        trailers: Callable[[], Iterable[tuple[str, str]]] = tuple,
    ) -> Answer:
        """Send one request whose body comes in chunks, and return its answer.

        It is never sent again, since its chunks are gone. What ``chunks`` raises comes through,
        and breaks the connection off. When the peer stops listening, no more chunks are taken.

        :param trailers: asked after the last chunk, for the fields that come behind the body.
        :raises: what ``request`` raises.
        """
        headers = [*headers, ("Transfer-Encoding", "chunked")]
        head = self._head(method, path, headers, None)
        return self._own(self._exchange_chunks, method, head, chunks, trailers)

    def end_stream(self, trailers: Iterable[tuple[str, str]]) -> bool:
        """End, from another thread, the body that ``stream`` is sending, and wait for the answer.

        :returns: whether it was accepted; False if nothing is streamed, or no more can be sent.
        """
        body = self._chunked
        if body is None or not body.end(trailers):
            return False
        try:
            return body.link.receive("POST")[0].status < 300
        except (LambdaSimError, OSError):
            return False

    def _own(self, exchange: Callable[..., Answer], *arguments: Any) -> Answer:
        """Have the connection for one exchange; drop it if anything goes wrong."""
        if not self._ownership.acquire(blocking=False):
            self._refuse_if_closed()  # close() may hold it just now
            raise RuntimeError("this connection is busy with a request of another thread")
        try:
            return exchange(*arguments)
        except BaseException as error:
            self._drop()
            if self._is_closed and isinstance(error, OSError):
                began = isinstance(error, ConnectionClosed) and error.answer_began
                message = f"the connection to {self._authority} was closed from our side"
                raise ConnectionClosed(message, answer_began=began) from error
            raise
        finally:
            self._ownership.release()
            if self._is_closed:
                self.close()

    def close(self) -> None:
        """End the connection; a blocked ``request`` raises ConnectionClosed. Closing twice is fine.

        Never waits, so that a signal handler may call it in the thread that is asking.
        """
        self._is_closed = True
        if (link := self._link) is not None:
            link.shutdown()
        if self._ownership.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._ownership.release()

    def _exchange(self, method: str, head: bytes, body: bytes) -> Answer:
        link, is_reused = self._open_link()
        is_sent = link.send(head, body)
        try:
            answer, is_kept = link.receive(method)
        except ConnectionClosed as error:
            is_harmless = not error.answer_began and (method == "GET" or not is_sent)
            if not (is_reused and is_harmless):
                raise
            self._drop()
            return self._exchange(method, head, body)
        if not (is_kept and is_sent):
            self._drop()
        return answer

    def _exchange_chunks(
        self,
        method: str,
        head: bytes,
        chunks: Iterable[bytes],
        trailers: Callable[[], Iterable[tuple[str, str]]],
    ) -> Answer:
        link, _ = self._open_link()
        body = self._chunked = _ChunkedBody(link)
        try:
            is_sent = link.send(head, b"") and all(body.send(one) for one in chunks if one)
            is_sent = is_sent and body.end(trailers())
        finally:
            self._chunked = None
        answer, is_kept = link.receive(method)
        if not (is_kept and is_sent):
            self._drop()
        return answer

    def _open_link(self) -> tuple[_Link, bool]:
        """The link to use, and whether it served a request before."""
        if self._link is not None and self._link.is_stale():
            self._drop()
        if (link := self._link) is None:
            self._refuse_if_closed()
            link = self._link = _Link(self._host, self._port, self._timeout)
            # close() may have looked for a link before this one was there.
            self._refuse_if_closed()
            return link, False
        return link, True

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            message = f"the connection to {self._authority} is closed"
            raise ConnectionClosed(message, answer_began=False)

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _head(
        self, method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes | None
    ) -> bytes:
        lines = [f"{method} {self._prefix}{path} HTTP/1.1", f"Host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body or (body is not None and method != "GET"):
            lines.append(f"Content-Length: {len(body)}")
        return _lines(lines)


class _Link:
    """One TCP connection: a request out, an answer in. Knows nothing of trying again."""

    def __init__(self, host: str, port: int, timeout: float | None) -> None:
        self._socket = socket.create_connection((host, port), timeout or CONNECT_TIMEOUT)
        self._socket.settimeout(timeout)
        self._timeout = timeout
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb")

    def is_stale(self) -> bool:
        """Whether the peer hung up, or said something unasked, since the last answer."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self._socket.settimeout(self._timeout)
        return True

    def send(self, head: bytes, body: bytes) -> bool:
        """Send the request; False when the peer stopped listening before the end of it.

        It may still have answered: Lambda refuses a payload that is too large while it comes.
        """
        try:
            if len(body) <= SMALL_BODY:
                self._socket.sendall(head + body)
            else:
                self._socket.sendall(head)
                self._socket.sendall(body)
        except ConnectionError:
            return False
        return True

    def receive(self, method: str) -> tuple[Answer, bool]:
        """Read one answer, and tell whether the connection can be used again."""
        began = False
        try:
            if began := bool(self._stream.peek(1)):
                return _read_answer(self._stream, method)
        except (ConnectionError, EOFError) as error:
            raise _closed_by_peer(began) from error
        raise _closed_by_peer(began)

    def shutdown(self) -> None:
        """Wake whoever reads or sends here; they find the connection at its end."""
        # The peer may have been first, or the owner have freed the socket.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


class _ChunkedBody:
    """A body that is sent piece by piece. Another thread may end it."""

    def __init__(self, link: _Link) -> None:
        self.link = link
        # Whoever holds this sends, and nobody else in the middle of that.
        self._turn = threading.Lock()
        self._is_ended = False

    def send(self, chunk: bytes) -> bool:
        """Send a piece; False when the peer has stopped listening, or the body was ended."""
        size = b"%x\r\n" % len(chunk)
        with self._turn:
            if self._is_ended:
                return False
            if len(chunk) <= SMALL_BODY:
                return self.link.send(b"%b%b\r\n" % (size, chunk), b"")
            return self.link.send(size, chunk) and self.link.send(b"\r\n", b"")

    def end(self, trailers: Iterable[tuple[str, str]]) -> bool:
        """Send what comes behind the last piece, once; False as well if a piece is stuck."""
        lines = _lines(["0", *(f"{name}: {value}" for name, value in trailers)])
        if not self._turn.acquire(timeout=TURN_TIMEOUT):
            return False
        try:
            was_ended, self._is_ended = self._is_ended, True
            return not was_ended and self.link.send(lines, b"")
        finally:
            self._turn.release()


def _lines(lines: list[str]) -> bytes:
    """Header lines, and the empty one after them."""
    for line in lines:
        if "\r" in line or "\n" in line or "\0" in line:
            # The value stays out of the message: it may be a secret.
            raise ValueError(f"line break or NUL in {line.split(':')[0]!r}")
    return "\r\n".join([*lines, "", ""]).encode()


def _closed_by_peer(answer_began: bool) -> ConnectionClosed:
    where = "in the middle of its answer" if answer_began else "without an answer"
    return ConnectionClosed(f"the peer closed the connection {where}", answer_began=answer_began)


def _parse_address(address: str) -> tuple[str, str, int, str]:
    authority, slash, prefix = address.partition("/")
    host, _, port = authority.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError("address", address, "host:port or host:port/prefix")
    return authority, host.strip("[]"), int(port), (slash + prefix).rstrip("/")


def _read_answer(stream: BufferedReader, method: str) -> tuple[Answer, bool]:
    status = 100
    while status < 200:  # "100 Continue" and its kin come before the answer.
        version, status = _read_status(stream)
        headers = _read_headers(stream)
    is_kept = version == b"HTTP/1.1" and headers.get("connection", "").lower() != "close"
    if method == "HEAD" or status in (204, 304):
        body = b""
    elif headers.get("transfer-encoding", "").lower().endswith("chunked"):
        body = _read_chunks(stream)
    elif (length := headers.get("content-length")) is not None:
        if not length.isdecimal():
            raise BadAnswer(f"Content-Length is {length!r}")
        body = _read_exactly(stream, int(length))
    else:
        body = stream.read()
        is_kept = False
    return Answer(status, headers, body), is_kept


def _read_status(stream: BufferedReader) -> tuple[bytes, int]:
    line = _read_line(stream)
    version, _, rest = line.partition(b" ")
    status = rest.lstrip()[:3]
    if not version.startswith(b"HTTP/1.") or not status.isdigit() or len(status) < 3:
        raise BadAnswer(f"not the first line of an HTTP/1.1 answer: {line[:80]!r}")
    return version, int(status)


def _read_headers(stream: BufferedReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := _read_line(stream):
        raw_name, colon, raw_value = line.partition(b":")
        if not colon:
            raise BadAnswer(f"not a header line: {line[:80]!r}")
        name, value = _decode(raw_name).lower(), _decode(raw_value).strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _read_chunks(stream: BufferedReader) -> bytes:
    chunks = []
    while size := _read_chunk_size(stream):
        chunks.append(_read_exactly(stream, size))
        if _read_line(stream):
            raise BadAnswer("a chunk is longer than it said")
    _read_headers(stream)  # Trailers: neither API sends any that say something.
    return b"".join(chunks)


def _read_chunk_size(stream: BufferedReader) -> int:
    line = _read_line(stream)
    size = line.partition(b";")[0].strip()
    if not size or size.strip(_HEX_DIGITS):
        raise BadAnswer(f"not the size of a chunk: {line[:80]!r}")
    return int(size, 16)


def _read_exactly(stream: BufferedReader, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _read_line(stream: BufferedReader) -> bytes:
    line = stream.readline(MAX_LINE)
    if line.endswith(b"\n"):
        return line.rstrip(b"\r\n")
    if len(line) == MAX_LINE:
        raise BadAnswer(f"a line is longer than {MAX_LINE} bytes")
    raise EOFError


def _decode(raw: bytes) -> str:
    # Lambda sends a client context's non-ASCII text as it is, in UTF-8; HTTP of old says Latin-1.
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
