"""What all processes of a sandbox carry wherever they go: a variable of their environment."""

from __future__ import annotations

import os
from contextlib import suppress

import attrs
import psutil

from lambda_sim.process import tree

__all__ = ["VARIABLE", "Birth", "child_mark", "forks_so_far", "kill_bearers", "marked"]

VARIABLE = "LAMBDA_SIM_SANDBOX"
"""Not one of Lambda's: a process that left its group and lost its parents is known by nothing
else. Its value differs for each child."""

IDS_UNCOUNTED = 1000
"""More than are spent on processes that could not be started after all."""

LOOKING_TIME = 5.0
"""Seconds at most for those who start others faster than they are killed."""


@attrs.frozen
class Birth:
    """When a process was started, as far as it tells who is younger: those have greater ids, until
    the ids start over."""

    pid: int
    forks: int | None
    """What :func:`forks_so_far` said before: on a busy machine thousands may follow until one is
    back from starting it."""

    @property
    def lowest(self) -> int:
        """No younger process has a lower id."""
        now = forks_so_far()
        if self.forks is None or now is None:
            return 0
        return self.pid if self.pid + now - self.forks < _greatest_id() - IDS_UNCOUNTED else 0


def forks_so_far() -> int | None:
    """Processes and threads that the machine has started; None if it does not say."""
    try:
        _, found, rest = tree.read_all("/proc/stat").partition(b"\nprocesses ")
    except OSError:
        return None
    return int(rest.split()[0]) if found else None


def child_mark(mark: str, number: int) -> str:
    """One child's own, which begins with that of the sandbox."""
    return f"{mark}{number}:"


def marked(environment: dict[str, str], mark: str) -> dict[str, str]:
    """A child's variables, and first of them its mark."""
    return {VARIABLE: mark} | environment | {VARIABLE: mark}


def kill_bearers(mark: str, first: Birth) -> list[psutil.Process]:
    """Kill all processes that were started with a mark, whoever their parents are.

    Those are missing that took it out of their environment or hide that, and all of them where
    the kernel does not show environments.

    :param mark: what theirs begins with.
    :param first: a process that is older than they.
    :returns: everyone that was found; they may not have ended yet.
    """
    line = f"{VARIABLE}={mark}".encode()
    killed: list[psutil.Process] = []

    def are_all_killed() -> bool:
        """Look once: whoever is found may have started another, and who starts shows nothing."""
        pids, is_one_starting = _look(line, first.lowest)
        new = [one for one in map(tree.process, pids) if one is not None and one not in killed]
        killed.extend(new)
        for known in new:
            with suppress(*tree.UNSEEN):
                known.kill()
        return not new and not is_one_starting

    tree.asked_until(are_all_killed, LOOKING_TIME)
    return killed


def _look(line: bytes, lowest: int) -> tuple[list[int], bool]:
    """Whose environment holds a line, and whether one is there whose environment is not, yet."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return [], False
    bearers, is_one_starting = [], False
    for pid in map(int, filter(str.isdecimal, names)):
        if pid >= lowest:
            environment = _environment(pid)
            if not environment:
                is_one_starting |= tree.is_starting(pid)
                environment = _environment(pid)  # that it has now, if it was until just then
            if line in environment:
                bearers.append(pid)
    return bearers, is_one_starting


def _greatest_id() -> int:
    try:
        return int(tree.read("/proc/sys/kernel/pid_max"))
    except OSError:
        return 0


def _environment(pid: int) -> bytes:
    try:
        return tree.read(f"/proc/{pid}/environ")
    except OSError:  # it ended, or is another user's
        return b""
