"""The extensions of one generation: who registered, what state each is in, what waits for it. Pure.

AWS: *Using the Lambda Extensions API to create extensions*.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from enum import Enum

import attrs

from lambda_sim import refusals
from lambda_sim.lifecycle.effects import Topic
from lambda_sim.lifecycle.ledger import Record
from lambda_sim.lifecycle.loan import Loan
from lambda_sim.lifecycle.outbox import Outbox
from lambda_sim.lifecycle.poller import Poll, PollerGone
from lambda_sim.lifecycle.readiness import Readiness
from lambda_sim.model import protocol
from lambda_sim.model.extension import (
    EventType,
    InvokeEvent,
    LifecycleEvent,
    RegisteredExtension,
    ShutdownEvent,
)
from lambda_sim.model.identifiers import ExtensionId, is_uuid, new_id
from lambda_sim.model.rules import Rules
from lambda_sim.model.telemetry import SubscriptionApi


@attrs.define(eq=False)
class Notice:
    """An event on its way to one extension, and the invocation that INVOKE tells of."""

    event: LifecycleEvent
    record: Record | None = None
    holder: Poll | None = None
    """The poll that it was handed to; None while it waits for one."""


class ExtensionStage(Enum):
    """AWS's names of an extension's states."""

    REGISTERED = "Registered"
    READY = "Ready"
    RUNNING = "Running"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"


_FAILED = (ExtensionStage.INIT_ERROR, ExtensionStage.EXIT_ERROR)
_MAY_FAIL = {
    ExtensionStage.INIT_ERROR: (ExtensionStage.REGISTERED, ExtensionStage.INIT_ERROR),
    ExtensionStage.EXIT_ERROR: (
        ExtensionStage.REGISTERED,
        ExtensionStage.READY,
        ExtensionStage.RUNNING,
        ExtensionStage.EXIT_ERROR,
    ),
}
_FAIL_TARGET = {ExtensionStage.INIT_ERROR: "InitError", ExtensionStage.EXIT_ERROR: "Exited"}


class Extension:
    """One registered extension, as the machine sees it."""

    def __init__(self, registered: RegisteredExtension, *, is_external: bool) -> None:
        self.registered = registered
        self.is_external = is_external
        self.stage = ExtensionStage.REGISTERED
        self.error_type: str | None = None
        self.queue: deque[Notice] = deque()
        self.polls: set[Poll] = set()
        self.loan = Loan()
        self.last: Notice | None = None
        """What it was handed last, unless it has asked for Next since."""
        self.has_asked = False
        self.subscribed_to: SubscriptionApi | None = None
        self.farewell: Poll | None = None
        """The poll that took SHUTDOWN."""
        self.has_left = False
        """Whether it is done after SHUTDOWN, or not there any more."""

    @property
    def id(self) -> ExtensionId:
        return self.registered.id

    @property
    def name(self) -> str:
        return self.registered.name

    @property
    def knows_the_end(self) -> bool:
        """Whether it took SHUTDOWN, or has only to ask for it."""
        return self.farewell is not None or any(notice.record is None for notice in self.queue)

    def wants(self, event_type: EventType) -> bool:
        return event_type in self.registered.events and self.stage not in _FAILED

    def take(self, poll: Poll) -> Notice:
        """Hand the next event to a poll."""
        self.last = notice = self.queue[0]
        notice.holder = poll  # before it is out: Ctrl-C may come at any step
        self.queue.popleft()
        if notice.record is None:
            self.farewell = poll
        else:
            self.stage = ExtensionStage.RUNNING
            notice.record.readiness.handed(self.id)
        return notice

    def ask(self, *, parallel: bool) -> None:
        """The extension calls Next.

        :raises InvalidExtensionState: it failed, or it is parked in Next already.
        """
        if self.stage in _FAILED or (self.polls and not parallel):
            raise refusals.InvalidExtensionState.between(self.stage.value, "Ready", self.id)
        self.stage = ExtensionStage.READY
        self.last = None
        self.has_asked = True

    def fail(self, target: ExtensionStage, error_type: str) -> None:
        """The extension reports that it can't start, or go on.

        :raises InvalidExtensionState: its state has no way there.
        """
        if self.stage not in _MAY_FAIL[target]:
            raise refusals.InvalidExtensionState.between(
                self.stage.value, _FAIL_TARGET[target], self.id
            )
        self.stage = target
        self.last = None
        self.error_type = error_type
        self.has_left = True


@attrs.define(eq=False)
class Errand:
    """An event that whoever borrowed an extension's poll is to send."""

    extension: Extension
    notice: Notice
    poll: Poll
    number: int
    """Of the loan."""
    is_sent: bool = False
    """Whether it was sent, or perhaps a part of it."""

    @property
    def is_out(self) -> bool:
        """Whether the loan lasts."""
        return self.extension.loan.is_out(self.number)


