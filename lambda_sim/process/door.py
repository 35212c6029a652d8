"""The socket at which each of a runtime's workers is given a log stream of its own."""

from __future__ import annotations

import logging
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

logger = logging.getLogger(__name__)

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
            # An address has 107 characters at most, and a folder for temporary files may have more.
            short = os.open(folder, os.O_PATH)
            undo.callback(os.close, short)
            path = f"/proc/self/fd/{short}/logs"
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
        self.is_full = False
        """Whether there may be somebody whom no descriptor was left for."""
        # Guarded by _admitting:
        self._listener = listener
        self._is_closed = False

    def admit(self, on_stream: OnStream) -> bool:
        """Hand over who has connected before this call, each once; False if the door is closed.

        Whoever another thread lets in just now is handed over when it returns, too. Those for whom
        no descriptor is left stay in the queue.
        """
        with self._admitting:
            while not self._is_closed:
                try:
                    connection, _ = self._listener.accept()
                except BlockingIOError:
                    self.is_full = False
                    return True
                except OSError as error:
                    if not self.is_full:
                        logger.warning("a worker's log stream is not heard yet: %s", error)
                    self.is_full = True
                    return True
                on_stream(open(connection.detach(), "rb", buffering=0))  # noqa: SIM115 - its now
            return False

    def close(self) -> None:
        """Let nobody in any more. Twice is fine."""
        with self._admitting:
            if not self._is_closed:
                if self.is_full:
                    logger.warning("a worker's log stream was not heard: no descriptor was left")
                self._is_closed = True
                self._listener.close()
                os.close(self._place)
