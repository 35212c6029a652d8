"""The codec that knows JSON, classes that read themselves, attrs and dataclasses, and pydantic."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any, get_args

from lambda_sim.errors import LambdaSimError
from lambda_sim.handler import payloads

from . import plain

__all__ = ["TypedCodec"]

Reader = Callable[[bytes], Any]


class TypedCodec:
    """Chooses by the declared type.

    ============================================ ==================================================
    ``Any``, ``object``                          what the JSON says, unchanged
    ``dict``, ``list``, ``str``, ``int``, ...    the same, if it is of that kind
    ``bytes``                                    the event as it came, JSON or not
    a class with ``from_json(value)``            what that makes of the JSON's value
    a pydantic model, or what has one in it      pydantic's, errors under our name
    anything else                                cattrs', strict: a number is no text
    ============================================ ==================================================

    Results may mix all of these. What is only plain JSON never imports cattrs or pydantic.
    """

    def prepare(self, as_type: Any) -> None:
        """Find out how to read this type, so that the first event need not wait for it.

        :raises ConfigurationError: nobody knows how.
        """
        _reader(as_type)

    def decode(self, body: bytes, as_type: Any) -> Any:
        return _reader(as_type)(body)

    def encode(self, value: Any) -> bytes:
        return payloads.to_json(value, _unstructured)


@lru_cache(maxsize=256)
def _reader(as_type: Any) -> Reader:
    if as_type is bytes:
        return bytes
    if (check := plain.checker(as_type)) is not None:
        return lambda body: check(payloads.from_json(body))
    if hasattr(as_type, "from_json"):
        return lambda body: as_type.from_json(payloads.from_json(body))
    if is_pydantic(as_type):
        from .models import reader  # noqa: PLC0415 - pydantic is only there if it is wanted

        return reader(as_type)
    structure = _records().structure_of(as_type)
    return lambda body: structure(payloads.from_json(body))


def is_pydantic(kind: Any) -> bool:
    """Whether a pydantic model, or a type with one inside, such as ``list[Order]``."""
    is_model = isinstance(kind, type) and hasattr(kind, "__pydantic_core_schema__")
    return is_model or any(is_pydantic(inside) for inside in get_args(kind))


def _unstructured(value: Any) -> Any:
    """For what JSON does not know, what it knows instead; TypeError if there is no such thing."""
    kind = type(value)
    if hasattr(kind, "__pydantic_core_schema__"):
        from .models import dump  # noqa: PLC0415

        return dump(value)
    if hasattr(kind, "to_json"):
        return value.to_json()
    if hasattr(kind, "__attrs_attrs__") or hasattr(kind, "__dataclass_fields__"):
        return _records().unstructure(value)
    from .texts import simplify  # noqa: PLC0415 - likewise

    return simplify(value)


def _records() -> ModuleType:
    try:
        return import_module(".records", __package__)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] != "cattrs":
            raise
        message = "values of this type are handled by cattrs: pip install 'lambda-sim[handler]'"
        raise LambdaSimError(message) from missing
