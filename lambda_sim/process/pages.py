"""The dear questions about memory, asked before a process is killed for it."""

from __future__ import annotations

import mmap
import re
import sys
import time
from collections.abc import Iterable

from lambda_sim.process import tree
from lambda_sim.process.memory import Usage

__all__ = ["faults", "held_together", "time_spent"]

SHARES = re.compile(rb"\nPss_Anon:\s+(\d+) kB\n(?:.*\n)*?Pss_Shmem:\s+(\d+) kB\n")

EXEC_TIME = 0.01
"""Seconds for which several must be over together: from fork to exec a child has its parent's
memory, and counts twice if that changes while it is asked about."""

EXEC_LOOKS = 5
"""And so many looks more, as a busy machine may leave time for none."""

MAPPING = re.compile(rb"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ +\d+ *(.*)$")

NO_FILES = (b"/dev/shm/", b"/dev/zero", b"/memfd:", b"/SYSV", b"[anon_shmem")
"""What mappings of shared memory are called when there is no file, or one made to be memory."""


def held_together(usages: Iterable[Usage], limit: int) -> int:
    """Bytes that processes hold together, each page once and shared ones by their share.

    A file on a tmpfs counts as a file, where ``/tmp`` is one: in Lambda it is on a disk. Whoever
    can't be asked holds nothing.

    :param limit: only whether it is exceeded matters, so as little is asked as tells that.
    """
    usages = list(usages)
    if sys.platform != "linux":
        return sum(usage.held for usage in usages)
    largest = max((usage.anonymous for usage in usages), default=0)
    if largest > limit:
        return largest  # one process has no page twice
    held = _shares(usages, limit)
    return limit if held > limit and _are_within(usages, limit) else held


def _are_within(usages: list[Usage], limit: int) -> bool:
    """Whether they were only counted twice."""

    def are_so() -> bool:
        return _shares(usages, limit) <= limit

    return tree.asked_until(are_so, EXEC_TIME) or any(are_so() for _ in range(EXEC_LOOKS))


def _shares(usages: list[Usage], limit: int) -> int:
    # A set, because between fork and exec two processes are one in memory, and say the same.
    texts = {_kernel_text(usage.pid, "smaps_rollup") for usage in usages}
    found = [tuple(map(int, m.groups())) for text in texts if (m := SHARES.search(text))]
    anonymous = 1024 * sum(share for share, _ in found)
    held = anonymous + 1024 * sum(share for _, share in found)
    if anonymous <= limit < held:
        texts = {_kernel_text(usage.pid, "smaps") for usage in usages if usage.shared}
        return anonymous + sum(map(_memory_of_no_file, texts))
    return held


def faults(pid: int) -> int:
    """Bytes of memory that a process can have touched first, page by page, in its whole life.

    Huge pages, of which one fault brings many, count as one; so it is too little for those.
    """
    fields = _kernel_text(pid, "stat").rpartition(b")")[2].split()
    return (int(fields[7]) + int(fields[9])) * mmap.PAGESIZE if fields else 0


def time_spent(pid: int) -> float | None:
    """Seconds of CPU that a process used until now, all its threads; None if unknown."""
    try:
        # What clock_getcpuclockid(3) makes of a process id.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None


def _memory_of_no_file(smaps: bytes) -> int:
    """The shared memory in the list of a process's mappings, without files on a tmpfs."""
    total = 0
    counts = False
    for line in smaps.splitlines():
        if found := MAPPING.match(line):
            counts = found[1].startswith(NO_FILES)
        elif counts and line.startswith(b"Pss:"):
            total += int(line.split()[1])
    return total * 1024


def _kernel_text(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:  # it ended, or is not ours to ask
        return b""
