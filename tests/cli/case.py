"""The command as a real child: what it prints, how it ends, and what it leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import unittest
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, NamedTuple

import psutil

from tests.support import CHILDREN_PATH, PATIENCE, is_alive, with_default_signals
from tests.support import PROGRAMS as SHARED

PROGRAMS = Path(__file__).resolve().parent / "programs"
BOOTSTRAP = str(PROGRAMS / "bootstrap")
COMMAND = [sys.executable, "-W", "error", "-m", "lambda_sim"]
AWSLAMBDARIC = [sys.executable, "-m", "awslambdaric"]

needs_awslambdaric = unittest.skipUnless(find_spec("awslambdaric"), "awslambdaric is not installed")


class Result(NamedTuple):
    status: int
    out: bytes
    err: str


class CommandTestCase(unittest.TestCase):
    """Runs ``python -m lambda_sim`` beside the programs of this room, with a clean environment."""

    def setUp(self) -> None:
        with_default_signals(self)
        self.cwd = PROGRAMS
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def start(
        self, *words: str, stdout: IO[bytes] | None = None, **environ: str
    ) -> subprocess.Popen[bytes]:
        """The command, killed when the test takes too long."""
        return self._start([*COMMAND, *words], environ, stdout)

    def _start(
        self, command: list[str], environ: dict[str, str], stdout: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            command,
            cwd=self.cwd,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": CHILDREN_PATH, **environ},
            stdin=subprocess.PIPE,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        watchdog = threading.Timer(PATIENCE, child.kill)
        watchdog.start()
        self.addCleanup(self._end, child, watchdog)
        return child

    def _end(self, child: subprocess.Popen[bytes], watchdog: threading.Timer) -> None:
        watchdog.cancel()
        watchdog.join()
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            with suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()

    def finish(self, child: subprocess.Popen[bytes], event: bytes = b"") -> Result:
        out, err = child.communicate(event)
        return Result(child.returncode, out, err.decode())

    def run_command(self, *words: str, event: bytes = b"", **environ: str) -> Result:
        return self.finish(self.start(*words, **environ), event)

    def run_redirected(self, where: str, *words: str, **environ: str) -> Result:
        """The command with streams that lead elsewhere, said as shells say it."""
        shell = ["/bin/sh", "-c", f'exec "$@" {where}', "sh"]
        return self.finish(self._start([*shell, *COMMAND, *words], environ))

    def invoke(self, function: str, *words: str, event: bytes = b"") -> Result:
        """``invoke`` of one of our functions in the embedded runtime."""
        handler = f"functions.{function}"
        return self.run_command("invoke", "--handler", handler, *words, event=event)

    def read_until(self, child: subprocess.Popen[bytes], text: str) -> str:
        """The line of standard error that holds a text; those before it are dropped."""
        assert child.stderr is not None
        lines = map(bytes.decode, child.stderr)
        found = next((line for line in lines if text in line), None)
        if found is None:
            self.fail(f"the command ended with {child.wait()} and never said {text!r}")
        return found

    def extension(self, name: str) -> Path:
        """An executable of this name that prints its events."""
        path = self.folder / name
        program = SHARED / "extension.py"
        path.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{program}' {name}\n")
        path.chmod(0o755)
        return path

    def assert_misused(self, pattern: str, *words: str, event: bytes = b"", **env: str) -> None:
        result = self.run_command(*words, event=event, **env)
        self.assertEqual((2, b""), (result.status, result.out), result.err)
        self.assertRegex(result.err, pattern)

    def assert_signal_ends(
        self, child: subprocess.Popen[bytes], number: int, status: int
    ) -> Result:
        """The command ends by a signal, and all it started with it."""
        family = psutil.Process(child.pid).children(recursive=True)
        self.assertGreaterEqual(len(family), 2, "nothing was running")
        child.send_signal(number)
        result = self.finish(child)
        self.assertEqual(status, result.status, result.err)
        self.assertEqual([], [one for one in family if is_alive(one.pid)])
        self.assertNotIn("Traceback", result.err)
        return result
