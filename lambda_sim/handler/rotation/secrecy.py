"""What must not be read in logs and errors, and how it is taken out of them."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar
from urllib.parse import quote

from .failure import RotationError
from .value import SecretValue

__all__ = ["PUBLIC_FIELDS", "Secrecy"]

T = TypeVar("T")

PUBLIC_FIELDS = frozenset(
    {
        "dbClusterIdentifier",
        "dbInstanceIdentifier",
        "dbname",
        "engine",
        "host",
        "masterarn",
        "port",
        "ssl",
        "username",
    }
)
"""Fields of a database's secret that say where it is, and let nobody in.

AWS: *AWS Secrets Manager User Guide*, JSON structure of AWS Secrets Manager secrets.
"""

_SHORTEST = 4
"""Characters of the shortest text that is taken out; shorter ones are in every message."""

_HIDDEN = "***"


class Secrecy:
    """Knows the values of one secret, as a step meets them.

    :param public_fields: top-level fields of JSON values that may be shown.
    """

    def __init__(self, public_fields: Collection[str]) -> None:
        self._public_fields = public_fields
        self._hidden: set[str] = set()

    def learn(self, value: SecretValue) -> None:
        """Keep this secret from now on."""
        text = value.text()
        if text is None:
            return
        self._hidden.add(text)
        try:
            content = json.loads(text)
        except ValueError:
            return
        if isinstance(content, dict):
            content = [one for name, one in content.items() if name not in self._public_fields]
        self._hidden.update(_leaves(content))

    def scrub(self, text: str) -> str:
        """The text with stars where a secret was, also where it was quoted or escaped."""
        spellings = {spelling for secret in self._hidden for spelling in _spellings(secret)}
        # The longest first: one secret may be a part of another.
        for spelling in sorted(spellings, key=len, reverse=True):
            if len(spelling) >= _SHORTEST:
                text = text.replace(spelling, _HIDDEN)
        return text

    def guard(self, work: Callable[[], T]) -> T:
        """Do the work; an error that shows a secret comes through as one that does not."""
        try:
            return work()
        except Exception as error:
            shown = "".join(traceback.format_exception(error))
            if self.scrub(shown) == shown:
                raise
            message = f"{type(error).__name__}: {self.scrub(str(error))}"
            trace = error.__traceback__
        # Out here, so that the error it replaces is not chained to it.
        raise RotationError(message).with_traceback(trace)


def _leaves(content: Any) -> Iterator[str]:
    match content:
        case dict():
            for one in content.values():
                yield from _leaves(one)
        case list():
            for one in content:
                yield from _leaves(one)
        case str():
            yield content
        case int() | float() if not isinstance(content, bool):
            yield str(content)


def _spellings(secret: str) -> tuple[str, ...]:
    return secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe="")
