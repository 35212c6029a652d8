"""Section 3 of the contract where it is about the Logs API, and about telemetry over TCP."""

from __future__ import annotations

import json
import uuid
from typing import Any

import attrs

from lambda_sim import AWS, Invocation
from lambda_sim.testing import ManualClock, TcpTelemetryReceiver, TelemetryReceiver
from tests.conformance.case import TelemetryTest, extension_of, runtime_of, subscription
from tests.raw import PATIENCE, TELEMETRY, RawAnswer, RawExtension
from tests.telemetry.doubles import LineConnection, LineListener, Listener, free_port

LOGS = "/2020-08-15/logs"
OLD, NEW = "2020-08-15", "2021-03-18"
NOBODY = 1
"""A port at which nobody listens."""

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
AT_ONCE: dict[str, Any] = {"timeoutMs": 25}
SLOW: dict[str, Any] = {"timeoutMs": 30_000}
DELETED: Any = object()

Receiver = TelemetryReceiver | TcpTelemetryReceiver


def wanted(
    to: Receiver | int = NOBODY,
    version: str | None = NEW,
    types: tuple[str, ...] = ("platform", "function", "extension"),
    **buffering: int,
) -> dict[str, Any]:
    """The body of a subscription to the Logs API; a number is a port of HTTP."""
    uri = f"http://sandbox.localdomain:{to}/"
    place = {"protocol": "HTTP", "URI": uri} if isinstance(to, int) else to.destination
    asked = {"types": types, "destination": place, "buffering": buffering}
    return asked if version is None else {**asked, "schemaVersion": version}


def changed(path: str, value: Any, base: dict[str, Any] | None = None) -> dict[str, Any]:
    """A valid subscription, but for one field of it."""
    asked: dict[str, Any] = json.loads(json.dumps(base or wanted()))
    *way, last = path.split(".")
    inner = asked
    for name in way:
        inner = inner[name]
    if value is DELETED:
        del inner[last]
    else:
        inner[last] = value
    return asked


def over_tcp(port: Any = NOBODY) -> dict[str, Any]:
    return changed("destination", {"protocol": "TCP", "port": port})


class LogsTest(TelemetryTest):
    def ask(self, extension: RawExtension, asked: Any) -> RawAnswer:
        return extension.subscribe(asked, LOGS)

    def assert_ok(self, answer: RawAnswer) -> None:
        self.assertEqual((answer.status, answer.body), (200, b'"OK"'))

    def logging(self, name: str, *events: str, to: Receiver | int, **asked: Any) -> RawExtension:
        """A registered extension that has logs sent to a receiver, or to a port."""
        extension = self.extension(name, *events)
        self.assert_ok(self.ask(extension, wanted(to, **asked)))
        return extension

    def other_connection(self, extension: RawExtension) -> RawExtension:
        """The same extension on a connection that is not busy with a poll."""
        other = self.extension()
        other.id = extension.id
        return other

    def tcp_receiver(self) -> TcpTelemetryReceiver:
        simulator = self.simulator
        receiver = self.enterContext(TcpTelemetryReceiver())
        self.addCleanup(simulator.close)
        return receiver


