"""AWS's Runtime Interface Emulator: fetched from the aws-sam-cli wheel, run beside ours."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.client import free_port, wait_until_listening

CACHE = Path(__file__).resolve().parent.parent / ".cache"
MACHINES = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def binary() -> Path:
    """The emulator's executable; downloaded once, never committed."""
    name = f"aws-lambda-rie-{MACHINES[platform.machine()]}"
    path = CACHE / name
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            subprocess.run([*fetch, "--dest", folder, "aws-sam-cli"], check=True)
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                path.write_bytes(archive.read(f"samcli/local/rapid/{name}"))
        path.chmod(0o755)
    return path


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
