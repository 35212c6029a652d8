"""Whoever is parked in a Next, as the wire knows them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

Poll = object
"""A caller parked in Next: any object of its own."""


class PollerGone(Exception):
    """Nobody is behind a poll any more: there is nobody to answer."""


class AnsweredElsewhere(Exception):
    """A poll that whoever asked for it need not answer: another thread does, or did."""


class NeedsOwnThread(Exception):
    """A poll that nobody may make who attends to the connection: it may wait for ever, and for
    something else than the attendant does. Nothing was changed."""


@runtime_checkable
class Poller(Protocol):
    """Whoever is parked in a Next, as the wire knows them."""

    @property
    def is_gone(self) -> bool:
        """Whether the connection is known to be closed."""

    def is_connected(self) -> bool:
        """Look at the connection now."""

    @property
    def was_reset(self) -> bool:
        """Whether it is known to have closed before it had read all that was sent."""

    @property
    def may_be_lent(self) -> bool:
        """Whether another thread can attend to the connection while it waits."""

    @property
    def is_attended(self) -> bool:
        """Whether who asks just now is not the connection's own thread, but attends to it."""

    def ring(self) -> None:
        """Wake who attends to it: what he waits for may be there. Never blocks."""
