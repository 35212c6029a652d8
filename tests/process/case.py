"""What all tests of this room stand on: a sandbox, what it heard, and nothing left at the end."""

from __future__ import annotations

import os
import sys
import threading
import unittest
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process import LocalSandbox, ManagedProcess, tree

PATIENCE = 20.0
PROGRAMS = Path(__file__).parent.parent / "programs"


def program(name: str, *words: object) -> list[str]:
    """The command of one of our programs."""
    return [sys.executable, str(PROGRAMS / f"{name}.py"), *map(str, words)]


def is_gone(pid: int) -> bool:
    found = tree.process(pid)
    return found is None or not tree.is_alive(found)


def is_stopped(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


class ProcessTestCase(unittest.TestCase):
    """Fails a test that leaves a thread, a descriptor or a child behind."""

    def setUp(self) -> None:
        self.descriptors = len(os.listdir("/proc/self/fd"))
        self.addCleanup(self.assert_nothing_left)

    def assert_nothing_left(self) -> None:
        threads = [t.name for t in threading.enumerate() if t.name.startswith("lambda-sim:")]
        self.assertEqual(threads, [])
        self.assertEqual(psutil.Process().children(), [])
        self.assertEqual(len(os.listdir("/proc/self/fd")), self.descriptors)

    def wait_for(self, condition: Callable[[], object]) -> None:
        if not tree.asked_until(lambda: bool(condition()), PATIENCE):
            self.fail("it did not come")

    def wait_until_gone(self, *pids: int) -> None:
        self.wait_for(lambda: all(map(is_gone, pids)))

    def guard_of(self, simulator: int) -> int:
        """The process that ends the children when their simulator is killed."""

        def guards() -> list[int]:
            below = psutil.Process(simulator).children()
            return [process.pid for process in below if "lambda-sim-guard" in process.cmdline()]

        self.wait_for(guards)  # a process has no words yet while its program is loaded
        (guard,) = guards()
        return guard


class SandboxTestCase(ProcessTestCase):
    memory_limit_bytes: int | None = None

    def setUp(self) -> None:
        super().setUp()
        self.heard: list[tuple[ManagedProcess, str]] = []
        self.exits: list[ManagedProcess] = []
        # Replaced by tests that listen otherwise.
        self.on_line: Callable[[ManagedProcess, str], None] = self.hear
        self.on_exit: Callable[[ManagedProcess], None] = self.exits.append
        self.sandbox = LocalSandbox(
            on_line=self._on_line,
            on_exit=self._on_exit,
            memory_limit_bytes=self.memory_limit_bytes,
        )
        self.addCleanup(self.sandbox.close)

    def hear(self, child: ManagedProcess, line: str) -> None:
        self.heard.append((child, line))

    def _on_line(self, child: ManagedProcess, line: str) -> None:
        self.on_line(child, line)

    def _on_exit(self, child: ManagedProcess) -> None:
        self.on_exit(child)

    @property
    def lines(self) -> list[str]:
        return [line for _, line in self.heard]

    def spawn(
        self,
        command: str | Sequence[str],
        role: ProcessRole = ProcessRole.RUNTIME,
        *,
        inherit_stdio: bool = False,
        cwd: str | None = None,
        name: str | None = None,
        env: dict[str, str] | None = None,
    ) -> ManagedProcess:
        names = {} if name is None else {"name": name}
        config = ProcessConfig(
            command, role, inherit_stdio=inherit_stdio, cwd=cwd, env=env or {}, **names
        )
        return self.sandbox.spawn(config, {})

    def shell(self, script: str) -> ManagedProcess:
        return self.spawn(["/bin/sh", "-c", script])

    def wait_for_lines(self, count: int) -> list[str]:
        self.wait_for(lambda: len(self.heard) >= count)
        return self.lines

    def wait_for_pid(self) -> int:
        """The id that a program printed as its first line."""
        return int(self.wait_for_lines(1)[0])