class SubscribeTest(LogsTest):
    def test_te_01_the_path_may_end_in_a_slash(self) -> None:
        for number, path in enumerate((LOGS, f"{LOGS}/")):
            with self.subTest(path=path):
                extension = self.extension(f"inner-{number}")
                self.assert_ok(extension.subscribe(wanted(), path))

    def test_te_01_other_methods_are_refused(self) -> None:
        for method in ("GET", "POST", "DELETE"):
            with self.subTest(method=method):
                extension = self.extension()
                answer = extension.request(method, LOGS, extension.headers, b"")
                self.assertEqual((answer.status, answer["Allow"]), (405, "PUT"))

    def test_te_01_an_identifier_is_required(self) -> None:
        self.assert_refused(
            self.connect().request("PUT", LOGS, (), b"{}"),
            403,
            "Extension.MissingExtensionIdentifier",
            "Missing Lambda-Extension-Identifier header",
        )

    def test_te_01_an_identifier_is_a_uuid_that_was_handed_out(self) -> None:
        extension = self.extension()
        extension.id = "x"
        self.assert_refused(
            self.ask(extension, wanted()),
            403,
            "Extension.InvalidExtensionIdentifier",
            "Invalid Lambda-Extension-Identifier",
        )
        extension.id = str(uuid.uuid4())
        self.assert_refused(
            self.ask(extension, wanted()),
            403,
            "Extension.UnknownExtensionIdentifier",
            f"Unknown extension {extension.id}",
        )

    def test_te_02_a_subscription_is_answered_with_ok(self) -> None:
        answer = self.ask(self.extension("watcher"), wanted())
        self.assert_ok(answer)
        self.assertEqual(answer["Content-Type"], "application/json")

    def test_te_03_managed_instances_have_no_logs_api(self) -> None:
        self.simulate(initialization_type="lambda-managed-instances")
        extension = self.extension("watcher")
        self.assert_refused(
            self.ask(extension, wanted()), 202, "Logs.NotSupported", "Logs API is not supported"
        )
        self.assertNotIn("platform.logsSubscription", self.telemetry_types())
        # It is free to use the other one.
        self.assert_ok(extension.subscribe(subscription(NOBODY, version="2025-01-29")))

    def test_te_04_subscriptions_close_with_init(self) -> None:
        extension = self.extension("watcher")
        self.park(self.runtime())
        self.assert_ok(self.ask(extension, wanted()))
        self.park(extension)
        self.assert_refused(
            self.ask(self.other_connection(extension), wanted()),
            403,
            "Logs.SubscriptionClosed",
            "Logs API subscription is closed already",
        )

    def test_te_04_where_they_stay_open_a_late_one_is_sent_what_comes(self) -> None:
        rules = attrs.evolve(AWS, subscriptions_close_with_init=False)
        self.simulate(rules=rules)
        extension = self.park(self.extension("watcher"))
        runtime = self.park(self.runtime())
        receiver = self.receiver()
        late = self.other_connection(extension)
        self.assert_ok(self.ask(late, wanted(receiver, **AT_ONCE)))
        request_id = self.simulator.enqueue_payload({})
        runtime.event()
        runtime.respond(request_id)
        self.settle(runtime)
        receiver.wait_for("platform.report", PATIENCE)
        types = [event["type"] for event in receiver.events]
        self.assertEqual(types[:2], ["platform.logsSubscription", "platform.start"])

    def test_te_05_an_internal_extension_may_subscribe(self) -> None:
        receiver = self.receiver()
        self.logging("inner", to=receiver, **AT_ONCE)
        receiver.wait_for("platform.logsSubscription", PATIENCE)

    def test_te_06_after_the_telemetry_api_the_logs_api_is_refused(self) -> None:
        extension = self.extension("watcher")
        self.assert_ok(extension.subscribe(subscription(NOBODY)))
        self.assert_refused(
            self.ask(extension, wanted()),
            403,
            "Logs.OtherApiSubscribed",
            "Logs API subscription is refused: "
            "the extension is subscribed to the Telemetry API already",
        )
        self.assertNotIn("platform.logsSubscription", self.telemetry_types())

    def test_te_06_after_the_logs_api_the_telemetry_api_is_refused(self) -> None:
        extension = self.extension("watcher")
        self.assert_ok(self.ask(extension, wanted()))
        self.assert_refused(
            extension.subscribe(subscription(NOBODY)),
            403,
            "Telemetry.OtherApiSubscribed",
            "Telemetry API subscription is refused: "
            "the extension is subscribed to the Logs API already",
        )
        self.assertNotIn("platform.telemetrySubscription", self.telemetry_types())

    def test_te_06_the_first_subscription_stands(self) -> None:
        receiver = self.receiver()
        extension = self.logging("watcher", to=receiver, **AT_ONCE)
        extension.subscribe(subscription(NOBODY))
        self.park(extension)
        self.park(self.runtime())
        receiver.wait_for("platform.initReport", PATIENCE)

    def test_te_06_another_extension_may_use_the_other_api(self) -> None:
        self.assert_ok(self.ask(self.extension("watcher"), wanted()))
        self.assert_ok(self.extension("second").subscribe(subscription(NOBODY)))

    def test_te_06_a_refused_subscription_is_no_use_of_an_api(self) -> None:
        extension = self.extension("watcher")
        self.assertEqual(self.ask(extension, wanted(types=())).status, 400)
        self.assert_ok(extension.subscribe(subscription(NOBODY)))

    def test_te_06_a_new_generation_may_use_the_other_api(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock, shutdown_timeout=0.0)
        self.park(self.logging("watcher", to=NOBODY))
        self.running()
        clock.advance(3.0)
        self.wait_for(lambda: self.simulator.extension_count == 0)
        self.simulator.enqueue_payload({})
        self.assert_ok(self.extension("watcher").subscribe(subscription(NOBODY)))

    def test_te_07_a_second_subscription_is_told_of_and_changes_nothing(self) -> None:
        first, second = self.receiver(), self.receiver()
        extension = self.logging("watcher", to=first, **AT_ONCE)
        self.assert_ok(self.ask(extension, wanted(second, **AT_ONCE)))
        self.park(extension)
        self.park(self.runtime())
        self.simulator.graceful_shutdown()
        told = [event["record"]["state"] for event in first.events[:2]]
        self.assertEqual(told, ["Subscribed", "Already subscribed"])
        types = [event["type"] for event in first.events]
        self.assertEqual(len(types[2:]), len(set(types[2:])))
        self.assertEqual(second.events, [])

    def test_te_07_where_nothing_is_checked_it_replaces_the_first(self) -> None:
        rules = attrs.evolve(AWS, subscriptions_are_checked=False)
        self.simulate(rules=rules)
        first, second = self.receiver(), self.receiver()
        extension = self.logging("watcher", to=first, **SLOW)
        self.assert_ok(self.ask(extension, wanted(second, **AT_ONCE)))
        told = second.wait_for("platform.logsSubscription", PATIENCE, 2)
        states = [event["record"]["state"] for event in told]
        self.assertEqual(states, ["Subscribed", "Subscribed"])
        self.assertEqual(first.events, [])


