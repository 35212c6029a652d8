"""The runtime, as the machine sees it: its state, and its calls that are parked. Pure.

AWS: *Using the Lambda runtime API for custom runtimes*.
"""

from __future__ import annotations

from enum import Enum

from lambda_sim import refusals
from lambda_sim.lifecycle.effects import Topic
from lambda_sim.lifecycle.ledger import Stage
from lambda_sim.lifecycle.loan import Loan
from lambda_sim.lifecycle.outbox import Outbox
from lambda_sim.lifecycle.poller import Poll, PollerGone


class RuntimeStage(Enum):
    """AWS's names of the runtime's states outside an invocation."""

    STARTED = "Started"
    READY = "Ready"
    INIT_ERROR = "InitError"
    RESTORE_READY = "RestoreReady"
    RESTORING = "Restoring"
    RESTORE_ERROR = "RuntimeRestoreErrorState"
    ANSWERED = Stage.ANSWERED.value


_INITIALIZED = (RuntimeStage.READY, RuntimeStage.RESTORE_READY)
_FAILED = (RuntimeStage.INIT_ERROR, RuntimeStage.RESTORE_ERROR)


class Runtime:
    """One for all generations: a test double that is parked outlives a reset."""

    def __init__(self, outbox: Outbox) -> None:
        self.stage = RuntimeStage.STARTED
        self.polls: set[Poll] = set()
        """Those that wait in Next."""
        self.loan = Loan()
        self.restore_poll: Poll | None = None
        """The one that waits to be restored."""
        self._restored: Poll | None = None
        """The one that was told of the restore last; None once it may not have read that."""
        self._outbox = outbox

    @property
    def parked(self) -> int:
        """How many of its calls wait, in Next or to be restored."""
        return len(self.polls) + (self.restore_poll is not None)

    @property
    def is_initialized(self) -> bool:
        """Whether it waits for what comes after its init."""
        return self.stage in _INITIALIZED

    def refuse(self, target: str) -> refusals.InvalidStateTransition:
        """The refusal of a move that its state has no way to."""
        return refusals.InvalidStateTransition(self.stage.value, target)

    # --- Next -----------------------------------------------------------------------------------

    def park(self, poll: Poll) -> None:
        self.polls.add(poll)
        self._outbox.changed(Topic.PARKED)

    def ask(self, poll: Poll) -> RuntimeStage:
        """It calls Next; the state that it comes from.

        :raises InvalidStateTransition: it failed, or waits to be restored.
        """
        if self.stage in (*_FAILED, RuntimeStage.RESTORE_READY):
            raise self.refuse("Ready")
        self.park(poll)
        before, self.stage = self.stage, RuntimeStage.READY
        return before

    def leave(self, poll: Poll) -> None:
        """A Next ended, with an invocation or without."""
        self.polls.discard(poll)
        self._outbox.changed(Topic.PARKED)

    def take_back(self, number: int) -> None:
        """A loan is over, whatever came of it."""
        if self.loan.give_back(number):
            self._outbox.changed(Topic.RUNTIME_NEXT)

    # --- SnapStart ------------------------------------------------------------------------------

    def ask_restore(self, poll: Poll) -> None:
        """It calls restore/next; again, if nobody is behind the earlier call any more.

        :raises InvalidStateTransition: it asked for Next, or failed, already.
        """
        is_lost = self.stage is RuntimeStage.RESTORING and self._restored is None
        is_ready = self.stage is RuntimeStage.RESTORE_READY
        is_again = self.restore_poll is None and (is_ready or is_lost)
        if self.stage is not RuntimeStage.STARTED and not is_again:
            raise self.refuse("Ready")  # which is how AWS calls this way, too
        self.stage = RuntimeStage.RESTORE_READY
        self.restore_poll = poll
        self._outbox.changed(Topic.PARKED)

    def take_restore(self, poll: Poll, *, is_due: bool) -> bool:
        """Whether a parked restore/next returns now.

        :raises PollerGone: the runtime that waits was ended.
        """
        if self.restore_poll is not poll:
            raise PollerGone
        if is_due:
            self.stage = RuntimeStage.RESTORING
            self._restored = poll
        return is_due

    def give_back_restore(self, poll: Poll) -> None:
        """The answer did not reach it: it may ask again."""
        if self.stage is RuntimeStage.RESTORING and self._restored is poll:
            self.stage = RuntimeStage.RESTORE_READY

    def leave_restore(self, poll: Poll) -> None:
        """A restore/next ended, answered or not."""
        if self.restore_poll is poll:
            self.restore_poll = None
            self._outbox.changed(Topic.PARKED, Topic.RUNTIME_NEXT)

    # --- Ends -----------------------------------------------------------------------------------

    def hung_up(self, poll: Poll, *, left_unread: bool = False) -> None:
        """A connection closed: who is parked on it leaves. Who was told of a restore, and may not
        have read it, may ask again, or go on."""
        if poll in self.polls or poll is self.restore_poll:
            self._outbox.changed(Topic.RUNTIME_NEXT)
        if left_unread and poll is self._restored:
            self._restored = None

    def drop_polls(self) -> None:
        """Its process was ended: nobody is behind its calls any more."""
        self.polls.clear()
        self.restore_poll = None
        self._outbox.changed(Topic.RUNTIME_NEXT)

    def start_over(self) -> None:
        """A new generation: who is still parked has no process to end, and serves on."""
        if self.stage not in _FAILED:
            self.start()

    def start(self) -> None:
        """An init begins: who failed or left before does not count, only who is parked."""
        if self.polls:
            self.stage = RuntimeStage.READY
        else:
            waits = self.restore_poll is not None
            self.stage = RuntimeStage.RESTORE_READY if waits else RuntimeStage.STARTED
