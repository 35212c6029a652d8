"""What went wrong, in the words and the JSON that Lambda's Python runtime posts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from lambda_sim.errors import LambdaSimError

from . import stacks
from .interruption import Interruption

__all__ = ["ErrorReport", "Fault"]


class Fault(LambdaSimError):
    """A failure Lambda has a name for, such as ``Runtime.HandlerNotFound``."""

    def __init__(self, error_type: str, message: str, stack_trace: Sequence[str] = ()) -> None:
        self.error_type = error_type
        self.stack_trace = stack_trace
        super().__init__(message)


class ErrorReport(NamedTuple):
    """An error as Lambda's Python runtime reports it; ``request_id`` is empty during Init.

    AWS: *Using the Lambda runtime API for custom runtimes*, Invocation error.
    """

    error_type: str
    error_message: str
    stack_trace: Sequence[str] = ()
    request_id: str = ""

    @classmethod
    def from_exception(cls, error: BaseException, request_id: str = "") -> ErrorReport:
        """Report an exception under its class's name, a Fault under Lambda's, and its frames.

        The frames of this package that led to the author's code are left out.
        """
        if isinstance(error, Fault):
            return cls(error.error_type, str(error), error.stack_trace, request_id)
        if isinstance(error, Interruption):
            stack_trace = error.stack
        else:
            stack_trace = stacks.of_traceback(error.__traceback__)
        return cls(type(error).__name__, _message(error), stack_trace, request_id)

    def as_dict(self) -> dict[str, object]:
        """The JSON object Lambda's callers see, its keys in awslambdaric's order."""
        return {
            "errorMessage": self.error_message,
            "errorType": self.error_type,
            "requestId": self.request_id,
            "stackTrace": list(self.stack_trace),
        }

    def to_json(self) -> bytes:
        return json.dumps(self.as_dict()).encode()


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # Other people's __str__ must not hide the error itself.
        return f"<unprintable {type(error).__name__} object>"