class SchemaTest(LogsTest):
    def assert_valid(self, *subscriptions: Any) -> None:
        for number, asked in enumerate(subscriptions):
            with self.subTest(asked=asked):
                self.assert_ok(self.ask(self.extension(f"inner-{number}"), asked))

    def assert_invalid(self, message: str | None, *subscriptions: Any) -> None:
        extension = self.extension("watcher")
        for asked in subscriptions:
            with self.subTest(asked=asked):
                answer = self.ask(extension, asked)
                self.assert_refused(answer, 400, "Logs.ValidationError", message)
        self.assertNotIn("platform.logsSubscription", self.telemetry_types())

    def test_te_11_both_schemas_are_accepted_and_none_too(self) -> None:
        self.assert_valid(*(wanted(version=version) for version in (OLD, NEW, None)))

    def test_te_11_the_telemetry_apis_schemas_are_refused(self) -> None:
        self.assert_invalid(
            "schemaVersion should be one of 2020-08-15, 2021-03-18",
            *(changed("schemaVersion", version) for version in ("2022-07-01", "", 20210318)),
        )

    def test_te_11_a_destination_over_http(self) -> None:
        http = changed("destination.URI", "http://sandbox.localdomain:4243/a")
        self.assert_valid(
            http,
            *(changed("destination.method", method, http) for method in ("POST", "PUT", None)),
            changed("destination.encoding", "JSON", http),
        )

    def test_te_11_methods_and_encodings_are_known(self) -> None:
        self.assert_invalid(
            None,
            *(changed("destination.method", method) for method in ("", "GET", "put", 1)),
            *(changed("destination.encoding", name) for name in ("", "json", "XML", 1)),
        )

    def test_te_11_a_destination_over_tcp(self) -> None:
        self.assert_valid(over_tcp(1), over_tcp(65_535))

    def test_te_11_a_port_is_required(self) -> None:
        missing = changed("destination", {"protocol": "TCP"})
        uri = changed("destination.URI", "http://sandbox.localdomain:1", missing)
        self.assert_invalid("destination.port is not provided", missing, uri, over_tcp(None))

    def test_te_11_a_port_is_a_number_that_there_is(self) -> None:
        self.assert_invalid(
            "destination.port should be a number from 1 to 65535",
            *(over_tcp(port) for port in (0, -1, 65_536, "4243", 1.5, True)),
        )

    def test_te_11_types_and_buffering_are_checked(self) -> None:
        self.assert_invalid(
            None,
            changed("types", DELETED),
            changed("types", ["metrics"]),
            changed("destination", DELETED),
            changed("destination.protocol", "UDP"),
            changed("buffering.maxItems", 999),
            changed("buffering.timeoutMs", 24),
            changed("buffering.maxBytes", 1_048_577),
            b"not json",
            b"[]",
        )

    def test_te_11_all_problems_are_told_at_once(self) -> None:
        asked = changed("destination.URI", "http://sandbox.localdomain/") | {"types": []}
        self.assert_invalid("URI port is not provided; types should not be empty", asked)

    def test_te_11_telemetry_may_be_sent_over_tcp_too(self) -> None:
        place: dict[str, Any] = {"protocol": "TCP"}
        for number, port in enumerate((1, 65_535)):
            asked = {**subscription(NOBODY), "destination": {**place, "port": port}}
            self.assert_ok(self.extension(f"inner-{number}").subscribe(asked))
        extension = self.extension("watcher")
        for wrong in (None, 0, 65_536, "1"):
            with self.subTest(port=wrong):
                asked = {**subscription(NOBODY), "destination": {**place, "port": wrong}}
                self.assert_refused(extension.subscribe(asked), 400, "ValidationError")

    def test_te_12_managed_instances_know_one_schema(self) -> None:
        self.simulate(initialization_type="lambda-managed-instances")
        extension = self.extension("watcher")
        for version in ("2022-07-01", "2022-12-13", NEW):
            with self.subTest(version=version):
                self.assert_refused(
                    extension.subscribe(subscription(NOBODY, version=version)),
                    400,
                    "ValidationError",
                    "schemaVersion should be one of 2025-01-29",
                )
        self.assert_ok(extension.subscribe(subscription(NOBODY, version="2025-01-29")))


