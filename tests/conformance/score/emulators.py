"""The two emulators as processes: started alike, heard, and ended with all they started."""

from __future__ import annotations

import itertools
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Protocol, Self
from unittest import SkipTest

import psutil

from tests.conformance.score import rie
from tests.support import CHILDREN_PATH

Address = tuple[str, int]

PORTS = range(20_000, 32_000)
"""Below those that the kernel hands out for outgoing connections."""

IN_USE = "address already in use"

UNSHARE = ("unshare", "--map-root-user", "--mount")

starting = threading.Lock()
"""Held while ports are tried and a process is forked, which would keep those tried for a moment."""

_ports = itertools.cycle(random.sample(PORTS, len(PORTS)))


class Kind(Protocol):
    """A program that answers invocations at one address and runtimes at another."""

    name: str
    is_eager: bool
    """Whether init begins before the first invocation."""

    def command(self, flags: Sequence[str], words: Sequence[str], layers: Path | None) -> list[str]:
        """:param layers: what is to be /opt; None for nothing."""
        ...


class Ours:
    """``lambda-sim serve``."""

    name = "lambda_sim"
    is_eager = True

    def command(self, flags: Sequence[str], words: Sequence[str], layers: Path | None) -> list[str]:
        more = ["--extensions-dir", str(layers / "extensions")] if layers else []
        return [sys.executable, "-m", "lambda_sim", "serve", *flags, *more, *words]


class Rie:
    """AWS's emulator. Extensions are in /opt for it, and only for it: in a namespace of its own."""

    name = "RIE"
    is_eager = False

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def found(cls) -> Self | None:
        path = rie.found()
        return None if path is None else cls(path)

    def command(self, flags: Sequence[str], words: Sequence[str], layers: Path | None) -> list[str]:
        command = [str(self._path), *flags, *words]
        if layers is None:
            return command
        if not may_mount():
            raise SkipTest("this machine has no mount namespaces for us")
        mount = 'mount --bind "$0" /opt && exec "$@"'
        return [*UNSHARE, "sh", "-c", mount, str(layers), *command]


class Emulator:
    """One emulator, from its start until everything it started has ended."""

    def __init__(
        self,
        kind: Kind,
        words: Sequence[str],
        environ: Mapping[str, str],
        layers: Path | None,
        patience: float,
    ) -> None:
        self._patience = patience
        with starting, ExitStack() as undo:
            claims = [undo.enter_context(_claim()) for _ in range(2)]
            self.front, self.api = (claim.getsockname() for claim in claims)
            flags = ["--log-level", "error"]
            flags += ["--runtime-interface-emulator-address", "{}:{}".format(*self.front)]
            flags += ["--runtime-api-address", "{}:{}".format(*self.api)]
            self._process = subprocess.Popen(
                kind.command(flags, words, layers),
                env={"PATH": os.environ["PATH"], "PYTHONPATH": CHILDREN_PATH, **environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._claims = undo.pop_all()
        self._heard = threading.Condition()
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, name="emulator", daemon=True)
        self._reader.start()

    def wait_until_listening(self) -> None:
        """:raises TimeoutError: it did not, or it ended."""
        give_up = time.monotonic() + self._patience
        while self.is_alive and time.monotonic() < give_up:
            with suppress(OSError):
                for address in (self.front, self.api):
                    socket.create_connection(address, 1).close()
                return
            time.sleep(0.01)
        raise TimeoutError(f"nothing listens: {self.output}")

    @property
    def was_too_slow(self) -> bool:
        """Whether somebody else was quicker to listen at its address."""
        return not self.is_alive and IN_USE in self.output.lower()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """All that it and its children printed."""
        with self._heard:
            return "".join(self._lines)

    def wait_for(self, pattern: str, count: int = 1, *, extra: float = 0) -> list[re.Match[str]]:
        """Block until so many matches were printed, and return them all.

        :param extra: seconds that it takes when all is well.
        :raises TimeoutError: they were not.
        """
        found: list[re.Match[str]] = []

        def is_there() -> bool:
            found[:] = re.finditer(pattern, "".join(self._lines), re.MULTILINE)
            return len(found) >= count

        with self._heard:
            if not self._heard.wait_for(is_there, self._patience + extra):
                raise TimeoutError(f"never printed: {pattern!r}, but {''.join(self._lines)!r}")
        return found

    def terminate(self) -> None:
        """Ask it to end, as whoever stops a container does."""
        self._process.terminate()

    def wait(self) -> int:
        """Its exit status, once it ended by itself."""
        return self._process.wait(self._patience)

    def close(self) -> None:
        """End it and all its descendants, by id."""
        with suppress(psutil.NoSuchProcess):
            emulator = psutil.Process(self._process.pid)
            emulator.suspend()  # it starts no more while they are counted
            family = [*emulator.children(recursive=True), emulator]
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        self._process.wait()
        self._reader.join(self._patience)
        assert self._process.stdout is not None
        if not self._reader.is_alive():
            self._process.stdout.close()
        self._claims.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._heard:
                self._lines.append(line.decode(errors="replace"))
                self._heard.notify_all()


@cache
def may_mount() -> bool:
    """Whether a process may see a directory of its own as /opt."""
    try:
        command = [*UNSHARE, "mount", "--bind", "/tmp", "/opt"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _claim() -> socket.socket:
    """An address that nobody listens at. A UDP socket there tells the tests of other processes that
    it is taken: to whoever connects, one emulator is as good as another."""
    while True:
        address = ("127.0.0.1", next(_ports))
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind(address)
            socket.create_server(address).close()
        except OSError:
            claim.close()
        else:
            return claim
