"""Each fact's JSON, to the key."""

from __future__ import annotations

import json
import unittest
from datetime import UTC, datetime
from typing import Any

from lambda_sim.model import telemetry
from lambda_sim.model.extension import EventType
from lambda_sim.model.telemetry import Fact, ResponseTimes, Span, Status, SubscriptionApi
from lambda_sim.telemetry import schema
from tests.telemetry.doubles import (
    EXTENSION,
    FUNCTION,
    NOON,
    NOON_TEXT,
    PLATFORM,
    REQUEST_ID,
    TRACE,
    config,
    line,
    subscription,
)

RUNTIME_ARN = (
    "arn:aws:lambda:us-east-1::runtime:"
    "42cd6711588b7e83e81a3eca2273b99ab449f96eef4c737d37a2c4ece765f98a"
)
TRACING = {"type": "X-Amzn-Trace-Id", "value": TRACE}


def runtime_done(**changes: Any) -> telemetry.RuntimeDone:
    values: dict[str, Any] = {
        "time": NOON,
        "request_id": REQUEST_ID,
        "trace_id": TRACE,
        "status": Status.SUCCESS,
        "duration_ms": 11.1856,
        "produced_bytes": 0,
    }
    return telemetry.RuntimeDone(**{**values, **changes})


def report(**changes: Any) -> telemetry.Report:
    values: dict[str, Any] = {
        "time": NOON,
        "request_id": REQUEST_ID,
        "trace_id": TRACE,
        "status": Status.SUCCESS,
        "duration_ms": 3.014,
        "billed_duration_ms": 4,
        "memory_size_mb": 128,
        "max_memory_used_mb": 36,
    }
    return telemetry.Report(**{**values, **changes})


def subscribed(api: SubscriptionApi) -> telemetry.Subscribed:
    streams = frozenset({EXTENSION, PLATFORM})
    return telemetry.Subscribed(
        time=NOON, name="watcher", state="Subscribed", types=streams, api=api
    )


