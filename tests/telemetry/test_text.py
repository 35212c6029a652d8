"""The log's lines, to the tab."""

from __future__ import annotations

import json
import unittest
from datetime import UTC, datetime
from typing import Any

from lambda_sim.model import telemetry
from lambda_sim.model.extension import EventType
from lambda_sim.model.telemetry import Fact, LogRecord, Status, SubscriptionApi
from lambda_sim.telemetry.text import log_records, tail
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
)
from tests.telemetry.test_schema import RUNTIME_ARN, report, runtime_done

START = telemetry.Start(
    time=NOON, request_id=REQUEST_ID, trace_id=TRACE, version="$LATEST", function_arn="arn"
)
VERSION = {"runtime_version": "python:3.13.v60"}
VERSION_TEXT = f"Runtime Version: python:3.13.v60\tRuntime Version ARN: {RUNTIME_ARN}"
END_TEXT = f"END RequestId: {REQUEST_ID}"
REPORT_TEXT = (
    f"REPORT RequestId: {REQUEST_ID}\tDuration: 3.01 ms\tBilled Duration: 4 ms\t"
    "Memory Size: 128 MB\tMax Memory Used: 36 MB\t"
)


def init_runtime_done(status: Status) -> Fact:
    return telemetry.InitRuntimeDone(time=NOON, phase="init", status=status)


def init_report(status: Status, error_type: str | None = None) -> Fact:
    return telemetry.InitReport(
        time=NOON, phase="init", status=status, duration_ms=154.034, error_type=error_type
    )


def messages(fact: Fact, **settings: Any) -> list[str]:
    return [record.message for record in log_records(fact, config(**settings))]


