"""AWS's JSON for each fact. Pure.

AWS: *Lambda Telemetry API Event schema reference*.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

from lambda_sim.model import telemetry
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.extension import EventType
from lambda_sim.model.protocol import TRACING_TYPE
from lambda_sim.model.telemetry import (
    Fact,
    InvocationFact,
    LogLine,
    Span,
    Status,
    TelemetryEvent,
    TelemetryEventType,
)

__all__ = ["SCHEMA_VERSION", "carries_objects", "encoded", "event_of", "stream_of", "type_of"]

SCHEMA_VERSION = "2022-12-13"
"""The version events are in where nobody asked for another."""

Json = dict[str, Any]
E = TypeVar("E", bound=Enum)

_BYTES_PER_MB = 1024 * 1024
_FAILED = (Status.FAILURE, Status.ERROR)


def stream_of(fact: Fact) -> TelemetryEventType:
    """The stream a fact belongs to: what a subscription names in its types."""
    return fact.source if isinstance(fact, LogLine) else TelemetryEventType.PLATFORM


def type_of(fact: Fact) -> str:
    """An event's ``type``: ``function``, ``extension`` or ``platform.…``."""
    return fact.source.value if isinstance(fact, LogLine) else _PLATFORM[type(fact)][0]


def carries_objects(config: SimulatorConfig, schema_version: str) -> bool:
    """Whether a log line that is a JSON object is sent as one, and not as text."""
    return config.log_format == "JSON" and schema_version >= SCHEMA_VERSION


def event_of(
    fact: Fact, config: SimulatorConfig, *, schema_version: str = SCHEMA_VERSION
) -> TelemetryEvent:
    """A fact as an event, in AWS's words.

    :param schema_version: before ``2022-12-13`` a log line is always text.
    """
    record: Json | str
    if isinstance(fact, LogLine):
        found = _object(fact.message) if carries_objects(config, schema_version) else None
        record = fact.message if found is None else found
    else:
        record = _PLATFORM[type(fact)][1](fact, config)
    at = datetime.fromtimestamp(fact.time, UTC)
    return TelemetryEvent(time=at, type=type_of(fact), record=record)


def encoded(fact: Fact, config: SimulatorConfig, *, schema_version: str = SCHEMA_VERSION) -> bytes:
    """A fact as subscribers receive it: one event's JSON, compact, in UTF-8.

    :param schema_version: as for :func:`event_of`.
    """
    if not isinstance(fact, LogLine):
        kind, record_of = _PLATFORM[type(fact)]
        record = _compact(record_of(fact, config))
    else:
        kind = fact.source.value
        if carries_objects(config, schema_version) and _object(fact.message) is not None:
            # As it was written: numbers keep their digits, and nothing is built twice.
            record = fact.message.strip()
        else:
            record = _compact(fact.message)
    event = f'{{"time":"{_iso(fact.time)}","type":"{kind}","record":{record}}}'
    # A child may print half a surrogate pair, which UTF-8 has no bytes for.
    return event.encode("utf-8", "replace")


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _not_json(constant: str) -> None:
    raise ValueError(f"{constant} is Python's, not JSON's")


_decode = json.JSONDecoder(parse_constant=_not_json).decode


def _object(line: str) -> Json | None:
    """The JSON object that a log line is, if it is one."""
    if not line.lstrip().startswith("{"):
        return None
    try:
        found = _decode(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _iso(seconds: float) -> str:
    """Seconds since the epoch as AWS prints them, to the millisecond."""
    whole, microseconds = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_second(whole)}.{microseconds // 1000:03}Z"


@lru_cache(maxsize=4)  # an invocation has many stamps, and seldom more than two seconds
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:-6]


def _ms(milliseconds: float) -> float:
    """A duration cut to microseconds; the nudge keeps 1.001 from becoming 1.0."""
    return math.floor(milliseconds * 1000 + 1e-6) / 1000


def _ordered(members: Iterable[E], kind: type[E]) -> list[Any]:
    """The values of a set's members in the order of their enum."""
    chosen = frozenset(members)
    return [member.value for member in kind if member in chosen]


