"""Types in words, for errors that say what was expected."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict
from uuid import UUID

__all__ = ["in_words", "is_record", "origin_of"]

_WORDS: dict[Any, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    type(None): "null",
    None: "null",
    Any: "any value",
    bytes: "text in base64",
    datetime: "a time in ISO 8601",
    date: "a date in ISO 8601",
    time: "a time of day in ISO 8601",
    Decimal: "a number, or one as text",
    UUID: "a UUID",
}


def in_words(kind: Any) -> str:
    """What an event of this type looks like."""
    origin = origin_of(kind)
    if origin is Literal:
        words = _one_of(get_args(kind))
    elif origin in (Union, UnionType):
        words = " or ".join(in_words(one) for one in get_args(kind))
    elif origin is tuple and get_args(kind)[1:] != (...,):
        words = f"an array of {len(get_args(kind))}"
    elif origin not in _WORDS and isinstance(origin, type):
        words = _class_in_words(origin)
    else:
        words = _WORDS.get(origin, str(origin))
    return words


def _class_in_words(kind: type) -> str:
    if issubclass(kind, Enum):
        return _one_of(member.value for member in kind)
    if is_record(kind):
        return f"an object ({kind.__name__})"
    if issubclass(kind, Mapping):
        return "an object"
    return "an array" if issubclass(kind, Collection) else kind.__name__


def origin_of(kind: Any) -> Any:
    """``list`` of ``list[int]``, ``int`` of a NewType of it or with annotations around it."""
    if hasattr(kind, "__supertype__"):
        return origin_of(kind.__supertype__)
    if get_origin(kind) is Annotated:
        return origin_of(get_args(kind)[0])
    return get_origin(kind) or kind


def is_record(kind: Any) -> bool:
    """Whether a class with named fields, read from a JSON object."""
    return (
        hasattr(kind, "__attrs_attrs__")
        or hasattr(kind, "__dataclass_fields__")
        or is_typeddict(kind)
    )


def _one_of(values: Any) -> str:
    return "one of " + ", ".join(map(repr, values))
