"""A plain function of ``(event, context)``, run as awslambdaric runs it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .client import Event
from .context import LambdaContext
from .outcome import Executor, Failure, OnStuck, Outcome
from .payloads import decode, encode

__all__ = ["PlainExecutor", "executor_of"]


class PlainExecutor:
    """No declared types, no shared state, no guard: what AWS's own runtime does, and no more."""

    has_teardown = False
    is_poisoned = False

    def __init__(self, function: Callable[[Any, LambdaContext], Any]) -> None:
        self._function = function

    def execute(self, event: Event) -> Outcome:
        try:
            context = LambdaContext.from_event(event)
            return encode(self._function(decode(event), context))
        except Exception as error:
            return Failure.of(error, event.request_id)

    def start(self, on_stuck: OnStuck | None = None, memory_bytes: int | None = None) -> None:
        """There is nothing to set up."""

    def close(self) -> None:
        """There is nothing to tear down."""

    def before_snapshot(self) -> None:
        """There are AWS's own hooks for it."""

    def after_restore(self) -> None:
        """There are AWS's own hooks for it."""


def executor_of(target: Any) -> Executor:
    """What runs the invocations of a function, or of a handler with declared types."""
    # Who has made one has imported its room, which all others need not pay for.
    entry = sys.modules.get(f"{__package__}.entry")
    typed = sys.modules.get(f"{__package__}.typed")
    if entry is not None and isinstance(target, entry.EntryPoint):
        found: Executor = target.execution
        return found
    if typed is not None and (
        isinstance(target, typed.Handler)
        or (isinstance(target, type) and issubclass(target, typed.Handler))
    ):
        from .execution import Execution  # noqa: PLC0415 - likewise

        return Execution(target() if isinstance(target, type) else target)
    return PlainExecutor(target)
