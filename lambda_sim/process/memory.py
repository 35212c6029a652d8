"""The peak memory of one child and its descendants."""

from __future__ import annotations

import os
import sys

import psutil

from lambda_sim.process import tree
from lambda_sim.sync import Monitor

if sys.platform == "linux":
    import resource

__all__ = ["PeakMemory"]

STATUS_BYTES = 8_192


class PeakMemory:
    """The greatest memory that a child's tree was ever seen to have, in bytes.

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
        self._monitor = Monitor()
        # Guarded by _monitor:
        self._peak = 0

    @property
    def peak(self) -> int:
        """What was seen so far."""
        with self._monitor:
            return self._peak

    def measure(self) -> int:
        """Look again; the peak including what is seen now."""
        return self._seen(self._high_water_marks() if self._files else self._resident())

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

    def _seen(self, size: int) -> int:
        with self._monitor:
            self._peak = max(self._peak, size)
            return self._peak

    def _high_water_marks(self) -> int:
        status_file, children_file = self._files
        status = os.pread(status_file, STATUS_BYTES, 0)
        total = _high_water_mark(status)
        if b"\nThreads:\t1\n" in status:
            below = [int(pid) for pid in os.pread(children_file, STATUS_BYTES, 0).split()]
        else:
            below = tree.children(self._pid)
        if below:
            for pid in (*below, *tree.descendants(below)):
                try:
                    total += _high_water_mark(tree.read(f"/proc/{pid}/status"))
                except OSError:
                    continue  # it ended while we looked
        return total

    def _resident(self) -> int:
        total = 0
        for pid in (self._pid, *tree.descendants([self._pid])):
            try:
                total += psutil.Process(pid).memory_info().rss
            except psutil.Error:
                continue
        return total


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


def _high_water_mark(status: bytes) -> int:
    """Bytes, from a line like ``VmHWM:      9876 kB``; a process that ended has none."""
    start = status.find(b"VmHWM:")
    return 0 if start < 0 else int(status[start + 6 : status.index(b"k", start)]) * 1024
