"""Deliveries over real sockets: batches, retries, losses, replacement and the end."""

from __future__ import annotations

import os
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from unittest import mock

from lambda_sim.errors import ShuttingDown
from lambda_sim.model import telemetry
from lambda_sim.model.identifiers import ExtensionId
from lambda_sim.model.telemetry import (
    DeliveryProtocol,
    LogsDropped,
    SubscriptionApi,
    TelemetrySubscription,
)
from lambda_sim.sync import SYSTEM_CLOCK, Clock, Deadline, Worker
from lambda_sim.telemetry import Dispatcher, encoded, schema
from tests.telemetry.doubles import (
    ENDLESS,
    EXTENSION,
    FAIL_HELD,
    FUNCTION,
    HANG_UP,
    HOLD,
    NOON,
    PATIENCE,
    PLATFORM,
    CleanTestCase,
    LineConnection,
    LineListener,
    Listener,
    ManualClock,
    config,
    free_port,
    line,
    lines,
    subscription,
)
from tests.telemetry.test_schema import report, runtime_done

INIT_START = telemetry.InitStart(time=NOON, phase="init")


def soon() -> Deadline:
    return Deadline.after(PATIENCE)


def other(port: int, **changes: Any) -> TelemetrySubscription:
    """A second extension's subscription."""
    identity = {"extension_id": ExtensionId("other-id"), "extension_name": "other"}
    return subscription(port, **{**identity, **changes})


def logs(port: int, **changes: Any) -> TelemetrySubscription:
    """A second extension's subscription, to the Logs API."""
    return other(port, **{"api": SubscriptionApi.LOGS, "schema_version": "2021-03-18", **changes})


def over_tcp(port: int, **changes: Any) -> TelemetrySubscription:
    return subscription(port, protocol=DeliveryProtocol.TCP, **changes)


def workers() -> list[str]:
    names = (one.name for one in threading.enumerate())
    return sorted(name for name in names if name.startswith("lambda-sim:"))


class DispatcherTestCase(CleanTestCase):
    def listen(self, *script: int | str, port: int = 0) -> Listener:
        listener = Listener(*script, port=port)
        self.addCleanup(listener.close)
        return listener

    def dispatch(self, clock: Clock = SYSTEM_CLOCK, **settings: Any) -> Dispatcher:
        self.drops: list[LogsDropped] = []
        made = Dispatcher(config(**settings), clock=clock, on_dropped=self.drops.append)
        # Before its listeners, which wait for it; a test that listens late says so once more.
        self.addCleanup(made.close)
        return made


class Batching(DispatcherTestCase):
    def test_a_batch_is_a_post_of_a_json_array(self) -> None:
        listener = self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(listener.port, path="/a/b?c=d"))
        dispatcher.deliver([line("hällo\n")])
        self.assertTrue(dispatcher.flush(soon()))
        path, headers, body = listener.request()
        self.assertEqual(path, "/a/b?c=d")
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(
            body.decode(),
            '[{"time":"2023-11-14T22:13:20.123Z","type":"function","record":"hällo\\n"}]',
        )

    def test_full_batches_go_at_once_and_in_order_and_the_rest_waits(self) -> None:
        listener = self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(listener.port, max_items=3))
        dispatcher.deliver(lines(*range(7)))
        self.assertEqual(listener.numbers(), [0, 1, 2])
        self.assertEqual(listener.numbers(), [3, 4, 5])
        self.assertTrue(listener.is_silent())
        self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual(listener.numbers(), [6])

    def test_a_batch_goes_when_its_first_event_is_old_enough(self) -> None:
        clock = ManualClock()
        listener = self.listen()
        dispatcher = self.dispatch(clock)
        dispatcher.subscribe(subscription(listener.port, timeout_ms=1_000))
        dispatcher.deliver(lines(1))
        clock.wait_for_nap(1)
        clock.advance(0.75)
        clock.wait_for_nap(2)
        dispatcher.deliver(lines(2))
        self.assertTrue(listener.is_silent())
        clock.advance(0.25)
        self.assertEqual(listener.numbers(), [1, 2])

    def test_each_subscriber_gets_the_streams_it_asked_for(self) -> None:
        first, second = self.listen(), self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(first.port, types=frozenset({PLATFORM})))
        dispatcher.subscribe(other(second.port, types=frozenset({FUNCTION, EXTENSION})))
        dispatcher.deliver([INIT_START, line("f"), line("e", EXTENSION)])
        self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual([one["type"] for one in first.events()], ["platform.initStart"])
        self.assertEqual([one["type"] for one in second.events()], ["function", "extension"])

    def test_each_subscriber_gets_its_own_schema(self) -> None:
        first, second = self.listen(), self.listen()
        dispatcher = self.dispatch(log_format="JSON")
        dispatcher.subscribe(subscription(first.port))
        dispatcher.subscribe(other(second.port, schema_version="2022-07-01"))
        dispatcher.deliver([line('{"a":1}\n')])
        self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual(first.events()[0]["record"], {"a": 1})
        self.assertEqual(second.events()[0]["record"], '{"a":1}\n')

    def test_limits_of_one_and_none_deliver_event_by_event(self) -> None:
        for limits in ({"max_items": 1}, {"max_items": 0}, {"max_bytes": 0}):
            with self.subTest(limits):
                listener = self.listen()
                dispatcher = self.dispatch()
                dispatcher.subscribe(subscription(listener.port, **limits))
                dispatcher.deliver(lines(1, 2))
                self.assertEqual([listener.numbers(), listener.numbers()], [[1], [2]])

    def test_no_timeout_delivers_without_delay(self) -> None:
        listener = self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(listener.port, timeout_ms=0))
        dispatcher.deliver(lines(1))
        self.assertEqual(listener.numbers(), [1])

    def test_without_subscribers_facts_go_nowhere(self) -> None:
        dispatcher = self.dispatch()
        dispatcher.deliver(lines(1))
        self.assertFalse(dispatcher.has_subscribers)
        self.assertTrue(dispatcher.flush(soon()))

    def test_hurry_delivers_what_waits_and_all_that_comes(self) -> None:
        listener = self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(listener.port))
        dispatcher.deliver(lines(1))
        dispatcher.hurry()
        self.assertEqual(listener.numbers(), [1])
        dispatcher.deliver(lines(2))
        self.assertEqual(listener.numbers(), [2])


