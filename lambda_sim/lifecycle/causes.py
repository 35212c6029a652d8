"""The error cause that a runtime reports for X-Ray: read, and made small enough. Pure.

AWS: *Using the Lambda runtime API for custom runtimes*, X-Ray error cause; the steps by which one
that is too large shrinks are those of AWS's own emulator.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import accumulate, takewhile
from typing import Any

from lambda_sim.model.invocation import decoded

MAX_BYTES = 64 * 1024
"""What X-Ray takes."""

SHARES = (0.8, 0.6, 0.4, 0.2)
"""How much of each list is kept, tried one after the other."""

MAX_TEXT = (MAX_BYTES - 4096) // 2
ELLIPSIS = "..."

Cause = dict[str, Any]


def read(text: str | bytes | None) -> Cause | None:
    """The cause that a header, or a part of an error's body, holds; None for none that is valid."""
    return None if text is None else checked(decoded(text))


def checked(told: Any) -> Cause | None:
    """What of a JSON value is a cause, shrunk to what X-Ray takes; None when nothing is."""
    if not isinstance(told, dict):
        return None
    cause = {name: told[name] for name, fits in _PARTS.items() if fits(told.get(name))}
    return next(_small_enough(cause)) or None


def _small_enough(cause: Cause) -> Iterator[Cause]:
    """The forms of a cause that are, the fullest first. There always is one."""
    forms = [cause, *(_cropped(cause, share) for share in SHARES)]
    yield from (form for form in forms if _size(form) <= MAX_BYTES)
    texts = {name: cause[name] for name in ("working_directory", "message") if name in cause}
    yield {name: _shortened(text) for name, text in texts.items()}


def _cropped(cause: Cause, share: float) -> Cause:
    """Only so much of every stack, and of the paths."""
    cropped = dict(cause)
    if "paths" in cause:
        cropped["paths"] = _first(cause["paths"], share)
    if "exceptions" in cause:
        cropped["exceptions"] = [
            {**one, "stack": _first(one["stack"], share)}
            if isinstance(one, dict) and isinstance(one.get("stack"), list)
            else one
            for one in cause["exceptions"]
        ]
    return cropped


def _first(items: list[Any], share: float) -> list[Any]:
    return items[: int(len(items) * share)]


def _shortened(text: str) -> str:
    """As much of a text as fits, by the size of its JSON."""
    if _size(text) <= MAX_TEXT:
        return text
    room = MAX_TEXT - len(ELLIPSIS) - len('""')
    sizes = accumulate(_size(character) - len('""') for character in text)
    return text[: sum(1 for _ in takewhile(lambda size: size <= room, sizes))] + ELLIPSIS


def _size(value: Any) -> int:
    return len(_compact(value).encode("utf-8", "replace"))


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _filled(kind: type[Any]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind) and bool(value)


_PARTS: dict[str, Callable[[Any], bool]] = {
    "exceptions": _filled(list),
    "working_directory": _filled(str),
    "paths": _filled(list),
    "message": _filled(str),
}
