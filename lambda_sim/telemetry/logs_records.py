"""What the Logs API says of each fact: no event, one, or several. Pure.

Only what the guide shows: an older, smaller set than the Telemetry API's, in smaller records.
How an invocation failed is told by ``platform.fault`` and not by its report.

AWS: *Using the Lambda Logs API*, Platform logs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lambda_sim.model import telemetry
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.telemetry import Fact, Status, SubscriptionApi
from lambda_sim.telemetry import records
from lambda_sim.telemetry.notation import Json, billed_ms, ms, tracing

__all__ = ["RUNTIME_DONE_VERSION", "LogsEvent", "events_of"]

RUNTIME_DONE_VERSION = "2021-03-18"
"""The schema that tells when the runtime was done, which the one before it does not."""

LogsEvent = tuple[str, Json | str]
"""A type and a record."""

_RUNTIME_DONE = (telemetry.RuntimeDone, telemetry.RestoreRuntimeDone)


def events_of(fact: Fact, config: SimulatorConfig, *, has_runtime_done: bool) -> list[LogsEvent]:
    """The events that a fact is, unless it is a log line.

    :param has_runtime_done: whether the schema has ``platform.runtimeDone``.
    """
    if isinstance(fact, _RUNTIME_DONE) and not has_runtime_done:
        return []
    events = _EVENTS.get(type(fact))
    return [] if events is None else events(fact, config)


def _status(status: Status) -> str:
    """The Logs API knows success, failure and timeout."""
    return Status.FAILURE.value if status is Status.ERROR else status.value


def _init_runtime_done(fact: telemetry.InitRuntimeDone, config: SimulatorConfig) -> list[LogsEvent]:
    record = {
        "initializationType": config.initialization_type,
        "status": _status(fact.status),
    }
    return [("platform.initRuntimeDone", record)]


def _init_report(fact: telemetry.InitReport, config: SimulatorConfig) -> list[LogsEvent]:
    billed = {"billedDurationMs": billed_ms(fact.duration_ms)} if config.is_snap_start else {}
    record = {
        "initializationType": config.initialization_type,
        "metrics": {"durationMs": ms(fact.duration_ms), **billed},
    }
    return [("platform.initReport", record)]


def _restore_start(_: telemetry.RestoreStart, __: SimulatorConfig) -> list[LogsEvent]:
    return [("platform.restoreStart", {})]


def _restore_runtime_done(
    fact: telemetry.RestoreRuntimeDone, _: SimulatorConfig
) -> list[LogsEvent]:
    return [("platform.restoreRuntimeDone", {"status": _status(fact.status)})]


def _restore_report(fact: telemetry.RestoreReport, _: SimulatorConfig) -> list[LogsEvent]:
    took = {
        "durationMs": ms(fact.duration_ms),
        "billedDurationMs": billed_ms(fact.duration_ms),
    }
    return [("platform.restoreReport", {"metrics": took})]


def _extension(fact: telemetry.ExtensionSettled, _: SimulatorConfig) -> list[LogsEvent]:
    return [("platform.extension", records.extension(fact))]


def _subscription(fact: telemetry.Subscribed, _: SimulatorConfig) -> list[LogsEvent]:
    """Of the other API's subscriptions there is no word."""
    if fact.api is not SubscriptionApi.LOGS:
        return []
    return [("platform.logsSubscription", records.subscription(fact))]


def _start(fact: telemetry.Start, _: SimulatorConfig) -> list[LogsEvent]:
    # The guide's example has no version, but what extensions recorded of Lambda has.
    return [("platform.start", {"requestId": fact.request_id, "version": fact.version})]


def _runtime_done(fact: telemetry.RuntimeDone, _: SimulatorConfig) -> list[LogsEvent]:
    record = {"requestId": fact.request_id, "status": _status(fact.status)}
    return [("platform.runtimeDone", record)]


def _report(fact: telemetry.Report, _: SimulatorConfig) -> list[LogsEvent]:
    """The three that an invocation ends with; two if it did not fail, or in its own words."""
    trace = tracing(fact) if fact.is_traced else {}
    report = {"requestId": fact.request_id, "metrics": records.metrics(fact), **trace}
    ended: list[LogsEvent] = [
        ("platform.end", {"requestId": fact.request_id}),
        ("platform.report", report),
    ]
    if fact.status is Status.SUCCESS or fact.by_runtime:
        return ended
    return [("platform.fault", _fault(fact)), *ended]


def _fault(fact: telemetry.Report) -> str:
    """In the newer style; of a timeout the guide shows none, so it is worded as in REPORT."""
    status = f"RequestId: {fact.request_id} Status: {fact.status.value}"
    if fact.error_type is None or fact.status is Status.TIMEOUT:
        return status
    return f"{status}\tErrorType: {fact.error_type}"


def _logs_dropped(fact: telemetry.LogsDropped, _: SimulatorConfig) -> list[LogsEvent]:
    return [("platform.logsDropped", records.logs_dropped(fact))]


# There is none for platform.initStart.
_EVENTS: dict[type[Fact], Callable[[Any, SimulatorConfig], list[LogsEvent]]] = {
    telemetry.InitRuntimeDone: _init_runtime_done,
    telemetry.InitReport: _init_report,
    telemetry.RestoreStart: _restore_start,
    telemetry.RestoreRuntimeDone: _restore_runtime_done,
    telemetry.RestoreReport: _restore_report,
    telemetry.ExtensionSettled: _extension,
    telemetry.Subscribed: _subscription,
    telemetry.Start: _start,
    telemetry.RuntimeDone: _runtime_done,
    telemetry.Report: _report,
    telemetry.LogsDropped: _logs_dropped,
}
