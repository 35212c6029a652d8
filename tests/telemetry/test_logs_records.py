"""What the Logs API says of each fact, to the key."""

from __future__ import annotations

import unittest
from typing import Any

from lambda_sim.model import telemetry
from lambda_sim.model.extension import EventType
from lambda_sim.model.telemetry import Fact, Status, SubscriptionApi
from lambda_sim.telemetry.logs_records import events_of
from tests.telemetry.doubles import NOON, REQUEST_ID, TRACE, config
from tests.telemetry.test_schema import report, runtime_done, subscribed

SAMPLED = TRACE.replace("Sampled=0", "Sampled=1")
METRICS = {
    "durationMs": 3.014,
    "billedDurationMs": 4,
    "memorySizeMB": 128,
    "maxMemoryUsedMB": 36,
}


def told(fact: Fact, *, has_runtime_done: bool = True, **settings: Any) -> list[Any]:
    return events_of(fact, config(**settings), has_runtime_done=has_runtime_done)


class LogsEvents(unittest.TestCase):
    def test_the_start_of_an_init_is_not_told(self) -> None:
        self.assertEqual(told(telemetry.InitStart(time=NOON, phase="init")), [])

    def test_an_init_is_told_with_its_type(self) -> None:
        fact = telemetry.InitRuntimeDone(time=NOON, phase="init", status=Status.SUCCESS)
        record = {"initializationType": "snap-start", "status": "success"}
        for has_runtime_done in (True, False):
            found = told(fact, has_runtime_done=has_runtime_done, initialization_type="snap-start")
            self.assertEqual(found, [("platform.initRuntimeDone", record)])

    def test_an_error_is_a_failure_and_has_no_type(self) -> None:
        fact = telemetry.InitRuntimeDone(
            time=NOON, phase="init", status=Status.ERROR, error_type="Runtime.ExitError"
        )
        ((_, record),) = told(fact)
        self.assertEqual(record, {"initializationType": "on-demand", "status": "failure"})

    def test_an_inits_cost_is_told_of_a_snapshot_only(self) -> None:
        fact = telemetry.InitReport(
            time=NOON, phase="init", status=Status.SUCCESS, duration_ms=731.7904
        )
        for kind, metrics in (
            ("on-demand", {"durationMs": 731.79}),
            ("provisioned-concurrency", {"durationMs": 731.79}),
            ("snap-start", {"durationMs": 731.79, "billedDurationMs": 732}),
        ):
            record = {"initializationType": kind, "metrics": metrics}
            self.assertEqual(
                told(fact, initialization_type=kind), [("platform.initReport", record)]
            )

    def test_a_restore_is_told_of_in_three_events(self) -> None:
        outcome: dict[str, Any] = {"time": NOON, "status": Status.SUCCESS}
        self.assertEqual(told(telemetry.RestoreStart(time=NOON)), [("platform.restoreStart", {})])
        done = telemetry.RestoreRuntimeDone(**outcome)
        self.assertEqual(told(done), [("platform.restoreRuntimeDone", {"status": "success"})])
        self.assertEqual(told(done, has_runtime_done=False), [])
        metrics = {"durationMs": 70.87, "billedDurationMs": 71}
        self.assertEqual(
            told(telemetry.RestoreReport(duration_ms=70.87, **outcome)),
            [("platform.restoreReport", {"metrics": metrics})],
        )

    def test_an_extension_is_told_as_telemetry_tells_it(self) -> None:
        fact = telemetry.ExtensionSettled(
            time=NOON, name="watcher", state="Ready", events=frozenset({EventType.INVOKE})
        )
        record = {"name": "watcher", "state": "Ready", "events": ["INVOKE"]}
        self.assertEqual(told(fact), [("platform.extension", record)])

    def test_subscriptions_to_the_other_api_are_not_told(self) -> None:
        record = {"name": "watcher", "state": "Subscribed", "types": ["platform", "extension"]}
        found = told(subscribed(SubscriptionApi.LOGS))
        self.assertEqual(found, [("platform.logsSubscription", record)])
        self.assertEqual(told(subscribed(SubscriptionApi.TELEMETRY)), [])

    def test_a_start_has_two_keys(self) -> None:
        fact = telemetry.Start(
            time=NOON,
            request_id=REQUEST_ID,
            trace_id=SAMPLED,
            tenant_id="blue",
            version="7",
            function_arn="arn",
        )
        record = {"requestId": REQUEST_ID, "version": "7"}
        self.assertEqual(told(fact), [("platform.start", record)])

    def test_that_the_runtime_is_done_is_told_by_the_newer_schema_only(self) -> None:
        for status, word in (
            (Status.SUCCESS, "success"),
            (Status.ERROR, "failure"),
            (Status.FAILURE, "failure"),
            (Status.TIMEOUT, "timeout"),
        ):
            fact = runtime_done(status=status, error_type="Runtime.X")
            record = {"requestId": REQUEST_ID, "status": word}
            self.assertEqual(told(fact), [("platform.runtimeDone", record)])
            self.assertEqual(told(fact, has_runtime_done=False), [])

    def test_an_invocation_ends_in_two_events(self) -> None:
        self.assertEqual(
            told(report(init_duration_ms=110.1)),
            [
                ("platform.end", {"requestId": REQUEST_ID}),
                (
                    "platform.report",
                    {"requestId": REQUEST_ID, "metrics": {**METRICS, "initDurationMs": 110.1}},
                ),
            ],
        )

    def test_a_failure_of_the_platforms_comes_in_front_as_a_fault(self) -> None:
        for status, error_type, words in (
            (Status.ERROR, "Runtime.ExitError", "error\tErrorType: Runtime.ExitError"),
            (Status.FAILURE, "Sandbox.Failure", "failure\tErrorType: Sandbox.Failure"),
            (Status.TIMEOUT, None, "timeout"),
        ):
            fault, end, summary = told(report(status=status, error_type=error_type))
            record = f"RequestId: {REQUEST_ID} Status: {words}"
            self.assertEqual(fault, ("platform.fault", record))
            self.assertEqual(end, ("platform.end", {"requestId": REQUEST_ID}))
            self.assertEqual(summary[1], {"requestId": REQUEST_ID, "metrics": METRICS})

    def test_what_the_handler_raised_is_no_fault(self) -> None:
        fact = report(status=Status.ERROR, error_type="Function.Sad", by_runtime=True)
        self.assertEqual([kind for kind, _ in told(fact)], ["platform.end", "platform.report"])

    def test_a_report_names_its_trace_where_x_ray_keeps_it(self) -> None:
        _, (_, record) = told(report(trace_id=SAMPLED, segment_id="07f5bd2d1f6f8512"))
        self.assertEqual(
            record["tracing"],
            {"spanId": "07f5bd2d1f6f8512", "type": "X-Amzn-Trace-Id", "value": SAMPLED},
        )

    def test_dropped_logs_are_counted(self) -> None:
        fact = telemetry.LogsDropped(time=NOON, reason="slow", records=3, size_bytes=99)
        record = {"reason": "slow", "droppedRecords": 3, "droppedBytes": 99}
        self.assertEqual(told(fact), [("platform.logsDropped", record)])
