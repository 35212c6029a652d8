"""DynamoDB's typed JSON, ``{"N": "5"}``, and the Python values it stands for."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from collections.abc import Set as AnySet
from decimal import Decimal, InvalidOperation
from typing import Any

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.validation import EventValidationError

from .shape import Read, array_of, base64_bytes, flag, map_of, refuse, text

__all__ = ["deserialize", "serialize"]

WRITABLE = "text, bytes, a finite number, a boolean, None, or a list, map or set of such"


def deserialize(value: Any) -> Any:
    """The Python value of an attribute: text, Decimal, bytes, bool, None, list, dict or set.

    :raises EventValidationError: it is of no type that DynamoDB has.

    AWS: *AttributeValue* in the API reference of Amazon DynamoDB.
    """
    # Some serialisers write the types that a value is not of, too, as null.
    given = {kind: v for kind, v in value.items() if v is not None} if _is_map(value) else {}
    if len(given) != 1 or not given.keys() <= _READERS.keys():
        refuse(f"an object with one of {', '.join(_READERS)}", value)
    ((kind, held),) = given.items()
    try:
        return _READERS[kind](held)
    except EventValidationError as error:
        raise error.below(kind) from None
    except RecursionError:
        refuse("no more than the 32 levels that DynamoDB has", value)


def serialize(value: Any) -> dict[str, Any]:  # noqa: PLR0911 - one for each type
    """The attribute that a Python value is stored as; floats are taken, too.

    :raises ConfigurationError: no attribute can hold it.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | float() | Decimal() if math.isfinite(value):
            return {"N": str(value)}
        case str():
            return {"S": value}
        case bytes():
            return {"B": base64.b64encode(value).decode()}
        case Mapping():
            return {"M": {name: serialize(held) for name, held in value.items()}}
        case list() | tuple():
            return {"L": [serialize(held) for held in value]}
        case AnySet() if value:
            return _serialized_set(value)
    raise ConfigurationError("attribute", value, WRITABLE)


def _serialized_set(values: AnySet[Any]) -> dict[str, Any]:
    members = [serialize(value) for value in values]
    kinds = {kind for member in members for kind in member}
    if len(kinds) != 1 or not kinds <= {"S", "N", "B"}:
        raise ConfigurationError("attribute", values, "a set of texts, of numbers or of bytes")
    kind = kinds.pop()
    return {f"{kind}S": sorted(member[kind] for member in members)}


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _number(value: Any) -> Decimal:
    try:
        number = Decimal(text(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        refuse("a number as text", value)
    return number


def _null(value: Any) -> None:
    if value is not True:
        refuse("true", value)


def _list(value: Any) -> list[Any]:
    return list(_all(value))


def _set_of(read: Read[Any]) -> Read[set[Any]]:
    read_all = array_of(read)
    return lambda value: set(read_all(value))


_all = array_of(deserialize)
_READERS: dict[str, Read[Any]] = {
    "S": text,
    "N": _number,
    "B": base64_bytes,
    "BOOL": flag,
    "NULL": _null,
    "M": map_of(deserialize),
    "L": _list,
    "SS": _set_of(text),
    "NS": _set_of(_number),
    "BS": _set_of(base64_bytes),
}