class PlatformEvents(unittest.TestCase):
    def assert_event(self, fact: Fact, kind: str, record: Any, **settings: Any) -> None:
        """Both forms say this, and nothing else."""
        wanted = {"time": NOON_TEXT, "type": kind, "record": record}
        made = config(**settings)
        encoded = schema.encoded(fact, made)
        self.assertEqual(json.loads(encoded), wanted)
        self.assertNotIn(b": ", encoded)
        event = schema.event_of(fact, made)
        self.assertEqual((event.type, event.record), (kind, record))
        self.assertEqual(event.time, datetime.fromtimestamp(NOON, UTC))
        self.assertEqual(schema.type_of(fact), kind)

    def test_init_start_names_the_function_and_its_memory_in_bytes(self) -> None:
        self.assert_event(
            telemetry.InitStart(time=NOON, phase="init"),
            "platform.initStart",
            {
                "initializationType": "on-demand",
                "phase": "init",
                "runtimeVersion": "python:3.13.v60",
                "runtimeVersionArn": RUNTIME_ARN,
                "functionName": "test-function",
                "functionVersion": "$LATEST",
                "instanceId": "an-instance",
                "instanceMaxMemory": 268_435_456,
            },
            memory_size_mb=256,
            runtime_version="python:3.13.v60",
        )

    def test_init_runtime_done_says_how_the_runtime_came_up(self) -> None:
        self.assert_event(
            telemetry.InitRuntimeDone(time=NOON, phase="init", status=Status.SUCCESS),
            "platform.initRuntimeDone",
            {"initializationType": "snap-start", "phase": "init", "status": "success"},
            initialization_type="snap-start",
        )

    def test_a_failed_init_names_its_error_type_even_an_empty_one(self) -> None:
        for error_type in ("Runtime.ExitError", ""):
            self.assert_event(
                telemetry.InitRuntimeDone(
                    time=NOON, phase="invoke", status=Status.ERROR, error_type=error_type
                ),
                "platform.initRuntimeDone",
                {
                    "initializationType": "on-demand",
                    "phase": "invoke",
                    "status": "error",
                    "errorType": error_type,
                },
            )

    def test_init_report_carries_the_duration_cut_to_microseconds(self) -> None:
        self.assert_event(
            telemetry.InitReport(
                time=NOON, phase="init", status=Status.SUCCESS, duration_ms=463.5129
            ),
            "platform.initReport",
            {
                "initializationType": "on-demand",
                "phase": "init",
                "status": "success",
                "metrics": {"durationMs": 463.512},
            },
        )

    def test_a_restore_names_what_is_restored(self) -> None:
        self.assert_event(
            telemetry.RestoreStart(time=NOON),
            "platform.restoreStart",
            {
                "functionName": "test-function",
                "functionVersion": "7",
                "runtimeVersion": "python:3.13.v60",
                "runtimeVersionArn": RUNTIME_ARN,
                "instanceId": "an-instance",
                "instanceMaxMemory": 134_217_728,
            },
            function_version="7",
            runtime_version="python:3.13.v60",
        )

    def test_a_restore_says_how_it_went_and_how_long_it_took(self) -> None:
        for outcome, told in (
            ({"status": Status.SUCCESS}, {"status": "success"}),
            ({"status": Status.TIMEOUT, "error_type": "Runtime.X"}, {"status": "timeout"}),
            (
                {"status": Status.ERROR, "error_type": "Runtime.X"},
                {"status": "error", "errorType": "Runtime.X"},
            ),
        ):
            with self.subTest(told):
                done = telemetry.RestoreRuntimeDone(time=NOON, **outcome)
                self.assert_event(done, "platform.restoreRuntimeDone", told)
                restored = telemetry.RestoreReport(time=NOON, duration_ms=398.9709, **outcome)
                metrics = {"metrics": {"durationMs": 398.97}}
                self.assert_event(restored, "platform.restoreReport", {**told, **metrics})

    def test_a_subscription_is_named_after_its_api(self) -> None:
        for api, kind in (
            (SubscriptionApi.TELEMETRY, "platform.telemetrySubscription"),
            (SubscriptionApi.LOGS, "platform.logsSubscription"),
        ):
            self.assert_event(
                subscribed(api),
                kind,
                {"name": "watcher", "state": "Subscribed", "types": ["platform", "extension"]},
            )

    def test_an_extension_lists_its_events_in_a_stable_order(self) -> None:
        self.assert_event(
            telemetry.ExtensionSettled(
                time=NOON,
                name="watcher",
                state="Ready",
                events=frozenset({EventType.SHUTDOWN, EventType.INVOKE}),
            ),
            "platform.extension",
            {"name": "watcher", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]},
        )

    def test_a_failed_extension_names_its_error_type(self) -> None:
        self.assert_event(
            telemetry.ExtensionSettled(
                time=NOON, name="x", state="Exited", events=frozenset(), error_type="Ext.Crash"
            ),
            "platform.extension",
            {"name": "x", "state": "Exited", "events": [], "errorType": "Ext.Crash"},
        )

    def test_a_subscription_lists_its_types_in_a_stable_order(self) -> None:
        self.assert_event(
            telemetry.Subscribed(
                time=NOON,
                name="watcher",
                state="Subscribed",
                types=frozenset({EXTENSION, FUNCTION, PLATFORM}),
            ),
            "platform.telemetrySubscription",
            {
                "name": "watcher",
                "state": "Subscribed",
                "types": ["platform", "function", "extension"],
            },
        )

    def test_start_names_request_version_function_and_trace(self) -> None:
        start = telemetry.Start(
            time=NOON,
            request_id=REQUEST_ID,
            trace_id=TRACE,
            version="7",
            function_arn="arn:aws:lambda:us-east-1:123456789012:function:f",
        )
        self.assert_event(
            start,
            "platform.start",
            {
                "requestId": REQUEST_ID,
                "version": "7",
                "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
                "tracing": TRACING,
            },
        )

    def test_without_a_trace_there_is_no_tracing_and_a_tenant_is_named(self) -> None:
        self.assert_event(
            runtime_done(trace_id="", tenant_id="blue"),
            "platform.runtimeDone",
            {
                "requestId": REQUEST_ID,
                "status": "success",
                "metrics": {"durationMs": 11.185, "producedBytes": 0},
                "tenantId": "blue",
            },
        )

    def test_runtime_done_carries_spans_with_their_start_as_text(self) -> None:
        self.assert_event(
            runtime_done(
                times=ResponseTimes(NOON, 2.2159, 1.5, 0.25),
                produced_bytes=5,
            ),
            "platform.runtimeDone",
            {
                "requestId": REQUEST_ID,
                "status": "success",
                "metrics": {"durationMs": 11.185, "producedBytes": 5},
                "spans": [
                    {"name": "responseLatency", "start": NOON_TEXT, "durationMs": 2.215},
                    {
                        "name": "responseDuration",
                        "start": NOON_TEXT.replace("123Z", "125Z"),
                        "durationMs": 1.5,
                    },
                    {
                        "name": "runtimeOverhead",
                        "start": NOON_TEXT.replace("123Z", "126Z"),
                        "durationMs": 0.25,
                    },
                ],
                "tracing": TRACING,
            },
        )

    def test_a_failure_names_its_error_type(self) -> None:
        self.assert_event(
            runtime_done(status=Status.FAILURE, error_type="Sandbox.Failure"),
            "platform.runtimeDone",
            {
                "requestId": REQUEST_ID,
                "status": "failure",
                "errorType": "Sandbox.Failure",
                "metrics": {"durationMs": 11.185, "producedBytes": 0},
                "tracing": TRACING,
            },
        )

    def test_success_and_timeout_name_no_error_type(self) -> None:
        for status in (Status.SUCCESS, Status.TIMEOUT):
            for fact in (
                runtime_done(status=status, error_type="Sandbox.Timedout"),
                report(status=status, error_type="Sandbox.Timedout"),
            ):
                record = schema.event_of(fact, config()).record
                assert isinstance(record, dict)
                self.assertEqual(record["status"], status.value)
                self.assertNotIn("errorType", record)

    def test_a_warm_report_has_four_metrics(self) -> None:
        self.assert_event(
            report(),
            "platform.report",
            {
                "requestId": REQUEST_ID,
                "status": "success",
                "metrics": {
                    "durationMs": 3.014,
                    "billedDurationMs": 4,
                    "memorySizeMB": 128,
                    "maxMemoryUsedMB": 36,
                },
                "tracing": TRACING,
            },
        )

    def test_a_cold_report_adds_the_init_and_spans(self) -> None:
        self.assert_event(
            report(
                init_duration_ms=110.1009,
                spans=(Span(name="extensionOverhead", start=NOON, duration_ms=0.5),),
            ),
            "platform.report",
            {
                "requestId": REQUEST_ID,
                "status": "success",
                "metrics": {
                    "durationMs": 3.014,
                    "billedDurationMs": 4,
                    "memorySizeMB": 128,
                    "maxMemoryUsedMB": 36,
                    "initDurationMs": 110.1,
                },
                "spans": [{"name": "extensionOverhead", "start": NOON_TEXT, "durationMs": 0.5}],
                "tracing": TRACING,
            },
        )

    def test_the_report_of_a_restored_environment_adds_the_restore(self) -> None:
        fact = report(restore_duration_ms=204.2709, billed_restore_duration_ms=205)
        record = schema.event_of(fact, config()).record
        assert isinstance(record, dict)
        self.assertEqual(
            record["metrics"],
            {
                "durationMs": 3.014,
                "billedDurationMs": 4,
                "memorySizeMB": 128,
                "maxMemoryUsedMB": 36,
                "restoreDurationMs": 204.27,
                "billedRestoreDurationMs": 205,
            },
        )

    def test_a_report_of_a_managed_instance_tells_the_duration_only(self) -> None:
        self.assert_event(
            report(init_duration_ms=110.1),
            "platform.report",
            {
                "requestId": REQUEST_ID,
                "status": "success",
                "metrics": {"durationMs": 3.014},
                "tracing": TRACING,
            },
            initialization_type="lambda-managed-instances",
        )

    def test_the_functions_own_segment_is_named_where_it_is_known(self) -> None:
        fact = runtime_done(segment_id="53995c3f42cd8ad9")
        record = schema.event_of(fact, config()).record
        assert isinstance(record, dict)
        self.assertEqual(record["tracing"], {"spanId": "53995c3f42cd8ad9", **TRACING})

    def test_without_a_trace_there_is_no_tracing(self) -> None:
        fact = runtime_done(trace_id="", segment_id="53995c3f42cd8ad9")
        self.assertNotIn("tracing", schema.event_of(fact, config()).record)

    def test_dropped_logs_are_counted(self) -> None:
        self.assert_event(
            telemetry.LogsDropped(time=NOON, reason="slow", records=3, size_bytes=99),
            "platform.logsDropped",
            {"reason": "slow", "droppedRecords": 3, "droppedBytes": 99},
        )

    def test_times_are_cut_to_the_millisecond(self) -> None:
        for seconds, text in (
            (0.0, "1970-01-01T00:00:00.000Z"),
            (1_700_000_000.001, "2023-11-14T22:13:20.001Z"),
            (1_700_000_000.9996, "2023-11-14T22:13:20.999Z"),
            (1_700_000_000.9999999, "2023-11-14T22:13:21.000Z"),
        ):
            fact = telemetry.InitStart(time=seconds, phase="init")
            self.assertEqual(json.loads(schema.encoded(fact, config()))["time"], text)

    def test_a_duration_of_whole_microseconds_loses_none(self) -> None:
        made = config()
        for thousandths in range(1, 5_000, 7):
            fact = runtime_done(duration_ms=thousandths / 1000)
            record = schema.event_of(fact, made).record
            assert isinstance(record, dict)
            self.assertEqual(record["metrics"]["durationMs"], thousandths / 1000)


