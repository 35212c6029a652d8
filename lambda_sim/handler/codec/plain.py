"""Types that JSON has itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_origin

from lambda_sim.handler.validation import EventValidationError, described

__all__ = ["checker", "is_a"]

JSON = (dict, list, str, int, float, bool, type(None))


def checker(kind: Any) -> Callable[[Any], Any] | None:
    """What lets a JSON value of this type through; None for a type that JSON does not have."""
    if kind in (Any, object):
        return lambda value: value
    if kind is None:
        kind = type(None)
    origin = get_origin(kind) or kind
    inside = get_args(kind)[origin is dict and get_args(kind)[:1] == (str,) :]
    if origin not in JSON or not all(one in (Any, object) for one in inside):
        return None

    def check(value: Any) -> Any:
        if is_a(value, origin):
            return float(value) if origin is float else value
        from .words import in_words  # noqa: PLC0415 - which knows types that others don't need

        raise EventValidationError("", in_words(origin), described(value))

    return check


def is_a(value: Any, kind: type) -> bool:
    """Whether JSON would call it so: true is no number, and every integer is one."""
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind
