"""Values that are made for the first who asks: most of what could be told is never read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Late(Generic[T]):
    """A value, or what makes it. Whatever it is made of must stay as it is.

    Any thread may ask; two that come first at once make it twice. Copied and pickled as its value.
    """

    __slots__ = ("_make", "_of", "_value")

    def __init__(self, make: Callable[..., T], *of: Any) -> None:
        """
        :param of: what ``make`` is called with.
        """
        self._make = make
        self._of: tuple[Any, ...] | None = of
        self._value: T | None = None

    def __call__(self) -> T:
        of = self._of
        if of is not None:
            self._value = self._make(*of)
            self._of = None  # what it was made of may go
        return self._value  # type: ignore[return-value]

    def __reduce__(self) -> tuple[Callable[[T], T], tuple[T]]:
        return _itself, (self(),)


def _itself(value: T) -> T:
    return value
