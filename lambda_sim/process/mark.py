"""What all processes of a sandbox carry wherever they go: a variable of their environment."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil

from lambda_sim.process import tree

__all__ = ["VARIABLE", "child_mark", "kill_bearers", "marked"]

VARIABLE = "LAMBDA_SIM_SANDBOX"
"""Not one of Lambda's: a process that left its group and lost its parents is known by nothing
else. Its value differs for each child."""


def child_mark(mark: str, number: int) -> str:
    """One child's own, which begins with that of the sandbox."""
    return f"{mark}{number}:"


def marked(environment: dict[str, str], mark: str) -> dict[str, str]:
    """A child's variables, and first of them its mark."""
    return {VARIABLE: mark} | environment | {VARIABLE: mark}


def kill_bearers(mark: str, first: int) -> list[psutil.Process]:
    """Kill all processes that were started with a mark, whoever their parents are.

    Those are missing that took it out of their environment or hide that, and all of them where
    the kernel does not show environments.

    :param mark: what theirs begins with.
    :param first: the id of a process that is older than they: younger ones have greater ids, until
        the ids start over.
    :returns: everyone that was found; they may not have ended yet.
    """
    killed: list[psutil.Process] = []
    while new := [one for one in _bearers(mark, first) if one not in killed]:
        killed += new  # and look again: one of them may have started another
        for known in new:
            with suppress(psutil.Error):
                known.kill()
    return killed


def _bearers(mark: str, first: int) -> list[psutil.Process]:
    found = map(tree.process, _ids(f"{VARIABLE}={mark}".encode(), first))
    return [known for known in found if known is not None]


def _ids(line: bytes, first: int) -> list[int]:
    try:
        youngest = int(tree.read("/proc/loadavg").split()[-1])
        names = os.listdir("/proc")
    except (OSError, ValueError, IndexError):
        return []
    lowest = first if youngest >= first else 0
    pids = [int(name) for name in names if name.isdecimal()]
    return [pid for pid in pids if pid >= lowest and line in _environment(pid)]


def _environment(pid: int) -> bytes:
    try:
        return tree.read(f"/proc/{pid}/environ")
    except OSError:  # it ended, or is another user's
        return b""
