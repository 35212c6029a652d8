"""Tumbling windows: what a stream's event says of the state that invocations hand on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from .shape import Record, anything, field, flag, iso_8601, optional, text

__all__ = ["StreamEvent", "Window"]


@attrs.frozen(kw_only=True)
class Window(Record):
    """From when to when records are gathered."""

    start: datetime = field("start", iso_8601)
    end: datetime = field("end", iso_8601)


@attrs.frozen(kw_only=True)
class StreamEvent(Record):
    """What events of streams have in common: all of it is of tumbling windows, else None."""

    window: Window | None = optional("window", Window.from_json)
    state: Any = optional("state", anything)
    shard_id: str | None = optional("shardId", text)
    event_source_arn: str | None = optional("eventSourceARN", text)
    is_final_invoke_for_window: bool | None = optional("isFinalInvokeForWindow", flag)
    is_window_terminated_early: bool | None = optional("isWindowTerminatedEarly", flag)
