"""The log's lines, to the tab."""

from __future__ import annotations

import json
import unittest
from datetime import UTC, datetime
from typing import Any

from lambda_sim.model import telemetry
from lambda_sim.model.extension import EventType
from lambda_sim.model.telemetry import Fact, LogRecord, Status
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
from tests.telemetry.test_schema import report, runtime_done

START = telemetry.Start(
    time=NOON, request_id=REQUEST_ID, trace_id=TRACE, version="$LATEST", function_arn="arn"
)
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
        quiet = (
            telemetry.InitStart(time=NOON, phase="init"),
            init_runtime_done(Status.SUCCESS),
            init_report(Status.SUCCESS),
        )
        for fact in quiet:
            self.assertEqual(messages(fact), [])

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
        fact = telemetry.Subscribed(
            time=NOON,
            name="watcher",
            state="Subscribed",
            types=frozenset({FUNCTION, EXTENSION, PLATFORM}),
        )
        self.assertEqual(
            messages(fact),
            ["TELEMETRY\tName: watcher\tState: Subscribed\tTypes: [Platform, Function, Extension]"],
        )

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
            telemetry.InitStart(time=NOON, phase="init"),
            init_runtime_done(Status.SUCCESS),
            init_report(Status.SUCCESS),
            runtime_done(),
        ):
            self.assertEqual(self.shown(fact), [])

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