def _outcome(status: Status, error_type: str | None) -> Json:
    """Status and, where something failed and was named, how; a timeout says it all."""
    if error_type is None or status not in _FAILED:
        return {"status": status.value}
    return {"status": status.value, "errorType": error_type}


def _spans(spans: Iterable[Span]) -> Json:
    rendered = [
        {"name": one.name, "start": _iso(one.start), "durationMs": _ms(one.duration_ms)}
        for one in spans
    ]
    return {"spans": rendered} if rendered else {}


def _context(fact: InvocationFact) -> Json:
    """Whose invocation it is and its trace. X-Ray is off, so no segment has an id."""
    found: Json = {}
    if fact.tenant_id is not None:
        found["tenantId"] = fact.tenant_id
    if fact.trace_id:
        found["tracing"] = {"type": TRACING_TYPE, "value": fact.trace_id}
    return found


def _init_start(fact: telemetry.InitStart, config: SimulatorConfig) -> Json:
    return {
        "initializationType": config.initialization_type,
        "phase": fact.phase,
        "functionName": config.function_name,
        "functionVersion": config.function_version,
        "instanceId": config.instance_id,
        # Bytes on the wire, though the guide's example shows megabytes.
        "instanceMaxMemory": config.memory_size_mb * _BYTES_PER_MB,
    }


def _init_runtime_done(fact: telemetry.InitRuntimeDone, config: SimulatorConfig) -> Json:
    return {
        "initializationType": config.initialization_type,
        "phase": fact.phase,
        **_outcome(fact.status, fact.error_type),
    }


def _init_report(fact: telemetry.InitReport, config: SimulatorConfig) -> Json:
    return {
        "initializationType": config.initialization_type,
        "phase": fact.phase,
        **_outcome(fact.status, fact.error_type),
        "metrics": {"durationMs": _ms(fact.duration_ms)},
    }


def _extension(fact: telemetry.ExtensionSettled, _: SimulatorConfig) -> Json:
    record = {
        "name": fact.name,
        "state": fact.state,
        "events": _ordered(fact.events, EventType),
    }
    return record if fact.error_type is None else {**record, "errorType": fact.error_type}


def _subscription(fact: telemetry.Subscribed, _: SimulatorConfig) -> Json:
    types = _ordered(fact.types, TelemetryEventType)
    return {"name": fact.name, "state": fact.state, "types": types}


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
        **_outcome(fact.status, fact.error_type),
        "metrics": {"durationMs": _ms(fact.duration_ms), "producedBytes": fact.produced_bytes},
        **_spans(fact.spans),
        **_context(fact),
    }


def _report(fact: telemetry.Report, _: SimulatorConfig) -> Json:
    metrics: Json = {
        "durationMs": _ms(fact.duration_ms),
        "billedDurationMs": fact.billed_duration_ms,
        "memorySizeMB": fact.memory_size_mb,
        "maxMemoryUsedMB": fact.max_memory_used_mb,
    }
    if fact.init_duration_ms is not None:
        metrics["initDurationMs"] = _ms(fact.init_duration_ms)
    return {
        "requestId": fact.request_id,
        **_outcome(fact.status, fact.error_type),
        "metrics": metrics,
        **_spans(fact.spans),
        **_context(fact),
    }


def _logs_dropped(fact: telemetry.LogsDropped, _: SimulatorConfig) -> Json:
    return {
        "reason": fact.reason,
        "droppedRecords": fact.records,
        "droppedBytes": fact.size_bytes,
    }


_PLATFORM: dict[type[Fact], tuple[str, Callable[[Any, SimulatorConfig], Json]]] = {
    telemetry.InitStart: ("platform.initStart", _init_start),
    telemetry.InitRuntimeDone: ("platform.initRuntimeDone", _init_runtime_done),
    telemetry.InitReport: ("platform.initReport", _init_report),
    telemetry.ExtensionSettled: ("platform.extension", _extension),
    telemetry.Subscribed: ("platform.telemetrySubscription", _subscription),
    telemetry.Start: ("platform.start", _start),
    telemetry.RuntimeDone: ("platform.runtimeDone", _runtime_done),
    telemetry.Report: ("platform.report", _report),
    telemetry.LogsDropped: ("platform.logsDropped", _logs_dropped),
}