class LogEvents(unittest.TestCase):
    def record(self, message: str, version: str = "2022-12-13", **settings: Any) -> Any:
        """The record, which both forms agree on."""
        fact, made = line(message), config(**settings)
        record = schema.event_of(fact, made, schema_version=version).record
        encoded = json.loads(schema.encoded(fact, made, schema_version=version))
        self.assertEqual(encoded["record"], record)
        self.assertEqual((encoded["time"], encoded["type"]), (NOON_TEXT, "function"))
        return record

    def test_a_line_keeps_its_newline(self) -> None:
        self.assertEqual(self.record('hällo "you"\n'), 'hällo "you"\n')

    def test_the_source_is_the_type(self) -> None:
        self.assertEqual(schema.type_of(line("x", EXTENSION)), "extension")
        self.assertEqual(schema.stream_of(line("x", EXTENSION)), EXTENSION)

    def test_a_json_object_is_sent_as_one_when_the_log_format_is_json(self) -> None:
        found = self.record(' {"level": "INFO", "n": [1.5]}\n', log_format="JSON")
        self.assertEqual(found, {"level": "INFO", "n": [1.5]})

    def test_a_json_object_is_text_when_the_log_format_is_text(self) -> None:
        self.assertEqual(self.record('{"a":1}\n'), '{"a":1}\n')

    def test_a_json_object_is_text_in_an_older_schema(self) -> None:
        found = self.record('{"a":1}\n', "2022-07-01", log_format="JSON")
        self.assertEqual(found, '{"a":1}\n')

    def test_a_json_object_is_one_in_a_newer_schema(self) -> None:
        self.assertEqual(self.record('{"a":1}', "2025-01-29", log_format="JSON"), {"a": 1})

    def test_what_is_no_json_object_stays_text(self) -> None:
        for message in ("plain\n", "[1]\n", "{broken\n", '{"a":NaN}\n', '{"a":' * 100_000, ""):
            self.assertEqual(self.record(message, log_format="JSON"), message)

    def test_a_json_objects_numbers_keep_their_digits(self) -> None:
        written = '{"big":1e999,"exact":1.10}'
        encoded = schema.encoded(line(f"{written}\n"), config(log_format="JSON"))
        self.assertTrue(encoded.endswith(f'"record":{written}}}'.encode()))

    def test_a_json_object_of_several_lines_is_one_line(self) -> None:
        written = '{\n  "a": "b\\n",\r\n  "c": 1.10\n}\n'
        self.assertEqual(self.record(written, log_format="JSON"), {"a": "b\n", "c": 1.1})
        encoded = schema.encoded(line(written), config(log_format="JSON"))
        self.assertTrue(encoded.endswith(b'"c": 1.10 }}'), encoded)
        self.assertNotIn(b"\n", encoded)
        self.assertNotIn(b"\r", encoded)

    def test_half_a_surrogate_pair_becomes_a_question_mark(self) -> None:
        encoded = schema.encoded(line("a\ud800b"), config())
        self.assertEqual(json.loads(encoded)["record"], "a?b")


