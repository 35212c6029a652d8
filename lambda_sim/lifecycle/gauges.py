"""What is known of an environment's processes without asking them."""

from __future__ import annotations

from typing import Protocol


class Gauges(Protocol):
    """What is known of the environment's processes without asking them."""

    def drain(self, *, flush: bool) -> None:
        """Hand over every line that was written until now."""

    def peak_memory_bytes(self, max_age: float) -> int | None:
        """The most memory they used together, by now or so many seconds ago; None when it can't be
        measured."""

    def enforce_memory(self) -> bool:
        """Whether one of them is being killed for using more than there is."""


class NoGauges:
    """An environment without processes of its own."""

    def drain(self, *, flush: bool) -> None:
        pass

    def peak_memory_bytes(self, max_age: float) -> int | None:
        return None

    def enforce_memory(self) -> bool:
        return False
