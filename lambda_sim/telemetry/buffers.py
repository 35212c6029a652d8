"""One subscriber's events in waiting: when a batch is due, what goes in it, what is lost. Pure."""

from __future__ import annotations

import math
from collections import deque

import attrs

from lambda_sim.model.telemetry import TelemetrySubscription

__all__ = ["Buffer", "Drops"]

# AWS drops events of a slow subscriber but gives no number. At least two full batches are kept,
# and never less than what one talkative invocation prints, however small the batches are.
_LEAST_ITEMS = 20_000
_LEAST_BYTES = 4 * 1024 * 1024

_LONG_AGO = -math.inf


@attrs.frozen
class Drops:
    """How much was lost."""

    records: int = 0
    size_bytes: int = 0

    def __sub__(self, other: Drops) -> Drops:
        return Drops(self.records - other.records, self.size_bytes - other.size_bytes)


class Buffer:
    """Events of one subscriber, encoded, oldest first. Times are monotonic seconds.

    Used by one thread at a time. It never holds more than twice a batch, or 20,000 events or
    4 MiB if that is more: then the oldest give way, all but the last one.

    AWS: *Telemetry API reference*, Subscribe, buffering.
    """

    def __init__(self, subscription: TelemetrySubscription) -> None:
        self._events: deque[tuple[bytes, float]] = deque()
        self._size = 0
        self._again = 0  # how many events in front make up a batch that was put back
        self._dropped_records = 0
        self._dropped_bytes = 0
        self.limit(subscription)

    def __len__(self) -> int:
        return len(self._events)

    @property
    def dropped(self) -> Drops:
        """What gave way since the beginning."""
        return Drops(self._dropped_records, self._dropped_bytes)

    def limit(self, subscription: TelemetrySubscription) -> None:
        """Batch after this subscription from now on."""
        self._max_items = max(1, subscription.max_items)
        self._max_bytes = max(1, subscription.max_bytes)
        self._max_age = max(0, subscription.timeout_ms) / 1000

    def add(self, event: bytes, now: float) -> None:
        self._events.append((event, now))
        self._size += len(event)
        self._keep_bounds()

    @property
    def due_at(self) -> float | None:
        """When the next batch is due; None when there is nothing to send."""
        if not self._events:
            return None
        if len(self._events) >= self._max_items or self._size >= self._max_bytes:
            return _LONG_AGO
        return self._events[0][1] + self._max_age

    def take(self) -> list[bytes]:
        """The next batch: what was put back, or else what fits. An event too big goes alone."""
        batch: list[bytes] = []
        most = self._again or self._max_items
        room = math.inf if self._again else self._max_bytes
        while self._events and len(batch) < most:
            event = self._events[0][0]
            if batch and len(event) > room:
                break
            self._events.popleft()
            self._size -= len(event)
            room -= len(event)
            batch.append(event)
        self._again = 0
        return batch

    def put_back(self, batch: list[bytes]) -> None:
        """Take back a batch that failed. It is due, and grows no larger than it was."""
        self._events.extendleft((event, _LONG_AGO) for event in reversed(batch))
        self._size += sum(map(len, batch))
        self._again = len(batch)
        self._keep_bounds()

    def _keep_bounds(self) -> None:
        most_items = max(2 * self._max_items, _LEAST_ITEMS)
        most_bytes = max(2 * self._max_bytes, _LEAST_BYTES)
        while len(self._events) > 1 and (len(self._events) > most_items or self._size > most_bytes):
            event, _ = self._events.popleft()
            self._size -= len(event)
            self._again = max(0, self._again - 1)
            self._dropped_records += 1
            self._dropped_bytes += len(event)
