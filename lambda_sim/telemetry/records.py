"""What the Telemetry API's record of each fact holds. Pure.

AWS: *Lambda Telemetry API Event schema reference*.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lambda_sim.model import telemetry
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.extension import EventType
from lambda_sim.model.protocol import BYTES_PER_MB
from lambda_sim.model.telemetry import Fact, InvocationFact, SubscriptionApi, TelemetryEventType
from lambda_sim.telemetry.notation import Json, ms, ordered, outcome, spans, tracing

__all__ = ["extension", "logs_dropped", "metrics", "of", "subscription", "type_of"]


def type_of(fact: Fact) -> str:
    """An event's type: ``platform.…``."""
    if isinstance(fact, telemetry.Subscribed) and fact.api is SubscriptionApi.LOGS:
        return "platform.logsSubscription"
    return _RECORDS[type(fact)][0]


def of(fact: Fact, config: SimulatorConfig) -> Json:
    """The record of a fact that is no log line."""
    return _RECORDS[type(fact)][1](fact, config)


# --- What both APIs' records hold -----------------------------------------------------------------


def extension(fact: telemetry.ExtensionSettled) -> Json:
    record = {"name": fact.name, "state": fact.state, "events": ordered(fact.events, EventType)}
    return record if fact.error_type is None else {**record, "errorType": fact.error_type}


def subscription(fact: telemetry.Subscribed) -> Json:
    types = ordered(fact.types, TelemetryEventType)
    return {"name": fact.name, "state": fact.state, "types": types}


def logs_dropped(fact: telemetry.LogsDropped) -> Json:
    return {
        "reason": fact.reason,
        "droppedRecords": fact.records,
        "droppedBytes": fact.size_bytes,
    }


def metrics(fact: telemetry.Report) -> Json:
    """What an invocation took and costs."""
    found: Json = {
        "durationMs": ms(fact.duration_ms),
        "billedDurationMs": fact.billed_duration_ms,
        "memorySizeMB": fact.memory_size_mb,
        "maxMemoryUsedMB": fact.max_memory_used_mb,
    }
    if fact.init_duration_ms is not None:
        found["initDurationMs"] = ms(fact.init_duration_ms)
    if fact.restore_duration_ms is not None:
        found["restoreDurationMs"] = ms(fact.restore_duration_ms)
    if fact.billed_restore_duration_ms is not None:
        found["billedRestoreDurationMs"] = fact.billed_restore_duration_ms
    return found


# --- A record for each fact -----------------------------------------------------------------------


def _context(fact: InvocationFact) -> Json:
    """Whose invocation it is, and its trace."""
    tenant = {} if fact.tenant_id is None else {"tenantId": fact.tenant_id}
    return {**tenant, **tracing(fact)}


def _function(config: SimulatorConfig) -> Json:
    return {"functionName": config.function_name, "functionVersion": config.function_version}


def _runtime(config: SimulatorConfig) -> Json:
    return {
        "runtimeVersion": config.runtime_version,
        "runtimeVersionArn": config.runtime_version_arn,
    }


def _instance(config: SimulatorConfig) -> Json:
    return {
        "instanceId": config.instance_id,
        # Bytes on the wire, though the guide's example shows megabytes.
        "instanceMaxMemory": config.memory_size_mb * BYTES_PER_MB,
    }


def _init_start(fact: telemetry.InitStart, config: SimulatorConfig) -> Json:
    return {
        "initializationType": config.initialization_type,
        "phase": fact.phase,
        **_runtime(config),
        **_function(config),
        **_instance(config),
    }


def _init_runtime_done(fact: telemetry.InitRuntimeDone, config: SimulatorConfig) -> Json:
    return {
        "initializationType": config.initialization_type,
        "phase": fact.phase,
        **outcome(fact.status, fact.error_type),
    }


def _init_report(fact: telemetry.InitReport, config: SimulatorConfig) -> Json:
    return {
        "initializationType": config.initialization_type,
        "phase": fact.phase,
        **outcome(fact.status, fact.error_type),
        "metrics": {"durationMs": ms(fact.duration_ms)},
    }


def _restore_start(_: telemetry.RestoreStart, config: SimulatorConfig) -> Json:
    return {**_function(config), **_runtime(config), **_instance(config)}


def _restore_runtime_done(fact: telemetry.RestoreRuntimeDone, _: SimulatorConfig) -> Json:
    return outcome(fact.status, fact.error_type)


def _restore_report(fact: telemetry.RestoreReport, _: SimulatorConfig) -> Json:
    return {
        **outcome(fact.status, fact.error_type),
        "metrics": {"durationMs": ms(fact.duration_ms)},
    }


def _start(fact: telemetry.Start, _: SimulatorConfig) -> Json:
    return {
        "requestId": fact.request_id,
        "version": fact.version,
        "functionArn": fact.function_arn,
        **_context(fact),
    }


def _runtime_done(fact: telemetry.RuntimeDone, _: SimulatorConfig) -> Json:
    return {
        "requestId": fact.request_id,
        **outcome(fact.status, fact.error_type),
        "metrics": {"durationMs": ms(fact.duration_ms), "producedBytes": fact.produced_bytes},
        **spans(fact.spans),
        **_context(fact),
    }


def _report(fact: telemetry.Report, config: SimulatorConfig) -> Json:
    return {
        "requestId": fact.request_id,
        **outcome(fact.status, fact.error_type),
        # What a managed instance costs is not for an invocation to say.
        "metrics": ({"durationMs": ms(fact.duration_ms)} if config.is_managed else metrics(fact)),
        **spans(fact.spans),
        **_context(fact),
    }


_RECORDS: dict[type[Fact], tuple[str, Callable[[Any, SimulatorConfig], Json]]] = {
    telemetry.InitStart: ("platform.initStart", _init_start),
    telemetry.InitRuntimeDone: ("platform.initRuntimeDone", _init_runtime_done),
    telemetry.InitReport: ("platform.initReport", _init_report),
    telemetry.RestoreStart: ("platform.restoreStart", _restore_start),
    telemetry.RestoreRuntimeDone: ("platform.restoreRuntimeDone", _restore_runtime_done),
    telemetry.RestoreReport: ("platform.restoreReport", _restore_report),
    telemetry.ExtensionSettled: ("platform.extension", lambda fact, _: extension(fact)),
    telemetry.Subscribed: ("platform.telemetrySubscription", lambda fact, _: subscription(fact)),
    telemetry.Start: ("platform.start", _start),
    telemetry.RuntimeDone: ("platform.runtimeDone", _runtime_done),
    telemetry.Report: ("platform.report", _report),
    telemetry.LogsDropped: ("platform.logsDropped", lambda fact, _: logs_dropped(fact)),
}
