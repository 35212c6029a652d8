"""Types that JSON has itself, and those it has only as text."""

from __future__ import annotations

from collections.abc import Callable, Set
from datetime import date, datetime, time
from enum import Enum
from pathlib import PurePath
from typing import Any, get_args, get_origin
from uuid import UUID

from lambda_sim.handler.validation import EventValidationError, described

from .words import in_words

__all__ = ["checker", "is_a", "simplify"]

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
        if not is_a(value, origin):
            raise EventValidationError("", in_words(origin), described(value))
        return float(value) if origin is float else value

    return check


def is_a(value: Any, kind: type) -> bool:
    """Whether JSON would call it so: true is no number, and every integer is one."""
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def simplify(value: Any) -> Any:
    """Text or an array for what JSON does not have.

    :raises TypeError: nobody could say which.
    """
    match value:
        case Enum():
            return value.value
        case datetime() | date() | time():
            return value.isoformat()
        case UUID() | PurePath():
            return str(value)
        case Set():
            return list(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