class RecordTest(LogsTest):
    """What a subscriber is told of a life. Time stands still but where a test moves it."""

    def setUp(self) -> None:
        super().setUp()
        self.start()

    def start(self, **config: Any) -> None:
        self.clock = ManualClock(1_700_000_000.0)
        self.simulate(clock=self.clock, shutdown_timeout=0.0, **config)

    def told(self, receiver: Receiver, event_type: str) -> Any:
        """The record of the one event of a type, once the simulator has ended."""
        (event,) = [event for event in receiver.events if event["type"] == event_type]
        return event["record"]

    def types(self, receiver: Receiver) -> list[str]:
        return [event["type"] for event in receiver.events]

    def live(self, version: str | None = NEW, trace: str = "", **config: Any) -> TelemetryReceiver:
        """An init of 0.25 s, an invocation of 0.5 s, and the end: what a subscriber got."""
        self.start(**config)
        receiver = self.receiver()
        watcher = self.logging("watcher", to=receiver, version=version, **SLOW)
        self.clock.advance(0.25)
        self.park(watcher)
        runtime = self.park(self.runtime())
        self.request_id = self.simulator.enqueue(Invocation({}, trace_id=trace or None))
        runtime.event()
        self.clock.advance(0.5)
        runtime.respond(self.request_id)
        self.settle(runtime)
        self.simulator.graceful_shutdown()
        return receiver

    def failed(self, *steps: str, **config: Any) -> TelemetryReceiver:
        """What a subscriber got of an invocation whose runtime takes these steps."""
        self.simulate(**config)
        receiver = self.receiver()
        self.park(self.logging("inner", to=receiver, **AT_ONCE))
        self.simulator.spawn_process_with_config(runtime_of(*steps))
        self.request_id = self.simulator.enqueue_payload({})
        self.complete(self.request_id)
        receiver.wait_for("platform.report", PATIENCE)
        return receiver

    def test_te_14_an_older_schema_has_no_runtime_done(self) -> None:
        for version in (OLD, None):
            with self.subTest(version=version):
                self.assertEqual(
                    self.types(self.live(version)),
                    [
                        "platform.logsSubscription",
                        "platform.initRuntimeDone",
                        "platform.extension",
                        "platform.initReport",
                        "platform.start",
                        "platform.end",
                        "platform.report",
                    ],
                )

    def test_te_14_the_newer_schema_tells_when_the_runtime_was_done(self) -> None:
        receiver = self.live(NEW)
        self.assertEqual(
            self.types(receiver)[4:],
            ["platform.start", "platform.runtimeDone", "platform.end", "platform.report"],
        )
        record = {"requestId": self.request_id, "status": "success"}
        self.assertEqual(self.told(receiver, "platform.runtimeDone"), record)

    def test_te_40_a_subscription_is_told_of(self) -> None:
        receiver = self.live()
        record = self.told(receiver, "platform.logsSubscription")
        self.assertEqual(set(record), {"name", "state", "types"})
        self.assertEqual((record["name"], record["state"]), ("watcher", "Subscribed"))
        self.assertEqual(set(record["types"]), {"platform", "function", "extension"})

    def test_te_40_init_is_told_of_in_fewer_words(self) -> None:
        receiver = self.live()
        self.assertEqual(
            self.told(receiver, "platform.initRuntimeDone"),
            {"initializationType": "on-demand", "status": "success"},
        )
        self.assertEqual(
            self.told(receiver, "platform.initReport"),
            {"initializationType": "on-demand", "metrics": {"durationMs": 250.0}},
        )
        extension = self.told(receiver, "platform.extension")
        self.assertEqual(extension, {"name": "watcher", "state": "Ready", "events": []})

    def test_te_40_start_and_end_name_the_request(self) -> None:
        receiver = self.live()
        start = {"requestId": self.request_id, "version": "$LATEST"}
        self.assertEqual(self.told(receiver, "platform.start"), start)
        self.assertEqual(self.told(receiver, "platform.end"), {"requestId": self.request_id})

    def test_te_40_a_report_tells_what_it_cost(self) -> None:
        report = self.told(self.live(memory_size_mb=512), "platform.report")
        self.assertEqual(set(report), {"requestId", "metrics"})
        self.assertEqual(report["requestId"], self.request_id)
        self.assertEqual(
            report["metrics"],
            {
                "durationMs": 500.0,
                "billedDurationMs": 750,
                "memorySizeMB": 512,
                "maxMemoryUsedMB": 512,
                "initDurationMs": 250.0,
            },
        )

    def test_te_43_a_report_names_a_sampled_trace(self) -> None:
        tracing = self.told(self.live(trace=TRACE), "platform.report")["tracing"]
        self.assertEqual((tracing["type"], tracing["value"]), ("X-Amzn-Trace-Id", TRACE))
        self.assertRegex(tracing["spanId"], r"\A[0-9a-f]{16}\Z")

    def test_te_30_times_are_those_of_the_events(self) -> None:
        receiver = self.live()
        times = {event["type"]: event["time"] for event in receiver.events}
        self.assertEqual(times["platform.logsSubscription"], "2023-11-14T22:13:20.000Z")
        for event_type in ("platform.runtimeDone", "platform.end", "platform.report"):
            self.assertEqual(times[event_type], "2023-11-14T22:13:20.750Z")

    def test_te_40_an_exit_is_a_fault(self) -> None:
        receiver = self.failed("next", "exit:3")
        fault = f"RequestId: {self.request_id} Status: error\tErrorType: Runtime.ExitError"
        self.assertEqual(self.told(receiver, "platform.fault"), fault)
        self.assertEqual(
            self.types(receiver)[-4:],
            ["platform.runtimeDone", "platform.fault", "platform.end", "platform.report"],
        )
        record = {"requestId": self.request_id, "status": "failure"}
        self.assertEqual(self.told(receiver, "platform.runtimeDone"), record)
        self.assertNotIn("status", self.told(receiver, "platform.report"))

    def test_te_40_a_timeout_is_a_fault(self) -> None:
        receiver = self.receiver()
        self.park(self.logging("inner", to=receiver, **SLOW))
        _, request_id = self.running()
        self.clock.advance(3.0)
        receiver.wait_for("platform.report", PATIENCE)
        fault = f"RequestId: {request_id} Status: timeout"
        self.assertEqual(self.told(receiver, "platform.fault"), fault)
        record = {"requestId": request_id, "status": "timeout"}
        self.assertEqual(self.told(receiver, "platform.runtimeDone"), record)

    def test_te_40_what_the_handler_reports_is_no_fault(self) -> None:
        receiver = self.receiver()
        self.park(self.logging("inner", to=receiver, **SLOW))
        runtime, request_id = self.running()
        runtime.fail(request_id, b'{"errorType":"Sad"}')
        self.settle(runtime)
        self.simulator.graceful_shutdown()
        self.assertNotIn("platform.fault", self.types(receiver))
        record = {"requestId": request_id, "status": "failure"}
        self.assertEqual(self.told(receiver, "platform.runtimeDone"), record)

    def test_te_40_a_restore_is_told_of(self) -> None:
        self.start(initialization_type="snap-start")
        receivers = {version: self.receiver() for version in (OLD, NEW)}
        for version, receiver in receivers.items():
            self.park(self.logging(version, to=receiver, version=version, **SLOW))
        self.clock.advance(2.0)
        runtime = self.runtime()
        runtime.send_head("GET", "/2018-06-01/runtime/restore/next")
        self.wait_for(lambda: self.simulator.is_initialized)
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(runtime.read_answer().status, 200)
        self.clock.advance(1.5)
        self.assertEqual(runtime.next().id, request_id)
        runtime.respond(request_id)
        self.settle(runtime)
        self.simulator.graceful_shutdown()
        new = receivers[NEW]
        restores = [one for one in self.types(new) if one.startswith("platform.restore")]
        names = ["Start", "RuntimeDone", "Report"]
        self.assertEqual(restores, [f"platform.restore{name}" for name in names])
        self.assertNotIn("platform.restoreRuntimeDone", self.types(receivers[OLD]))
        self.assertEqual(self.told(new, "platform.restoreStart"), {})
        self.assertEqual(self.told(new, "platform.restoreRuntimeDone"), {"status": "success"})
        metrics = {"durationMs": 1500.0, "billedDurationMs": 1500}
        self.assertEqual(self.told(new, "platform.restoreReport"), {"metrics": metrics})
        self.assertEqual(
            self.told(new, "platform.initReport"),
            {
                "initializationType": "snap-start",
                "metrics": {"durationMs": 2000.0, "billedDurationMs": 2000},
            },
        )

    def test_te_40_the_other_apis_subscribers_hear_of_it(self) -> None:
        receiver = self.receiver()
        self.subscribed("second", to=receiver, **AT_ONCE)
        self.logging("watcher", to=NOBODY)
        self.clock.advance(0.025)
        self.simulator.graceful_shutdown()
        types = [event["type"] for event in receiver.events]
        self.assertEqual(types[-1], "platform.logsSubscription")

    def test_te_40_captured_events_are_those_of_the_telemetry_api(self) -> None:
        self.live(OLD)
        self.assertEqual(
            self.telemetry_types(),
            [
                "platform.initStart",
                "platform.logsSubscription",
                "platform.initRuntimeDone",
                "platform.extension",
                "platform.initReport",
                "platform.start",
                "platform.runtimeDone",
                "platform.report",
            ],
        )


