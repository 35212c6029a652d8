"""Names without case: a mapping for HTTP headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from .shape import Read, map_of

__all__ = ["Headers", "headers_of"]

V = TypeVar("V")


class Headers(Mapping[str, V]):
    """Looks names up whatever their case, and lists them as they came."""

    __slots__ = ("_found",)

    def __init__(self, given: Mapping[str, V] | None = None) -> None:
        self._found = {name.lower(): (name, value) for name, value in (given or {}).items()}

    def __getitem__(self, name: str) -> V:
        return self._found[name.lower()][1]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._found

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


def headers_of(read: Read[V]) -> Read[Headers[V]]:
    """An object of headers, all of one kind."""
    read_map = map_of(read)

    def read_headers(value: Any) -> Headers[V]:
        return Headers(read_map(value))

    return read_headers
