"""What an environment says about itself: facts as they happen, events as AWS words them."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

import attrs

from lambda_sim.model.extension import EventType
from lambda_sim.model.identifiers import ExtensionId, RequestId, trace_parts

__all__ = ["LogRecord", "TelemetryEvent", "TelemetryEventType", "TelemetrySubscription"]


class SubscriptionApi(Enum):
    """The two ways to subscribe, by the names that AWS's words for them have."""

    TELEMETRY = "Telemetry"
    """AWS: *Lambda Telemetry API reference*."""
    LOGS = "Logs"
    """The one before it. AWS: *Using the Lambda Logs API*."""


class DeliveryProtocol(Enum):
    """How events travel. AWS: *Telemetry API reference*, Destination."""

    HTTP = "HTTP"
    TCP = "TCP"


class TelemetryEventType(Enum):
    """The streams an extension may subscribe to. AWS: *Telemetry API reference*, Subscribe."""

    PLATFORM = "platform"
    FUNCTION = "function"
    EXTENSION = "extension"


class Status(Enum):
    """AWS: *Telemetry API Event schema reference*, Status."""

    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"
    TIMEOUT = "timeout"


@attrs.frozen(kw_only=True)
class TelemetryEvent:
    """One event as AWS words it."""

    time: datetime
    type: str
    record: dict[str, Any] | str


@attrs.frozen(kw_only=True)
class LogRecord:
    """One line of the environment's log."""

    time: datetime
    source: str
    """``function``, ``extension`` or ``platform``."""
    name: str
    """Which process wrote it; the function's name for the platform's own lines."""
    request_id: RequestId | None
    message: str


@attrs.frozen(kw_only=True)
class TelemetrySubscription:
    """Where an extension wants which events, in what form, and in what batches.

    AWS: *Telemetry API reference*, Subscribe; *Using the Lambda Logs API*, Subscribe.
    """

    extension_id: ExtensionId
    extension_name: str
    types: frozenset[TelemetryEventType]
    host: str
    port: int
    path: str = "/"
    """Where HTTP delivers to; TCP has none."""
    max_items: int = 10_000
    max_bytes: int = 262_144
    timeout_ms: int = 1_000
    schema_version: str = "2022-12-13"
    api: SubscriptionApi = SubscriptionApi.TELEMETRY
    protocol: DeliveryProtocol = DeliveryProtocol.HTTP
    method: str = "POST"
    """How HTTP delivers: POST, or PUT if the Logs API was asked for it."""


@attrs.frozen(kw_only=True)
class Span:
    """A part of an invocation's time. AWS: *Telemetry API Event schema reference*, Spans."""

    name: str
    start: float
    duration_ms: float


class ResponseTimes(NamedTuple):
    """How long the runtime took for the parts of one invocation, from its start."""

    start: float
    latency_ms: float
    response_ms: float
    overhead_ms: float

    def spans(self) -> tuple[Span, ...]:
        responding = self.start + self.latency_ms / 1000
        returning = responding + self.response_ms / 1000
        return (
            Span(name="responseLatency", start=self.start, duration_ms=self.latency_ms),
            Span(name="responseDuration", start=responding, duration_ms=self.response_ms),
            Span(name="runtimeOverhead", start=returning, duration_ms=self.overhead_ms),
        )


# Facts are made all the time: a value with a dict is made twice as fast as one with slots.
@attrs.frozen(kw_only=True, slots=False)
class Fact:
    """Something that happened, at a time in seconds since the epoch."""

    time: float


@attrs.frozen(kw_only=True, slots=False)
class InitStart(Fact):
    phase: str


@attrs.frozen(kw_only=True, slots=False)
class InitRuntimeDone(Fact):
    phase: str
    status: Status
    error_type: str | None = None


@attrs.frozen(kw_only=True, slots=False)
class InitReport(Fact):
    phase: str
    status: Status
    duration_ms: float
    error_type: str | None = None


@attrs.frozen(kw_only=True, slots=False)
class RestoreStart(Fact):
    """A snapshot begins to be restored. AWS: *Lambda SnapStart*."""


@attrs.frozen(kw_only=True, slots=False)
class RestoreRuntimeDone(Fact):
    status: Status
    error_type: str | None = None


@attrs.frozen(kw_only=True, slots=False)
class RestoreReport(Fact):
    status: Status
    duration_ms: float
    error_type: str | None = None


@attrs.frozen(kw_only=True, slots=False)
class ExtensionSettled(Fact):
    """What became of one extension by the end of init."""

    name: str
    state: str
    events: frozenset[EventType]
    error_type: str | None = None


@attrs.frozen(kw_only=True, slots=False)
class Subscribed(Fact):
    name: str
    state: str
    types: frozenset[TelemetryEventType]
    api: SubscriptionApi = SubscriptionApi.TELEMETRY


@attrs.frozen(kw_only=True, slots=False)
class InvocationFact(Fact):
    """Something about one invocation.

    ``trace_id`` is the caller's X-Ray header, ``segment_id`` the function's part of the trace.
    """

    request_id: RequestId
    trace_id: str
    segment_id: str = ""
    tenant_id: str | None = None

    @property
    def is_traced(self) -> bool:
        """Whether X-Ray keeps the trace."""
        return trace_parts(self.trace_id).get("Sampled") == "1"


@attrs.frozen(kw_only=True, slots=False)
class Start(InvocationFact):
    version: str
    function_arn: str


@attrs.frozen(kw_only=True, slots=False)
class RuntimeDone(InvocationFact):
    status: Status
    duration_ms: float
    produced_bytes: int
    error_type: str | None = None
    times: ResponseTimes | None = None

    @property
    def spans(self) -> tuple[Span, ...]:
        """Made when somebody reads them."""
        return self.times.spans() if self.times else ()


@attrs.frozen(kw_only=True, slots=False)
class Report(InvocationFact):
    status: Status
    duration_ms: float
    billed_duration_ms: int
    memory_size_mb: int
    max_memory_used_mb: int
    init_duration_ms: float | None = None
    restore_duration_ms: float | None = None
    billed_restore_duration_ms: int | None = None
    error_type: str | None = None
    spans: tuple[Span, ...] = ()
    by_runtime: bool = False
    """Whether the runtime itself reported the error: CloudWatch's line then names no Status."""


@attrs.frozen(kw_only=True, slots=False)
class LogLine(Fact):
    """A line that a process of the environment wrote, newline and all."""

    source: TelemetryEventType
    name: str
    request_id: RequestId | None
    message: str


@attrs.frozen(kw_only=True, slots=False)
class LogsDropped(Fact):
    """What a subscriber was too slow for."""

    reason: str
    records: int
    size_bytes: int
