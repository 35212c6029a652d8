"""Suspending and resuming a set of processes with all their descendants."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial

import psutil

from lambda_sim.errors import FreezeError
from lambda_sim.process import tree
from lambda_sim.process.group import ProcessGroup
from lambda_sim.sync import SYSTEM_CLOCK, Monitor

__all__ = ["Freezer"]

STOP_TIME = 0.5
"""Seconds that a freeze waits for signals to be obeyed; only a process stuck in the kernel, or
starved, takes as long."""


class Freezer:
    """Stops process groups of ours and registered foreign processes, and wakes what it stopped.

    Any thread may call; they take turns.

    :param stopping: told of each process that is about to be stopped, but for groups of ours.
    :param woken: told when all of them are woken.
    """

    def __init__(self, stopping: Callable[[int], None], woken: Callable[[], None]) -> None:
        self._stopping = stopping
        self._woken = woken
        # Never long: a few signals, and the bounded look whether they were obeyed.
        self._turns = Monitor()
        self.awake_since: float | None = 0.0
        """Since when nothing is stopped, in monotonic seconds; None while something may be."""
        # Touched only by the thread whose turn it is, all of it:
        self._is_closed = False
        self._foreign: dict[int, psutil.Process] = {}
        self._groups: list[ProcessGroup] = []
        self._others: list[psutil.Process] = []

    def register(self, pid: int) -> None:
        """Freeze a process that is not our child, too, from the next freeze on.

        :raises FreezeError: there is no such process, or stopping it would stop ourselves.
        """
        if pid <= 0:
            raise FreezeError(f"{pid} is not a process id: allowed are numbers above 0")
        if pid == os.getpid():
            raise FreezeError(f"process {pid} is the simulator itself, which can't freeze itself")
        if any(parent.pid == pid for parent in psutil.Process().parents()):
            raise FreezeError(f"process {pid} is an ancestor of the simulator, which would freeze")
        found = tree.process(pid)
        if found is None or not tree.is_alive(found):
            raise FreezeError(f"no process {pid}")
        with self._turns:
            self._foreign[pid] = found

    def freeze(self, groups: Iterable[ProcessGroup]) -> int:
        """Stop them all; how many processes are stopped now, 0 for nothing to stop.

        :raises FreezeError: some could not be stopped; all others are.
        """
        with self._turns:
            if self._is_closed:
                return 0
            self.awake_since = None
            stopped: set[int] = set()
            refused: list[str] = []
            for group in groups:
                self._stop_group(group, stopped, refused)
            self._foreign = {p: known for p, known in self._foreign.items() if tree.is_alive(known)}
            for pid, root in self._foreign.items():
                if pid not in stopped:
                    self._suspend(partial(_family, root), stopped, refused)
            tree.asked_until(lambda: all(map(tree.is_at_rest, stopped)), STOP_TIME)
            if not stopped:
                self.awake_since = SYSTEM_CLOCK.monotonic()
        _raise_if(refused, "freeze")
        return len(stopped)

    def thaw(self) -> None:
        """Wake what was stopped and still lives, the last one first.

        :raises FreezeError: some could not be woken; all others are.
        """
        with self._turns:
            refused = self._wake_all()
        _raise_if(refused, "thaw")

    def release(self, groups: Iterable[ProcessGroup]) -> None:
        """Wake some that are being ended, after any freeze that is under way."""
        with self._turns:
            for group in groups:
                group.release()

    def close(self) -> None:
        """Thaw, and freeze nothing from now on."""
        with self._turns:
            self._is_closed = True
            refused = self._wake_all()
        _raise_if(refused, "thaw")

    def _stop_group(self, group: ProcessGroup, stopped: set[int], refused: list[str]) -> None:
        try:
            if not group.stop():
                return
        except PermissionError as error:
            refused.append(f"{group.pid}: {error.strerror}")
            return
        if group not in self._groups:
            self._groups.append(group)
        self._suspend(group.strays, stopped, refused)
        stopped.update(group.members())

    def _suspend(
        self,
        find: Callable[[], list[psutil.Process]],
        stopped: set[int],
        refused: list[str],
    ) -> None:
        """Suspend those found, again and again until no new one appears among them."""
        tried: set[psutil.Process] = set()
        while new := [known for known in find() if known not in tried]:
            for known in new:
                tried.add(known)
                self._stopping(known.pid)
                try:
                    known.suspend()
                except psutil.NoSuchProcess:
                    continue
                except tree.UNSEEN as error:
                    refused.append(f"{known.pid}: {error}")
                    continue
                stopped.add(known.pid)
                if known not in self._others:
                    self._others.append(known)

    def _wake_all(self) -> list[str]:
        refused: list[str] = []
        unseen: list[psutil.Process] = []
        had_others = bool(self._others)
        while self._others:
            known = self._others.pop()
            try:
                known.resume()
            except psutil.NoSuchProcess:
                continue  # ended, and its id perhaps a stranger's by now
            except psutil.Error as error:
                refused.append(f"{known.pid}: {error}")
            except OSError as error:  # for want of descriptors; the next thaw tries again
                refused.append(f"{known.pid}: {error}")
                unseen.append(known)
        self._others += reversed(unseen)
        if had_others and not unseen:
            self._woken()
        while self._groups:
            group = self._groups.pop()
            try:
                group.resume()
            except PermissionError as error:
                refused.append(f"{group.pid}: {error.strerror}")
        self.awake_since = SYSTEM_CLOCK.monotonic()
        return refused


def _family(root: psutil.Process) -> list[psutil.Process]:
    """A process and its descendants, parents first, so that those stopped fork no more."""
    below = map(tree.process, tree.descendants([root.pid]))
    return [root, *(known for known in below if known is not None)]


def _raise_if(refused: list[str], verb: str) -> None:
    if refused:
        raise FreezeError(f"could not {verb} {len(refused)} of the processes: {'; '.join(refused)}")
