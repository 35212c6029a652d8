"""How AWS writes times, durations, outcomes and sets in telemetry. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

from lambda_sim.model.protocol import TRACING_TYPE
from lambda_sim.model.telemetry import InvocationFact, Span, Status

__all__ = ["Json", "billed_ms", "iso", "ms", "ordered", "outcome", "spans", "tracing"]

Json = dict[str, Any]
E = TypeVar("E", bound=Enum)

_FAILED = (Status.FAILURE, Status.ERROR)


def iso(seconds: float) -> str:
    """Seconds since the epoch as AWS prints them, to the millisecond."""
    whole, microseconds = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_second(whole)}.{microseconds // 1000:03}Z"


@lru_cache(maxsize=4)  # an invocation has many stamps, and seldom more than two seconds
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:-6]


def ms(milliseconds: float) -> float:
    """A duration cut to microseconds; the nudge keeps 1.001 from becoming 1.0."""
    return math.floor(milliseconds * 1000 + 1e-6) / 1000


def billed_ms(milliseconds: float) -> int:
    """A duration as it is billed: by the whole millisecond, and to the microsecond before."""
    return math.ceil(round(milliseconds, 3))


def ordered(members: Iterable[E], kind: type[E]) -> list[Any]:
    """The values of a set's members in the order of their enum."""
    chosen = frozenset(members)
    return [member.value for member in kind if member in chosen]


def outcome(status: Status, error_type: str | None) -> Json:
    """Status and, where something failed and was named, how; a timeout says it all."""
    if error_type is None or status not in _FAILED:
        return {"status": status.value}
    return {"status": status.value, "errorType": error_type}


def spans(told: Iterable[Span]) -> Json:
    """An invocation's spans, under their key; nothing where there are none."""
    rendered = [
        {"name": one.name, "start": iso(one.start), "durationMs": ms(one.duration_ms)}
        for one in told
    ]
    return {"spans": rendered} if rendered else {}


def tracing(fact: InvocationFact) -> Json:
    """The trace, and the function's part of it, under their key; nothing without a trace."""
    if not fact.trace_id:
        return {}
    named = {"spanId": fact.segment_id} if fact.segment_id else {}
    return {"tracing": {**named, "type": TRACING_TYPE, "value": fact.trace_id}}
