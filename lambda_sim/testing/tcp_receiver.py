"""TcpTelemetryReceiver: where a test has telemetry written over TCP, and looks at it."""

from __future__ import annotations

import json
import selectors
import socket
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from lambda_sim.errors import StartError
from lambda_sim.sync import Worker
from lambda_sim.testing.inbox import Inbox, Json

__all__ = ["TcpTelemetryReceiver"]

CHUNK = 65_536


class TcpTelemetryReceiver:
    """A TCP listener on this machine that keeps the events written to it, a line each.

    A context manager: entering starts to listen, leaving ends it. Any thread may call anything.
    A line that is no JSON object ends it too, and is raised when it is closed.

    AWS: *Lambda Telemetry API reference*, Destination; *Using the Lambda Logs API*, Destination
    protocols.

    .. versionadded:: 0.1.0
    """

    def __init__(self) -> None:
        self._inbox = Inbox("the TCP telemetry receiver", "type")
        self._worker = Worker("tcp-telemetry-receiver", self._serve)
        self._undo = ExitStack()
        self._port: int | None = None

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._listener = undo.enter_context(socket.create_server(("127.0.0.1", 0)))
            # A byte in one end is how the worker, which waits at the other, hears of the end.
            self._bell, self._ear = socket.socketpair()
            undo.enter_context(self._bell)
            undo.enter_context(self._ear)
            self._port = self._listener.getsockname()[1]
            self._worker.start()
            undo.callback(self._worker.join)
            undo.callback(self._bell.send, b"!")
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, and end every wait. A second call does nothing.

        :raises ValueError: a line came that is no JSON object.
        """
        self._inbox.close()
        self._undo.close()
        failure, self._worker.failure = self._worker.failure, None
        if failure is not None:
            raise failure

    @property
    def port(self) -> int:
        """What a subscription names as its destination.

        :raises StartError: it was not entered.
        """
        if self._port is None:
            raise StartError("the TCP telemetry receiver was not entered: it has no port")
        return self._port

    @property
    def destination(self) -> Json:
        """The same, as a subscription's body has it."""
        return {"protocol": "TCP", "port": self.port}

    @property
    def events(self) -> list[Json]:
        """Every event that came, in order of arrival."""
        return self._inbox.events

    def wait_for(self, event_type: str, timeout: float = 5.0, count: int = 1) -> list[Json]:
        """Block until so many events of a type, such as ``platform.report``, have come.

        :param timeout: seconds.
        :returns: all events of the type, oldest first.
        :raises WaitTimeout: fewer came in time; a note says what did come.
        :raises ShuttingDown: it was closed first.
        """
        return self._inbox.wait_for(event_type, timeout, count)

    # --- The worker -----------------------------------------------------------------------------

    def _serve(self) -> None:
        with ExitStack() as undo:
            selector = undo.enter_context(selectors.DefaultSelector())
            selector.register(self._ear, selectors.EVENT_READ)
            selector.register(self._listener, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._ear:
                        return
                    if key.fileobj is self._listener:
                        connection = undo.enter_context(self._listener.accept()[0])
                        selector.register(connection, selectors.EVENT_READ, bytearray())
                    elif not self._read(key):
                        selector.unregister(key.fileobj)

    def _read(self, key: selectors.SelectorKey) -> bool:
        """Keep the lines that are complete; whether there may be more of them."""
        connection = key.fileobj
        assert isinstance(connection, socket.socket)
        try:
            came = connection.recv(CHUNK)
        except ConnectionError:
            came = b""
        if not came:
            connection.close()
            return False
        incoming: bytearray = key.data
        incoming += came
        *lines, rest = incoming.split(b"\n")
        incoming[:] = rest
        if lines:
            self._inbox.add([_event(line) for line in lines])
        return True


def _event(line: bytearray) -> Json:
    event = json.loads(line)
    if not isinstance(event, dict):
        raise ValueError(f"a line that is no JSON object: {bytes(line[:100])!r}")
    return event