class TextLines(unittest.TestCase):
    def test_start_is_one_line_of_the_platform(self) -> None:
        self.assertEqual(
            log_records(START, config()),
            [
                LogRecord(
                    time=datetime.fromtimestamp(NOON, UTC),
                    source="platform",
                    name="test-function",
                    request_id=REQUEST_ID,
                    message=f"START RequestId: {REQUEST_ID} Version: $LATEST",
                )
            ],
        )

    def test_a_report_is_the_end_and_a_report_that_ends_in_a_tab(self) -> None:
        self.assertEqual(messages(report()), [END_TEXT, REPORT_TEXT])

    def test_a_cold_report_names_the_init_duration(self) -> None:
        self.assertEqual(
            messages(report(init_duration_ms=110.1)),
            [END_TEXT, f"{REPORT_TEXT}Init Duration: 110.10 ms\t"],
        )

    def test_a_timeout_is_a_status_without_error_type(self) -> None:
        fact = report(status=Status.TIMEOUT, error_type="Sandbox.Timedout")
        self.assertEqual(messages(fact), [END_TEXT, f"{REPORT_TEXT}Status: timeout"])

    def test_a_crash_is_a_status_with_error_type(self) -> None:
        fact = report(status=Status.ERROR, error_type="Runtime.ExitError")
        wanted = f"{REPORT_TEXT}Status: error\tError Type: Runtime.ExitError"
        self.assertEqual(messages(fact), [END_TEXT, wanted])

    def test_an_error_that_the_runtime_reported_is_no_status(self) -> None:
        fact = report(status=Status.ERROR, error_type="Runtime.Unknown", by_runtime=True)
        self.assertEqual(messages(fact), [END_TEXT, REPORT_TEXT])

    def test_an_init_that_went_well_leaves_no_line(self) -> None:
        for fact in (init_runtime_done(Status.SUCCESS), init_report(Status.SUCCESS)):
            self.assertEqual(messages(fact), [])

    def test_a_first_init_names_the_runtimes_version(self) -> None:
        for phase in ("init", "snap-start"):
            fact = telemetry.InitStart(time=NOON, phase=phase)
            self.assertEqual(messages(fact, **VERSION), [f"INIT_START {VERSION_TEXT}"])

    def test_an_init_inside_an_invocation_names_none(self) -> None:
        self.assertEqual(messages(telemetry.InitStart(time=NOON, phase="invoke")), [])

    def test_a_restore_names_the_runtimes_version(self) -> None:
        fact = telemetry.RestoreStart(time=NOON)
        self.assertEqual(messages(fact, **VERSION), [f"RESTORE_START {VERSION_TEXT}"])

    def test_a_restore_is_reported(self) -> None:
        for outcome, told in (
            ({"status": Status.SUCCESS}, ""),
            ({"status": Status.TIMEOUT, "error_type": "Runtime.X"}, "\tStatus: timeout"),
            (
                {"status": Status.ERROR, "error_type": "Runtime.X"},
                "\tStatus: error\tError Type: Runtime.X",
            ),
        ):
            fact = telemetry.RestoreReport(time=NOON, duration_ms=398.971, **outcome)
            wanted = f"RESTORE_REPORT Restore Duration: 398.97 ms{told}"
            self.assertEqual(messages(fact), [wanted])

    def test_that_the_runtime_was_restored_leaves_no_line(self) -> None:
        fact = telemetry.RestoreRuntimeDone(time=NOON, status=Status.SUCCESS)
        self.assertEqual(messages(fact), [])

    def test_the_report_of_a_restored_environment_names_the_restore(self) -> None:
        fact = report(restore_duration_ms=204.271, billed_restore_duration_ms=205)
        wanted = f"{REPORT_TEXT}Restore Duration: 204.27 ms\tBilled Restore Duration: 205 ms\t"
        self.assertEqual(messages(fact), [END_TEXT, wanted])

    def test_a_report_of_a_managed_instance_names_the_duration_only(self) -> None:
        made = {"initialization_type": "lambda-managed-instances", "log_format": "Text"}
        wanted = f"REPORT RequestId: {REQUEST_ID}\tDuration: 3.01 ms\t"
        self.assertEqual(messages(report(), **made), [END_TEXT, wanted])

    def test_a_sampled_trace_is_named_after_the_report(self) -> None:
        sampled = TRACE.replace("Sampled=0", "Sampled=1")
        fact = report(trace_id=sampled, segment_id="07f5bd2d1f6f8512")
        wanted = (
            "XRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\t"
            "SegmentId: 07f5bd2d1f6f8512\tSampled: true"
        )
        self.assertEqual(messages(fact), [END_TEXT, REPORT_TEXT, wanted])

    def test_a_trace_that_is_not_sampled_or_has_no_segment_is_not_named(self) -> None:
        sampled = TRACE.replace("Sampled=0", "Sampled=1")
        for trace, segment in ((TRACE, "07f5bd2d1f6f8512"), (sampled, ""), ("Sampled=1", "0")):
            fact = report(trace_id=trace, segment_id=segment)
            self.assertEqual(messages(fact), [END_TEXT, REPORT_TEXT])

    def test_an_init_ahead_of_demand_has_its_line(self) -> None:
        for kind in ("provisioned-concurrency", "snap-start"):
            self.assertEqual(
                messages(init_report(Status.SUCCESS), initialization_type=kind),
                ["INIT_REPORT Init Duration: 154.03 ms\tPhase: init"],
            )

    def test_a_failed_init_is_reported(self) -> None:
        self.assertEqual(
            messages(init_report(Status.ERROR, "Runtime.ExitError")),
            [
                "INIT_REPORT Init Duration: 154.03 ms\tPhase: init\tStatus: error\t"
                "Error Type: Runtime.ExitError"
            ],
        )
        self.assertEqual(
            messages(init_report(Status.TIMEOUT)),
            ["INIT_REPORT Init Duration: 154.03 ms\tPhase: init\tStatus: timeout"],
        )

    def test_runtime_done_and_dropped_logs_leave_no_line(self) -> None:
        self.assertEqual(messages(runtime_done()), [])
        dropped = telemetry.LogsDropped(time=NOON, reason="slow", records=1, size_bytes=2)
        self.assertEqual(messages(dropped), [])

    def test_an_extension_shows_state_and_events(self) -> None:
        def shown(*events: EventType, error_type: str | None = None) -> list[str]:
            return messages(
                telemetry.ExtensionSettled(
                    time=NOON,
                    name="watcher",
                    state="Ready",
                    events=frozenset(events),
                    error_type=error_type,
                )
            )

        self.assertEqual(
            shown(EventType.SHUTDOWN, EventType.INVOKE),
            ["EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"],
        )
        self.assertEqual(shown(), ["EXTENSION\tName: watcher\tState: Ready\tEvents: []"])
        self.assertEqual(
            shown(error_type="Extension.Crash"),
            ["EXTENSION\tName: watcher\tState: Ready\tEvents: []\tError Type: Extension.Crash"],
        )

    def test_a_subscription_shows_its_types(self) -> None:
        for api in SubscriptionApi:
            fact = telemetry.Subscribed(
                time=NOON,
                name="watcher",
                state="Subscribed",
                types=frozenset({FUNCTION, EXTENSION, PLATFORM}),
                api=api,
            )
            told = "\tName: watcher\tState: Subscribed\tTypes: [Platform, Function, Extension]"
            self.assertEqual(messages(fact), [f"{api.name}{told}"])

    def test_a_processs_line_loses_its_newline_and_names_who_wrote_it(self) -> None:
        for made in (config(), config(log_format="JSON", log_level="ERROR")):
            (record,) = log_records(line('{"a":1} \n', EXTENSION, REQUEST_ID), made)
            self.assertEqual(record.message, '{"a":1} ')
            self.assertEqual((record.source, record.name), ("extension", "writer"))
            self.assertEqual(record.request_id, REQUEST_ID)


