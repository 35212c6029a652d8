"""Whether the processes are stopped: a freeze holds only as long as no work came. Pure."""

from __future__ import annotations

from enum import Enum

from lambda_sim.lifecycle import effects
from lambda_sim.lifecycle.effects import Topic
from lambda_sim.lifecycle.outbox import Outbox


class _State(Enum):
    THAWED = "thawed"
    FREEZING = "freezing"
    FROZEN = "frozen"


class Frost:
    """Orders freezing and thawing. The epoch tells an order that still stands from a stale one."""

    def __init__(self, outbox: Outbox) -> None:
        self.epoch = 0
        self._outbox = outbox
        self._state = _State.THAWED

    @property
    def is_frozen(self) -> bool:
        return self._state is _State.FROZEN

    def work_came(self) -> None:
        """A new epoch: whatever was, or is being, frozen thaws."""
        self.epoch += 1
        self.thaw()

    def thaw(self) -> None:
        if self._state is not _State.THAWED:
            self._state = _State.THAWED
            self._outbox.order(effects.Thaw())

    def freeze(self) -> None:
        """The environment is idle."""
        if self._state is _State.THAWED:
            self._state = _State.FREEZING
            self._outbox.order(effects.Freeze(self.epoch))

    def still_stands(self, epoch: int) -> bool:
        """Whether an order to freeze may be carried out."""
        return self._state is _State.FREEZING and epoch == self.epoch

    def frozen(self, epoch: int, count: int) -> None:
        """So many processes were stopped. If work came meanwhile, a thaw is on its way."""
        if self.still_stands(epoch):
            self._state = _State.FROZEN if count else _State.THAWED
            self._outbox.changed(Topic.FROZEN)
