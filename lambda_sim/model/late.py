"""Values that are made for the first who asks: most of what could be told is never read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Late(Generic[T]):
    """A value, or what makes it. Whatever it is made of must stay as it is.

    Any thread may ask; two that come first at once make it twice. Copied and pickled as its value.
    """

    __slots__ = ("_make", "_value")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make: Callable[[], T] | None = make
        self._value: T | None = None

    def __call__(self) -> T:
        make = self._make
        if make is not None:
            self._value = make()
            self._make = None  # and what it was made of may go
        return self._value  # type: ignore[return-value]

    def __reduce__(self) -> tuple[Callable[[T], T], tuple[T]]:
        return _itself, (self(),)


def _itself(value: T) -> T:
    return value
