"""What the machine leaves for others: orders, facts to deliver, and what changed. Pure."""

from __future__ import annotations

from collections import deque

from lambda_sim.lifecycle.effects import Order, Outgoing, Topic


class Outbox:
    """Filled by the machine and its parts; emptied by whoever holds the lock."""

    def __init__(self) -> None:
        self.orders: deque[Order] = deque()
        self.outgoing: deque[Outgoing] = deque()
        self.changes: set[object] = set()
        """What to wake waiters for: topics, and the ids of invocations and extensions."""

    def order(self, order: Order) -> None:
        """Something is to be done to the processes."""
        self.orders.append(order)
        self.changes.add(Topic.ORDERS)

    def send(self, outgoing: Outgoing) -> None:
        """Something is to go to subscribers."""
        self.outgoing.append(outgoing)
        self.changes.add(Topic.OUTGOING)

    def changed(self, *topics: object) -> None:
        """Waiters of these may have their answer."""
        self.changes.update(topics)
