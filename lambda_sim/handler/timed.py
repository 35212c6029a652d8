"""A plain function of ``(event, context)`` whose time ends as Lambda would end it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .client import Event
from .context import LambdaContext
from .deadline import Deadline, DeadlineExceeded
from .failure import ErrorReport, Fault
from .guard import DeadlineGuard
from .outcome import Failure, OnStuck, Outcome
from .plain import PlainExecutor

__all__ = ["TimedExecutor"]


class TimedExecutor(PlainExecutor):
    """For where there is no Lambda to do so. Before that, the function meets no guard.

    :param timeout: seconds that the invocation at work was given.
    """

    is_poisoned = False

    def __init__(
        self, function: Callable[[Any, LambdaContext], Any], timeout: Callable[[], float]
    ) -> None:
        super().__init__(function)
        self._timeout = timeout
        self._guard = DeadlineGuard(0.0, on_stuck=self._tell_stuck)
        self._on_stuck: OnStuck | None = None
        self._event: Event | None = None  # the one at work

    def start(self, on_stuck: OnStuck | None = None, memory_bytes: int | None = None) -> None:
        self._on_stuck = on_stuck

    def execute(self, event: Event) -> Outcome:
        deadline = Deadline.from_ms(event.deadline_ms, margin=0.0)
        self._event = event
        try:
            with self._guard.watch(deadline):
                return super().execute(event)
        except DeadlineExceeded as error:
            self.is_poisoned = True
            return Failure.of(self._timed_out(event, error), event.request_id)

    def close(self) -> None:
        self._guard.close()

    def _timed_out(self, event: Event, error: DeadlineExceeded) -> Fault:
        message = f"Task timed out after {self._timeout():.2f} seconds"
        told = f"RequestId: {event.request_id} Error: {message}"
        return Fault("Sandbox.Timedout", told, error.stack)

    def _tell_stuck(self, error: DeadlineExceeded) -> None:
        event = self._event
        if self._on_stuck is not None and event is not None:
            fault = self._timed_out(event, error)
            self._on_stuck(event, ErrorReport.from_exception(fault, event.request_id))
