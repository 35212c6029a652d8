"""Telemetry subscribers that are of no use: one crawls, one is gone."""

from __future__ import annotations

import socket
from concurrent.futures import Executor, Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from tests.support import PATIENCE


def vanished() -> str:
    """A URL where nobody listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return _url(listener)


class Crawler:
    """It reads a little of what is posted now and then, and never answers. A context manager."""

    def __init__(self, threads: Executor) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = _url(self._listener)
        self._threads = threads
        self._links: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._job: Future[Any] = self._threads.submit(self._run)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in (self._listener, *self._links):
            with suppress(OSError):  # the other side may have gone before
                one.shutdown(socket.SHUT_RDWR)
        self._job.result(PATIENCE)

    def _run(self) -> None:
        with self._listener:
            while True:
                try:
                    link, _ = self._listener.accept()
                except OSError:
                    break
                self._links.append(link)
                link.recv(10)
        for link in self._links:
            link.close()


def _url(listener: socket.socket) -> str:
    return f"http://sandbox.localdomain:{listener.getsockname()[1]}/"
