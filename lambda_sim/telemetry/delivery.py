"""One subscriber's HTTP connection: a batch goes out, and is acknowledged or not."""

from __future__ import annotations

import socket
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING

from lambda_sim.model.protocol import JSON_TYPE

if TYPE_CHECKING:
    from http.client import HTTPConnection

    from lambda_sim.model.telemetry import TelemetrySubscription

__all__ = ["Delivery", "Outcome"]

PATIENCE_SECONDS = 2.0
"""How long a listener may take to accept, to read or to answer."""

MAX_ANSWER_BYTES = 64 * 1024


class Outcome(Enum):
    """What became of a batch."""

    ACKNOWLEDGED = auto()
    FAILED = auto()
    REFUSED = auto()
    """Nobody listens there."""


class Delivery:
    """A connection that is kept alive between batches, and opened again when needed.

    One thread posts and closes; any may cut. No proxy is ever asked.
    """

    def __init__(self) -> None:
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._is_cut = False

    def post(self, subscription: TelemetrySubscription, events: list[bytes]) -> Outcome:
        """Send a batch as a JSON array, and wait for the answer; any 2xx acknowledges it.

        AWS: *Telemetry API reference*, Destination.
        """
        # Here, as it costs 24 ms that an environment without subscribers need not pay.
        from http.client import HTTPConnection, HTTPException  # noqa: PLC0415

        outcome = Outcome.FAILED
        try:
            fresh = HTTPConnection(subscription.host, subscription.port, timeout=PATIENCE_SECONDS)
            connection = self._connected(fresh)
            body = b"[" + b",".join(events) + b"]"
            headers = {"Content-Type": JSON_TYPE}
            connection.request("POST", subscription.path or "/", body, headers)
            with connection.getresponse() as response:
                # The status is the answer; a body that breaks off must not bring a second post.
                if 200 <= response.status < 300:
                    outcome = Outcome.ACKNOWLEDGED
                response.read(MAX_ANSWER_BYTES)
                is_reusable = response.isclosed() and not response.will_close
            if not is_reusable:
                self.close()
        except ConnectionRefusedError:
            outcome = Outcome.REFUSED
        except (OSError, HTTPException, ValueError):
            self.close()
        return outcome

    def cut(self) -> None:
        """End a post under way, and refuse any that follow."""
        self._is_cut = True
        # The other side looks at the flag after it has shown its socket: one of us sees the other.
        if (open_socket := self._socket) is not None:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._socket = None

    def _connected(self, fresh: HTTPConnection) -> HTTPConnection:
        """The connection that was kept, if it still serves; or else the fresh one, opened."""
        kept = self._connection
        if kept is not None and (
            (kept.host, kept.port) != (fresh.host, fresh.port) or _is_over(kept.sock)
        ):
            self.close()
        if self._connection is None:
            fresh.connect()
            self._connection, self._socket = fresh, fresh.sock
        if self._is_cut:
            raise ConnectionAbortedError("cut")
        return self._connection


def _is_over(idle: socket.socket) -> bool:
    """Whether the other side has hung up, or spoken out of turn.

    Asked before a connection is used again, so that a batch is not sent into a closed one and
    then, for want of an answer, once more.
    """
    try:
        idle.setblocking(False)
        idle.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        idle.settimeout(PATIENCE_SECONDS)
        return False
    except OSError:
        pass
    return True
