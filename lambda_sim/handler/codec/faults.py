"""cattrs' nested failures as one error with a path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cattrs import AttributeValidationNote, IterableValidationNote

from lambda_sim.handler.validation import MISSING, EventValidationError, described

from .words import in_words

__all__ = ["explain"]

Note = AttributeValidationNote | IterableValidationNote


def explain(error: Exception, value: Any, as_type: Any) -> EventValidationError:
    """The first thing that is wrong; the others wait until that is mended."""
    steps: list[str | int] = []
    while True:
        for note in _notes(error):
            steps.append(note.name if isinstance(note, AttributeValidationNote) else note.index)
            as_type = note.type
        if not isinstance(error, ExceptionGroup):
            break
        error = error.exceptions[0]
    if isinstance(error, EventValidationError):
        return error.below(*steps)
    got = _at(value, steps)
    # A validator's own words end where it begins to quote the value.
    words = str(error).partition(": ")[0].partition(" (")[0]
    is_theirs = isinstance(error, ValueError) and words
    expected = words if is_theirs else in_words(as_type)
    return EventValidationError("", expected, described(got)).below(*steps)


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
