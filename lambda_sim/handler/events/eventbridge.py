"""Events of Amazon EventBridge: of AWS's services, of your own, and of schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from .shape import Record, anything, array_of, field, iso_8601, optional, text

__all__ = ["EventBridgeEvent"]


@attrs.frozen(kw_only=True)
class EventBridgeEvent(Record):
    """An event; ``source`` and ``detail_type`` tell what ``detail`` holds.

    AWS: *Event structure reference* in the user guide of Amazon EventBridge.
    """

    version: str = field("version", text)
    id: str = field("id", text)
    detail_type: str = field("detail-type", text)
    source: str = field("source", text)
    account: str = field("account", text)
    time: datetime = field("time", iso_8601)
    region: str = field("region", text)
    resources: tuple[str, ...] = field("resources", array_of(text))
    detail: Any = field("detail", anything)
    replay_name: str | None = optional("replay-name", text)