class Registry:
    """The extensions of the current generation, in the order they registered."""

    def __init__(self, rules: Rules, outbox: Outbox) -> None:
        self._rules = rules
        self._outbox = outbox
        self._by_id: dict[ExtensionId, Extension] = {}

    def __iter__(self) -> Iterator[Extension]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, identifier: str) -> Extension:
        """The extension with this identifier.

        :raises UnknownExtensionIdentifier: this generation has none such.
        """
        found = self._by_id.get(ExtensionId(identifier))
        if found is None:
            if not is_uuid(identifier):
                raise refusals.InvalidExtensionIdentifier
            raise refusals.UnknownExtensionIdentifier(identifier)
        return found

    def named(self, name: str) -> Extension | None:
        return next((one for one in self if one.name == name), None)

    def subscribed(self, event_type: EventType) -> list[Extension]:
        return [one for one in self if one.wants(event_type)]

    # --- Events ---------------------------------------------------------------------------------

    @property
    def parked(self) -> int:
        """How many of their calls wait in Next."""
        return sum(max(0, len(one.polls) - len(one.queue)) for one in self)

    def take_event(self, identifier: str, poll: Poll) -> Notice | None:
        """An extension's next event, if there is one.

        :raises UnknownExtensionIdentifier: its generation is over.
        """
        extension = self.get(identifier)
        if poll not in extension.polls:
            raise PollerGone
        return extension.take(poll) if extension.queue else None

    def lend(self, record: Record, errands: list[Errand]) -> None:
        """The polls that wait for an invocation's INVOKE and can be lent, to who is to send it."""
        for extension in self:
            if extension.queue and extension.queue[0].record is record:
                loan, notice = extension.loan, extension.queue[0]
                poll = loan.lendable(extension.polls)
                if poll is not None:
                    errands.append(Errand(extension, notice, poll, loan.number + 1))
                    loan.lend(extension.polls)
                    extension.take(poll)
                    self._outbox.changes.discard(extension.id)  # nobody else waits there

    def take_back(self, errand: Errand) -> None:
        """Whoever borrowed an extension's poll is done with it. If he did not come to send
        anything, it waits as it did before."""
        extension = errand.extension
        if errand.is_sent:
            if extension.loan.give_back(errand.number):
                self._outbox.changed(extension.id)
        elif errand.is_out and extension.loan.park(errand.poll):
            extension.polls.add(errand.poll)
            self._outbox.changed(Topic.PARKED, extension.id)
            if not any(notice is errand.notice for notice in extension.queue):
                self.give_back(extension.id, errand.notice, errand.poll)

    def give_back(self, identifier: str, notice: Notice, poll: Poll) -> None:
        """An event did not reach the extension behind the poll: the next one gets it, unless
        another did already, or it is too late."""
        extension = self._by_id.get(ExtensionId(identifier))
        if extension is None or notice.holder is not poll:
            return
        notice.holder = None
        if extension.stage is ExtensionStage.RUNNING:
            extension.stage = ExtensionStage.READY
        record = notice.record
        if record is None:
            extension.farewell = None
        elif record.is_reported:
            return
        else:
            record.readiness.taken_back(extension.id)
            self._outbox.changed(record.request_id)
        extension.queue.appendleft(notice)
        self._outbox.changed(extension.id)

    def left(self, identifier: str, poll: Poll) -> None:
        """A poll ended, with an event or without."""
        extension = self._by_id.get(ExtensionId(identifier))
        if extension is not None:
            extension.polls.discard(poll)
            self._outbox.changed(Topic.PARKED, extension.id)

    def send_invoke(self, record: Record, deadline_ms: int) -> None:
        """Send INVOKE to whoever subscribed to it: the invocation waits for them, too."""
        subscribers = self.subscribed(EventType.INVOKE)
        if not subscribers:
            return
        event = InvokeEvent(
            request_id=record.request_id,
            deadline_ms=deadline_ms,
            invoked_function_arn=record.function_arn,
            trace_id=record.invocation.trace_id,
        )
        record.had_extensions = True
        record.readiness = Readiness(one.id for one in subscribers)
        for extension in subscribers:
            extension.queue.append(Notice(event, record))
            self._outbox.changed(extension.id)

    def announce(self, event: ShutdownEvent) -> None:
        """Send SHUTDOWN to whoever subscribed to it, and was not sent it before."""
        for extension in self.subscribed(EventType.SHUTDOWN):
            if extension.knows_the_end:
                continue
            extension.queue.append(Notice(event))
            self._outbox.changed(extension.id)

    def lingering(self) -> list[Extension]:
        """Those who were sent SHUTDOWN and are not done."""
        return [one for one in self.subscribed(EventType.SHUTDOWN) if not one.has_left]

    def leave(self, extension: Extension) -> None:
        """One is done after SHUTDOWN, or gone."""
        extension.has_left = True
        self._outbox.changed(Topic.FAREWELL)

    def hung_up(
        self, poll: Poll, *, left_unread: bool = False, with_process: Collection[str]
    ) -> None:
        """A connection closed: who is parked on it leaves. One that carried SHUTDOWN says by it
        that the extension is done, unless that has a process to end. What else was left unread
        comes again."""
        for extension in self:
            if poll in extension.polls:
                self._outbox.changed(extension.id)
            if extension.farewell is poll and extension.name not in with_process:
                self.leave(extension)
            elif left_unread and extension.last is not None:
                self.give_back(extension.id, extension.last, poll)

    # --- Registration ---------------------------------------------------------------------------

    def register(
        self, name: str, events: Iterable[str], external: Collection[str], at: datetime
    ) -> Extension:
        """Add an extension; nothing remains of one that is refused.

        :raises WireError: as AWS refuses it.
        """
        is_external = name in external
        wanted = frozenset(self._event(event, is_external) for event in events)
        if (namesake := self.named(name)) is not None:
            if is_external:
                state = namesake.stage.value
                raise refusals.InvalidExtensionState.between(state, "Registered", name)
            raise refusals.InvalidExtensionState("Extension with this name already registered")
        if len(self) >= protocol.MAX_EXTENSIONS:
            raise refusals.TooManyExtensions
        registered = RegisteredExtension(
            id=ExtensionId(new_id()), name=name, events=wanted, registered_at=at
        )
        extension = Extension(registered, is_external=is_external)
        self._by_id[extension.id] = extension
        return extension

    def _event(self, text: str, is_external: bool) -> EventType:
        if not self._rules.extensions_see_invocations and not is_external:
            raise refusals.NoEventsAllowed
        try:
            event = EventType(text)
        except ValueError:
            raise refusals.InvalidEventType(str(text)) from None
        if event is EventType.INVOKE and not self._rules.extensions_see_invocations:
            raise refusals.InvalidEventType(text)
        limited = self._rules.internal_extensions_are_limited and not is_external
        if event is EventType.SHUTDOWN and limited:
            why = "ShutdownEventNotSupportedForInternalExtension"
            raise refusals.InvalidEventType(text, why)
        return event
