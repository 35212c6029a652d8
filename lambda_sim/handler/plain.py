"""A plain function of ``(event, context)``, run as awslambdaric runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .client import Event
from .context import LambdaContext
from .outcome import Failure, Outcome
from .payloads import decode, encode

__all__ = ["PlainExecutor"]


class PlainExecutor:
    """No declared types, no shared state, no guard: what AWS's own runtime does, and no more."""

    def __init__(self, function: Callable[[Any, LambdaContext], Any]) -> None:
        self._function = function

    def execute(self, event: Event) -> Outcome:
        try:
            context = LambdaContext.from_event(event)
            return encode(self._function(decode(event), context))
        except Exception as error:
            return Failure.of(error, event.request_id)