class Connections(DispatcherTestCase):
    def test_a_connection_is_kept_between_batches(self) -> None:
        listener = self.listen(200, 500, 200)
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(listener.port, timeout_ms=0))
        for number in range(3):
            dispatcher.deliver(lines(number))
            self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual(listener.connections, 1)

    def test_a_connection_that_the_listener_closed_is_opened_again_without_a_second_post(
        self,
    ) -> None:
        listener = self.listen(HANG_UP)
        dispatcher = self.dispatch(ManualClock())  # by which no retry would ever come
        dispatcher.subscribe(subscription(listener.port, timeout_ms=0))
        dispatcher.deliver(lines(1))
        listener.hang_ups.get(timeout=PATIENCE)
        dispatcher.deliver(lines(2))
        self.assertEqual([listener.numbers(), listener.numbers()], [[1], [2]])
        self.assertTrue(dispatcher.flush(soon()))
        self.assertTrue(listener.is_silent())
        self.assertEqual(listener.connections, 2)

    def test_an_answer_whose_body_never_ends_acknowledges_all_the_same(self) -> None:
        listener = self.listen(ENDLESS)
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(listener.port, timeout_ms=0))
        with mock.patch("lambda_sim.telemetry.patience.PATIENCE_SECONDS", 0.1):
            dispatcher.deliver(lines(1))
            self.assertTrue(dispatcher.flush(soon()))
        dispatcher.deliver(lines(2))
        self.assertEqual([listener.numbers(), listener.numbers()], [[1], [2]])

    def test_a_proxy_in_the_environment_is_ignored(self) -> None:
        listener = self.listen()
        proxy = f"http://127.0.0.1:{free_port()}"
        names = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
        with mock.patch.dict(os.environ, dict.fromkeys(names, proxy)):
            dispatcher = self.dispatch()
            dispatcher.subscribe(subscription(listener.port))
            dispatcher.deliver(lines(1))
            self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual(listener.numbers(), [1])

    def test_a_destination_that_can_not_be_one_only_fails(self) -> None:
        for changes in ({"path": "/a b\n"}, {"path": "/ü"}, {"host": "a\nb"}, {"host": "."}):
            with self.subTest(changes):
                dispatcher = self.dispatch(ManualClock())
                dispatcher.subscribe(subscription(free_port(), timeout_ms=0, **changes))
                dispatcher.deliver(lines(1))
                self.assertFalse(dispatcher.flush(Deadline.after(0.05)))
                dispatcher.close()


