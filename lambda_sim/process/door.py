"""The socket at which each of a runtime's workers is given a log stream of its own."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO

from lambda_sim.sync import Monitor

__all__ = ["CAN_OPEN", "LOG_FD_PROVIDER", "LogDoor", "OnStream"]

LOG_FD_PROVIDER = "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"
"""The variable that tells a runtime the path of the socket."""

CAN_OPEN = sys.platform == "linux"
"""Whether a socket has an address that leaves no file behind, whatever happens to us."""

OnStream = Callable[[IO[bytes]], None]

BACKLOG = 128


class LogDoor:
    """A Unix socket: each connection is a stream of lines, in which nobody else's are mixed.

    Workers put connections in the place of their stdout and stderr, or write their log to one.

    AWS: ``MultiConcurrentRunner`` of *awslambdaric*, ``acquireSocketFd`` of *aws-lambda-ric*.
    """

    def __init__(self) -> None:
        with ExitStack() as undo:
            folder = undo.enter_context(tempfile.TemporaryDirectory(prefix="lambda-sim-"))
            path = os.path.join(folder, "logs")
            listener = socket.socket(socket.AF_UNIX)
            with ExitStack() as broken:
                broken.callback(listener.close)
                listener.bind(path)
                listener.listen(BACKLOG)
                listener.setblocking(False)
                # By this it can be reached when its file is gone.
                self._place = os.open(path, os.O_PATH)
                broken.pop_all()
        self.path = f"/proc/{os.getpid()}/fd/{self._place}"
        self.fd = listener.fileno()
        # Held while who came is handed over, so that whoever gets it knows that all are: always
        # taken before the lock of who takes them, as the reading lock of a pipe is.
        self._admitting = Monitor()
        # Guarded by _admitting:
        self._listener = listener
        self._is_closed = False

    def admit(self, on_stream: OnStream) -> bool:
        """Hand over who has connected before this call, each once; False if the door is closed.

        Whoever another thread lets in just now is handed over when it returns, too.
        """
        with self._admitting:
            while not self._is_closed:
                try:
                    connection, _ = self._listener.accept()
                except OSError:  # nobody there, or no descriptor is left: they stay in the queue
                    return True
                on_stream(open(connection.detach(), "rb", buffering=0))  # noqa: SIM115 - its now
            return False

    def close(self) -> None:
        """Let nobody in any more. Twice is fine."""
        with self._admitting:
            if not self._is_closed:
                self._is_closed = True
                self._listener.close()
                os.close(self._place)
