"""A connection whose other side may be frozen: it is not waited for while it is."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from typing import IO

from lambda_sim.sync import SYSTEM_CLOCK

__all__ = ["PATIENCE_SECONDS", "AwakeSince", "PatientSocket"]

PATIENCE_SECONDS = 2.0
"""How long a listener may take to accept, to read or to answer."""

AwakeSince = Callable[[], float | None]
"""Since when, in monotonic seconds, no process is frozen; None while some are."""

# Not by epoll, which costs a descriptor.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class PatientSocket:
    """What a client needs of a socket. Patience is spent only while processes run, and it begins
    anew when they are woken: to send again what a frozen listener will read makes it come twice.
    """

    def __init__(self, connection: socket.socket, awake_since: AwakeSince) -> None:
        self._socket = connection
        self._awake_since = awake_since

    def sendall(self, data: bytes) -> None:
        """Send all; patience begins anew with each piece that is taken.

        :raises TimeoutError: nothing was taken for too long.
        """
        left = memoryview(data)
        while left:
            self._wait_for(selectors.EVENT_WRITE)
            left = left[self._socket.send(left) :]

    def makefile(self, mode: str) -> IO[bytes]:
        """The answer, as a file, as soon as it begins.

        :raises TimeoutError: it did not for too long.
        """
        self._wait_for(selectors.EVENT_READ)
        return self._socket.makefile(mode)  # type: ignore[call-overload, no-any-return]

    def close(self) -> None:
        self._socket.close()

    def _wait_for(self, event: int) -> None:
        begun = SYSTEM_CLOCK.monotonic()
        with _Selector() as selector:
            selector.register(self._socket, event)
            while not selector.select(left := self._left(begun)):
                if not left:
                    raise TimeoutError("the listener took too long")

    def _left(self, begun: float) -> float:
        awake_since = self._awake_since()
        if awake_since is None:
            return PATIENCE_SECONDS
        return max(0.0, max(begun, awake_since) + PATIENCE_SECONDS - SYSTEM_CLOCK.monotonic())
