"""The environment's log as CloudWatch shows it, line by line. Pure.

AWS: *Viewing CloudWatch logs for Lambda functions*; *Configuring JSON and plain text log formats*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from lambda_sim.model import protocol, telemetry
from lambda_sim.model.config import LOG_LEVELS, SimulatorConfig
from lambda_sim.model.extension import EventType
from lambda_sim.model.identifiers import RequestId, trace_parts
from lambda_sim.model.invocation import decoded
from lambda_sim.model.telemetry import (
    Fact,
    InvocationFact,
    LogLine,
    LogRecord,
    Status,
    TelemetryEventType,
)
from lambda_sim.telemetry import schema

__all__ = ["log_records", "tail"]

DEFAULT_LEVEL = "INFO"
SUPPRESSED = "invoke"
"""The phase of an init that happens inside an invocation."""


def log_records(fact: Fact, config: SimulatorConfig) -> list[LogRecord]:
    """The log lines that a fact leaves, without their newlines; often none.

    The platform's lines are text or JSON after the config's log format; what processes write
    passes as it is.
    """
    if isinstance(fact, LogLine):
        is_function = fact.source is TelemetryEventType.FUNCTION
        if is_function and _is_below_level(fact.message, config):
            return []
        line = fact.message.removesuffix("\n")
        return [_record(fact, fact.source, fact.name, fact.request_id, line)]
    request_id = fact.request_id if isinstance(fact, InvocationFact) else None
    return [
        _record(fact, TelemetryEventType.PLATFORM, config.function_name, request_id, line)
        for line in _platform_lines(fact, config)
    ]


def tail(facts: Sequence[Fact], config: SimulatorConfig) -> str:
    """The last 4 KB of an invocation's log, cut between characters.

    AWS API reference: *Invoke*, LogResult.
    """
    limit = protocol.LOG_TAIL_BYTES
    lines: list[bytes] = []
    size = 0
    for fact in reversed(facts):
        for record in reversed(log_records(fact, config)):
            lines.append(f"{record.message}\n".encode("utf-8", "replace"))
            size += len(lines[-1])
        if size >= limit:
            break
    # All of it is good UTF-8, so what can't be decoded is a character cut in two at the front.
    return b"".join(reversed(lines))[-limit:].decode(errors="ignore")


def _record(
    fact: Fact,
    source: TelemetryEventType,
    name: str,
    request_id: RequestId | None,
    line: str,
) -> LogRecord:
    return LogRecord(
        time=datetime.fromtimestamp(fact.time, UTC),
        source=source.value,
        name=name,
        request_id=request_id,
        message=line,
    )


def _platform_lines(fact: Fact, config: SimulatorConfig) -> list[str]:
    if config.log_format == "JSON":
        is_detail = _DETAILS.get(type(fact))
        if is_detail is not None and is_detail(fact, config):
            return []
        return [schema.encoded(fact, config).decode()]
    lines_of = _TEXT.get(type(fact))
    return [] if lines_of is None else lines_of(fact, config)


def _is_below_level(line: str, config: SimulatorConfig) -> bool:
    """Whether Lambda's filter keeps a JSON line out of the log. AWS: *Log-level filtering*."""
    if config.log_format != "JSON":
        return False
    told = decoded(line)
    if not isinstance(told, dict):
        return False
    level = str(told.get("level", DEFAULT_LEVEL)).upper()
    rank = LOG_LEVELS.index(level if level in LOG_LEVELS else DEFAULT_LEVEL)
    return rank < LOG_LEVELS.index(config.log_level or DEFAULT_LEVEL)


def _outcome(status: Status, error_type: str | None) -> list[str]:
    """The fields that say how something failed; a timeout says it all."""
    if status is Status.SUCCESS:
        return []
    fields = [f"Status: {status.value}"]
    if error_type is not None and status is not Status.TIMEOUT:
        fields.append(f"Error Type: {error_type}")
    return fields


def _listed(values: Iterable[str]) -> str:
    return f"[{', '.join(values)}]"


def _start(fact: telemetry.Start, config: SimulatorConfig) -> list[str]:
    return [f"START RequestId: {fact.request_id} Version: {fact.version}"]


def _report(fact: telemetry.Report, config: SimulatorConfig) -> list[str]:
    fields = [f"REPORT RequestId: {fact.request_id}", f"Duration: {fact.duration_ms:.2f} ms"]
    if not config.is_managed:
        fields += _costs(fact)
    # The line of an invocation that did not fail, or whose handler did, ends in a tab at AWS.
    fields += ([] if fact.by_runtime else _outcome(fact.status, fact.error_type)) or [""]
    return [f"END RequestId: {fact.request_id}", "\t".join(fields), *_segment(fact)]