class Protocols(DispatcherTestCase):
    def test_a_batch_may_be_put(self) -> None:
        listener = self.listen(500)
        dispatcher = self.dispatch()
        dispatcher.subscribe(logs(listener.port, method="PUT"))
        dispatcher.deliver(lines(1))
        self.assertTrue(dispatcher.flush(soon()) or dispatcher.flush(soon()))
        self.assertEqual([listener.numbers(), listener.numbers()], [[1], [1]])
        self.assertEqual(listener.methods, ["PUT", "PUT"])

    def test_each_api_has_its_own_events(self) -> None:
        new, old, older = self.listen(), self.listen(), self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(new.port))
        dispatcher.subscribe(logs(old.port))
        third = {"extension_id": ExtensionId("third"), "extension_name": "third"}
        dispatcher.subscribe(logs(older.port, schema_version="2020-08-15", **third))
        dispatcher.deliver([INIT_START, runtime_done(), report(), *lines(1)])
        self.assertTrue(dispatcher.flush(soon()))
        ending = ["platform.end", "platform.report", "function"]
        for listener, expected in (
            (new, ["platform.initStart", "platform.runtimeDone", "platform.report", "function"]),
            (old, ["platform.runtimeDone", *ending]),
            (older, ending),
        ):
            self.assertEqual([event["type"] for event in listener.events()], expected)

    def test_facts_are_encoded_once_for_all_subscribers_of_a_form(self) -> None:
        dispatcher = self.dispatch(ManualClock())
        dispatcher.subscribe(subscription())
        dispatcher.subscribe(other(1, schema_version="2025-01-29"))
        with mock.patch.object(schema, "encoded_events", wraps=schema.encoded_events) as encoding:
            dispatcher.deliver(lines(1, 2, 3))
        self.assertEqual(encoding.call_count, 3)

    def test_what_the_logs_api_says_nothing_of_is_not_sent(self) -> None:
        listener = self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(logs(listener.port))
        dispatcher.deliver([INIT_START])
        self.assertTrue(dispatcher.flush(soon()))
        self.assertTrue(listener.is_silent())


