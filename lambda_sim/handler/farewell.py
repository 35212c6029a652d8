"""Being told of the end: Lambda sends SIGTERM only where an extension is registered."""

from __future__ import annotations

from contextlib import suppress
from typing import Self

from lambda_sim.errors import LambdaSimError
from lambda_sim.sync import Worker

from .http import Connection

__all__ = ["Farewell"]

NAME = "lambda-sim-handler"

_API = "/2020-01-01/extension"

PATIENCE = 5.0
"""Seconds for a thread that is told to end, and has nothing else to do."""


class Farewell:
    """An internal extension that wants no events, and is there to have the process told.

    Lambda then gives it 500 ms at the end instead of none. Where nobody knows extensions it does
    nothing.

    :param address: the Runtime API's ``host:port``.

    AWS: *Understanding the Lambda execution environment lifecycle*, Shutdown phase.
    """

    def __init__(self, address: str) -> None:
        self._connection = Connection(address)
        self._worker: Worker | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def start(self) -> Self:
        """Register; only before the runtime's first Next."""
        headers = [("Lambda-Extension-Name", NAME)]
        with suppress(OSError, LambdaSimError):
            path = f"{_API}/register"
            answer = self._connection.request("POST", path, headers, b'{"events":[]}')
            identifier = answer.headers.get("lambda-extension-identifier")
            if answer.status == 200 and identifier is not None:
                self._worker = Worker("farewell", lambda: self._wait(identifier)).start()
        return self

    def close(self) -> None:
        self._connection.close()
        if self._worker is not None:
            self._worker.join(PATIENCE)

    def _wait(self, identifier: str) -> None:
        """Ask for an event, which never comes: Init is over only when every extension did."""
        with suppress(OSError, LambdaSimError):
            headers = [("Lambda-Extension-Identifier", identifier)]
            self._connection.request("GET", f"{_API}/event/next", headers)
