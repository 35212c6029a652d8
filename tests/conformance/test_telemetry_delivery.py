"""Section 3.3 of the contract: how telemetry reaches those who subscribed."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import attrs

from lambda_sim import AWS, ProcessConfig, ProcessRole
from lambda_sim.testing import ManualClock, TelemetryReceiver
from tests.conformance.case import TelemetryTest, extension_of, runtime_of, subscription
from tests.raw import PATIENCE, RawExtension
from tests.telemetry.doubles import HOLD, Listener, free_port

UNCHECKED = attrs.evolve(AWS, subscriptions_are_checked=False)
"""AWS's rules, but that an extension may ask for its telemetry at once: see ``mirror``."""

PLATFORM = ("platform",)
FUNCTION = ("function",)
SLOW = 30_000
"""Milliseconds, the most there is: what comes sooner came for another reason."""

MAX_BYTES = 262_144

NOISY = """
import http.client, http.server, json, os, sys, threading

class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        print("heard", flush=True)

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
threading.Thread(target=server.serve_forever, daemon=True).start()
link = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

def call(method, path, headers, body=None):
    link.request(method, path, body and json.dumps(body), headers)
    answer = link.getresponse()
    answer.read()
    return answer.headers["Lambda-Extension-Identifier"]

name = {"Lambda-Extension-Name": "noisy"}
found = call("POST", "/2020-01-01/extension/register", name, {"events": ["INVOKE"]})
identity = {"Lambda-Extension-Identifier": found}
call("PUT", "/2022-07-01/telemetry", identity, {
    "schemaVersion": "2022-12-13",
    "types": ["extension"],
    "destination": {
        "protocol": "HTTP", "URI": f"http://sandbox.localdomain:{server.server_port}"
    },
    "buffering": {"timeoutMs": 25},
})
print("subscribed", flush=True)
while True:
    call("GET", "/2020-01-01/extension/event/next", identity)
"""
"""An extension that prints a line whenever it is told that extensions printed lines."""


class DeliveryTest(TelemetryTest):
    def listen(self, *script: int | str, port: int = 0) -> Listener:
        """A listener that answers by a script, then with 200."""
        simulator = self.simulator
        listener = Listener(*script, port=port)
        self.addCleanup(listener.close)
        # Before the listener, which waits until nobody is connected.
        self.addCleanup(simulator.close)
        return listener

    def mirror(self, *types: str) -> TelemetryReceiver:
        """Who is sent everything at once: what it has, others that subscribed before it wait for.

        For simulators whose rules are UNCHECKED.
        """
        mirror = self.receiver()
        types = types or ("platform", "function", "extension")
        at_once = {"timeoutMs": 0, "maxBytes": 2**30, "maxItems": 2**20}
        self.park(self.subscribed("mirror", to=mirror, types=types, **at_once))
        if "platform" in types:
            mirror.wait_for("platform.initStart", PATIENCE)
        return mirror

    def run_runtime(self, *steps: str) -> None:
        """Start a runtime now that extensions have subscribed."""
        self.simulator.spawn_process_with_config(runtime_of(*steps))

    def ready(self, *extensions: RawExtension) -> None:
        """Extensions and a runtime by hand wait in Next."""
        for extension in extensions:
            self.park(extension)
        self.hand_made = self.park(self.runtime())


