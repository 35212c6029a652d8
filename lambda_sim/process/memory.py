"""What one child and its descendants use of memory, and the most they were seen to use."""

from __future__ import annotations

import math
import os
import re
import sys
from typing import NamedTuple

import psutil

from lambda_sim.process import tree
from lambda_sim.sync import SYSTEM_CLOCK, Monitor

if sys.platform == "linux":
    import resource

__all__ = ["TreeMemory", "Usage"]

STATUS_BYTES = 8_192
LONG_LIST = 4_000
"""Bytes of a list of the kernel's after which there may be more of it: it comes by pages."""

HIGH_WATER = b"\nVmHWM:"
END_OF_FIGURES = b"\nVmData:"
# They stand together in this order.
FIGURES = re.compile(
    rb"\nVmHWM:\s+(\d+) kB\nVmRSS:\s+\d+ kB"
    rb"\nRssAnon:\s+(\d+) kB\nRssFile:\s+(\d+) kB\nRssShmem:\s+(\d+) kB"
)


class Usage(NamedTuple):
    """The resident memory of one process when it was looked at, in bytes."""

    pid: int
    peak: int
    """The most there ever was of all kinds together."""
    anonymous: int
    shared: int
    """Of no file, and made to be shared."""
    file: int
    """Pages of files, which the kernel takes back when it needs them."""

    @property
    def held(self) -> int:
        """What can't be taken back."""
        return self.anonymous + self.shared


class TreeMemory:
    """What a child's tree uses, and the greatest memory it was ever seen to have.

    On Linux the kernel keeps a high-water mark of resident memory for each process. What is summed
    is the marks of those alive when asked, so no peak of theirs is missed, though theirs need not
    have come at one time and pages they share count for each. A descendant that came and went
    between two questions is seen only through the child's own last account. Elsewhere it is the
    resident memory at the moment of asking.

    Any thread may ask; the owner sees to it that the child is not reaped meanwhile.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        # Opened once, for opening costs more than reading.
        self._files = _kernel_files(pid)
        self._last: tuple[bytes, list[Usage]] = (b"", [])
        """The child's own figures as they were read last, and what they mean."""
        self._looked_at = -math.inf
        self._monitor = Monitor()
        # Guarded by _monitor; it only grows, so whoever only reads it needs no lock:
        self._peak = 0

    @property
    def peak(self) -> int:
        """What was seen so far."""
        return self._peak

    def look(self) -> list[Usage]:
        """Each process of the tree that has memory now."""
        began = SYSTEM_CLOCK.monotonic()
        found = self._from_kernel() if self._files else self._from_psutil()
        self._seen(sum(usage.peak for usage in found))
        self._looked_at = began
        return found

    def was_seen_within(self, seconds: float) -> bool:
        """Whether somebody looked just now."""
        return SYSTEM_CLOCK.monotonic() - self._looked_at < seconds

    def account(self, max_rss_kb: int) -> None:
        """Take the kernel's account of a child that ended: the largest single process of its tree.

        Between fork and exec a child shares our memory, and the kernel books that on it. So the
        figure means the child only where we ourselves never were as large.
        """
        if sys.platform == "linux":
            if max_rss_kb > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
                self._seen(max_rss_kb * 1024)

    def close(self) -> None:
        """Let go of the kernel's files."""
        files, self._files = self._files, ()
        for fd in files:
            os.close(fd)

    def _seen(self, size: int) -> None:
        if size > self._peak:
            with self._monitor:
                self._peak = max(self._peak, size)

    def _from_kernel(self) -> list[Usage]:
        status_file, children_file = self._files
        try:
            status = os.pread(status_file, STATUS_BYTES, 0)
            listed = os.pread(children_file, STATUS_BYTES, 0)
        except ProcessLookupError:
            return []  # somebody else reaped it
        found = self._understood(status)
        if b"\nThreads:\t1\n" in status and len(listed) < LONG_LIST:
            below = [int(pid) for pid in listed.split()]
        else:
            below = tree.children(self._pid)
        if below:
            for pid in (*below, *tree.descendants(below)):
                try:
                    found += _read(pid, tree.read(f"/proc/{pid}/status"))
                except OSError:
                    continue  # it ended while we looked
        return found

    def _understood(self, status: bytes) -> list[Usage]:
        """The child's own figures; mostly they are those of the last time."""
        begin = status.find(HIGH_WATER)
        figures = status[begin : status.find(END_OF_FIGURES, begin)]
        if figures != self._last[0]:
            self._last = (figures, _read(self._pid, status))
        return self._last[1].copy()

    def _from_psutil(self) -> list[Usage]:
        found = []
        for pid in (self._pid, *tree.descendants([self._pid])):
            try:
                size = psutil.Process(pid).memory_info().rss
            except tree.UNSEEN:
                continue
            found.append(Usage(pid, peak=size, anonymous=size, shared=0, file=0))
        return found


def _kernel_files(pid: int) -> tuple[int, ...]:
    """The status of a process and the children of its first thread, or nothing off Linux."""
    files: list[int] = []
    try:
        for name in ("status", f"task/{pid}/children"):
            files.append(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
    except OSError:
        for fd in files:
            os.close(fd)
        return ()
    return tuple(files)


def _read(pid: int, status: bytes) -> list[Usage]:
    """The figures of a process, none of one that ended."""
    if (found := FIGURES.search(status)) is None:
        return []
    peak, anonymous, file, shared = (int(figure) * 1024 for figure in found.groups())
    return [Usage(pid, peak, anonymous, shared, file)]
