"""A bounded record of facts, in order, that can be read from any point. Pure."""

from __future__ import annotations

from collections import deque
from itertools import islice

from lambda_sim.model.late import Late
from lambda_sim.model.telemetry import Fact

Entry = Fact | Late[Fact]
"""A fact, or one that is written out when somebody reads it."""


def written(entry: Entry) -> Fact:
    return entry() if isinstance(entry, Late) else entry


class History:
    """The last so many facts. Positions count from the first fact ever recorded."""

    def __init__(self, limit: int) -> None:
        self._facts: deque[Entry] = deque(maxlen=limit)
        self._count = 0

    @property
    def position(self) -> int:
        """Where the next fact will stand."""
        return self._count

    def append(self, fact: Entry) -> None:
        self._facts.append(fact)
        self._count += 1

    def since(self, position: int) -> list[Fact]:
        """The facts from a position on, as far as they are kept."""
        # From the end, as those who follow it ask for the last few only.
        found = list(islice(reversed(self._facts), max(0, self._count - position)))
        return [written(entry) for entry in reversed(found)]

    def read(self, position: int) -> tuple[list[Fact], int]:
        """The facts from a position on, and the one to go on from."""
        return self.since(position), self._count
