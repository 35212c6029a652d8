"""What all processes of a sandbox carry wherever they go: a variable of their environment."""

from __future__ import annotations

import os

from lambda_sim.process import tree

__all__ = ["VARIABLE", "bearers", "marked"]

VARIABLE = "LAMBDA_SIM_SANDBOX"
"""Not one of Lambda's: a process that left its group and lost its parents is known by nothing
else. Its value differs for each child."""


def marked(environment: dict[str, str], mark: str) -> dict[str, str]:
    """A child's variables, and first of them its mark."""
    return {VARIABLE: mark} | environment | {VARIABLE: mark}


def bearers(mark: str, first: int) -> list[int]:
    """The processes that were started with this mark, whoever their parents are.

    Those are missing that took it out of their environment or hide that, and all of them where
    the kernel does not show environments.

    :param first: the id of the one that had the mark first: younger ones have greater ids, until
        the ids start over.
    """
    line = f"{VARIABLE}={mark}\0".encode()
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
