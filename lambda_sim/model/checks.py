"""Validators: each refuses a field with a ConfigurationError that names it and what is allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from typing import Any

import attrs

from lambda_sim.errors import ConfigurationError

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def checked(test: Callable[[Any], bool], allowed: str) -> Validator:
    """A validator that a value passes when ``test`` holds for it."""

    def validate(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not test(value):
            raise ConfigurationError(attribute.alias or attribute.name, value, allowed)

    return validate


def seconds(least: float, most: float = math.inf) -> Validator:
    """A finite number of seconds within a range."""
    above = "" if most == math.inf else f" to {most:g}"
    return checked(
        lambda value: is_number(value) and least <= value <= most and value != math.inf,
        f"a number of seconds, {least:g}{above or ' or more'}",
    )


def optional(validator: Validator) -> Validator:
    """A validator that None passes, too."""

    def validate(instance: object, attribute: attrs.Attribute[Any], given: object) -> None:
        if given is not None:
            validator(instance, attribute, given)

    return validate


def unless(value: object, validator: Validator) -> Validator:
    """A validator that one value passes in any case."""

    def validate(instance: object, attribute: attrs.Attribute[Any], given: object) -> None:
        if given != value:
            validator(instance, attribute, given)

    return validate


def whole(least: int, most: int | None = None) -> Validator:
    """A whole number within a range."""
    allowed = f"a whole number, {least}" + (" or more" if most is None else f" to {most}")
    return checked(
        lambda value: (
            isinstance(value, int)
            and not isinstance(value, bool)
            and value >= least
            and (most is None or value <= most)
        ),
        allowed,
    )


def matching(pattern: str, allowed: str) -> Validator:
    """Text that a regular expression matches from end to end."""
    compiled = re.compile(pattern)
    return checked(
        lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None, allowed
    )


def kind(of: type[Any], allowed: str) -> Validator:
    """An instance of a class."""
    return checked(lambda value: isinstance(value, of), allowed)


def one_of(values: Collection[Any]) -> Validator:
    """One of a few values."""
    return checked(
        lambda value: isinstance(value, str) and value in values,
        "one of " + ", ".join(repr(value) for value in values),
    )


def header_text(value: object) -> bool:
    """Whether a value can stand in an HTTP header: text, no control characters."""
    return isinstance(value, str) and _CONTROL.search(value) is None and _encodes(value)


HEADER_TEXT = "text without control characters"

header = checked(lambda value: header_text(value) and value != "", f"non-empty {HEADER_TEXT}")


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
