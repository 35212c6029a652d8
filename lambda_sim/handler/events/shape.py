"""How records are read from JSON: fields that know their name on the wire and what they hold."""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, NoReturn, Self, TypeVar, cast

import attrs

from lambda_sim.handler.validation import MISSING, EventValidationError, described

__all__ = [
    "Read",
    "Record",
    "an_object",
    "anything",
    "array_of",
    "base64_bytes",
    "epoch_ms",
    "epoch_seconds",
    "field",
    "flag",
    "iso_8601",
    "map_of",
    "optional",
    "parsed_json",
    "refuse",
    "text",
    "whole",
    "with_default",
]

T = TypeVar("T")

Read = Callable[[Any], T]
"""Makes a field's value of a JSON value, or raises EventValidationError."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WIRE = "wire"
DIGITS = re.compile("[0-9]{1,20}")


class _Wire(NamedTuple):
    """A field's place in JSON."""

    names: tuple[str, ...]
    read: Read[Any]
    is_required: bool


@attrs.frozen(kw_only=True)
class Record:
    """An event, or a part of one. What it does not know is in ``raw``.

    :ivar raw: the JSON it was read from, whole.
    """

    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read it from parsed JSON.

        :raises EventValidationError: a field is missing, or is not what AWS sends there.
        """
        if not isinstance(value, dict):
            refuse("an object", value)
        found: dict[str, Any] = {}
        for name, wire in _wires(cls):  # type: ignore[arg-type]
            given = next((value[key] for key in wire.names if key in value), MISSING)
            if wire.is_required or not (given is MISSING or given is None):
                try:
                    found[name] = wire.read(given)
                except EventValidationError as error:
                    raise error.below(wire.names[0]) from None
        return cls(raw=value, **found)


@functools.cache
def _wires(cls: type[Record]) -> tuple[tuple[str, _Wire], ...]:
    return tuple((f.name, f.metadata[WIRE]) for f in attrs.fields(cls) if WIRE in f.metadata)


def field(name: str, read: Read[T]) -> T:
    """A field that AWS always sends."""
    return cast(T, attrs.field(metadata={WIRE: _Wire((name,), read, is_required=True)}))


def optional(name: str, read: Read[T], *, also: str | None = None) -> T | None:
    """A field that is None when AWS leaves it out, or sends null; ``also`` is a second name."""
    names = (name,) if also is None else (name, also)
    wire = _Wire(names, read, is_required=False)
    return cast("T | None", attrs.field(default=None, metadata={WIRE: wire}))


def with_default(name: str, read: Read[T], make: Callable[[], T]) -> T:
    """A field that is made up when AWS leaves it out, or sends null."""
    wire = _Wire((name,), read, is_required=False)
    return attrs.field(factory=make, metadata={WIRE: wire})


def refuse(expected: str, value: object) -> NoReturn:
    """Say that a value is not what was expected."""
    raise EventValidationError("", expected, described(value)) from None


def text(value: Any) -> str:
    if not isinstance(value, str):
        refuse("text", value)
    return value


def whole(value: Any) -> int:
    """A whole number; AWS writes some as text."""
    if isinstance(value, str) and DIGITS.fullmatch(value):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        refuse("a whole number", value)
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        refuse("true or false", value)
    return value


def anything(value: Any) -> Any:
    if value is MISSING:
        refuse("a value", value)
    return value


def an_object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        refuse("an object", value)
    return value


def array_of(read: Read[T]) -> Read[tuple[T, ...]]:
    """An array of one kind of value."""

    def read_array(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            refuse("an array", value)
        found: list[T] = []
        try:
            for item in value:
                found.append(read(item))
        except EventValidationError as error:  # of the item that is not in the list
            raise error.below(len(found)) from None
        return tuple(found)

    return read_array


def map_of(read: Read[T]) -> Read[Mapping[str, T]]:
    """An object whose values are all of one kind."""

    def read_map(value: Any) -> Mapping[str, T]:
        found: dict[str, T] = {}
        for key, item in an_object(value).items():
            try:
                found[key] = read(item)
            except EventValidationError as error:
                raise error.below(key) from None
        return found

    return read_map


def base64_bytes(value: Any) -> bytes:
    given = text(value)
    try:
        return base64.b64decode(given, validate=True)
    except ValueError:
        refuse("base64", value)


def epoch_ms(value: Any) -> datetime:
    """A moment in milliseconds since 1970, as number or text; the datetime is aware, in UTC."""
    return _since_1970(whole(value), "milliseconds")


def epoch_seconds(value: Any) -> datetime:
    """A moment in seconds since 1970, with fractions or without."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        refuse("seconds since 1970", value)
    return _since_1970(value, "seconds")


def iso_8601(value: Any) -> datetime:
    """A moment as text; without a zone, UTC is meant."""
    given = text(value)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        refuse("a time in ISO 8601", value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parsed_json(name: str, value: str | bytes) -> Any:
    """The JSON that a field's text holds.

    :raises EventValidationError: it holds something else.
    """
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise EventValidationError(name, "JSON", described(value)) from None


def _since_1970(amount: float, unit: str) -> datetime:
    try:
        return EPOCH + timedelta(**{unit: amount})
    except (OverflowError, ValueError):  # of NaN
        refuse(f"{unit} since 1970", amount)
