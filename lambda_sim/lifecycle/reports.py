"""The facts that sum an invocation up: runtimeDone and report, with their times and costs. Pure.

AWS: *Lambda Telemetry API Event schema reference*; *Lambda pricing*, on billed duration.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from lambda_sim.lifecycle.failures import OUT_OF_MEMORY, TIMED_OUT, Failure
from lambda_sim.lifecycle.ledger import Record
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.protocol import BYTES_PER_MB
from lambda_sim.model.telemetry import Report, ResponseTimes, RuntimeDone, Span, Start, Status


def start(record: Record, config: SimulatorConfig) -> Start:
    """What platform.start says of an invocation that was dispatched."""
    return Start(
        time=record.started_at or 0.0,
        request_id=record.request_id,
        trace_id=record.invocation.trace_id,
        segment_id=record.segment_id,
        tenant_id=record.invocation.tenant_id,
        version=config.function_version,
        function_arn=record.function_arn,
    )


def runtime_done(record: Record, verdict: Failure | None, at: float) -> RuntimeDone:
    """What platform.runtimeDone says of an invocation whose runtime is done."""
    return RuntimeDone(
        time=at,
        request_id=record.request_id,
        trace_id=record.invocation.trace_id,
        segment_id=record.segment_id,
        tenant_id=record.invocation.tenant_id,
        status=verdict.status if verdict else Status.SUCCESS,
        error_type=verdict.telemetry_type if verdict else None,
        duration_ms=_ms(record.dispatched, record.runtime_done),
        produced_bytes=record.produced_bytes,
        times=None if verdict else _response_times(record),
    )


class Moment(NamedTuple):
    """When an invocation was over."""

    now: float
    """On the monotonic hand; ``at`` is what is printed."""
    at: float
    peak_bytes: int | None
    """The most memory that was measured until then."""


def report(
    record: Record, verdict: Failure | None, config: SimulatorConfig, moment: Moment
) -> Report:
    """What platform.report says of an invocation that is over."""
    duration = _ms(record.charged_from or record.dispatched, moment.now)
    if verdict and verdict.error_type == TIMED_OUT:
        duration = max(duration, record.timeout * 1000)
    # To the microsecond, which is what is told: a whole number must not be billed as one more.
    billed = round(duration + (record.init_ms or record.restore_ms or 0.0), 3)
    return Report(
        time=moment.at,
        request_id=record.request_id,
        trace_id=record.invocation.trace_id,
        segment_id=record.segment_id,
        tenant_id=record.invocation.tenant_id,
        status=verdict.status if verdict else Status.SUCCESS,
        error_type=verdict.telemetry_type if verdict else None,
        # An init error, though in the runtime's words, is told of as Lambda's own.
        by_runtime=bool(verdict and verdict.by_runtime and record.first_byte is not None),
        duration_ms=duration,
        billed_duration_ms=max(1, math.ceil(billed)),
        memory_size_mb=config.memory_size_mb,
        max_memory_used_mb=_memory_used_mb(verdict, config, moment.peak_bytes),
        init_duration_ms=record.init_ms,
        restore_duration_ms=record.restore_ms,
        billed_restore_duration_ms=_billed(record.restore_ms),
        spans=_extension_spans(record, moment.now) or _managed_spans(record, config),
    )


def _billed(milliseconds: float | None) -> int | None:
    """All of a restore is the function's own time here: no snapshot is fetched from anywhere."""
    return None if milliseconds is None else math.ceil(round(milliseconds, 3))


def megabytes(size: int) -> int:
    """Bytes as whole megabytes, rounded up."""
    return math.ceil(size / BYTES_PER_MB)


def _response_times(record: Record) -> ResponseTimes | None:
    if record.first_byte is None or record.started_at is None:
        return None
    return ResponseTimes(
        record.started_at,
        _ms(record.dispatched, record.first_byte),
        _ms(record.first_byte, record.answered),
        _ms(record.answered, record.runtime_done),
    )


def _memory_used_mb(verdict: Failure | None, config: SimulatorConfig, peak: int | None) -> int:
    """What was measured. Where memory is limited, it can't be more than there is."""
    size = config.memory_size_mb
    if peak is None or (verdict and verdict.error_type == OUT_OF_MEMORY):
        return size
    used = max(1, megabytes(peak))  # who was gone before it could be measured had some, too
    return min(used, size) if config.rules.enforces_memory else used


def _managed_spans(record: Record, config: SimulatorConfig) -> tuple[Span, ...]:
    """Where there is no runtimeDone to tell them."""
    times = None if config.rules.tells_runtime_done else _response_times(record)
    return times.spans()[:2] if times else ()


def _extension_spans(record: Record, now: float) -> tuple[Span, ...]:
    if not record.had_extensions or record.runtime_done is None or record.started_at is None:
        return ()
    start = record.started_at + _ms(record.dispatched, record.runtime_done) / 1000
    overhead = _ms(record.runtime_done, record.extensions_done or now)
    return (Span(name="extensionOverhead", start=start, duration_ms=overhead),)


def _ms(begin: float | None, end: float | None) -> float:
    return 0.0 if begin is None or end is None else max(0.0, (end - begin) * 1000)