class JsonLines(unittest.TestCase):
    def shown(self, fact: Fact, **settings: Any) -> list[str]:
        found = [json.loads(one) for one in messages(fact, log_format="JSON", **settings)]
        self.assertTrue(all(one["time"] == NOON_TEXT for one in found))
        return [one["type"] for one in found]

    def test_platform_lines_are_events(self) -> None:
        self.assertEqual(self.shown(START), ["platform.start"])
        self.assertEqual(self.shown(report()), ["platform.report"])

    def test_details_of_success_are_below_the_system_level(self) -> None:
        for fact in (
            init_runtime_done(Status.SUCCESS),
            init_report(Status.SUCCESS),
            telemetry.RestoreRuntimeDone(time=NOON, status=Status.SUCCESS),
            runtime_done(),
        ):
            self.assertEqual(self.shown(fact), [])

    def test_the_start_of_an_init_or_a_restore_names_a_version_and_is_no_detail(self) -> None:
        for phase in ("init", "invoke", "snap-start"):
            fact = telemetry.InitStart(time=NOON, phase=phase)
            self.assertEqual(self.shown(fact), ["platform.initStart"])
        self.assertEqual(self.shown(telemetry.RestoreStart(time=NOON)), ["platform.restoreStart"])

    def test_restores_are_reported(self) -> None:
        for status in Status:
            fact = telemetry.RestoreReport(time=NOON, status=status, duration_ms=1.0)
            self.assertEqual(self.shown(fact), ["platform.restoreReport"])
        failed = telemetry.RestoreRuntimeDone(time=NOON, status=Status.ERROR)
        self.assertEqual(self.shown(failed), ["platform.restoreRuntimeDone"])

    def test_failures_are_above_it(self) -> None:
        self.assertEqual(self.shown(init_runtime_done(Status.ERROR)), ["platform.initRuntimeDone"])
        self.assertEqual(self.shown(init_report(Status.TIMEOUT)), ["platform.initReport"])
        self.assertEqual(self.shown(runtime_done(status=Status.ERROR)), ["platform.runtimeDone"])

    def test_an_init_ahead_of_demand_is_reported(self) -> None:
        fact = init_report(Status.SUCCESS)
        shown = self.shown(fact, initialization_type="provisioned-concurrency")
        self.assertEqual(shown, ["platform.initReport"])


class Tails(unittest.TestCase):
    def test_a_short_log_is_all_there(self) -> None:
        facts = [START, line("hello\n"), report()]
        self.assertEqual(
            tail(facts, config()),
            f"START RequestId: {REQUEST_ID} Version: $LATEST\nhello\n{END_TEXT}\n{REPORT_TEXT}\n",
        )

    def test_nothing_leaves_nothing(self) -> None:
        self.assertEqual(tail([], config()), "")

    def test_a_long_log_keeps_its_last_4_kb(self) -> None:
        facts = [START, *(line(f"line {number}\n") for number in range(1000)), report()]
        found = tail(facts, config())
        self.assertEqual(len(found.encode()), 4096)
        self.assertTrue(found.endswith(f"line 999\n{END_TEXT}\n{REPORT_TEXT}\n"))

    def test_it_is_cut_between_characters(self) -> None:
        for extra in range(4):
            found = tail([line("€" * 2000 + "x" * extra)], config())
            self.assertEqual(found, "€" * ((4095 - extra) // 3) + "x" * extra + "\n")

    def test_half_a_surrogate_pair_does_no_harm(self) -> None:
        self.assertEqual(tail([line("a\ud800\n")], config()), "a?\n")
