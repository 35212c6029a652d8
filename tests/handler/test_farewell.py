"""farewell: an internal extension that waits for nothing, where extensions are known."""

from __future__ import annotations

import json
import socket
import threading

from lambda_sim.handler.farewell import Farewell

from .doubles import HandlerTestCase, Instead, answer


def workers() -> list[str]:
    names = (thread.name for thread in threading.enumerate())
    return [name for name in names if name == "lambda-sim:farewell"]


class TestFarewell(HandlerTestCase):
    def test_it_registers_for_no_events_and_asks_for_one(self) -> None:
        registered = answer(b"{}", Lambda_Extension_Identifier="7")
        server = self.serve([registered, Instead.HANG])
        with Farewell(server.address):
            request = server.next_request()
            self.assertEqual(("POST", "/2020-01-01/extension/register"), request[:2])
            self.assertEqual("lambda-sim-handler", request.headers["lambda-extension-name"])
            self.assertEqual({"events": []}, json.loads(request.body))
            request = server.next_request()
            self.assertEqual(("GET", "/2020-01-01/extension/event/next"), request[:2])
            self.assertEqual("7", request.headers["lambda-extension-identifier"])
            self.assertEqual(["lambda-sim:farewell"], workers())
        self.assertEqual([], workers())

    def test_where_extensions_are_not_known_nothing_happens(self) -> None:
        server = self.serve([answer(b"", "404 Not Found")])
        with Farewell(server.address):
            self.assertEqual([], workers())

    def test_where_nobody_listens_nothing_happens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with Farewell(f"127.0.0.1:{port}"):
            self.assertEqual([], workers())