class PostTest(DeliveryTest):
    def test_te_20_events_are_posted_as_a_json_array(self) -> None:
        listener = self.listen()
        self.subscribed("watcher", to=listener.port, timeoutMs=25)
        _, headers, body = listener.request()
        self.assertEqual(headers["Content-Type"], "application/json")
        events = json.loads(body)
        self.assertIsInstance(events, list)
        for event in events:
            self.assertEqual(set(event), {"time", "type", "record"})

    def test_te_20_the_path_is_kept(self) -> None:
        for number, (path, asked) in enumerate((("/", ""), ("/a/b", "/a/b"), ("/a?b=c", "/a?b=c"))):
            with self.subTest(asked=asked):
                listener = self.listen()
                wanted = subscription(listener.port, timeoutMs=25)
                uri = f"http://sandbox.localdomain:{listener.port}{asked}"
                wanted["destination"]["URI"] = uri
                self.assertEqual(self.extension(f"inner-{number}").subscribe(wanted).status, 200)
                self.assertEqual(listener.request()[0], path)

    def test_te_20_each_gets_the_streams_it_asked_for(self) -> None:
        receivers = {}
        for stream in ("platform", "function", "extension"):
            receivers[stream] = self.receiver()
            self.park(self.subscribed(stream, to=receivers[stream], types=[stream], timeoutMs=25))
        # It prints and is not waited for: an extension by name only.
        talker = extension_of("talker", "print:from an extension", "hang")
        self.simulator.spawn_process_with_config(talker)
        self.run_runtime("print:from the runtime", "serve")
        receivers["platform"].wait_for("platform.initReport", PATIENCE)
        receivers["function"].wait_for("function", PATIENCE)
        receivers["extension"].wait_for("extension", PATIENCE)
        for stream, receiver in receivers.items():
            kinds = {event["type"].partition(".")[0] for event in receiver.events}
            self.assertEqual(kinds, {stream})

    def test_te_15_the_sandboxs_name_means_this_machine(self) -> None:
        for number, host in enumerate(("sandbox.localdomain", "sandbox")):
            with self.subTest(host=host):
                receiver = self.receiver()
                wanted = subscription(receiver, timeoutMs=25)
                url = receiver.url.replace("sandbox.localdomain", host)
                wanted["destination"]["URI"] = url
                self.assertEqual(self.extension(f"inner-{number}").subscribe(wanted).status, 200)
                receiver.wait_for("platform.initStart", PATIENCE)


class BatchTest(DeliveryTest):
    def test_te_22_a_batch_goes_when_its_first_event_is_old_enough(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock, rules=UNCHECKED)
        half, default = self.receiver(), self.receiver()
        self.subscribed("half", to=half, timeoutMs=500)
        self.subscribed("default", to=default)
        self.mirror()
        clock.advance(0.25)
        self.assertEqual(half.events, [])
        clock.advance(0.25)
        half.wait_for("platform.initStart", PATIENCE)
        self.assertEqual(default.events, [])
        clock.advance(0.5)
        default.wait_for("platform.initStart", PATIENCE)
        self.assertEqual([len(one.batches) for one in (half, default)], [1, 1])

    def test_te_22_a_batch_goes_when_it_has_enough_events(self) -> None:
        self.simulate(clock=ManualClock())
        receiver = self.receiver()
        self.subscribed("watcher", to=receiver, types=FUNCTION, maxItems=1_000, timeoutMs=SLOW)
        self.run_runtime(f"print:{lines(1_500)}", "serve")
        receiver.wait_for("function", PATIENCE)
        self.simulator.wait_for_telemetry("function", count=1_500, timeout=PATIENCE)
        self.assertEqual([len(batch) for batch in receiver.batches], [1_000])

    def test_x_10_a_batch_holds_10_000_events_if_nothing_else_is_asked_for(self) -> None:
        self.simulate(clock=ManualClock())
        receiver = self.receiver()
        large = {"maxBytes": 1_048_576, "timeoutMs": SLOW}
        self.subscribed("watcher", to=receiver, types=FUNCTION, **large)
        self.run_runtime(f"print:{lines(10_001)}", "serve")
        receiver.wait_for("function", PATIENCE)
        self.assertEqual([len(batch) for batch in receiver.batches], [10_000])

    def test_te_22_a_batch_goes_when_it_has_enough_bytes(self) -> None:
        self.simulate(clock=ManualClock())
        listener = self.listen()
        self.subscribed("watcher", to=listener.port, types=FUNCTION, timeoutMs=SLOW)
        self.run_runtime(*["flood:100000"] * 3, "serve")
        sent = listener.request()[2]
        self.assertGreater(len(sent), 100_000)
        self.assertLessEqual(len(sent), 2 * MAX_BYTES + 1_000)

    def test_te_22_a_crash_delivers_what_waits(self) -> None:
        self.simulate(clock=ManualClock(), shutdown_timeout=0.0)
        receiver = self.receiver()
        self.park(self.subscribed("watcher", to=receiver, timeoutMs=SLOW))
        self.run_runtime("next", "print:last words", "exit:1")
        self.complete(self.simulator.enqueue_payload({}))
        report = receiver.wait_for("platform.report", PATIENCE)[0]
        self.assertEqual(report["record"]["errorType"], "Runtime.ExitError")
        self.assertEqual(receiver.wait_for("function", PATIENCE)[0]["record"], "last words\n")

    def test_te_22_shutdown_delivers_what_waits(self) -> None:
        self.simulate(clock=ManualClock())
        receiver = self.receiver()
        self.ready(self.subscribed("inner", to=receiver, timeoutMs=SLOW))
        self.simulator.graceful_shutdown()
        types = [event["type"] for event in receiver.events]
        self.assertEqual(types, self.telemetry_types())

    def test_te_22_an_extension_has_it_while_it_shuts_down(self) -> None:
        self.simulate(clock=ManualClock())
        receiver = self.receiver()
        watcher = self.subscribed("watcher", "SHUTDOWN", to=receiver, timeoutMs=SLOW)
        self.ready(watcher)
        ended = self.soon(self.simulator.graceful_shutdown)
        self.assertEqual(watcher.event()["eventType"], "SHUTDOWN")
        receiver.wait_for("platform.initReport", PATIENCE)
        self.assertFalse(ended.done())
        watcher.close()
        ended.result(PATIENCE)

    def test_te_23_an_event_larger_than_a_batch_is_delivered(self) -> None:
        listener = self.listen()
        self.subscribed("watcher", to=listener.port, types=FUNCTION, timeoutMs=25)
        self.run_runtime(f"flood:{MAX_BYTES}", "flood:600000", "print:end", "serve")
        records = [""]
        while records[-1] != "end\n":
            body = listener.request()[2]
            self.assertLessEqual(len(body), 2 * MAX_BYTES + 1_000)
            records += [event["record"] for event in json.loads(body)]
        first, second, _ = "".join(records).splitlines()
        self.assertEqual((len(first), len(second)), (MAX_BYTES, 600_000))


