"""Subscriptions behind one lock, and a named worker that delivers to each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import attrs

from lambda_sim.errors import ShuttingDown, WaitTimeout
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.identifiers import ExtensionId
from lambda_sim.model.telemetry import (
    Fact,
    LogsDropped,
    TelemetryEventType,
    TelemetrySubscription,
)
from lambda_sim.sync import SYSTEM_CLOCK, Clock, Deadline, Monitor, Worker
from lambda_sim.telemetry import schema
from lambda_sim.telemetry.buffers import Buffer, Drops
from lambda_sim.telemetry.delivery import Outcome, deliver
from lambda_sim.telemetry.link import Link
from lambda_sim.telemetry.patience import AwakeSince
from lambda_sim.telemetry.schema import Form

__all__ = ["Dispatcher"]

_LOG = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 2.0

LEAVING_SECONDS = 5.0
"""How long a delivery that was cut is waited for: nothing ends the look-up of a name."""

# The words of AWS's own example.
REASON = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."

_Encoded = list[tuple[TelemetryEventType, bytes]]

_SETTLED = "some events were delivered or given up"
_AT_ONCE = float("-inf")


@attrs.frozen
class _Round:
    """What one delivery carries, and where to."""

    subscription: TelemetrySubscription
    batch: list[bytes]
    dropped: Drops
    """All that was ever lost before these events,"""
    untold: Drops
    """and how much of it the subscriber does not know."""


class _Subscriber:
    """One extension's place: its subscription, what waits for it, and how its listener does.

    Guarded by the dispatcher's monitor, but for `link`, which is the worker's.
    """

    def __init__(self, subscription: TelemetrySubscription, awake_since: AwakeSince) -> None:
        self.subscription = subscription
        self.buffer = Buffer(subscription)
        self.link = Link(awake_since)
        self.worker: Worker | None = None
        """Who delivers to it; None as long as there is no thread for that."""
        self.accepted = 0
        self.in_flight = 0
        self.failures = 0
        self.retry_at: float | None = None
        self.is_refused = False
        self.has_ended = False
        # Of what the buffer dropped:
        self.told = Drops()  # what the subscriber was told
        self.reported = Drops()  # what on_dropped was called with

    def add(self, events: Iterable[bytes], now: float) -> None:
        for event in events:
            self.accepted += 1
            self.buffer.add(event, now)

    def replace(self, subscription: TelemetrySubscription) -> None:
        self.subscription = subscription
        self.buffer.limit(subscription)
        self.retry_now()

    def take(self) -> _Round:
        batch = self.buffer.take()
        self.in_flight = len(batch)
        dropped = self.buffer.dropped
        return _Round(self.subscription, batch, dropped, dropped - self.told)

    def settle(self, sent: _Round, outcome: Outcome, now: float) -> None:
        self.in_flight = 0
        self.is_refused = outcome is Outcome.REFUSED
        if outcome is Outcome.DELIVERED:
            self.failures = 0
            self.retry_at = None
            self.told = sent.dropped
            return
        self.buffer.put_back(sent.batch)
        self.retry_at = now + min(FIRST_RETRY_SECONDS * 2**self.failures, LAST_RETRY_SECONDS)
        self.failures = min(self.failures + 1, 10)

    def retry_now(self) -> None:
        self.retry_at = None
        self.is_refused = False

    def unreported(self) -> Drops:
        """What was dropped since this was last asked."""
        since, self.reported = self.reported, self.buffer.dropped
        return self.reported - since

    @property
    def is_gone(self) -> bool:
        """Whether there is nobody to wait for."""
        return self.is_refused or self.has_ended or self.worker is None

    def is_past(self, mark: int) -> bool:
        """Whether the first so many events accepted are all delivered or dropped."""
        return self.accepted - len(self.buffer) - self.in_flight >= mark


class Dispatcher:
    """Takes facts to whoever subscribed, in batches, each event once and in order.

    A batch that was not taken goes again, whole, and then parts of it may come twice. Over TCP
    nobody says that it was: what was written when the listener died is lost.

    A dead or slow subscriber delays nobody: each has a worker, and events that it is too slow
    for are dropped, oldest first. One thread hands in facts and subscriptions; any may close.

    :param clock: for the age of batches and the pause between retries. Sockets run in real time.
    :param on_dropped: called by a worker, with no lock held, after events were dropped. The
        subscriber that lost them hears of it in front of its next batch, the others don't.
    :param awake_since: since when no process is frozen, in monotonic seconds; None while some are.
        A listener that was frozen has not failed to answer.

    AWS: *Lambda Telemetry API reference*; *Using the Lambda Logs API*.
    """

    def __init__(
        self,
        config: SimulatorConfig,
        *,
        clock: Clock = SYSTEM_CLOCK,
        on_dropped: Callable[[LogsDropped], None],
        awake_since: AwakeSince = lambda: 0.0,
    ) -> None:
        self._config = config
        self._awake_since = awake_since
        self._clock = clock
        self._on_dropped = on_dropped
        self._monitor = Monitor()
        # Guarded by _monitor, all of it:
        self._subscribers: dict[ExtensionId, _Subscriber] = {}
        self._is_hurried = False
        self._flushes = 0

    @property
    def has_subscribers(self) -> bool:
        with self._monitor:
            return bool(self._subscribers)

    def subscribe(self, subscription: TelemetrySubscription, replay: Sequence[Fact] = ()) -> None:
        """Deliver to an extension from now on; a subscription it has already is replaced.

        What the old one left undelivered goes to the new address, after what is under way.

        :param replay: the facts before those that :meth:`deliver` is called with next. Of a
            stream that the old subscription had, they went out already, and are left out.
        :raises ShuttingDown: the dispatcher closed.
        """
        facts = replay
        with (monitor := self._monitor):
            if monitor.is_closed:
                raise ShuttingDown("telemetry is closed: nothing can subscribe")
            subscriber = self._subscribers.get(subscription.extension_id)
            if subscriber is None:
                subscriber = _Subscriber(subscription, self._awake_since)
                self._subscribers[subscription.extension_id] = subscriber
            else:
                known = subscriber.subscription.types
                facts = [fact for fact in replay if schema.stream_of(fact) not in known]
                subscriber.replace(subscription)
                monitor.changed(subscriber)
        if not self._employ(subscriber):
            name = subscription.extension_name
            _LOG.warning("%s is sent its telemetry later: no thread is left to deliver it", name)
        self._hand_in({subscriber: subscription}, facts)

    def deliver(self, facts: Sequence[Fact]) -> None:
        """Hand facts in; each goes to those who subscribed to its stream. Never waits for them."""
        with self._monitor:
            targets = {one: one.subscription for one in self._subscribers.values()}
        for one in targets:
            self._employ(one)
        if targets:
            self._hand_in(targets, facts)

    def hurry(self) -> None:
        """Deliver every event at once from now on, until the subscriptions end."""
        with (monitor := self._monitor):
            self._is_hurried = True
            self._wake_all_locked(monitor)

    def flush(self, deadline: Deadline) -> bool:
        """Wait until nothing is left of what was handed in; whether that came in time.

        A subscriber at whose address nobody listens, or that has no worker, is not waited for. What
        is left is kept and tried again later.
        """
        with (monitor := self._monitor):
            marks = {one: one.accepted for one in self._subscribers.values()}
            self._flushes += 1
            self._wake_all_locked(monitor)
            try:
                with suppress(WaitTimeout, ShuttingDown):
                    monitor.wait_until(
                        _SETTLED,
                        lambda: (
                            all(one.is_gone or one.is_past(marks[one]) for one in marks) or None
                        ),
                        deadline,
                        what="telemetry to be delivered",
                    )
            finally:
                self._flushes -= 1
            return all(one.is_past(mark) for one, mark in marks.items())

    def unsubscribe_all(self, flush_seconds: float) -> None:
        """End all subscriptions, as a reset does, after a last flush of at most so long."""
        self.flush(Deadline.after(flush_seconds))  # sockets run in real time, and so does this
        with (monitor := self._monitor):
            leaving = self._end_all_locked(monitor)
            self._is_hurried = False
        _see_off(leaving)

    def close(self) -> None:
        """End every delivery, also one under way. A second call does nothing."""
        with (monitor := self._monitor):
            leaving = self._end_all_locked(monitor)
            monitor.close()
        _see_off(leaving)

    # --- Subscribers come and go ------------------------------------------------------------------

    def _employ(self, subscriber: _Subscriber) -> bool:
        """Whether it has a worker, perhaps a new one. Where no thread is left for that, each
        delivery tries again."""
        if subscriber.worker is not None:
            return True
        name = f"telemetry-{subscriber.subscription.extension_name}"
        worker = Worker(name, partial(self._work, subscriber))
        try:
            worker.start()
        except RuntimeError:
            return False
        with self._monitor:
            subscriber.worker = worker
            is_late = subscriber.has_ended
        if is_late:  # who ended it knew of no worker
            worker.join()
        return True

    def _end_all_locked(self, monitor: Monitor) -> list[_Subscriber]:
        leaving = list(self._subscribers.values())
        self._subscribers = {}
        for subscriber in leaving:
            subscriber.has_ended = True
        monitor.changed(_SETTLED, *leaving)
        return leaving

    # --- Facts come in ----------------------------------------------------------------------------

    def _hand_in(
        self, targets: Mapping[_Subscriber, TelemetrySubscription], facts: Sequence[Fact]
    ) -> None:
        wanted = {
            one: [event for stream, event in events if stream in targets[one].types]
            for one, events in self._encoded(targets, facts).items()
        }
        with (monitor := self._monitor):
            now = self._clock.monotonic()
            for one, batch in wanted.items():
                due_at = self._due_at_locked(one)
                one.add(batch, now)
                if self._due_at_locked(one) != due_at:
                    monitor.changed(one)

    def _encoded(
        self, targets: Mapping[_Subscriber, TelemetrySubscription], facts: Sequence[Fact]
    ) -> dict[_Subscriber, _Encoded]:
        """Facts that anyone wants, encoded once for each form that is asked for, and shared."""
        streams = frozenset[TelemetryEventType]().union(*(one.types for one in targets.values()))
        asked = [(schema.stream_of(fact), fact) for fact in facts]
        forms: dict[Form, _Encoded] = {}
        found: dict[_Subscriber, _Encoded] = {}
        for one, subscription in targets.items():
            form = schema.form_of(subscription, self._config)
            if form not in forms:
                forms[form] = [
                    (stream, event)
                    for stream, fact in asked
                    if stream in streams
                    for event in schema.encoded_events(fact, self._config, form)
                ]
            found[one] = forms[form]
        return found

    # --- Batches go out: what a worker does -------------------------------------------------------

    def _work(self, subscriber: _Subscriber) -> None:
        try:
            while (sent := self._next_round(subscriber)) is not None:
                outcome = deliver(subscriber.link, sent.subscription, self._events(sent))
                self._settle(subscriber, sent, outcome)
        finally:
            subscriber.link.close()

    def _next_round(self, subscriber: _Subscriber) -> _Round | None:
        """Wait until a batch is due, and take it; None when the subscription ended."""
        with (monitor := self._monitor):
            while not subscriber.has_ended:
                due_at = self._due_at_locked(subscriber)
                if due_at is not None and due_at <= self._clock.monotonic():
                    return subscriber.take()
                with suppress(WaitTimeout):  # then it is due
                    monitor.wait_until(
                        subscriber,
                        partial(self._has_moved_locked, subscriber, due_at),
                        Deadline(due_at, self._clock),
                        what="telemetry to be due",
                    )
        return None

    def _due_at_locked(self, subscriber: _Subscriber) -> float | None:
        """When the worker has something to do; None when there is nothing to wait for."""
        due_at = subscriber.buffer.due_at
        if subscriber.has_ended:
            return _AT_ONCE
        if due_at is None:
            return None
        if subscriber.retry_at is not None:
            return subscriber.retry_at
        return _AT_ONCE if self._is_hurried or self._flushes else due_at

    def _has_moved_locked(self, subscriber: _Subscriber, due_at: float | None) -> bool | None:
        return self._due_at_locked(subscriber) != due_at or None

    def _wake_all_locked(self, monitor: Monitor) -> None:
        for subscriber in self._subscribers.values():
            subscriber.retry_now()
            monitor.changed(subscriber)

    def _events(self, sent: _Round) -> list[bytes]:
        """A batch, behind word of what was lost before it if the subscriber can be told."""
        untold = sent.untold
        if not untold.records or TelemetryEventType.PLATFORM not in sent.subscription.types:
            return sent.batch
        form = schema.form_of(sent.subscription, self._config)
        return [*schema.encoded_events(self._fact_of(untold), self._config, form), *sent.batch]

    def _settle(self, subscriber: _Subscriber, sent: _Round, outcome: Outcome) -> None:
        with (monitor := self._monitor):
            subscriber.settle(sent, outcome, self._clock.monotonic())
            lost = subscriber.unreported()
            monitor.changed(_SETTLED)
        if lost.records:
            self._on_dropped(self._fact_of(lost))

    def _fact_of(self, lost: Drops) -> LogsDropped:
        return LogsDropped(
            time=self._clock.time(),
            reason=REASON,
            records=lost.records,
            size_bytes=lost.size_bytes,
        )


def _see_off(leaving: Iterable[_Subscriber]) -> None:
    """Join workers that were told to end, and show what one of them raised."""
    for subscriber in leaving:
        subscriber.link.cut()
    workers = [one.worker for one in leaving if one.worker is not None]
    deadline = Deadline.after(LEAVING_SECONDS)
    for worker in workers:
        if not worker.join(deadline.remaining()):
            _LOG.warning("a delivery is still busy, perhaps with the name of its listener")
    for worker in workers:
        if worker.failure is not None:
            raise worker.failure