class LineTest(LogsTest):
    def test_te_13_log_lines_are_always_text(self) -> None:
        shapes = ('{"a": 1}', "[1]", "text")
        for log_format in ("Text", "JSON"):
            for version in (OLD, NEW):
                with self.subTest(log_format=log_format, version=version):
                    self.simulate(log_format=log_format)
                    receiver = self.receiver()
                    self.park(self.logging("inner", to=receiver, version=version, **AT_ONCE))
                    printing = [f"print:{shape}" for shape in shapes]
                    self.simulator.spawn_process_with_config(runtime_of(*printing, "serve"))
                    found = receiver.wait_for("function", PATIENCE, len(shapes))
                    self.assertEqual(
                        [event["record"] for event in found], [f"{shape}\n" for shape in shapes]
                    )

    def test_te_20_each_gets_the_streams_it_asked_for(self) -> None:
        receivers = {}
        for stream in ("platform", "function", "extension"):
            receivers[stream] = self.receiver()
            asked = {"types": (stream,), **AT_ONCE}
            self.park(self.logging(stream, to=receivers[stream], **asked))
        talker = extension_of("talker", "print:from an extension", "hang")
        self.simulator.spawn_process_with_config(talker)
        self.simulator.spawn_process_with_config(runtime_of("print:from the runtime", "serve"))
        receivers["platform"].wait_for("platform.initReport", PATIENCE)
        receivers["function"].wait_for("function", PATIENCE)
        receivers["extension"].wait_for("extension", PATIENCE)
        for stream, receiver in receivers.items():
            kinds = {event["type"].partition(".")[0] for event in receiver.events}
            self.assertEqual(kinds, {stream})