class Lines(DispatcherTestCase):
    """Over TCP."""

    def listen_for_lines(self, **options: Any) -> LineListener:
        listener = LineListener(**options)
        self.addCleanup(listener.close)
        return listener

    def accept(self, listener: LineListener) -> LineConnection:
        connection = listener.accept()
        self.addCleanup(connection.close)
        return connection

    def test_an_event_is_a_line(self) -> None:
        listener = self.listen_for_lines()
        dispatcher = self.dispatch()
        dispatcher.subscribe(over_tcp(listener.port))
        dispatcher.deliver([line("hällo\n"), *lines(2)])
        self.assertTrue(dispatcher.flush(soon()))
        connection = self.accept(listener)
        self.assertEqual(
            connection.line().decode(),
            '{"time":"2023-11-14T22:13:20.123Z","type":"function","record":"hällo\\n"}\n',
        )
        self.assertEqual(connection.numbers(1), [2])
        self.assertTrue(connection.is_silent())

    def test_an_event_of_several_lines_is_one_line(self) -> None:
        listener = self.listen_for_lines()
        dispatcher = self.dispatch(log_format="JSON")
        dispatcher.subscribe(over_tcp(listener.port))
        dispatcher.deliver([line('{\n"a": 1\r\n}\n'), *lines(2)])
        self.assertTrue(dispatcher.flush(soon()))
        connection = self.accept(listener)
        self.assertEqual(connection.event()["record"], {"a": 1})
        self.assertEqual(connection.event()["record"], "2\n")

    def test_a_connection_is_kept_between_batches(self) -> None:
        listener = self.listen_for_lines()
        dispatcher = self.dispatch()
        dispatcher.subscribe(over_tcp(listener.port))
        for number in range(3):
            dispatcher.deliver(lines(number))
            self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual(self.accept(listener).numbers(3), [0, 1, 2])
        self.assertFalse(listener.has_caller())

    def test_what_a_listener_says_does_no_harm(self) -> None:
        listener = self.listen_for_lines()
        dispatcher = self.dispatch()
        dispatcher.subscribe(over_tcp(listener.port))
        dispatcher.deliver(lines(0))
        self.assertTrue(dispatcher.flush(soon()))
        connection = self.accept(listener)
        self.assertEqual(connection.numbers(1), [0])
        for number in (1, 2):
            connection.socket.sendall(b"thanks\n")
            dispatcher.deliver(lines(number))
            self.assertTrue(dispatcher.flush(soon()))
            self.assertEqual(connection.numbers(1), [number])
        self.assertFalse(listener.has_caller())

    def test_a_connection_that_the_listener_closed_is_opened_again(self) -> None:
        listener = self.listen_for_lines()
        dispatcher = self.dispatch(ManualClock())  # by which no retry would ever come
        dispatcher.subscribe(over_tcp(listener.port))
        dispatcher.deliver(lines(1))
        self.assertTrue(dispatcher.flush(soon()))
        connection = self.accept(listener)
        self.assertEqual(connection.numbers(1), [1])
        connection.close()
        dispatcher.deliver(lines(2))
        self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual(self.accept(listener).numbers(1), [2])

    def test_a_listener_that_comes_late_gets_all_in_order(self) -> None:
        port = free_port()
        dispatcher = self.dispatch(ManualClock())
        dispatcher.subscribe(over_tcp(port))
        dispatcher.deliver(lines(1))
        self.assertFalse(dispatcher.flush(soon()))
        dispatcher.deliver(lines(2))
        listener = self.listen_for_lines(port=port)
        self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual(self.accept(listener).numbers(2), [1, 2])

    def test_the_pause_between_attempts_doubles(self) -> None:
        clock = ManualClock()
        dispatcher = self.dispatch(clock)
        port = free_port()
        dispatcher.subscribe(over_tcp(port, timeout_ms=0))
        dispatcher.deliver(lines(1))
        for nap, pause in enumerate((0.1, 0.2, 0.4)):
            clock.wait_for_nap(2 * nap + 1)
            clock.advance(pause - 0.01)
            clock.wait_for_nap(2 * nap + 2)
            clock.advance(0.02)
        clock.wait_for_nap(7)
        listener = self.listen_for_lines(port=port)
        clock.advance(0.8)
        self.assertEqual(self.accept(listener).numbers(1), [1])

    def test_a_batch_that_breaks_off_comes_again_whole(self) -> None:
        listener = self.listen_for_lines(buffer_bytes=4096)
        dispatcher = self.dispatch()
        dispatcher.subscribe(over_tcp(listener.port, max_bytes=2**24))
        dispatcher.deliver([*lines(1), line("x" * 2**23), *lines(3)])
        flushing = self.enterContext(ThreadPoolExecutor()).submit(dispatcher.flush, soon())
        first = self.accept(listener)
        self.assertEqual(first.numbers(1), [1])
        first.close()  # in the middle of the second
        again = self.accept(listener)
        self.assertEqual(again.numbers(1), [1])
        self.assertEqual(again.event()["record"], "x" * 2**23)
        self.assertEqual(again.numbers(1), [3])
        self.assertTrue(flushing.result(PATIENCE))
        self.assertTrue(again.is_silent())

    def test_a_listener_that_reads_nothing_is_given_the_batch_again(self) -> None:
        listener = self.listen_for_lines(buffer_bytes=4096)
        dispatcher = self.dispatch()
        with mock.patch("lambda_sim.telemetry.patience.PATIENCE_SECONDS", 0.1):
            dispatcher.subscribe(over_tcp(listener.port, timeout_ms=0))
            dispatcher.deliver([line("x" * 2**23)])
            self.accept(listener)
            self.accept(listener)

    def test_close_ends_a_write_that_hangs(self) -> None:
        listener = self.listen_for_lines(buffer_bytes=4096)
        with mock.patch("lambda_sim.telemetry.patience.PATIENCE_SECONDS", PATIENCE):
            dispatcher = self.dispatch()
            dispatcher.subscribe(over_tcp(listener.port, timeout_ms=0))
            dispatcher.deliver([line("x" * 2**23)])
            self.assertEqual(self.accept(listener).socket.recv(1), b"{")
            began = time.monotonic()
            dispatcher.close()
            self.assertLess(time.monotonic() - began, PATIENCE / 2)
        self.assertEqual(workers(), [])

    def test_close_ends_a_connect_that_hangs(self) -> None:
        # It does not: close waits until the kernel or the patience gives up.
        listener = self.listen_for_lines(backlog=0)
        callers = [socket.socket() for _ in range(3)]
        for caller in callers:
            self.addCleanup(caller.close)
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", listener.port))
        with mock.patch("lambda_sim.telemetry.patience.PATIENCE_SECONDS", PATIENCE):
            dispatcher = self.dispatch()
            dispatcher.subscribe(over_tcp(listener.port, timeout_ms=0))
            dispatcher.deliver(lines(1))
            self.assertFalse(dispatcher.flush(Deadline.after(0.05)))  # until it is under way
            began = time.monotonic()
            dispatcher.close()
            self.assertLess(time.monotonic() - began, PATIENCE / 2)
        self.assertEqual(workers(), [])

    def test_close_leaves_a_look_up_of_a_name_to_itself(self) -> None:
        is_asked, is_answered = threading.Event(), threading.Event()

        def resolve(*address: object, **hints: object) -> list[object]:
            is_asked.set()
            is_answered.wait(PATIENCE)
            return []

        with (
            mock.patch("lambda_sim.telemetry.dispatcher.LEAVING_SECONDS", 0.01),
            mock.patch("lambda_sim.telemetry.link.socket.getaddrinfo", resolve),
            self.assertLogs("lambda_sim.telemetry.dispatcher", "WARNING") as log,
        ):
            dispatcher = self.dispatch()
            dispatcher.subscribe(over_tcp(1, timeout_ms=0))
            dispatcher.deliver(lines(1))
            self.assertTrue(is_asked.wait(PATIENCE))
            dispatcher.close()
            self.assertFalse(is_answered.is_set())
            is_answered.set()
            for thread in threading.enumerate():
                if thread.name.startswith("lambda-sim:"):
                    thread.join(PATIENCE)
        self.assertIn("still busy", log.output[0])
        self.assertEqual(workers(), [])

    def test_what_a_listener_said_takes_nothing_back_at_the_end(self) -> None:
        # It does: closing with something unread resets, and what is under way is lost.
        listener = self.listen_for_lines(buffer_bytes=65_536)
        dispatcher = self.dispatch()
        dispatcher.subscribe(over_tcp(listener.port, timeout_ms=0))
        dispatcher.deliver(lines(1))
        connection = self.accept(listener)
        connection.socket.sendall(b"hello\n")
        dispatcher.deliver([line("x" * 500_000)])
        self.assertTrue(dispatcher.flush(soon()))
        connection.socket.sendall(b"hello again\n")
        dispatcher.close()
        self.assertEqual(connection.numbers(1), [1])
        self.assertEqual(len(connection.event()["record"]), 500_000)

    def test_the_end_of_a_subscription_ends_its_connection(self) -> None:
        listener = self.listen_for_lines()
        dispatcher = self.dispatch()
        dispatcher.subscribe(over_tcp(listener.port))
        dispatcher.deliver(lines(1))
        dispatcher.unsubscribe_all(PATIENCE)
        connection = self.accept(listener)
        self.assertEqual(connection.numbers(1), [1])
        self.assertEqual(connection.line(), b"")

    def test_a_replacement_may_change_the_protocol(self) -> None:
        posts, written = self.listen(), self.listen_for_lines()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(posts.port))
        dispatcher.deliver(lines(1))
        self.assertTrue(dispatcher.flush(soon()))
        dispatcher.subscribe(over_tcp(written.port))
        dispatcher.deliver(lines(2))
        self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual(posts.numbers(), [1])
        self.assertEqual(self.accept(written).numbers(1), [2])

    def test_dropped_events_are_told_in_front(self) -> None:
        port = free_port()
        dispatcher = self.dispatch()
        dispatcher.subscribe(logs(port, max_items=1, protocol=DeliveryProtocol.TCP))
        dispatcher.deliver(lines(*range(20_001)))
        self.assertFalse(dispatcher.flush(soon()))
        listener = self.listen_for_lines(port=port)
        self.assertTrue(dispatcher.flush(soon()))
        connection = self.accept(listener)
        told = connection.event()
        self.assertEqual(told["type"], "platform.logsDropped")
        self.assertEqual(told["record"]["droppedRecords"], 1)
        self.assertEqual(connection.numbers(2), [1, 2])