class RetryTest(DeliveryTest):
    def test_te_24_what_is_not_acknowledged_comes_again(self) -> None:
        for refused in (500, 503, 404, 302):
            with self.subTest(refused=refused):
                self.simulate()
                listener = self.listen(refused, 202)
                watcher = self.subscribed("watcher", to=listener.port, timeoutMs=25)
                first = listener.events()
                self.assertEqual(listener.events(), first)
                # Now it is acknowledged: what comes next is new.
                self.park(watcher)
                self.park(self.runtime())
                self.assertEqual(listener.events()[0]["type"], "platform.initRuntimeDone")

    def test_te_24_any_2xx_acknowledges(self) -> None:
        for status in (200, 201, 202, 204):
            with self.subTest(status=status):
                self.simulate()
                listener = self.listen(status)
                watcher = self.subscribed("watcher", to=listener.port, timeoutMs=25)
                listener.request()
                self.park(watcher)
                self.park(self.runtime())
                self.assertEqual(listener.events()[0]["type"], "platform.initRuntimeDone")

    def test_te_24_a_listener_that_comes_late_has_all_of_it(self) -> None:
        port = free_port()
        self.ready(self.subscribed("watcher", to=port, timeoutMs=25))
        listener = self.listen(port=port)
        found: list[str] = []
        while "platform.initReport" not in found:
            found += [event["type"] for event in listener.events()]
        self.assertEqual(found, self.telemetry_types())