class HttpTest(LogsTest):
    def listen(self, *script: int | str) -> Listener:
        simulator = self.simulator
        listener = Listener(*script)
        self.addCleanup(listener.close)
        # Before the listener, which waits until nobody is connected.
        self.addCleanup(simulator.close)
        return listener

    def test_te_20_events_are_posted_or_put_as_a_json_array(self) -> None:
        for number, (asked, method) in enumerate(
            ((DELETED, "POST"), ("POST", "POST"), ("PUT", "PUT"))
        ):
            with self.subTest(asked=asked):
                listener = self.listen()
                body = changed("destination.method", "POST", wanted(listener.port, **AT_ONCE))
                body = changed("destination.method", asked, body)
                self.assert_ok(self.ask(self.extension(f"inner-{number}"), body))
                _, headers, sent = listener.request()
                self.assertEqual(listener.methods, [method])
                self.assertEqual(headers["Content-Type"], "application/json")
                for event in json.loads(sent):
                    self.assertEqual(set(event), {"time", "type", "record"})

    def test_te_20_the_telemetry_api_always_posts(self) -> None:
        listener = self.listen()
        body = changed("destination.method", "PUT", subscription(listener.port, **AT_ONCE))
        self.assert_ok(self.extension("inner").subscribe(body, TELEMETRY))
        listener.request()
        self.assertEqual(listener.methods, ["POST"])

    def test_te_24_what_is_not_acknowledged_comes_again(self) -> None:
        listener = self.listen(500)
        body = changed("destination.method", "PUT", wanted(listener.port, **AT_ONCE))
        self.assert_ok(self.ask(self.extension("inner"), body))
        first = listener.events()
        self.assertEqual(listener.events(), first)
        self.assertEqual(listener.methods, ["PUT", "PUT"])

    def test_te_26_a_later_subscriber_is_sent_what_came_before(self) -> None:
        self.logging("watcher", to=NOBODY)
        receiver = self.receiver()
        self.logging("second", to=receiver, **AT_ONCE)
        told = receiver.wait_for("platform.logsSubscription", PATIENCE, 2)
        names = [event["record"]["name"] for event in told]
        self.assertEqual(names, ["watcher", "second"])


