"""AWS's Runtime Interface Emulator, run beside ours."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.client import free_port, wait_until_listening
from tests.conformance.score.emulators import UNSHARE, may_mount
from tests.conformance.score.rie import binary

__all__ = ["may_mount", "running"]


@contextmanager
def running(
    command: list[str],
    environment: dict[str, str],
    extensions: Mapping[str, list[str]] | None = None,
) -> Iterator[int]:
    """An emulator around a runtime's command; the port it answers invocations on.

    :param extensions: commands by the name that each is found under in /opt/extensions, which is
        another directory for this emulator alone: see :func:`may_mount`.
    """
    with TemporaryDirectory() as layers:
        before = []
        if extensions:
            _lay(Path(layers), extensions)
            before = [*UNSHARE, "sh", "-c", 'mount --bind "$0" /opt && exec "$@"', layers]
        with _emulator([*before, str(binary())], command, environment) as port:
            yield port


def _lay(layers: Path, extensions: Mapping[str, list[str]]) -> None:
    folder = layers / "extensions"
    folder.mkdir()
    for name, command in extensions.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\nexec {shlex.join(command)}\n")
        path.chmod(0o755)


@contextmanager
def _emulator(
    emulator: list[str], command: list[str], environment: dict[str, str]
) -> Iterator[int]:
    front, api = free_port(), free_port()
    addresses = [
        "--runtime-interface-emulator-address",
        f"127.0.0.1:{front}",
        "--runtime-api-address",
        f"127.0.0.1:{api}",
    ]
    process = subprocess.Popen(
        [*emulator, "--log-level", "error", *addresses, *command],
        env={**os.environ, "AWS_LAMBDA_FUNCTION_TIMEOUT": "60", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_listening(front)
        yield front
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
