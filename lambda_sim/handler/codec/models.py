"""pydantic's models, read and written by pydantic itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lambda_sim.handler import payloads
from lambda_sim.handler.validation import MISSING, EventValidationError, described

__all__ = ["dump", "reader", "structure"]


def reader(as_type: Any) -> Callable[[bytes], Any]:
    """What reads an event's bytes."""
    adapter = _adapter(as_type)

    def read(body: bytes) -> Any:
        try:
            return adapter.validate_json(body)
        except ValidationError as error:
            payloads.from_json(body)  # which says so itself if it is no JSON at all
            raise _fault(error) from None

    return read


def structure(value: Any, as_type: Any) -> Any:
    """A model inside a record of another library."""
    try:
        return _adapter(as_type).validate_python(value)
    except ValidationError as error:
        raise _fault(error) from None


def dump(value: Any) -> Any:
    """A model as what JSON knows."""
    kind: Any = type(value)
    return _adapter(kind).dump_python(value, mode="json")


@cache
def _adapter(as_type: Any) -> TypeAdapter[Any]:
    return TypeAdapter(as_type)


def _fault(error: ValidationError) -> EventValidationError:
    first = error.errors(include_url=False, include_context=False)[0]
    if first["type"] == "missing":
        expected, got = "a value", described(MISSING)
    else:
        expected, got = first["msg"].removeprefix("Input should be "), described(first["input"])
    return EventValidationError("", expected, got).below(*first["loc"])