class Retries(DispatcherTestCase):
    def test_a_batch_that_failed_comes_again_and_only_until_it_is_acknowledged(self) -> None:
        listener = self.listen(500, 302, 204)
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(listener.port, timeout_ms=0))
        dispatcher.deliver(lines(1, 2))
        self.assertEqual([listener.numbers() for _ in range(3)], [[1, 2]] * 3)
        dispatcher.deliver(lines(3))
        self.assertEqual(listener.numbers(), [3])
        self.assertTrue(dispatcher.flush(soon()))
        self.assertTrue(listener.is_silent())

    def test_the_pause_between_retries_doubles_up_to_two_seconds(self) -> None:
        clock = ManualClock()
        listener = self.listen(*[500] * 7)
        dispatcher = self.dispatch(clock)
        dispatcher.subscribe(subscription(listener.port, timeout_ms=0))
        dispatcher.deliver(lines(1))
        for nap, pause in enumerate((0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0)):
            self.assertEqual(listener.numbers(), [1])
            clock.wait_for_nap(2 * nap + 1)
            clock.advance(pause - 0.01)
            clock.wait_for_nap(2 * nap + 2)
            self.assertTrue(listener.is_silent())
            clock.advance(0.02)
        self.assertEqual(listener.numbers(), [1])

    def test_events_that_come_during_a_retry_follow_it(self) -> None:
        listener = self.listen(FAIL_HELD)
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(listener.port, timeout_ms=0))
        dispatcher.deliver(lines(1))
        self.assertEqual(listener.numbers(), [1])
        dispatcher.deliver(lines(2, 3))
        listener.released.set()
        self.assertEqual([listener.numbers(), listener.numbers()], [[1], [2, 3]])

    def test_a_listener_that_comes_late_gets_all_in_order(self) -> None:
        port = free_port()
        dispatcher = self.dispatch(ManualClock())
        dispatcher.subscribe(subscription(port))
        dispatcher.deliver(lines(1))
        self.assertFalse(dispatcher.flush(soon()))
        dispatcher.deliver(lines(2))
        self.assertFalse(dispatcher.flush(soon()))
        late = self.listen(port=port)
        self.addCleanup(dispatcher.close)
        self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual([late.numbers(), late.numbers()], [[1], [2]])

    def test_a_listener_that_never_answers_delays_nobody_else(self) -> None:
        hung, quick = self.listen(HOLD), self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(hung.port, timeout_ms=0))
        dispatcher.subscribe(other(quick.port, timeout_ms=0))
        dispatcher.deliver(lines(1))
        self.assertEqual(hung.numbers(), [1])
        for number in range(2, 50):
            dispatcher.deliver(lines(number))
        seen: list[int] = []
        while len(seen) < 49:
            seen += quick.numbers()
        self.assertEqual(seen, list(range(1, 50)))
        self.assertFalse(hung.released.is_set())

    def test_a_listener_that_never_answers_is_asked_again(self) -> None:
        listener = self.listen(HOLD)
        dispatcher = self.dispatch()
        with mock.patch("lambda_sim.telemetry.patience.PATIENCE_SECONDS", 0.1):
            dispatcher.subscribe(subscription(listener.port, timeout_ms=0))
            dispatcher.deliver(lines(1))
            self.assertEqual([listener.numbers(), listener.numbers()], [[1], [1]])


