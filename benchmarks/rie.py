"""AWS's Runtime Interface Emulator, run beside ours."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.client import free_port, wait_until_listening
from tests.conformance.score.rie import binary


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[int]:
    """An emulator around a runtime's command; the port it answers invocations on."""
    front, api = free_port(), free_port()
    addresses = [
        "--runtime-interface-emulator-address",
        f"127.0.0.1:{front}",
        "--runtime-api-address",
        f"127.0.0.1:{api}",
    ]
    emulator = subprocess.Popen(
        [str(binary()), "--log-level", "error", *addresses, *command],
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
            os.killpg(emulator.pid, 9)
        emulator.wait()
