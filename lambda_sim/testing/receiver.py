"""TelemetryReceiver: where a test has telemetry delivered, and looks at it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lambda_sim.sync import Monitor
from lambda_sim.testing.inbox import Inbox, Json
from lambda_sim.wire.server import WireServer

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

__all__ = ["TelemetryReceiver"]


class TelemetryReceiver:
    """An HTTP listener on this machine that keeps the events posted, or put, to it.

    A context manager: entering starts to listen, leaving ends it. Any thread may call anything.
    It may be subscribed by a ScriptedExtension, or by a real one that is told the URL.

    AWS: *Lambda Telemetry API reference*, Destination.
    """

    def __init__(self) -> None:
        self._inbox = Inbox("the telemetry receiver", "type")
        self._server = WireServer(self._application, name="telemetry-receiver")
        self._monitor = Monitor()
        # Guarded by _monitor:
        self._to_refuse = 0

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, and end every wait. A second call does nothing."""
        self._inbox.close()
        self._server.close()

    @property
    def url(self) -> str:
        """What a subscription names as its destination; Lambda allows no host but this.

        :raises StartError: it was not entered.
        """
        return f"http://sandbox.localdomain:{self._server.address[1]}/"

    @property
    def destination(self) -> Json:
        """The same, as a subscription's body has it.

        .. versionadded:: 0.1.0
        """
        return {"protocol": "HTTP", "URI": self.url}

    @property
    def events(self) -> list[Json]:
        """Every event that was accepted, in order of arrival."""
        return self._inbox.events

    @property
    def batches(self) -> list[list[Json]]:
        """The same, a list for each post."""
        return self._inbox.batches

    def refuse(self, count: int) -> None:
        """Answer the next so many posts with 500, and keep nothing of them."""
        with self._monitor:
            self._to_refuse = count

    def wait_for(self, event_type: str, timeout: float = 5.0, count: int = 1) -> list[Json]:
        """Block until so many events of a type, such as ``platform.report``, have come.

        :param timeout: seconds.
        :returns: all events of the type, oldest first.
        :raises WaitTimeout: fewer came in time; a note says what did come.
        :raises ShuttingDown: it was closed first.
        """
        return self._inbox.wait_for(event_type, timeout, count)

    def _application(
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        start_response(self._take(environ["REQUEST_METHOD"], body), [("Content-Length", "0")])
        return []

    def _take(self, method: str, body: bytes) -> str:
        """The status that a request is answered with."""
        if method not in ("POST", "PUT"):
            return "405 Method Not Allowed"
        if self._is_refused():
            return "500 Internal Server Error"
        try:
            batch = json.loads(body)
        except ValueError:
            return "400 Bad Request"
        if not isinstance(batch, list) or not all(isinstance(event, dict) for event in batch):
            return "400 Bad Request"
        self._inbox.add(batch)
        return "200 OK"

    def _is_refused(self) -> bool:
        with self._monitor:
            is_refused = self._to_refuse > 0
            self._to_refuse -= is_refused
            return is_refused