class LossTest(DeliveryTest):
    def test_te_25_what_a_slow_subscriber_lost_is_told(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock, rules=UNCHECKED)
        port = free_port()
        slow = self.subscribed("slow", to=port, timeoutMs=25)
        mirror = self.mirror()
        self.park(slow)
        self.run_runtime(*["flood:250000"] * 30, "print:end", "serve")
        mirror.wait_for("function", PATIENCE, 31)
        # Else the clock, when it moves, ends it.
        self.wait_for(lambda: self.simulator.is_initialized)
        listener = self.listen(port=port)
        found: list[Any] = []
        while not has_end(found):
            self.wait_for(lambda: clock.advance(1.0) or not listener.is_silent())
            found += listener.events()
        lost = [event for event in found if event["type"] == "platform.logsDropped"]
        self.assertTrue(lost)
        for event in lost:
            self.assertEqual(set(event["record"]), {"droppedRecords", "droppedBytes", "reason"})
            self.assertIsInstance(event["record"]["reason"], str)
        records = sum(event["record"]["droppedRecords"] for event in lost)
        kept = [event for event in found if event not in lost]
        self.assertEqual(records + until_end(kept), until_end(mirror.events))
        self.assertGreater(sum(event["record"]["droppedBytes"] for event in lost), 250_000)


class ReplayTest(DeliveryTest):
    def test_te_26_the_first_batch_begins_with_the_init(self) -> None:
        receiver = self.receiver()
        self.subscribed("watcher", to=receiver, timeoutMs=25)
        receiver.wait_for("platform.telemetrySubscription", PATIENCE)
        types = [event["type"] for event in receiver.batches[0]]
        self.assertEqual(types, ["platform.initStart", "platform.telemetrySubscription"])

    def test_te_26_a_later_subscriber_is_sent_what_came_before(self) -> None:
        self.subscribed("watcher", to=free_port())
        talker = extension_of("talker", "print:early", "hang")
        self.simulator.spawn_process_with_config(talker)
        self.wait_for_print("early")
        receiver = self.receiver()
        self.subscribed("second", to=receiver, timeoutMs=25)
        receiver.wait_for("platform.telemetrySubscription", PATIENCE, 2)
        told = [(one["type"], name_of(one)) for one in receiver.events]
        self.assertEqual(
            told,
            [
                ("platform.initStart", None),
                ("platform.telemetrySubscription", "watcher"),
                ("extension", None),
                ("platform.telemetrySubscription", "second"),
            ],
        )

    def test_te_27_a_reset_ends_subscriptions(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock, shutdown_timeout=0.0)
        old, new = self.receiver(), self.receiver()
        self.park(self.subscribed("watcher", to=old, timeoutMs=25))
        self.running()
        clock.advance(3.0)
        self.wait_for(lambda: self.simulator.extension_count == 0)
        self.simulator.enqueue_payload({})
        self.park(self.subscribed("watcher", to=new, timeoutMs=SLOW))
        runtime = self.runtime()
        again = runtime.next().id
        self.assert_accepted(runtime.respond(again))
        self.park(runtime)
        # Its next asking ends the invocation, and the simulator's end delivers the rest.
        self.telemetry("platform.report", 2)
        self.simulator.graceful_shutdown()
        starts = [self.of(one, "platform.initStart") for one in (old, new)]
        phases = [[event["record"]["phase"] for event in found] for found in starts]
        self.assertEqual(phases, [["init"], ["invoke"]])
        self.assertEqual(new.events[0]["type"], "platform.initStart")
        self.assertEqual(len(self.of(old, "platform.report")), 1)
        ids = {event["record"]["requestId"] for event in self.of(new, "platform.report")}
        self.assertEqual(ids, {again})

    def of(self, receiver: TelemetryReceiver, event_type: str) -> list[Any]:
        return [event for event in receiver.events if event["type"] == event_type]


class IndependenceTest(DeliveryTest):
    def test_te_28_a_listener_that_never_answers_holds_up_nothing(self) -> None:
        listener = self.listen(HOLD)
        watcher = self.subscribed("watcher", to=listener.port, timeoutMs=25)
        listener.request()
        self.park(watcher)
        self.run_runtime("serve")
        state = self.simulator.invoke({"a": 1}, timeout=PATIENCE)
        self.assertEqual(state.response.payload, {"a": 1})
        self.telemetry("platform.report")
        self.assertFalse(listener.released.is_set())

    def test_te_28_a_listener_that_is_not_there_holds_up_nothing(self) -> None:
        self.park(self.subscribed("watcher", to=free_port(), timeoutMs=25))
        self.run_runtime("serve")
        self.simulator.invoke({}, timeout=PATIENCE)
        self.telemetry("platform.report")

    def test_te_29_an_extension_that_prints_what_it_hears_wedges_nothing(self) -> None:
        command = [sys.executable, "-I", "-S", "-c", NOISY]
        role = ProcessRole.EXTENSION
        noisy = ProcessConfig(command, role, name="noisy", inherit_stdio=False)
        self.simulate(extensions=[noisy], runtime=runtime_of("serve"))
        self.wait_for(lambda: self.printed().count("heard") > 2)
        for number in range(3):
            state = self.simulator.invoke(number, timeout=PATIENCE)
            self.assertEqual(state.response.payload, number)
        self.simulator.graceful_shutdown()