class Losses(DispatcherTestCase):
    def test_what_a_subscriber_is_too_slow_for_is_counted_and_told_in_front(self) -> None:
        port = free_port()
        quick = self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(port))
        dispatcher.subscribe(other(quick.port, max_bytes=2**20))
        for start in (0, 10_000, 20_000):  # no faster than the quick one can take them
            dispatcher.deliver(lines(*range(start, start + 10_000)))
            self.assertFalse(dispatcher.flush(soon()))
        self.assertEqual(sum(len(quick.numbers()) for _ in range(3)), 30_000)
        size = sum(len(encoded(fact, config())) for fact in lines(*range(10_000)))
        lost = {"droppedRecords": 10_000, "droppedBytes": size}
        self.assertEqual(sum(one.records for one in self.drops), lost["droppedRecords"])
        self.assertEqual(sum(one.size_bytes for one in self.drops), lost["droppedBytes"])

        late = self.listen(port=port)
        self.addCleanup(dispatcher.close)
        self.assertTrue(dispatcher.flush(soon()))
        told, *events = late.events()
        self.assertEqual(told["type"], "platform.logsDropped")
        self.assertEqual(told["record"], {"reason": self.drops[0].reason, **lost})
        while len(events) < 20_000:
            events += late.events()
        numbers = [int(one["record"]) for one in events]
        self.assertEqual(numbers, list(range(10_000, 30_000)))

        dispatcher.deliver([INIT_START])
        self.assertTrue(dispatcher.flush(soon()))
        for listener in (quick, late):
            self.assertEqual([one["type"] for one in listener.events()], ["platform.initStart"])

    def test_who_takes_no_platform_events_is_not_told(self) -> None:
        listener = self.listen(FAIL_HELD)
        dispatcher = self.dispatch()
        streams = frozenset({FUNCTION})
        dispatcher.subscribe(subscription(listener.port, max_items=1, types=streams))
        dispatcher.deliver(lines(1))
        self.assertEqual(listener.numbers(), [1])
        dispatcher.deliver(lines(*range(2, 20_002)))
        listener.released.set()
        self.assertEqual(listener.numbers(), [2])
        self.assertEqual([one.records for one in self.drops], [1])

    def test_losses_are_reported_with_no_lock_held(self) -> None:
        listener = self.listen(FAIL_HELD)
        seen: list[bool] = []
        dispatcher = Dispatcher(
            config(), on_dropped=lambda _: seen.append(dispatcher.has_subscribers)
        )
        self.addCleanup(dispatcher.close)
        dispatcher.subscribe(subscription(listener.port, max_items=1))
        dispatcher.deliver(lines(1))
        listener.request()
        dispatcher.deliver(lines(*range(20_000)))
        listener.released.set()
        listener.request()
        self.assertEqual(seen, [True])

    def test_what_the_callback_raises_is_shown_by_close(self) -> None:
        def fail(_: LogsDropped) -> None:
            raise ZeroDivisionError

        listener = self.listen(HOLD)
        dispatcher = Dispatcher(config(), on_dropped=fail)
        self.addCleanup(dispatcher.close)
        dispatcher.subscribe(subscription(listener.port, max_items=1))
        dispatcher.deliver(lines(1))
        listener.request()
        dispatcher.deliver(lines(*range(20_001)))
        with self.assertRaises(ZeroDivisionError):
            dispatcher.close()
        dispatcher.close()


