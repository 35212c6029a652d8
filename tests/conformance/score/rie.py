"""AWS's Runtime Interface Emulator: found, or fetched out of the aws-sam-cli wheel.

``python -m tests.conformance.score.rie`` fetches it and says where it is.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

VERSION = "1.170.0"
"""Of aws-sam-cli: the binary tells no version of its own."""

CACHE = Path(__file__).resolve().parents[3] / ".cache"
MACHINES = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def found() -> Path | None:
    """The executable that LAMBDA_SIM_RIE names, or the one fetched before."""
    path = Path(os.environ.get("LAMBDA_SIM_RIE") or CACHE / f"{_name()}-{VERSION}")
    return path if path.is_file() else None


def binary() -> Path:
    """The executable; downloaded once, never committed."""
    return found() or _fetched(CACHE / f"{_name()}-{VERSION}")


def _name() -> str:
    return f"aws-lambda-rie-{MACHINES[platform.machine()]}"


def _fetched(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        quiet = ["--disable-pip-version-check", "--dest", folder]
        subprocess.run([*fetch, *quiet, f"aws-sam-cli=={VERSION}"], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        part = Path(folder) / path.name
        with zipfile.ZipFile(wheel) as archive:
            part.write_bytes(archive.read(f"samcli/local/rapid/{_name()}"))
        part.chmod(0o755)
        part.replace(path)
    return path


if __name__ == "__main__":
    print(binary())  # noqa: T201 - for scripts
