"""A Next that waits, and whose connection somebody else attends to for a while. Pure."""

from __future__ import annotations

from lambda_sim.lifecycle.poller import AnsweredElsewhere, Poll

__all__ = ["Loan"]

MOST_PASSED = 64


class Loan:
    """Of a poll of the runtime's, or of one extension's.

    Who waits for what comes of an invocation attends to the connections of those who work on it.
    The poll's own thread sleeps on meanwhile, in Next, which it asked for before; it wakes when the
    loan is over, unless Next was asked for again by then.
    """

    def __init__(self) -> None:
        self.lent: Poll | None = None
        """The one whose connection is attended to."""
        self.number = 0
        """Which of its loans that is: the same poll may be lent again before who had it is done."""
        self._offered: Poll | None = None
        self._returned: set[Poll] = set()
        self._to_pass = self._passed = 0

    def offer(self, poll: Poll | None) -> None:
        """The poll that waits can be lent; None if it can't."""
        self._offered = poll

    def lendable(self, polls: set[Poll]) -> Poll | None:
        """The poll that waits; None if it can't be lent, or is not the only one, or another is not
        given back yet, or it came back so late the last time that others had better do without."""
        if self.lent is not None or len(polls) != 1 or self._offered not in polls:
            return None
        if self._offered in self._returned:
            return None  # its own thread has yet to hear that it is to go on
        if self._to_pass:
            self._to_pass -= 1
            return None
        return self._offered

    def lend(self, polls: set[Poll]) -> None:
        """Lend it: it waits no more then. Its number is the next."""
        self.lent = self._offered
        self.number += 1
        polls.clear()

    def is_out(self, number: int) -> bool:
        """Whether the loan of this number lasts."""
        return self.lent is not None and self.number == number

    def is_over(self, poll: Poll) -> bool:
        """Whether a poll's own thread may look for what it waits for.

        :raises AnsweredElsewhere: no: its connection goes on with what comes next.
        """
        if poll in self._returned:
            self._returned.discard(poll)
            raise AnsweredElsewhere
        return self.lent is not poll

    def park(self, poll: Poll) -> bool:
        """If it is lent, it waits in Next as it did before: its own thread never woke."""
        if self.lent is not poll:
            return False
        self.lent = None
        self._passed = 0
        return True

    def give_back(self, number: int) -> bool:
        """A loan is over, whatever came of it; whether its own thread is to be woken for that."""
        if not self.is_out(number):
            return False
        assert self.lent is not None
        self._returned.add(self.lent)
        self.lent = None
        return True

    def was_late(self) -> None:
        """It did not come back in time: the next few times it is not lent, and more each time."""
        self._passed = self._to_pass = min(2 * self._passed + 1, MOST_PASSED)
