"""How a local run went: what became of each invocation, and whether that was expected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Self

import attrs

from lambda_sim.errors import LambdaSimError

from .failure import ErrorReport
from .outcome import Failure, Payload
from .testdata import LocalInvocation
from .validation import MISSING

__all__ = ["InvocationReport", "LocalRun", "LocalRunFailed"]

_MEGABYTE = 1024 * 1024


class LocalRunFailed(LambdaSimError, AssertionError):
    """An invocation of a local run went otherwise than expected; the message is the whole story."""


@attrs.frozen(kw_only=True)
class InvocationReport:
    """What became of one invocation.

    :ivar number: its place in the list, from 0.
    :ivar result: what its caller gets, read from JSON; bytes where it is none, or a stream.
    :ivar error: what ended it: the handler's exception, or a ``Fault`` under Lambda's name.
    :ivar error_report: the same as its caller is told of it.
    :ivar payload: what its caller gets, the JSON of a result or of an error, as bytes.
    :ivar duration: seconds, without those of an init.
    :ivar init_duration: seconds that loading and ``setup`` took; None if it was warm.
    :ivar logs: the lines that the function wrote, with those of an init before it.
    :ivar peak_bytes: the most memory of this process that was seen in use, and of those below it;
        None where that can't be measured.
    :ivar is_cold: whether its environment was made for it.
    :ivar complaint: how it differs from what was expected, for people; None if it does not.
    """

    number: int
    request_id: str
    result: Any = attrs.field(repr=False)
    error: BaseException | None
    error_report: ErrorReport | None = attrs.field(repr=False)
    payload: bytes = attrs.field(repr=False)
    duration: float
    init_duration: float | None
    logs: Sequence[str] = attrs.field(repr=False)
    peak_bytes: int | None
    is_cold: bool
    complaint: str | None

    @property
    def is_success(self) -> bool:
        """Whether it went as expected: without an error, if nothing was said."""
        return self.complaint is None

    def __str__(self) -> str:
        parts = [f"invocations[{self.number}]: {'cold' if self.is_cold else 'warm'}"]
        if self.init_duration is not None:
            parts.append(f"init {self.init_duration * 1000:.1f} ms")
        parts.append(f"{self.duration * 1000:.1f} ms")
        if self.peak_bytes is not None:
            parts.append(f"{self.peak_bytes / _MEGABYTE:.0f} MB")
        if self.complaint is not None:
            parts.append(self.complaint)
        elif self.error_report is not None:
            parts.append(f"{self.error_report.error_type}, as expected")
        else:
            parts.append("succeeded")
        return ", ".join(parts)


@attrs.frozen(kw_only=True)
class LocalRun:
    """All of it. ``str`` tells the story.

    :ivar reports: one for each invocation that was run, in order.
    :ivar left: how many invocations were not run, after one that failed.
    :ivar logs: all lines that the function wrote, those of its ``teardown`` too.
    """

    reports: Sequence[InvocationReport]
    left: int
    logs: Sequence[str] = attrs.field(repr=False)

    @property
    def results(self) -> list[Any]:
        """The result of each; None for one that failed."""
        return [report.result for report in self.reports]

    @property
    def is_success(self) -> bool:
        """Whether each went as expected."""
        return not self.left and all(report.is_success for report in self.reports)

    def check(self) -> Self:
        """Fail unless each went as expected: for tests.

        :raises LocalRunFailed: one did not. It is an AssertionError, raised from the first error.
        """
        if not self.is_success:
            failed = next(one for one in self.reports if not one.is_success)
            raise LocalRunFailed(str(self)) from failed.error
        return self

    def __str__(self) -> str:
        lines = [str(report) for report in self.reports]
        if self.left:
            lines.append(f"not run: {self.left}")
        return "\n".join(lines)


def result_of(outcome: Payload | Failure) -> Any:
    """What a caller of the function gets."""
    if isinstance(outcome, Failure):
        return None
    try:
        is_json = outcome.content_type == "application/json"
        return json.loads(outcome.body) if is_json else outcome.body
    except (ValueError, RecursionError):  # a codec of the author's own
        return outcome.body


def complaint_about(invocation: LocalInvocation, outcome: Payload | Failure) -> str | None:
    """How an outcome differs from what was expected."""
    if isinstance(outcome, Failure):
        return _about_error(invocation, outcome.report)
    if invocation.error is not None:
        return f"expected the error {_shown(invocation.error.type)}, got a result"
    result = result_of(outcome)
    if invocation.result is MISSING or _is_same(invocation.result, result):
        return None
    return f"expected the result {invocation.result!r}, got {result!r}"


def _about_error(invocation: LocalInvocation, report: ErrorReport) -> str | None:
    got = f"{report.error_type}: {report.error_message}"
    expected = invocation.error
    if expected is None:
        return got
    if expected.type not in (None, report.error_type):
        return f"expected the error {expected.type}, got {got}"
    if expected.message not in (None, report.error_message):
        return f"expected the message {expected.message!r}, got {got}"
    return None


def _shown(error_type: str | None) -> str:
    return "of any type" if error_type is None else error_type


def _is_same(expected: Any, got: Any) -> bool:
    """Whether both are the same JSON: true is not 1, but 1.0 is. Bytes may be written as text."""
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() == got.keys() and all(_is_same(expected[k], got[k]) for k in got)
    if isinstance(expected, list | tuple) and isinstance(got, list):
        return len(expected) == len(got) and all(map(_is_same, expected, got))
    if isinstance(expected, str) and isinstance(got, bytes):
        return expected.encode() == got
    return isinstance(expected, bool) == isinstance(got, bool) and bool(expected == got)
