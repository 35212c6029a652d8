"""What is wrong with an event that does not have its declared shape, and where."""

from __future__ import annotations

from lambda_sim.errors import LambdaSimError

__all__ = ["MISSING", "EventValidationError", "described"]


class _Missing:
    """What stands where a field should, but is not."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


class EventValidationError(LambdaSimError, ValueError):
    """An event is not what its type says.

    Errors reach logs, and events may hold secrets, so neither the message nor the attributes
    show a value of the event: only what kind it is.

    :ivar path: where in the event, like ``Records[0].body``; empty for the event as a whole.
    :ivar expected: what would have been right, in words.
    :ivar got: what came, in words.
    """

    def __init__(self, path: str, expected: str, got: str) -> None:
        self.path = path
        self.expected = expected
        self.got = got
        super().__init__(path, expected, got)

    def __str__(self) -> str:
        return f"{self.path or 'the event'}: expected {self.expected}, got {self.got}"

    def below(self, *steps: str | int) -> EventValidationError:
        """The same fault, seen from further up: a field's name or an index in front."""
        path = self.path
        for step in reversed(steps):
            dot = "" if path == "" or path.startswith("[") else "."
            path = (f"[{step}]" if isinstance(step, int) else step) + dot + path
        return EventValidationError(path, self.expected, self.got)


_KINDS = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
    _Missing: "nothing",
}


def described(value: object) -> str:
    """What kind of JSON value this is, without showing what it holds."""
    if isinstance(value, str):
        return "text" if value else "empty text"
    return _KINDS.get(type(value), type(value).__name__)
