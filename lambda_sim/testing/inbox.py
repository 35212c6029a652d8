"""What a double or a receiver was sent, in order of arrival, and the wait for more of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lambda_sim.errors import ShuttingDown, WaitTimeout
from lambda_sim.sync import Deadline, Monitor

__all__ = ["Inbox", "Json"]

Json = dict[str, Any]

ARRIVAL = "an arrival"


class Inbox:
    """Events as decoded JSON, kept in the batches they came in. Any thread may call anything.

    :param owner: whose it is, for the message of a wait that fails.
    :param type_key: the member that names an event's type.
    """

    def __init__(self, owner: str, type_key: str) -> None:
        self._owner = owner
        self._type_key = type_key
        self._monitor = Monitor()
        # Guarded by _monitor:
        self._batches: list[list[Json]] = []

    @property
    def batches(self) -> list[list[Json]]:
        with self._monitor:
            return list(self._batches)

    @property
    def events(self) -> list[Json]:
        with self._monitor:
            return self._events_locked()

    def add(self, batch: Iterable[Json]) -> None:
        with (monitor := self._monitor):
            self._batches.append(list(batch))
            monitor.changed(ARRIVAL)

    def close(self) -> None:
        """Nothing more will come: every wait ends."""
        with (monitor := self._monitor):
            monitor.close()

    def wait_for(self, event_type: str, timeout: float, count: int) -> list[Json]:
        """Block until so many events of a type have come; all of them.

        :param timeout: seconds.
        :raises WaitTimeout: fewer came in time; a note says what did come.
        :raises ShuttingDown: the owner ended first.
        """
        what = f"{count} of {event_type} at {self._owner}"

        def find() -> list[Json] | None:
            found = [one for one in self._events_locked() if self._type(one) == event_type]
            return found if len(found) >= count else None

        with (monitor := self._monitor):
            try:
                return monitor.wait_until(ARRIVAL, find, Deadline.after(timeout), what=what)
            except WaitTimeout:
                failure: Exception = WaitTimeout(what, timeout)
            except ShuttingDown as ended:
                failure = ended
            came = [self._type(one) for one in self._events_locked()]
        failure.add_note(f"what came: {', '.join(came) or 'nothing'}")
        raise failure

    def _events_locked(self) -> list[Json]:
        return [event for batch in self._batches for event in batch]

    def _type(self, event: Json) -> str:
        return str(event.get(self._type_key))
