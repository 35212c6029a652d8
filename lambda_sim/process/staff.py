"""Who works for a sandbox's processes: one that listens, a guard, and a lookout if need be."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

import attrs

from lambda_sim.closing import each
from lambda_sim.process.guard import Guard
from lambda_sim.process.limit import MemoryLimit
from lambda_sim.process.logs import CAN_HEAR, OnLine, Output
from lambda_sim.process.lookout import Lookout

__all__ = ["Staff"]


@attrs.frozen(eq=False)
class Staff:
    """What the first child calls for."""

    output: Output
    guard: Guard | None
    lookout: Lookout | None

    @classmethod
    def hire(cls, on_line: OnLine, limit: MemoryLimit | None, mark: str) -> Self:
        with ExitStack() as undo:
            guard = Guard(mark) if CAN_HEAR else None  # there is no /bin/sh where there is no poll
            if guard is not None:
                undo.callback(guard.close)
            output = Output(on_line)
            undo.callback(output.close)
            if CAN_HEAR:
                output.start()
            lookout = None if limit is None else Lookout(limit)
            if lookout is not None:
                undo.callback(lookout.close)
                lookout.start()
            undo.pop_all()
            return cls(output, guard, lookout)

    def watch(self, group: int) -> None:
        if self.guard is not None:
            self.guard.watch(group)

    def forget(self, group: int) -> None:
        if self.guard is not None:
            self.guard.forget(group)

    def stopping(self, pid: int) -> None:
        if self.guard is not None:
            self.guard.stopping(pid)

    def woken(self) -> None:
        if self.guard is not None:
            self.guard.woken()

    def dismiss(self) -> None:
        """The guard last. Twice is fine: the second time does what Ctrl-C left undone."""
        staff = (self.lookout, self.output, self.guard)
        each(*(one.close for one in staff if one is not None))

    def raise_failure(self) -> None:
        """Show what went wrong behind everybody's back."""
        for worker in (self.output, self.lookout):
            if worker is not None and worker.failure is not None:
                raise worker.failure
