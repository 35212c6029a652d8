"""cattrs' nested failures as one error with a path."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union

from cattrs import AttributeValidationNote, BaseValidationError, IterableValidationNote

from lambda_sim.handler.validation import MISSING, EventValidationError, described

from .words import in_words, origin_of

__all__ = ["explain"]

Note = AttributeValidationNote | IterableValidationNote


def explain(error: Exception, value: Any, as_type: Any) -> EventValidationError:
    """The first thing that is wrong; the others wait until that is mended."""
    steps: list[str | int] = []
    while True:
        for note in _notes(error):
            steps.append(note.name if isinstance(note, AttributeValidationNote) else note.index)
            as_type = note.type
        if not isinstance(error, BaseValidationError):
            break
        as_type, error = error.cl, error.exceptions[0]
    got = described(_at(value, steps))
    is_union = origin_of(as_type) in (Union, UnionType)
    if isinstance(error, EventValidationError) and (error.path or not is_union):
        return error.below(*steps)
    # A validator's own words end where it begins to quote the value.
    words = str(error).partition(": ")[0].partition(" (")[0]
    is_validators = isinstance(error, ValueError) and words and not is_union
    expected = words if is_validators else in_words(as_type)
    return EventValidationError("", expected, got).below(*steps)


def _notes(error: Exception) -> Iterator[Note]:
    notes: list[Any] = getattr(error, "__notes__", [])
    return (note for note in notes if isinstance(note, Note))


def _at(value: Any, steps: list[str | int]) -> Any:
    for step in steps:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return MISSING
    return value
