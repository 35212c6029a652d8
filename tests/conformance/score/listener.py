"""Where a case has telemetry delivered."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.conformance.score.emulators import starting
from tests.conformance.score.stage import PATIENCE, NothingCame


class Listener:
    """An HTTP server that keeps the events posted to it, until the end of its ``with`` block."""

    def __init__(self) -> None:
        self._came = threading.Condition()
        self._events: list[Any] = []
        with starting:
            self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://sandbox.localdomain:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def record(self, event_type: str) -> Any:
        """The record of the first event of a type, once it came."""

        def found() -> list[Any]:
            return [one["record"] for one in self._events if one["type"] == event_type]

        with self._came:
            if not self._came.wait_for(found, PATIENCE):
                raise NothingCame(f"no {event_type} in {self._events}")
            return found()[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with listener._came:
                    listener._events += json.loads(body)
                    listener._came.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