class Subscribing(DispatcherTestCase):
    def test_a_new_subscriber_first_gets_what_it_missed(self) -> None:
        listener = self.listen()
        dispatcher = self.dispatch()
        replay = [INIT_START, line("e", EXTENSION), *lines(1)]
        dispatcher.subscribe(subscription(listener.port), replay)
        dispatcher.deliver(lines(2))
        self.assertTrue(dispatcher.flush(soon()))
        first, *rest = listener.events()
        self.assertEqual(first["type"], "platform.initStart")
        self.assertEqual([one["record"] for one in rest], ["1\n", "2\n"])

    def test_a_worker_carries_the_extensions_name(self) -> None:
        dispatcher = self.dispatch()
        self.assertEqual(workers(), [])
        dispatcher.subscribe(subscription())
        self.assertTrue(dispatcher.has_subscribers)
        self.assertEqual(workers(), ["lambda-sim:telemetry-watcher"])

    def test_one_for_whom_no_thread_was_left_is_sent_all_of_it_later(self) -> None:
        first, late = self.listen(), self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(other(first.port), lines(1))
        no_thread = RuntimeError("can't start new thread")
        with mock.patch.object(Worker, "start", side_effect=no_thread):
            with self.assertLogs("lambda_sim.telemetry.dispatcher", "WARNING"):
                dispatcher.subscribe(subscription(late.port), lines(1))
            dispatcher.deliver(lines(2))
            began = time.monotonic()
            self.assertFalse(dispatcher.flush(soon()))
            self.assertLess(time.monotonic() - began, PATIENCE / 2)
        self.assertEqual(first.numbers(), [1, 2])
        dispatcher.deliver(lines(3))
        self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual(late.numbers(), [1, 2, 3])
        self.assertEqual(first.numbers(), [3])

    def test_one_that_never_had_a_thread_is_no_trouble_at_the_end(self) -> None:
        dispatcher = self.dispatch()
        with mock.patch.object(Worker, "start", side_effect=RuntimeError):
            for end in (lambda: dispatcher.unsubscribe_all(PATIENCE), dispatcher.close):
                with self.assertLogs("lambda_sim.telemetry.dispatcher", "WARNING"):
                    dispatcher.subscribe(subscription(), lines(1))
                end()
                self.assertFalse(dispatcher.has_subscribers)

    def test_a_close_that_comes_when_its_worker_starts_leaves_none(self) -> None:
        dispatcher = self.dispatch()
        start, join, is_joined = Worker.start, Worker.join, threading.Event()
        self.addCleanup(is_joined.set)

        def start_late(worker: Worker) -> Worker:
            dispatcher.close()
            return start(worker)

        def joined(worker: Worker) -> bool:
            is_joined.set()
            return join(worker)

        def work(*_: object) -> None:
            is_joined.wait(PATIENCE)

        with (
            mock.patch.object(Worker, "start", start_late),
            mock.patch.object(Worker, "join", joined),
            mock.patch.object(Dispatcher, "_work", work),
        ):
            dispatcher.subscribe(subscription())
        self.assertEqual(workers(), [])

    def test_what_an_old_subscription_left_goes_to_the_new_one(self) -> None:
        old, new = self.listen(), self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(old.port))
        dispatcher.deliver(lines(1, 2))
        dispatcher.subscribe(subscription(new.port, max_items=3))
        dispatcher.deliver(lines(3))
        self.assertEqual(new.numbers(), [1, 2, 3])
        self.assertTrue(old.is_silent())
        self.assertEqual(workers(), ["lambda-sim:telemetry-watcher"])

    def test_a_batch_under_way_to_the_old_address_is_not_sent_to_the_new_one(self) -> None:
        old, new = self.listen(HOLD), self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(old.port, timeout_ms=0))
        dispatcher.deliver(lines(1))
        self.assertEqual(old.numbers(), [1])
        dispatcher.subscribe(subscription(new.port, timeout_ms=0))
        dispatcher.deliver(lines(2))
        old.released.set()
        self.assertEqual(new.numbers(), [2])
        self.assertTrue(dispatcher.flush(soon()))
        self.assertTrue(old.is_silent() and new.is_silent())

    def test_a_batch_that_failed_at_the_old_address_goes_to_the_new_one(self) -> None:
        old, new = self.listen(FAIL_HELD), self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(old.port, timeout_ms=0))
        dispatcher.deliver(lines(1))
        self.assertEqual(old.numbers(), [1])
        dispatcher.subscribe(subscription(new.port, timeout_ms=0))
        old.released.set()
        self.assertEqual(new.numbers(), [1])

    def test_a_replacement_is_sent_what_it_missed_only_of_new_streams(self) -> None:
        listener = self.listen()
        dispatcher = self.dispatch()
        facts = [INIT_START, *lines(1)]
        dispatcher.subscribe(subscription(listener.port, types=frozenset({PLATFORM})), facts)
        dispatcher.subscribe(subscription(listener.port), facts)
        self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual(
            [one["type"] for one in listener.events()], ["platform.initStart", "function"]
        )