class Forms(unittest.TestCase):
    def form(self, version: str, api: str = "Telemetry", log_format: str = "JSON") -> schema.Form:
        asked = subscription(schema_version=version, api=SubscriptionApi(api))
        return schema.form_of(asked, config(log_format=log_format))

    def test_schemas_that_differ_in_nothing_share_a_form(self) -> None:
        newer = self.form("2025-01-29")
        self.assertEqual(self.form("2022-12-13"), newer)
        older = self.form("2022-07-01")
        self.assertNotEqual(older, newer)
        self.assertEqual(self.form("2025-01-29", log_format="Text"), older)

    def test_the_schemas_of_the_logs_api_differ(self) -> None:
        forms = {self.form(version, "Logs") for version in ("2020-08-15", "2021-03-18")}
        self.assertEqual(len(forms | {self.form("2022-07-01")}), 3)

    def test_a_fact_is_one_event_to_the_telemetry_api(self) -> None:
        made = config(log_format="JSON")
        for fact in (report(status=Status.ERROR), line('{"a":1}')):
            events = schema.encoded_events(fact, made, self.form("2025-01-29"))
            self.assertEqual(events, [schema.encoded(fact, made)])

    def test_a_line_is_text_to_every_schema_of_the_logs_api(self) -> None:
        for version in ("2020-08-15", "2021-03-18"):
            for source in (FUNCTION, EXTENSION):
                fact = line('{"a":1}\n', source)
                (event,) = schema.encoded_events(
                    fact, config(log_format="JSON"), self.form(version, "Logs")
                )
                told = {"time": NOON_TEXT, "type": source.value, "record": '{"a":1}\n'}
                self.assertEqual(json.loads(event), told)

    def test_a_fact_may_be_several_events_to_the_logs_api(self) -> None:
        events = schema.encoded_events(report(), config(), self.form("2020-08-15", "Logs"))
        told = [json.loads(event) for event in events]
        self.assertEqual([one["type"] for one in told], ["platform.end", "platform.report"])
        self.assertEqual({one["time"] for one in told}, {NOON_TEXT})
