"""One connection to a subscriber's listener: kept while it serves, and else opened again."""

from __future__ import annotations

import socket
from contextlib import suppress

from lambda_sim.telemetry import patience
from lambda_sim.telemetry.patience import AwakeSince, PatientSocket

__all__ = ["Address", "Link"]

Address = tuple[str, int]

_CHUNK = 65_536
_MOST_CHUNKS = 64


class Link:
    """A connection between batches. One thread opens, uses and closes it; any may cut it.

    No proxy is ever asked.

    :param awake_since: since when the processes around it are not frozen.
    """

    def __init__(self, awake_since: AwakeSince) -> None:
        self._awake_since = awake_since
        self._socket: socket.socket | None = None
        self._address: Address | None = None
        self._is_cut = False

    def connected(self, address: Address, *, may_speak: bool = False) -> PatientSocket:
        """The connection to an address: the one that was kept, if it still serves, or a new one.

        :param may_speak: whether the listener may send something that nobody reads.
        :raises OSError: nobody accepts, or it was cut.
        :raises ValueError: it is no address.
        """
        kept = self._socket
        if kept is None or self._address != address or _is_over(kept, may_speak=may_speak):
            self.close()
            kept = self._open(address)
            self._address = address
            # A batch is one message, and need not wait for the next.
            kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._is_cut:
            raise ConnectionAbortedError("cut")
        return PatientSocket(kept, self._awake_since)

    def _open(self, address: Address) -> socket.socket:
        """Connect with a socket that is shown before it waits, so that it can be cut."""
        failure: OSError | None = None
        for family, kind, protocol, _, place in socket.getaddrinfo(
            *address, type=socket.SOCK_STREAM
        ):
            self._socket = opened = socket.socket(family, kind, protocol)
            opened.settimeout(patience.PATIENCE_SECONDS)
            if self._is_cut:
                break
            try:
                opened.connect(place)
            except OSError as error:
                failure = error
                self.close()
            else:
                return opened
        raise failure or ConnectionAbortedError("cut")

    def cut(self) -> None:
        """End what is under way, and refuse all that follows."""
        self._is_cut = True
        # The other side looks at the flag after it has shown its socket: one of us sees the other.
        if (open_socket := self._socket) is not None:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection; the next batch opens another."""
        if self._socket is not None:
            with suppress(OSError):
                _read_away(self._socket)
            self._socket.close()
        self._socket = self._address = None


def _is_over(idle: socket.socket, *, may_speak: bool) -> bool:
    """Whether the other side has hung up, or spoken out of turn.

    Asked before a connection is used again, so that a batch is not sent into a closed one: over
    HTTP it would go once more, for want of an answer, and over TCP be lost.
    """
    try:
        is_over = not _read_away(idle) if may_speak else _speaks_or_ended(idle)
        idle.settimeout(patience.PATIENCE_SECONDS)
    except OSError:
        return True
    return is_over


def _read_away(spoken: socket.socket) -> bool:
    """Read what nobody asked for, some of it if it never ends; False when the other side hung up.

    What is not read would make closing the connection take back what was written.
    """
    spoken.setblocking(False)
    with suppress(BlockingIOError):
        return all(spoken.recv(_CHUNK) for _ in range(_MOST_CHUNKS))
    return True


def _speaks_or_ended(idle: socket.socket) -> bool:
    idle.setblocking(False)
    with suppress(BlockingIOError):
        idle.recv(1)
        return True
    return False
