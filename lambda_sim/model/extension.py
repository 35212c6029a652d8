"""Extensions: what one registered for, and the events it is sent."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import attrs

from lambda_sim.model.identifiers import ExtensionId, RequestId

__all__ = [
    "EventType",
    "InvokeEvent",
    "LifecycleEvent",
    "RegisteredExtension",
    "ShutdownEvent",
    "ShutdownReason",
]


class EventType(Enum):
    """What an extension may register for. AWS: *Extensions API*, Register."""

    INVOKE = "INVOKE"
    SHUTDOWN = "SHUTDOWN"


class ShutdownReason(Enum):
    """Why an environment ends; any case is understood. AWS: *Extensions API*, Shutdown phase."""

    SPINDOWN = "spindown"
    TIMEOUT = "timeout"
    FAILURE = "failure"

    @classmethod
    def _missing_(cls, value: object) -> ShutdownReason | None:
        if isinstance(value, str):
            return next((one for one in cls if one.value == value.lower()), None)
        return None


@attrs.frozen(kw_only=True)
class RegisteredExtension:
    """One extension of the current generation."""

    id: ExtensionId
    name: str
    events: frozenset[EventType]
    registered_at: datetime

    def is_subscribed_to(self, event_type: EventType) -> bool:
        return event_type in self.events


@attrs.frozen(kw_only=True)
class LifecycleEvent:
    """What an extension's Next returns; ``deadline_ms`` counts from the epoch."""

    deadline_ms: int


@attrs.frozen(kw_only=True)
class InvokeEvent(LifecycleEvent):
    """An invocation, as an extension is told of it. AWS: *Extensions API*, Invoke phase."""

    request_id: RequestId
    invoked_function_arn: str
    trace_id: str


@attrs.frozen(kw_only=True)
class ShutdownEvent(LifecycleEvent):
    """The end, and until when an extension may clean up. AWS: *Extensions API*, Shutdown phase."""

    reason: ShutdownReason
