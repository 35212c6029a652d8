"""The types an author declared: read from generic arguments, else from annotations."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from lambda_sim.errors import ConfigurationError

__all__ = ["annotation", "generic_argument", "parameters", "refuse_async"]


def generic_argument(kind: type, base: type, place: int) -> Any:
    """What ``kind`` fills one of the type variables of ``base`` with; None if it leaves it open.

    ``class Orders(Handler[Database, Order, Receipt])`` fills all three, and so does a subclass of
    it, or of a generic class between.
    """
    found = _filled(kind, base)[place]
    names = vars(sys.modules[kind.__module__])
    return None if isinstance(found, TypeVar) else _resolve(found, names, kind.__qualname__)


def refuse_async(function: Callable[..., Any]) -> None:
    """Nobody would await it.

    :raises ConfigurationError: the function is a coroutine or an asynchronous generator.
    """
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        where = getattr(function, "__qualname__", repr(function))
        raise ConfigurationError(where, "async def", "def; asyncio.run() may be called inside")


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function that an argument without a name may go to."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = inspect.signature(function).parameters.values()
    return [one for one in found if one.kind in kinds]


def annotation(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """A parameter's declared type; None where nothing is declared.

    :raises ConfigurationError: it names what the function's module does not have.
    """
    if parameter.annotation is inspect.Parameter.empty:
        return None
    names = getattr(inspect.unwrap(function), "__globals__", {})
    where = f"{getattr(function, '__qualname__', function)}({parameter.name})"
    return _resolve(parameter.annotation, names, where)


def _filled(kind: type, base: Any) -> tuple[Any, ...]:
    for parent in vars(kind).get("__orig_bases__", kind.__bases__):
        origin = get_origin(parent) or parent
        if origin is base:
            return get_args(parent) or base.__parameters__
        if isinstance(origin, type) and issubclass(origin, base):
            given = dict(zip(_variables(origin), get_args(parent), strict=False))
            return tuple(_substitute(found, given) for found in _filled(origin, base))
    return tuple(base.__parameters__)


def _substitute(found: Any, given: Mapping[Any, Any]) -> Any:
    if isinstance(found, TypeVar):
        return given.get(found, found)
    if variables := _variables(found):
        return found[tuple(given.get(one, one) for one in variables)]
    return found


def _variables(kind: Any) -> tuple[Any, ...]:
    return getattr(kind, "__parameters__", ())


def _resolve(declared: Any, names: Mapping[str, Any], where: str) -> Any:
    """The type itself, where a text stands for it or for a part of it."""
    holder = SimpleNamespace(__annotations__={"it": declared})
    try:
        return get_type_hints(holder, dict(names), include_extras=True)["it"]
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        allowed = "a type that the module knows by that name when it runs"
        raise ConfigurationError(where, declared, f"{allowed} ({error})") from error