class TcpTest(LogsTest):
    """TE-21: a line for each event, and no acknowledgement. For both APIs."""

    def listen(self, port: int = 0) -> LineListener:
        listener = LineListener(port)
        self.addCleanup(listener.close)
        return listener

    def accept(self, listener: LineListener) -> LineConnection:
        connection = listener.accept()
        self.addCleanup(connection.close)
        return connection

    def both(self, port: int) -> list[tuple[str, dict[str, Any]]]:
        """A path and a body of a subscription to each API."""
        place = {"protocol": "TCP", "port": port}
        asked = {"destination": place, "buffering": AT_ONCE}
        return [(LOGS, wanted() | asked), (TELEMETRY, subscription(NOBODY) | asked)]

    def test_te_21_an_event_is_a_line_of_json(self) -> None:
        for number, expected in enumerate(
            (
                ["platform.logsSubscription"],
                ["platform.initStart", "platform.telemetrySubscription"],
            )
        ):
            with self.subTest(expected):
                self.simulate()
                listener = self.listen()
                path, asked = self.both(listener.port)[number]
                self.assert_ok(self.extension("watcher").subscribe(asked, path))
                connection = self.accept(listener)
                for event_type in expected:
                    line = connection.line()
                    self.assertTrue(line.endswith(b"}\n"), line)
                    event = json.loads(line)
                    self.assertEqual(set(event), {"time", "type", "record"})
                    self.assertEqual(event["type"], event_type)

    def test_te_21_a_life_is_told_on_one_connection(self) -> None:
        for number, path in enumerate((LOGS, TELEMETRY)):
            with self.subTest(path=path):
                self.simulate()
                receiver = self.tcp_receiver()
                _, asked = self.both(receiver.port)[number]
                extension = self.extension("watcher")
                self.assert_ok(extension.subscribe(asked, path))
                self.park(extension)
                printing = runtime_of("next", "print:one\n\ntwo", "respond", "next")
                self.simulator.spawn_process_with_config(printing)
                self.complete(self.simulator.enqueue_payload({}))
                receiver.wait_for("platform.report", PATIENCE)
                lines = [one["record"] for one in receiver.events if one["type"] == "function"]
                self.assertEqual(lines, ["one\n", "\n", "two\n"])
                types = [event["type"] for event in receiver.events]
                self.assertEqual(types.count("platform.start"), 1)

    def test_te_21_there_is_no_acknowledgement(self) -> None:
        listener = self.listen()
        _, asked = self.both(listener.port)[0]
        watcher = self.extension("watcher")
        self.assert_ok(self.ask(watcher, asked))
        connection = self.accept(listener)
        self.assertEqual(connection.event()["type"], "platform.logsSubscription")
        # Nothing was answered, and what comes next is new all the same.
        self.park(watcher)
        self.park(self.runtime())
        self.assertEqual(connection.event()["type"], "platform.initRuntimeDone")

    def test_te_21_what_was_not_written_waits_for_a_listener(self) -> None:
        port = free_port()
        _, asked = self.both(port)[1]
        watcher = self.extension("watcher")
        self.assert_ok(watcher.subscribe(asked))
        self.park(watcher)
        self.park(self.runtime())
        connection = self.accept(self.listen(port))
        found: list[str] = []
        while "platform.initReport" not in found:
            found.append(connection.event()["type"])
        self.assertEqual(found, self.telemetry_types())

    def test_te_21_a_connection_that_broke_is_opened_again(self) -> None:
        listener = self.listen()
        _, asked = self.both(listener.port)[0]
        watcher = self.extension("watcher")
        self.assert_ok(self.ask(watcher, asked))
        connection = self.accept(listener)
        connection.line()
        connection.close()
        self.park(watcher)
        self.park(self.runtime())
        self.assertEqual(self.accept(listener).event()["type"], "platform.initRuntimeDone")

    def test_te_22_shutdown_delivers_what_waits(self) -> None:
        self.simulate(clock=ManualClock())
        receiver = self.tcp_receiver()
        self.park(self.logging("inner", to=receiver, **SLOW))
        self.park(self.runtime())
        self.simulator.graceful_shutdown()
        receiver.wait_for("platform.initReport", PATIENCE)

    def test_te_28_a_listener_that_reads_nothing_holds_up_nothing(self) -> None:
        listener = self.listen()
        _, asked = self.both(listener.port)[0]
        watcher = self.extension("watcher")
        self.assert_ok(self.ask(watcher, asked))
        self.accept(listener)
        self.park(watcher)
        self.simulator.spawn_process_with_config(runtime_of(*["flood:2000000"] * 4, "serve"))
        state = self.simulator.invoke({"a": 1}, timeout=PATIENCE)
        assert state.response is not None
        self.assertEqual(state.response.payload, {"a": 1})
        self.telemetry("platform.report")
