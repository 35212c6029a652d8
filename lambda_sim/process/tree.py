"""Who descends from a process and what became of it, as the kernel tells it now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cache

import psutil

from lambda_sim.sync import Deadline, Monitor

__all__ = [
    "UNSEEN",
    "asked_until",
    "children",
    "descendants",
    "is_alive",
    "is_at_rest",
    "is_starting",
    "process",
]

EXECUTING_TIME = 1.0
"""Seconds at most, on a busy machine, from the birth of a process to its program's first step."""

UNSEEN = (psutil.Error, OSError)
"""What psutil raises of a process that is gone or another user's, or when descriptors ran out."""

SHORTEST_PAUSE = 0.000_05
LONGEST_PAUSE = 0.005


def children(pid: int) -> list[int]:
    """The children of a process, none when it is gone."""
    if not _kernel_lists_children():
        found = process(pid)
        try:
            return [child.pid for child in found.children()] if found else []
        except UNSEEN:
            return []
    pids: list[int] = []
    try:
        # A child belongs to the thread that forked it.
        for thread in os.listdir(f"/proc/{pid}/task"):
            pids += map(int, read_all(f"/proc/{pid}/task/{thread}/children").split())
    except OSError:
        pass  # it ended meanwhile
    return pids


def descendants(roots: Iterable[int]) -> list[int]:
    """Everyone below the roots, parents before their children; neither the roots nor ourselves."""
    above = list(roots)
    seen = {os.getpid(), *above}
    found: list[int] = []
    for parent in above:
        new = [pid for pid in children(parent) if pid not in seen]
        seen.update(new)
        found += new
        above += new  # grows while it is walked: theirs come next
    return found


def process(pid: int) -> psutil.Process | None:
    """A process and its start time, which tells it from a later one of the same id. None also if
    that can't be seen now, for want of descriptors."""
    try:
        return psutil.Process(pid)
    except (psutil.NoSuchProcess, OSError):
        return None


def is_alive(known: psutil.Process) -> bool:
    """Whether the very same process is there and has not ended, as far as can be seen."""
    try:
        return known.is_running() and known.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except UNSEEN:
        return True


def is_at_rest(pid: int) -> bool:
    """Whether a process is stopped, or ended."""
    try:
        if _kernel_lists_children():
            # "pid (name) state ...", and a name may hold anything.
            return read(f"/proc/{pid}/stat").rpartition(b")")[2][1:2] in b"TtZX"
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
        return True
    except UNSEEN:
        return False


def is_starting(pid: int) -> bool:
    """Whether a process of ours, made a moment ago, executes its program just now, and so shows no
    environment yet: whoever started it may have gone on already."""
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
            return False  # of others the kernel shows as little
        fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        uptime = float(read("/proc/uptime").split()[0])
    except OSError:
        return False
    # The first process of some machines has no environment for ever, nor has a kernel's thread.
    age = uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[48] == b"0" and fields[0] not in b"ZX" and age < EXECUTING_TIME


def asked_until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Ask until it is so or the time is over: nobody is woken for processes that are not ours."""
    deadline = Deadline.after(seconds)
    monitor = Monitor()
    pause = SHORTEST_PAUSE
    while not (answer := is_so()) and deadline.remaining():
        with monitor:
            monitor.wait_for_change(monitor.version, Deadline.after(pause))
        pause = min(2 * pause, LONGEST_PAUSE)
    with monitor:
        monitor.close()
    return answer


def read(path: str) -> bytes:
    """A small file of the kernel's, at one go and without what ``open`` adds."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 65_536)
    finally:
        os.close(fd)


def read_all(path: str) -> bytes:
    """A list of the kernel's, which comes a page at a time."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return b"".join(iter(lambda: os.read(fd, 65_536), b""))
    finally:
        os.close(fd)


@cache
def _kernel_lists_children() -> bool:
    pid = os.getpid()
    return os.path.exists(f"/proc/{pid}/task/{pid}/children")
