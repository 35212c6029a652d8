"""What is to happen at a time, by name. Pure: somebody else looks at the clock."""

from __future__ import annotations

from collections.abc import Callable, Hashable


class Timers:
    """Moments on the monotonic hand, and what is due at each."""

    def __init__(self) -> None:
        self._due: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self._next_at: float | None = None
        self._is_stale = False

    def set(self, name: Hashable, at: float, action: Callable[[], None]) -> None:
        self._due[name] = (at, action)
        self._is_stale = True

    def cancel(self, *names: Hashable) -> None:
        for name in names:
            if self._due.pop(name, None) is not None:
                self._is_stale = True

    @property
    def next_at(self) -> float | None:
        """When to look again; None when nothing is due ever. Asked after every transition."""
        if self._is_stale:
            self._next_at = min((at for at, _ in self._due.values()), default=None)
            self._is_stale = False
        return self._next_at

    def take_due(self, now: float) -> Callable[[], None] | None:
        """The earliest action whose moment has come, handed out once: it may cancel the next."""
        if self.next_at is None or self.next_at > now:
            return None
        name = min(self._due, key=lambda one: self._due[one][0])
        self._is_stale = True
        return self._due.pop(name)[1]