class TimeTest(DeliveryTest):
    def test_te_30_times_are_utc_to_the_millisecond(self) -> None:
        receiver = self.receiver()
        self.ready(self.subscribed("watcher", to=receiver, timeoutMs=25))
        receiver.wait_for("platform.initReport", PATIENCE)
        for event in receiver.events:
            self.assertRegex(
                event["time"], re.compile(r"\A\d{4}(-\d\d){2}T\d\d(:\d\d){2}\.\d{3}Z\Z")
            )

    def test_te_30_a_time_is_that_of_the_event_and_not_of_its_delivery(self) -> None:
        clock = ManualClock(1_700_000_000.25)
        self.simulate(clock=clock)
        receiver = self.receiver()
        watcher = self.subscribed("watcher", to=receiver, types=PLATFORM, timeoutMs=SLOW)
        clock.advance(1.5)
        self.ready(watcher)
        clock.advance(2.0)
        self.simulator.graceful_shutdown()
        times = {event["type"]: event["time"] for event in receiver.events}
        self.assertEqual(times["platform.initStart"], "2023-11-14T22:13:20.250Z")
        self.assertEqual(times["platform.initReport"], "2023-11-14T22:13:21.750Z")

    def test_te_31_events_come_in_order(self) -> None:
        marks = self.enterContext(tempfile.TemporaryDirectory())
        self.simulate(
            extensions=[extension_of("talker", "print:up", "register", "event")],
            runtime=runtime_of(
                "until:go", "print:init", "next", "print:work", "respond", "next", MARKS=marks
            ),
        )
        receiver = self.receiver()
        self.simulator.wait_for_extensions(1, PATIENCE)
        self.wait_for_print("up")
        self.park(self.subscribed("inner", to=receiver, timeoutMs=25))
        Path(marks, "go").touch()
        self.complete(self.simulator.enqueue_payload({}))
        receiver.wait_for("platform.report", PATIENCE)
        self.assertEqual(
            [event["type"] for event in receiver.events],
            [
                "platform.initStart",
                "extension",
                "platform.telemetrySubscription",
                "function",
                "platform.initRuntimeDone",
                "platform.extension",
                "platform.extension",
                "platform.initReport",
                "platform.start",
                "function",
                "platform.runtimeDone",
                "platform.report",
            ],
        )
        self.assertEqual([event["type"] for event in receiver.events], self.telemetry_types())

    def test_te_32_the_init_is_reported_when_it_ends(self) -> None:
        self.ready(self.extension("watcher"))
        self.assertEqual(self.telemetry_types()[-1], "platform.initReport")

    def test_te_32_a_provisioned_init_is_reported_during_the_first_invocation(self) -> None:
        self.simulate(initialization_type="provisioned-concurrency")
        self.ready()
        self.assertNotIn("platform.initReport", self.telemetry_types())
        request_id = self.simulator.enqueue_payload({})
        self.hand_made.event()
        self.hand_made.respond(request_id)
        self.park(self.hand_made)
        self.telemetry("platform.initReport")


def lines(count: int) -> str:
    """So many lines, as one text to print."""
    return "\n".join("x" * count)


def has_end(events: list[Any]) -> bool:
    return any(event["record"] == "end\n" for event in events)


def until_end(events: list[Any]) -> int:
    """How many events there are up to the line that says end."""
    return [event["record"] for event in events].index("end\n") + 1


def name_of(event: Any) -> str | None:
    record = event["record"]
    return record.get("name") if isinstance(record, dict) else None
