"""What is to happen at a time, by name. Pure: somebody else looks at the clock."""

from __future__ import annotations

from collections.abc import Callable, Hashable


class Timers:
    """Moments on the monotonic hand, and what is due at each."""

    def __init__(self) -> None:
        self._due: dict[Hashable, tuple[float, Callable[[], None]]] = {}

    def set(self, name: Hashable, at: float, action: Callable[[], None]) -> None:
        self._due[name] = (at, action)

    def cancel(self, *names: Hashable) -> None:
        for name in names:
            self._due.pop(name, None)

    @property
    def next_at(self) -> float | None:
        """When to look again; None when nothing is due ever."""
        return min((at for at, _ in self._due.values()), default=None)

    def take_due(self, now: float) -> list[Callable[[], None]]:
        """The actions whose moment has come, earliest first, each handed out once."""
        names = [name for name, (at, _) in self._due.items() if at <= now]
        due = sorted((self._due.pop(name) for name in names), key=lambda entry: entry[0])
        return [action for _, action in due]
