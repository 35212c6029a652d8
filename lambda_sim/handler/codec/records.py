"""attrs classes, dataclasses and typed containers, read and written through cattrs, strictly."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping, Set
from contextvars import ContextVar
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

from cattrs import Converter
from cattrs.strategies import configure_union_passthrough

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.validation import EventValidationError, described

from .faults import explain
from .plain import is_a
from .texts import simplify
from .words import in_words, is_record, origin_of

__all__ = ["structure_of", "unstructure"]

Hook = Callable[[Any, Any], Any]


def structure_of(as_type: Any) -> Callable[[Any], Any]:
    """What makes a value of this type of a JSON value.

    It raises EventValidationError for what is not as the type says.

    :raises ConfigurationError: cattrs does not know how.
    """
    try:
        hook = _CONVERTER.get_structure_hook(as_type)
    except Exception as error:
        allowed = f"a type that cattrs can read ({type(error).__name__}: {error})"
        raise ConfigurationError("the event's type", as_type, allowed) from error

    def structure(value: Any) -> Any:
        try:
            return hook(value, as_type)
        except Exception as error:
            raise explain(error, value, as_type) from None

    return structure


def unstructure(value: Any) -> Any:
    """A record as what JSON knows."""
    return _CONVERTER.unstructure(value)


def _converter() -> Converter:
    """cattrs', which takes "12" for 12 and "abc" for a list by itself, with that forbidden."""
    converter = Converter(unstruct_collection_overrides={Set: list})
    for scalar in _SCALARS:
        converter.register_structure_hook(scalar, _scalar(scalar))
    for kind, read in _AS_TEXT.items():
        converter.register_structure_hook(kind, _text(kind, read))
        converter.register_unstructure_hook(kind, _WRITTEN.get(kind, simplify))
    converter.register_structure_hook(Decimal, _decimal)
    configure_union_passthrough(str | int | float | bool | None, converter)
    converter.register_structure_hook_func(_is_choice, _choice)
    converter.register_structure_hook_func(
        lambda kind: hasattr(kind, "from_json"), lambda value, kind: kind.from_json(value)
    )
    converter.register_structure_hook_func(
        lambda kind: hasattr(kind, "__pydantic_core_schema__"), _model
    )
    _Shapes(converter)
    return converter


class _Shapes:
    """Looks at the kind of JSON value before cattrs takes it apart.

    It stands before cattrs' own hooks, and steps aside once for each type to get at those.
    """

    def __init__(self, converter: Converter) -> None:
        self._converter = converter
        self._aside: ContextVar[Any] = ContextVar("aside", default=None)  # each thread's own
        converter.register_structure_hook_factory(self._is_ours, self._checked)

    def _is_ours(self, kind: Any) -> bool:
        if kind is self._aside.get():
            self._aside.set(None)
            return False
        return _shape(kind) is not None

    def _checked(self, kind: Any) -> Hook:
        shape, size = _shape(kind), _size(kind)
        self._aside.set(kind)
        inner = self._converter.get_structure_hook(kind, cache_result=False)

        def hook(value: Any, _: Any) -> Any:
            if type(value) is shape and size in (None, len(value)):
                return inner(value, kind)
            raise EventValidationError("", in_words(kind), described(value))

        return hook


def _shape(kind: Any) -> type[dict[Any, Any]] | type[list[Any]] | None:
    origin = origin_of(kind)
    if is_record(origin):
        return dict
    if not isinstance(origin, type) or issubclass(origin, str | bytes | bytearray | Enum):
        return None
    if issubclass(origin, Mapping):
        return dict
    return list if issubclass(origin, Collection) else None


def _size(kind: Any) -> int | None:
    """How many there are in a tuple that says so."""
    inside = get_args(kind)
    return len(inside) if get_origin(kind) is tuple and inside[1:] != (...,) else None


_SCALARS: tuple[type, ...] = (str, int, float, bool)


def _scalar(kind: type) -> Hook:
    def hook(value: Any, _: Any) -> Any:
        if not is_a(value, kind):
            raise EventValidationError("", in_words(kind), described(value))
        return kind(value)

    return hook


def _text(kind: type, read: Callable[[str], Any]) -> Hook:
    def hook(value: Any, _: Any) -> Any:
        try:
            if isinstance(value, str):
                return read(value)
        except ValueError:
            pass  # told below, as for what is no text
        raise EventValidationError("", in_words(kind), described(value))

    return hook


_AS_TEXT: dict[type, Callable[[str], Any]] = {
    bytes: lambda text: base64.b64decode(text, validate=True),
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
}
_WRITTEN: dict[type, Callable[[Any], Any]] = {bytes: lambda data: base64.b64encode(data).decode()}


def _decimal(value: Any, _: Any) -> Decimal:
    if is_a(value, float) or isinstance(value, str):
        try:
            return Decimal(str(value))
        except ArithmeticError:
            pass  # told below
    raise EventValidationError("", in_words(Decimal), described(value))


def _is_choice(kind: Any) -> bool:
    return get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, Enum))


def _choice(value: Any, kind: Any) -> Any:
    """A member of an Enum or a Literal; 1 and true are two values, as in JSON."""
    for one in get_args(kind) or kind:
        stands_for = one.value if isinstance(one, Enum) else one
        if type(stands_for) is type(value) and stands_for == value:
            return one
    raise EventValidationError("", in_words(kind), described(value))


def _model(value: Any, kind: Any) -> Any:
    from .models import structure as read  # noqa: PLC0415 - pydantic is there if it is wanted

    return read(value, kind)


_CONVERTER = _converter()
