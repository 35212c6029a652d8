"""How an invocation comes to the runtime: to a Next that waits, or to who borrows that. Pure."""

from __future__ import annotations

import attrs

from lambda_sim.lifecycle.effects import Topic
from lambda_sim.lifecycle.ledger import Ledger, Record, Stage
from lambda_sim.lifecycle.loan import Loan
from lambda_sim.lifecycle.outbox import Outbox
from lambda_sim.lifecycle.poller import Poll, PollerGone
from lambda_sim.lifecycle.registry import Errand, Registry
from lambda_sim.lifecycle.runtime import Runtime

__all__ = ["Borrowed", "Handover"]

LENT_BYTES = 65_536
"""So much of an event is sent without waiting for who reads it: whoever sends it for the runtime's
own thread has a deadline to keep."""

READ = object()
"""Holds what was handed to a poll that has asked for more since."""


@attrs.define(eq=False)
class Borrowed:
    """What the caller of an invocation attends to: the runtime's poll, and extensions'."""

    record: Record
    poll: Poll
    loan: Loan
    number: int
    """Of the loan."""
    errands: list[Errand] = attrs.field(factory=list)
    is_sent: bool = False
    """Whether the invocation was sent, or perhaps a part of it."""

    @property
    def is_out(self) -> bool:
        """Whether the loan lasts."""
        return self.loan.is_out(self.number)


class Handover:
    """Between the ledger's open invocations and the runtime's polls.

    :param is_serial: whether the runtime takes one invocation at a time.
    """

    def __init__(
        self, ledger: Ledger, runtime: Runtime, outbox: Outbox, *, is_serial: bool
    ) -> None:
        self._ledger = ledger
        self._runtime = runtime
        self._outbox = outbox
        self._is_serial = is_serial

    @property
    def waiting(self) -> int:
        """How many invocations are there to be taken."""
        return sum(1 for one in self._ledger.open.values() if _is_free(one))

    @property
    def is_next_large(self) -> bool:
        """Whether what would be taken next had better be sent by the poll's own thread."""
        pending = self._ledger.pending
        if pending and _is_large(pending[0]):
            return True
        return any(_is_free(one) and _is_large(one) for one in self._ledger.open.values())

    def take(self, poll: Poll, *, again: bool) -> Record | None:
        """What a poll is handed, if there is something.

        :param again: also what was handed over already.
        :raises PollerGone: the runtime that polls was ended.
        """
        if poll not in self._runtime.polls:
            raise PollerGone
        for record in self._ledger.open.values():
            if record.stage is Stage.RUNNING and (again or not record.is_delivered):
                record.holder = poll
                return record
        return None

    def give_back(self, record: Record, poll: Poll) -> None:
        """The invocation did not reach who was behind the poll: the next one gets it, unless
        another did already."""
        if record.holder is poll:
            record.holder = None
            self._outbox.changed(Topic.RUNTIME_NEXT)

    def has_read(self, poll: Poll) -> None:
        """Where there are many, who asks for more: what it has got is at work, whatever becomes of
        the connection."""
        for record in self._ledger.open.values():
            if record.holder is poll:
                record.holder = READ

    def left_unread(self, poll: Poll) -> None:
        """A connection closed before what was sent to it was read: that goes to another poll. The
        one invocation of a runtime stays its own if no other waits, as an answer may have come
        before the end; it is handed over again to who asks. Of many, none is."""
        if self._is_serial and not self._runtime.polls - {poll}:
            return
        for record in self._ledger.open.values():
            if record.stage is Stage.RUNNING:
                self.give_back(record, poll)

    def lend(self, record: Record, registry: Registry, held: list[Borrowed]) -> None:
        """The polls that wait for an invocation, for its caller to attend to; nothing when others
        are concerned, too."""
        loan, polls = self._runtime.loan, self._runtime.polls
        is_for_one = self._is_serial and _is_free(record) and not _is_large(record)
        poll = loan.lendable(polls) if is_for_one else None
        if poll is None:
            return
        borrowed = Borrowed(record, poll, loan, loan.number + 1)
        held.append(borrowed)  # before it is out: Ctrl-C may come at any step
        loan.lend(polls)
        record.holder = poll
        self._outbox.changes.discard(Topic.RUNTIME_NEXT)  # nobody else waits there
        if record.had_extensions:
            registry.lend(record, borrowed.errands)

    def take_back(self, borrowed: Borrowed) -> None:
        """Whoever borrowed a runtime's poll is done with it. If he did not come to send anything,
        it waits as it did before."""
        if borrowed.is_sent:
            self._runtime.take_back(borrowed.number)
        elif borrowed.is_out and borrowed.loan.park(borrowed.poll):
            self._runtime.park(borrowed.poll)
            self._outbox.changed(Topic.RUNTIME_NEXT)
            self.give_back(borrowed.record, borrowed.poll)


def _is_free(record: Record) -> bool:
    return record.stage is Stage.RUNNING and not record.is_delivered


def _is_large(record: Record) -> bool:
    return len(record.invocation.body) > LENT_BYTES
