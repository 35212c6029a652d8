"""Programs that are going to be killed, and everyone whom they started, wherever that one went."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from lambda_sim.process import tree
from tests.support import CHILDREN_PATH, PATIENCE, is_alive, with_default_signals

PROGRAMS = Path(__file__).resolve().parent / "programs"
TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
"""Runs a command as the leader of a terminal; our pipes are its keyboard and its screen."""


@unittest.skipUnless(sys.platform == "linux", "Linux shows who was started with which variables")
class KillTestCase(unittest.TestCase):
    """Everyone started here is known by a folder for temporary files that nobody else has, but for
    guards, who are known by their words."""

    def setUp(self) -> None:
        with_default_signals(self)
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.guards: set[psutil.Process] = set()
        self.addCleanup(self._end_all)

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        popen: subprocess.Popen[str] = subprocess.Popen(
            command,
            cwd=PROGRAMS,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": CHILDREN_PATH, "TMPDIR": self.folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.addCleanup(popen.__exit__, None, None, None)
        self.addCleanup(popen.kill)
        return popen

    def on_terminal(self, *command: str) -> subprocess.Popen[str]:
        return self.start([sys.executable, "-c", TERMINAL, *command])

    def python(self, *words: str) -> subprocess.Popen[str]:
        return self.start([sys.executable, "-W", "error", *words])

    def read_until(self, popen: subprocess.Popen[str], text: str) -> str:
        """The line that holds a text; from now on the guards that there are must end, too."""
        assert popen.stdout is not None
        said: list[str] = []
        while text not in (line := popen.stdout.readline()):
            said.append(line)
            if not line:
                self.fail(f"it ended with {popen.wait()}, not {text!r}, after {''.join(said)}")
        self.guards |= set(self._guards(popen))
        return line

    def finish(self, popen: subprocess.Popen[str]) -> tuple[int, str]:
        """Its status and last words, once it has ended. Who still holds its output is not waited
        for, as that may be one who was left behind."""
        status = popen.wait(PATIENCE)
        assert popen.stdout is not None
        os.set_blocking(popen.stdout.fileno(), False)
        with suppress(BlockingIOError):
            return status, os.read(popen.stdout.fileno(), 1_000_000).decode()
        return status, ""

    def family(self) -> list[int]:
        """All who live and were started by one of ours, directly or not."""
        mark = f"TMPDIR={self.folder}\0".encode()
        return [pid for pid in psutil.pids() if mark in _environment(pid) and is_alive(pid)]

    def assert_nobody_is_left(self) -> None:
        """The guard has done its work, and is gone itself."""
        if not tree.asked_until(lambda: not self._left(), PATIENCE):
            self.fail(f"left behind: {self._left()}")

    def _left(self) -> list[psutil.Process]:
        return [
            *(known for pid in self.family() if (known := tree.process(pid))),
            *(guard for guard in self.guards if tree.is_alive(guard)),
        ]

    def _guards(self, popen: subprocess.Popen[str]) -> Iterator[psutil.Process]:
        for one in psutil.Process(popen.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if "lambda-sim-guard" in one.cmdline():
                    yield one

    def _end_all(self) -> None:
        for pid in self.family():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
