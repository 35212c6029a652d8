"""The memory that the processes of one environment have together, and what happens beyond it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import attrs
import psutil

from lambda_sim.process import pages, tree
from lambda_sim.process.group import ProcessGroup
from lambda_sim.process.memory import Usage
from lambda_sim.sync import SYSTEM_CLOCK, Deadline, Monitor

__all__ = ["MemoryLimit"]

ACQUITTAL = 20
"""How many times as long as it took to count shared pages the outcome holds."""

FASTEST = min(20e9 * (os.cpu_count() or 1), 500e9)
"""Bytes a second that a machine can't fill: more than its processors, and than its memory, take."""

Look = list[tuple[ProcessGroup, Usage]]


@attrs.frozen
class Seen:
    """A process as the lookout last saw it."""

    peak: int
    held: int
    faults: int


@attrs.frozen
class Acquittal:
    """Processes seemed to hold more than they may; with shared pages counted once they don't."""

    seemed: int
    spare: int
    until: Deadline

    def covers(self, seems: int) -> bool:
        return seems <= self.seemed + self.spare and self.until.remaining() != 0.0


@attrs.frozen
class Victim:
    """A process that was killed."""

    group: ProcessGroup
    process: psutil.Process

    @property
    def is_dying(self) -> bool:
        """Whether it may still hold memory."""
        return tree.is_alive(self.process)

    @property
    def is_awaited(self) -> bool:
        """Whether its end is not known yet to those who watch for it."""
        is_leader = self.process.pid == self.group.pid
        return not self.group.is_told if is_leader else self.is_dying


class MemoryLimit:
    """Kills the process that holds most when all together hold more than they may.

    It does what the kernel does for the control group of a Lambda environment. What counts is
    memory that can't be taken back: no pages of files, and shared pages once. Any thread may ask;
    where something is over the limit they take turns.

    Caught is

    - what is held at the moment of a look, by all processes together;
    - what a single process held between two looks of the lookout, if all it ever had resident is
      over the limit even without the files it has mapped now, and if it touched enough pages
      since the last look. So a file that was mapped and let go is not taken for it, but huge pages
      that came and went between two looks are missed, and so are many processes that were over
      the limit together only then.

    AWS: *Configure Lambda function memory*.
    """

    def __init__(self, limit: int, groups: Callable[[], Sequence[ProcessGroup]]) -> None:
        self._limit = limit
        self._groups = groups
        self._turns = Monitor()
        # Written by the thread whose turn it is; each is replaced, so reading it needs no turn:
        self._seen: dict[int, Seen] = {}
        self._acquittal: Acquittal | None = None
        self._victim: Victim | None = None
        self._last_look = (0.0, 0)
        """When it began, and how many bytes the processes were below the limit then."""
        self.is_open = False
        """Whether the last look left something to be asked again, though nobody may run any more: a
        victim was still dying, or pages were not counted again yet."""

    @property
    def is_far(self) -> bool:
        """Whether they can't have come to the limit since the last look, however fast they are."""
        at, spare = self._last_look
        return self._victim is None and (SYSTEM_CLOCK.monotonic() - at) * FASTEST < spare

    def enforce(self) -> bool:
        """Look now; whether a process is being killed, by this look or one before it."""
        if self._victim is None and not self._may_be_over(self._look()):
            return False
        with self._turns:
            self._enforce(self._look())
            return self._victim is not None

    def watch(self) -> None:
        """Look now, and remember what is seen: for the lookout."""
        with self._turns:
            look = self._look()
            self._enforce(look)
            self._seen = {
                usage.pid: Seen(usage.peak, usage.held, pages.faults(usage.pid))
                for _, usage in look
            }

    def activity(self) -> dict[int, float | None]:
        """The CPU time of each process that is known of: while it stays, no memory can grow."""
        leaders = [group.pid for group in self._groups()]
        return {pid: pages.time_spent(pid) for pid in (*leaders, *self._seen)}

    def _look(self) -> Look:
        began = SYSTEM_CLOCK.monotonic()
        look = [(group, usage) for group in self._groups() for usage in group.memory()]
        self._last_look = (began, self._limit - sum(usage.peak for _, usage in look))
        return look

    def _may_be_over(self, look: Look) -> bool:
        """What the figures at hand say; no process was killed for these alone."""
        if sum(usage.peak for _, usage in look) <= self._limit:
            return False
        return sum(usage.held for _, usage in look) > self._limit or any(
            self._may_have_been_over(usage) for _, usage in look
        )

    def _enforce(self, look: Look) -> None:
        """Kill one if need be. It is the caller's turn."""
        self.is_open = False
        if self._victim is not None:
            if self._victim.is_dying:
                self.is_open = True
                return  # what it held is about to be free
            if not self._victim.is_awaited:
                self._victim = None
        if not self._may_be_over(look):
            return
        guilty = look if self._are_over(look) else [one for one in look if self._was_over(one[1])]
        if guilty:
            group, usage = max(guilty, key=lambda one: (one[1].held, one[1].peak))
            process = group.starve(usage.pid)
            if process is not None:
                self._victim = Victim(group, process)
                self.is_open = True

    def _are_over(self, look: Look) -> bool:
        """Whether they hold more than they may together, each page counted once."""
        usages = [usage for _, usage in look]
        seems = sum(usage.held for usage in usages)
        if seems <= self._limit:
            return False
        if self._acquittal is not None and self._acquittal.covers(seems):
            self.is_open = True
            return False
        began = SYSTEM_CLOCK.monotonic()
        held = pages.held_together(usages, self._limit)
        if held > self._limit:
            return True
        took = SYSTEM_CLOCK.monotonic() - began
        self._acquittal = Acquittal(seems, self._limit - held, Deadline.after(ACQUITTAL * took))
        return False

    def _may_have_been_over(self, usage: Usage) -> bool:
        """Whether a process had more than the limit since the last look, if not in files."""
        seen = self._seen.get(usage.pid)
        is_new = seen is None or usage.peak > seen.peak
        return is_new and usage.peak - usage.file > self._limit

    def _was_over(self, usage: Usage) -> bool:
        """Whether it touched pages enough since the last look to have held that much."""
        if not self._may_have_been_over(usage):
            return False
        seen = self._seen.get(usage.pid, Seen(0, 0, 0))
        return seen.held + pages.faults(usage.pid) - seen.faults > self._limit
