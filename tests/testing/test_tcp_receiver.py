"""TcpTelemetryReceiver: what it keeps, and waiting for it."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from lambda_sim import ShuttingDown, StartError, WaitTimeout
from lambda_sim.testing import (
    LambdaTestCase,
    ScriptedExtension,
    ScriptedRuntime,
    TcpTelemetryReceiver,
)

PATIENCE = 20.0


class TcpReceiverTest(LambdaTestCase):
    lambda_config: ClassVar[dict[str, Any]] = {"invocation_timeout": PATIENCE}

    def setUp(self) -> None:
        super().setUp()
        self.receiver = self.enterContext(TcpTelemetryReceiver())

    def connect(self) -> socket.socket:
        address = ("127.0.0.1", self.receiver.port)
        return self.enterContext(socket.create_connection(address, PATIENCE))

    def test_one_that_was_not_entered_has_no_address(self) -> None:
        with self.assertRaises(StartError):
            _ = TcpTelemetryReceiver().port

    def test_it_is_a_destination(self) -> None:
        expected = {"protocol": "TCP", "port": self.receiver.port}
        self.assertEqual(self.receiver.destination, expected)

    def test_lines_are_kept_in_order_however_they_are_cut(self) -> None:
        one, other = self.connect(), self.connect()
        one.sendall(b'{"type":"a"}\n{"ty')
        self.receiver.wait_for("a", PATIENCE)
        other.sendall(b'{"type":"b"}\n')
        self.receiver.wait_for("b", PATIENCE)
        one.sendall(b'pe":"c"}\n')
        self.receiver.wait_for("c", PATIENCE)
        self.assertEqual([event["type"] for event in self.receiver.events], ["a", "b", "c"])

    def test_a_connection_that_ends_leaves_others_alone(self) -> None:
        one, other = self.connect(), self.connect()
        one.sendall(b'{"type":"a"}\n')
        one.close()
        self.receiver.wait_for("a", PATIENCE)
        other.sendall(b'{"type":"b"}\n')
        self.receiver.wait_for("b", PATIENCE)

    def test_what_is_no_json_object_is_raised_when_it_is_closed(self) -> None:
        for line in (b"oops\n", b"1\n"):
            with self.subTest(line):
                receiver = TcpTelemetryReceiver().__enter__()
                address = ("127.0.0.1", receiver.port)
                with socket.create_connection(address, PATIENCE) as connection:
                    connection.sendall(line)
                    # It hangs up, as it has ended.
                    self.assertEqual(connection.recv(1), b"")
                with self.assertRaises(ValueError):
                    receiver.close()
                receiver.close()

    def test_a_wait_that_fails_says_what_did_come(self) -> None:
        with self.assertRaisesRegex(WaitTimeout, "1 of a at the TCP telemetry receiver") as late:
            self.receiver.wait_for("a", 0.01)
        self.assertEqual(late.exception.__notes__, ["what came: nothing"])

    def test_closing_ends_a_wait(self) -> None:
        threads = self.enterContext(ThreadPoolExecutor(1, "test"))
        waiting = threads.submit(self.receiver.wait_for, "a", PATIENCE)
        self.receiver.close()
        with self.assertRaises(ShuttingDown):
            waiting.result(PATIENCE)
        self.receiver.close()

    def test_an_extension_may_have_telemetry_sent_to_it(self) -> None:
        spy = self.enterContext(ScriptedExtension(self.simulator, "spy"))
        spy.subscribe(self.receiver)
        self.enterContext(ScriptedRuntime(self.simulator, lambda event, context: None))
        self.invoke({})
        self.receiver.wait_for("platform.report", PATIENCE)
        sent = [event["type"] for event in self.receiver.events]
        self.assertEqual(sent[0], "platform.initStart")
        self.assertEqual(len(sent), len(set(sent)))