def _costs(fact: telemetry.Report) -> list[str]:
    fields = [
        f"Billed Duration: {fact.billed_duration_ms} ms",
        f"Memory Size: {fact.memory_size_mb} MB",
        f"Max Memory Used: {fact.max_memory_used_mb} MB",
    ]
    if fact.init_duration_ms is not None:
        fields.append(f"Init Duration: {fact.init_duration_ms:.2f} ms")
    if fact.restore_duration_ms is not None:
        fields.append(f"Restore Duration: {fact.restore_duration_ms:.2f} ms")
    if fact.billed_restore_duration_ms is not None:
        fields.append(f"Billed Restore Duration: {fact.billed_restore_duration_ms} ms")
    return fields


def _segment(fact: telemetry.Report) -> list[str]:
    """The line that leads from the log to X-Ray."""
    root = trace_parts(fact.trace_id).get("Root")
    if not (root and fact.segment_id and fact.is_traced):
        return []
    return [f"XRAY TraceId: {root}\tSegmentId: {fact.segment_id}\tSampled: true"]


def _runtime_version(config: SimulatorConfig) -> str:
    version, arn = config.runtime_version, config.runtime_version_arn
    return f"Runtime Version: {version}\tRuntime Version ARN: {arn}"


def _init_start(fact: telemetry.InitStart, config: SimulatorConfig) -> list[str]:
    """Once for an environment: an init inside an invocation has no line."""
    return [] if fact.phase == SUPPRESSED else [f"INIT_START {_runtime_version(config)}"]


def _restore_start(fact: telemetry.RestoreStart, config: SimulatorConfig) -> list[str]:
    return [f"RESTORE_START {_runtime_version(config)}"]


def _restore_report(fact: telemetry.RestoreReport, config: SimulatorConfig) -> list[str]:
    fields = [f"RESTORE_REPORT Restore Duration: {fact.duration_ms:.2f} ms"]
    return ["\t".join(fields + _outcome(fact.status, fact.error_type))]


def _init_report(fact: telemetry.InitReport, config: SimulatorConfig) -> list[str]:
    if fact.status is Status.SUCCESS and not (config.is_snap_start or config.is_provisioned):
        return []
    fields = [f"INIT_REPORT Init Duration: {fact.duration_ms:.2f} ms", f"Phase: {fact.phase}"]
    return ["\t".join(fields + _outcome(fact.status, fact.error_type))]


def _extension(fact: telemetry.ExtensionSettled, config: SimulatorConfig) -> list[str]:
    events = _listed(one.value for one in EventType if one in fact.events)
    fields = ["EXTENSION", f"Name: {fact.name}", f"State: {fact.state}", f"Events: {events}"]
    if fact.error_type is not None:
        fields.append(f"Error Type: {fact.error_type}")
    return ["\t".join(fields)]


def _subscription(fact: telemetry.Subscribed, config: SimulatorConfig) -> list[str]:
    types = _listed(one.value.capitalize() for one in TelemetryEventType if one in fact.types)
    word = fact.api.value.upper()
    return [f"{word}\tName: {fact.name}\tState: {fact.state}\tTypes: {types}"]


_TEXT: dict[type[Fact], Callable[[Any, SimulatorConfig], list[str]]] = {
    telemetry.InitStart: _init_start,
    telemetry.InitReport: _init_report,
    telemetry.RestoreStart: _restore_start,
    telemetry.RestoreReport: _restore_report,
    telemetry.Start: _start,
    telemetry.Report: _report,
    telemetry.ExtensionSettled: _extension,
    telemetry.Subscribed: _subscription,
}


def _succeeded(fact: Any, _config: SimulatorConfig) -> bool:
    return bool(fact.status is Status.SUCCESS)


def _is_ordinary_init(fact: Any, config: SimulatorConfig) -> bool:
    return _succeeded(fact, config) and config.initialization_type == "on-demand"


# What the JSON log leaves out: system events of level DEBUG, as its system level is INFO. Those
# not named here are INFO or WARN. AWS: Configuring JSON and plain text log formats, System log
# level event mapping.
_DETAILS: dict[type[Fact], Callable[[Any, SimulatorConfig], bool]] = {
    telemetry.InitRuntimeDone: _succeeded,
    telemetry.InitReport: _is_ordinary_init,
    telemetry.RestoreRuntimeDone: _succeeded,
    telemetry.RuntimeDone: _succeeded,
}
