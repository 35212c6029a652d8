"""One event on its way through a handler, with all that Lambda said about it."""

from __future__ import annotations

from typing import Generic, TypeVar

import attrs

from .context import LambdaContext
from .deadline import Deadline

__all__ = ["Invocation"]

EventT = TypeVar("EventT")


@attrs.frozen(kw_only=True)
class Invocation(Generic[EventT]):
    """What ``Handler.run`` is given.

    :ivar event: decoded to the type that the handler declares.
    :ivar context: request id, deadline, caller; a superset of awslambdaric's fields.
    :ivar deadline: when Lambda ends this invocation.
    :ivar raw: the event's bytes as they came.
    :ivar region: where the function runs; empty where nobody says it.
    """

    # Neither is shown: events are large, and nobody's business in a log.
    event: EventT = attrs.field(repr=False)
    context: LambdaContext
    deadline: Deadline
    raw: bytes = attrs.field(repr=False)
    region: str

    def remaining_ms(self) -> int:
        """Milliseconds until Lambda ends this invocation, never less than 0."""
        return self.deadline.remaining_ms()
