"""How much memory the function uses: from its cgroup, the kernel's accounts, or psutil."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lambda_sim.errors import ConfigurationError

__all__ = ["Source", "cgroup", "find_source", "own_source", "process_tree", "psutil_tree"]

Source = Callable[[], int]
"""Gives the bytes in use now."""

_ROOT = Path("/")

# Pages of files are left out: the kernel takes them back before it ends a process.
_HELD = re.compile(r"^Rss(?:Anon|Shmem):\s+(\d+) kB$", re.MULTILINE)


class _Kind(NamedTuple):
    """One version of cgroups: how it names things."""

    controllers: str
    mount: str
    usage: str
    limit: str
    reclaimable: str


_KINDS = (
    _Kind("", "sys/fs/cgroup", "memory.current", "memory.max", "inactive_file"),
    _Kind(
        "memory",
        "sys/fs/cgroup/memory",
        "memory.usage_in_bytes",
        "memory.limit_in_bytes",
        "total_inactive_file",
    ),
)


def find_source(limit_bytes: int) -> tuple[Source, int]:
    """The best there is, and the limit that holds for it: a container's may be the smaller one.

    A cgroup counts only if its own limit is no larger: else others live in it as well.

    :raises ConfigurationError: this system tells nothing.
    """
    if (found := cgroup(limit_bytes)) is not None:
        return found
    return own_source(), limit_bytes


def own_source() -> Source:
    """What tells of this process and those below it, whatever else its container has.

    :raises ConfigurationError: this system tells nothing.
    """
    return process_tree if process_tree() else psutil_tree()


def cgroup(limit_bytes: int, root: Path = _ROOT) -> tuple[Source, int] | None:
    """The memory of our cgroup, of either version, and its limit; None if that is larger.

    :param root: where the system's files are.
    """
    for kind in _KINDS:
        for folder in _folders(kind, root):
            text = _read(folder / kind.limit).strip()
            if text.isdigit() and 0 < int(text) <= limit_bytes:
                return partial(_in_cgroup, folder, kind), int(text)
    return None


def process_tree() -> int:
    """What this process and those below it hold, by Linux's accounts; 0 without these."""
    return sum(_held(pid) for pid in _tree("self"))


def psutil_tree() -> Source:
    """What this process and those below it have resident, wherever psutil works.

    :raises ConfigurationError: it is not installed.
    """
    try:
        import psutil  # noqa: PLC0415 - it is not needed on Linux
    except ImportError as error:
        allowed = "Linux, or an installed psutil: pip install psutil"
        raise ConfigurationError("source", None, allowed) from error
    own = psutil.Process()

    def resident() -> int:
        total = 0
        for process in (own, *own.children(recursive=True)):
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue  # it ended while we looked
        return total

    return resident


def _in_cgroup(folder: Path, kind: _Kind) -> int:
    usage = _read(folder / kind.usage).strip()
    stat = _read(folder / "memory.stat")
    reclaimable = re.search(rf"^{kind.reclaimable} (\d+)$", stat, re.MULTILINE)
    return int(usage or 0) - int(reclaimable[1] if reclaimable else 0)


def _folders(kind: _Kind, root: Path) -> Iterator[Path]:
    """Where our cgroup may be: at its path, or at the top of what a container sees."""
    mount = root / kind.mount
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if kind.controllers in controllers.split(","):
            yield mount / path.lstrip("/")
            yield mount


def _tree(pid: str) -> Iterator[str]:
    yield pid
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return  # it ended while we looked
    for thread in threads:  # each may have children of its own
        for child in _read(f"/proc/{pid}/task/{thread}/children").split():
            yield from _tree(child)


def _held(pid: str) -> int:
    status = _read(f"/proc/{pid}/status")
    return sum(int(kilobytes) for kilobytes in _HELD.findall(status)) * 1024


def _read(path: str | Path) -> str:
    """The file's text; empty if there is none any more."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