class Ending(DispatcherTestCase):
    def start_flush(self, dispatcher: Dispatcher) -> Future[bool]:
        """A flush that is waiting, in another thread."""
        threads = self.enterContext(ThreadPoolExecutor())
        clock = ManualClock()
        flushing = threads.submit(dispatcher.flush, Deadline.after(PATIENCE, clock))
        clock.wait_for_nap(1)
        return flushing

    def test_a_flush_does_not_wait_where_nobody_listens(self) -> None:
        listener = self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(free_port()))
        dispatcher.subscribe(other(listener.port))
        dispatcher.deliver(lines(1))
        began = time.monotonic()
        self.assertFalse(dispatcher.flush(soon()))
        self.assertLess(time.monotonic() - began, PATIENCE / 2)
        self.assertEqual(listener.numbers(), [1])

    def test_a_flush_ends_with_its_deadline(self) -> None:
        listener = self.listen(HOLD)
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(listener.port))
        dispatcher.deliver(lines(1))
        self.assertFalse(dispatcher.flush(Deadline.after(0.05)))

    def test_a_flush_ends_a_pause_between_retries(self) -> None:
        clock = ManualClock()
        listener = self.listen(500)
        dispatcher = self.dispatch(clock)
        dispatcher.subscribe(subscription(listener.port, timeout_ms=0))
        dispatcher.deliver(lines(1))
        clock.wait_for_nap(1)
        self.assertTrue(dispatcher.flush(soon()))
        self.assertEqual([listener.numbers(), listener.numbers()], [[1], [1]])

    def test_a_flush_waits_for_what_was_there_and_not_for_what_comes(self) -> None:
        listener = self.listen(HOLD, 500)
        dispatcher = self.dispatch(ManualClock())
        dispatcher.subscribe(subscription(listener.port, max_items=1))
        dispatcher.deliver(lines(1))
        listener.request()
        flushing = self.start_flush(dispatcher)
        dispatcher.deliver(lines(2))
        listener.released.set()
        self.assertTrue(flushing.result(PATIENCE))

    def test_a_reset_flushes_and_ends_all_subscriptions(self) -> None:
        listener = self.listen()
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(listener.port))
        dispatcher.deliver(lines(1))
        dispatcher.unsubscribe_all(PATIENCE)
        self.assertEqual(listener.numbers(), [1])
        self.assertFalse(dispatcher.has_subscribers)
        self.assertEqual(workers(), [])
        dispatcher.deliver(lines(2))
        self.assertTrue(listener.is_silent())

    def test_after_a_reset_batches_fill_again(self) -> None:
        clock = ManualClock()
        listener = self.listen()
        dispatcher = self.dispatch(clock)
        dispatcher.hurry()
        dispatcher.unsubscribe_all(PATIENCE)
        dispatcher.subscribe(subscription(listener.port, max_items=2))
        dispatcher.deliver(lines(3))
        clock.wait_for_nap(1)
        dispatcher.deliver(lines(4))
        self.assertEqual(listener.numbers(), [3, 4])

    def test_a_reset_waits_no_longer_than_told_also_when_the_clock_stands_still(self) -> None:
        listener = self.listen(HOLD)
        dispatcher = self.dispatch(ManualClock())
        dispatcher.subscribe(subscription(listener.port))
        dispatcher.deliver(lines(1))
        dispatcher.unsubscribe_all(0.05)
        self.assertEqual(workers(), [])

    def test_close_ends_a_post_that_hangs(self) -> None:
        listener = self.listen(HOLD)
        with mock.patch("lambda_sim.telemetry.patience.PATIENCE_SECONDS", PATIENCE):
            dispatcher = self.dispatch()
            dispatcher.subscribe(subscription(listener.port, timeout_ms=0))
            dispatcher.deliver(lines(1))
            listener.request()
            began = time.monotonic()
            dispatcher.close()
            self.assertLess(time.monotonic() - began, PATIENCE / 2)
        self.assertEqual(workers(), [])

    def test_close_ends_a_pause_between_retries(self) -> None:
        clock = ManualClock()
        dispatcher = self.dispatch(clock)
        dispatcher.subscribe(subscription(free_port(), timeout_ms=0))
        dispatcher.deliver(lines(1))
        clock.wait_for_nap(1)
        dispatcher.close()
        self.assertEqual(workers(), [])

    def test_close_ends_a_flush(self) -> None:
        listener = self.listen(HOLD)
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription(listener.port))
        dispatcher.deliver(lines(1))
        flushing = self.start_flush(dispatcher)
        dispatcher.close()
        self.assertFalse(flushing.result(PATIENCE))

    def test_after_close_nothing_subscribes_and_nothing_is_delivered(self) -> None:
        dispatcher = self.dispatch()
        dispatcher.subscribe(subscription())
        dispatcher.close()
        dispatcher.close()
        with self.assertRaises(ShuttingDown):
            dispatcher.subscribe(subscription())
        dispatcher.deliver(lines(1))
        self.assertFalse(dispatcher.has_subscribers)
