"""A wait for a socket that other threads can end."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable
from functools import partial

from lambda_sim.sync import LONGEST_SLEEP, Deadline, Eagerness

CAN_RING = hasattr(os, "eventfd") and hasattr(select, "poll")
"""Whether the system has what it takes: Linux does."""


class Bell:
    """Wakes the one thread that waits for a socket, and perhaps others. Any thread may ring."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock.fileno()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._poll.register(self._bell, select.POLLIN)
        self._is_asleep = False

    def add(self, fd: int) -> None:
        """Wait for another socket, too."""
        self._poll.register(fd, select.POLLIN)

    def forget(self, fd: int) -> None:
        """Do so no more."""
        self._poll.unregister(fd)

    def ring(self) -> None:
        """End the wait that is under way; without one, nothing."""
        if self._is_asleep:
            os.eventfd_write(self._bell, 1)

    def wait(
        self, deadline: Deadline, is_over: Callable[[], bool], eagerness: Eagerness
    ) -> list[int]:
        """Sleep until there is something to receive, or a peer hung up: at which sockets; none when
        it rang, the deadline passed first, or that is far.

        :param is_over: whether what it rings for was the case already.
        :param eagerness: that of waits of this kind.
        """
        self._is_asleep = True  # before asking, so that what happens from here on rings
        try:
            if is_over():
                return []
            ready = eagerness.wait(self._look, partial(self._sleep, deadline))
        finally:
            self._is_asleep = False
        heard = [fd for fd, _ in ready]
        if self._bell in heard:
            os.eventfd_read(self._bell)
            return []
        return heard

    def _look(self) -> list[tuple[int, int]]:
        return self._poll.poll(0)

    def _sleep(self, deadline: Deadline) -> list[tuple[int, int]]:
        left = deadline.earlier_of(Deadline.after(LONGEST_SLEEP)).remaining() or 0.0
        return self._poll.poll(left * 1000)

    def close(self) -> None:
        """Nobody waits, and nobody rings any more."""
        os.close(self._bell)
