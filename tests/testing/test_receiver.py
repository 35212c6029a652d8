"""TelemetryReceiver: what it keeps, what it refuses, and waiting for it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar
from urllib.parse import urlsplit

from lambda_sim import ShuttingDown, StartError, WaitTimeout
from lambda_sim.handler import Connection
from lambda_sim.testing import (
    LambdaTestCase,
    ScriptedExtension,
    ScriptedRuntime,
    TelemetryReceiver,
)

PATIENCE = 20.0


class ReceiverTest(LambdaTestCase):
    lambda_config: ClassVar[dict[str, Any]] = {"invocation_timeout": PATIENCE}

    def setUp(self) -> None:
        super().setUp()
        self.receiver = self.enterContext(TelemetryReceiver())

    def send(self, body: bytes, method: str = "POST") -> int:
        port = urlsplit(self.receiver.url).port
        with Connection(f"127.0.0.1:{port}") as connection:
            return connection.request(method, "/", body=body).status

    def post(self, *types: str) -> int:
        return self.send(json.dumps([{"type": one} for one in types]).encode())

    def test_its_host_is_the_only_one_that_lambda_allows(self) -> None:
        self.assertRegex(self.receiver.url, r"^http://sandbox\.localdomain:\d+/$")

    def test_one_that_was_not_entered_has_no_address(self) -> None:
        with self.assertRaises(StartError):
            _ = TelemetryReceiver().url

    def test_events_are_kept_in_order_and_by_post(self) -> None:
        self.assertEqual(self.post("a", "b"), 200)
        self.assertEqual(self.post("c"), 200)
        self.assertEqual([one["type"] for one in self.receiver.events], ["a", "b", "c"])
        self.assertEqual([len(batch) for batch in self.receiver.batches], [2, 1])

    def test_what_is_no_batch_is_refused(self) -> None:
        for body in (b"", b"{}", b"[1]", b"[", b"\xff"):
            with self.subTest(body=body):
                self.assertEqual(self.send(body), 400)
        self.assertEqual(self.send(b"[]", "DELETE"), 405)
        self.assertEqual(self.receiver.batches, [])

    def test_a_batch_may_be_put_too(self) -> None:
        self.assertEqual(self.send(b'[{"type":"a"}]', "PUT"), 200)
        self.assertEqual(self.receiver.events, [{"type": "a"}])

    def test_it_is_a_destination(self) -> None:
        expected = {"protocol": "HTTP", "URI": self.receiver.url}
        self.assertEqual(self.receiver.destination, expected)

    def test_a_wait_finds_what_is_there(self) -> None:
        self.post("a", "b", "a")
        self.assertEqual(self.receiver.wait_for("a", 0, 2), [{"type": "a"}, {"type": "a"}])

    def test_a_wait_ends_when_the_last_one_comes(self) -> None:
        threads = self.enterContext(ThreadPoolExecutor(1, "test"))
        self.post("a")
        waiting = threads.submit(self.receiver.wait_for, "a", PATIENCE, 2)
        self.assertFalse(waiting.done())
        self.post("a")
        self.assertEqual(len(waiting.result(PATIENCE)), 2)

    def test_a_wait_that_fails_says_what_did_come(self) -> None:
        with self.assertRaises(WaitTimeout) as late:
            self.receiver.wait_for("a", 0.01)
        self.assertEqual(late.exception.__notes__, ["what came: nothing"])
        self.post("a", "b")
        with self.assertRaisesRegex(WaitTimeout, "2 of a at the telemetry receiver") as late:
            self.receiver.wait_for("a", 0.01, 2)
        self.assertEqual(late.exception.__notes__, ["what came: a, b"])

    def test_closing_ends_a_wait(self) -> None:
        threads = self.enterContext(ThreadPoolExecutor(1, "test"))
        waiting = threads.submit(self.receiver.wait_for, "a", PATIENCE)
        self.receiver.close()
        with self.assertRaises(ShuttingDown):
            waiting.result(PATIENCE)

    def test_closing_twice_is_fine(self) -> None:
        self.receiver.close()
        self.receiver.close()

    def test_so_many_posts_are_refused(self) -> None:
        self.receiver.refuse(2)
        self.assertEqual([self.post("a") for _ in range(3)], [500, 500, 200])
        self.assertEqual(len(self.receiver.events), 1)

    def test_what_was_refused_is_delivered_again(self) -> None:
        self.receiver.refuse(1)
        spy = self.enterContext(ScriptedExtension(self.simulator, "spy"))
        spy.subscribe(self.receiver)
        self.enterContext(ScriptedRuntime(self.simulator, lambda event, context: None))
        self.invoke({})
        self.receiver.wait_for("platform.report", PATIENCE)
        sent = [event["type"] for event in self.receiver.events]
        self.assertEqual(sent[0], "platform.initStart")
        self.assertEqual(len(sent), len(set(sent)))
