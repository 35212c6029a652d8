"""What is left of a test: threads of ours and children of this process, by name."""

from __future__ import annotations

import os
import threading
from typing import Self

import attrs
import psutil

from lambda_sim.process import tree

__all__ = ["Census"]

PYTHONS_OWN = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Servants that Python starts when it first needs them, and keeps."""


@attrs.frozen
class Census:
    """The threads and children that were there at one moment."""

    threads: frozenset[object]
    children: frozenset[object]

    @classmethod
    def now(cls) -> Self:
        return cls(frozenset(threading.enumerate()), frozenset(_children()))

    def newcomers(self) -> list[str]:
        """Threads of the simulator's and children of any kind that came since, each in words."""
        threads = [
            f"thread {one.name}"
            for one in threading.enumerate()
            if one.name.startswith("lambda-sim:") and one not in self.threads
        ]
        children = [
            f"child {_words(one)} (pid {one.pid})"
            for one in _children()
            if one not in self.children and not _is_pythons_own(one)
        ]
        return threads + children


def _children() -> list[psutil.Process]:
    """Everyone below this process; each equals itself only, whoever gets its id later."""
    found = (tree.process(pid) for pid in tree.descendants([os.getpid()]))
    return [one for one in found if one is not None]


def _is_pythons_own(process: psutil.Process) -> bool:
    words = _words(process)
    return any(name in words for name in PYTHONS_OWN)


def _words(process: psutil.Process) -> str:
    """A process's command line; one that nobody waited for has none any more."""
    try:
        return " ".join(process.cmdline()) or str(process)
    except psutil.Error:
        return str(process)
