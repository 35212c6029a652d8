"""What is to happen at a time, by name. Pure: somebody else looks at the clock."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from lambda_sim.lifecycle.effects import Topic
from lambda_sim.lifecycle.outbox import Outbox


class Timers:
    """Moments on the monotonic hand, and what is due at each."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._due: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self.next_at: float | None = None
        """When to look again, if not earlier than need be; None when nothing is due ever. What is
        cancelled leaves it as it is: one look too many costs less than to search each time."""

    def set(self, name: Hashable, at: float, action: Callable[[], None]) -> None:
        self._due[name] = (at, action)
        if self.next_at is None or at < self.next_at:
            self.next_at = at
            self._outbox.changed(Topic.ORDERS)

    def cancel(self, *names: Hashable) -> None:
        for name in names:
            self._due.pop(name, None)

    def is_due(self, now: float) -> bool:
        """Whether the moment of anything has come."""
        self.next_at = min((at for at, _ in self._due.values()), default=None)
        return self.next_at is not None and self.next_at <= now

    def take_due(self, now: float) -> Callable[[], None] | None:
        """The earliest action whose moment has come, handed out once: it may cancel the next."""
        if not self.is_due(now):
            return None
        name = min(self._due, key=lambda one: self._due[one][0])
        return self._due.pop(name)[1]
