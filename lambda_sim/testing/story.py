"""What a test that fails shows of its simulator: the invocation, the environment, telemetry."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

from lambda_sim.model.invocation import InvocationState
from lambda_sim.simulator import Simulator

__all__ = ["Witness", "summary", "tell"]

SHOWN_BODY = 2_000
SHOWN_EVENTS = 100

REPORTS = ("addError", "addFailure", "addSubTest")


class Witness:
    """A test's result, but each failure is seen by somebody before the result hears of it.

    A result is told of a failure at the moment it happens, be it in setUp, in the test, in a
    subTest or in tearDown, while the simulator still runs. Catching exceptions around the test
    method would miss all of these but one, and overriding how assertions make their messages
    would miss what is no assertion. Skips and expected failures take other ways and are not seen.

    :param look: called with the exception; it may add notes to it.
    """

    def __init__(self, result: Any, look: Callable[[BaseException], None]) -> None:
        self._result = result
        self._look = look

    def __getattr__(self, name: str) -> Any:
        # Also tells unittest truly whether this result knows of subtests.
        found = getattr(self._result, name)
        if name not in REPORTS:
            return found

        def report(*arguments: Any) -> None:
            failure = arguments[-1]  # None for a subTest that went well
            if failure is not None:
                self._look(failure[1])
            found(*arguments)

        return report


def summary(state: InvocationState) -> str:
    """An invocation in one line."""
    error = state.error
    why = "" if error is None else f": {error.error_type}: {error.error_message}"
    return f"invocation {state.request_id} is {state.status.name}{why}"


def tell(failure: BaseException, simulator: Simulator, subject: InvocationState | None) -> None:
    """Add to a failure's notes what they don't say already.

    :param subject: the invocation it is about, so far as one can tell.
    """
    notes = set(getattr(failure, "__notes__", ()))
    said = str(failure)
    for line in (*_of_invocation(simulator, subject), *_of_environment(simulator)):
        if line not in notes and line not in said:
            failure.add_note(line)


def _of_invocation(simulator: Simulator, subject: InvocationState | None) -> list[str]:
    if subject is None:
        return []
    state = simulator.get_invocation_state(subject.request_id) or subject
    lines = [summary(state)]
    if state.error is not None:
        lines.append(f"its error: {state.error.body[:SHOWN_BODY].decode(errors='replace')}")
    elif state.response is not None:
        lines.append(f"its response: {state.response.body[:SHOWN_BODY].decode(errors='replace')}")
    lines.append("its log:")
    lines += [f"  {line}" for line in state.log_tail.splitlines()] or ["  (nothing)"]
    return lines


def _of_environment(simulator: Simulator) -> list[str]:
    lines = simulator.evidence(log_lines=0)
    types = [event.type for event in simulator.telemetry_events[-SHOWN_EVENTS:]]
    counted = [(kind, len(list(group))) for kind, group in groupby(types)]
    shown = [kind if count == 1 else f"{count} x {kind}" for kind, count in counted]
    return [*lines, f"telemetry: {', '.join(shown) or 'none'}"]
