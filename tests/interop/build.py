"""Builds programs around real clients, from their registries: ``python -m tests.interop.build``.

They go into .cache, and are built again when their sources or the steps have changed. Tests build
nothing: they ask what is lacking. So does ``--check``, so that no client is left out unseen.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "programs"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "interop"
COMMAND = "make interop"

Version = tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """A folder of sources, and how it becomes something that runs."""

    name: str
    runs_with: Sequence[str] = ()
    """Commands that it needs wherever it runs."""
    builds_with: Sequence[str] = ()
    """Commands that it needs to be built."""
    steps: Sequence[Sequence[str]] = ()
    """Commands that build it, in a copy of its folder."""
    keeps: Sequence[str] = ()
    """What they leave there, to be used again by the next build."""
    least: Mapping[str, Version] = field(default_factory=dict)
    """The oldest versions of these commands that do."""

    @property
    def sources(self) -> Path:
        return SOURCES / self.name

    @property
    def folder(self) -> Path:
        """Where it runs: its sources, or the copy that was built."""
        return CACHE / self.name if self.steps else self.sources

    def lacking(self) -> str | None:
        """Why it can't run here, and what would mend that."""
        missing = _missing(self.runs_with)
        if missing is None and not self.is_built():
            missing = _missing(self.builds_with) or f"{self.name} is not built: {COMMAND}"
        return missing

    def wanting(self) -> str | None:
        """Which of its tools is not here, or is too old."""
        if missing := _missing([*self.runs_with, *self.builds_with]):
            return missing
        for tool, needed in self.least.items():
            if (found := _version(tool)) < needed:
                return f"{tool} is {_shown(found)}, {_shown(needed)} is needed"
        return None

    def is_built(self) -> bool:
        if not self.steps:
            return True
        return self._stamp.is_file() and self._stamp.read_text() == self._key()

    def build(self) -> str:
        """Build it if that is called for; what came of it, in a few words.

        :raises subprocess.CalledProcessError: a step failed; it has told why.
        """
        if self.is_built():
            return "nothing to do"
        if wanting := self.wanting():
            return f"not built: {wanting}"
        started = time.monotonic()
        self._lay_out()
        for step in self.steps:
            subprocess.run(step, cwd=self.folder, check=True, stdin=subprocess.DEVNULL)
        self._stamp.write_text(self._key())
        return f"built in {time.monotonic() - started:.0f} s"

    def _lay_out(self) -> None:
        """A copy of the sources; without the stamp, until all is done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.iterdir():
            if path.is_dir() and path.name not in self.keeps:
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        shutil.copytree(self.sources, self.folder, dirs_exist_ok=True)

    @property
    def _stamp(self) -> Path:
        return self.folder / ".built"

    def _key(self) -> str:
        told = hashlib.sha256(repr((platform.machine(), self.steps)).encode())
        for path in sorted(self.sources.rglob("*")):
            if path.is_file():
                told.update(f"{path.relative_to(self.sources)}\0".encode())
                told.update(hashlib.sha256(path.read_bytes()).digest())
        return told.hexdigest()


def _missing(tools: Sequence[str]) -> str | None:
    for tool in tools:
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None


def _version(tool: str) -> Version:
    """What a tool says of itself; empty if it says nothing that looks like a version."""
    words = [tool, "version" if tool == "go" else "--version"]
    told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60).stdout
    found = re.search(r"(\d+)\.(\d+)", told)
    return tuple(map(int, found.groups())) if found else ()


def _shown(version: Version) -> str:
    return ".".join(map(str, version)) or "of an unknown version"


NPM_INSTALL = """
    npm install --no-audit --no-fund --loglevel=error \\
        --nodedir="$(node -p 'path.resolve(process.execPath, "../..")')"
"""
"""With the headers that lie beside node: node-gyp would fetch them from elsewhere."""

PROGRAMS = {
    program.name: program
    for program in (
        Program("python"),
        Program("bash", runs_with=("bash", "curl", "sed")),
        Program(
            "node",
            runs_with=("node",),
            builds_with=("npm", "cmake", "make", "c++"),
            steps=[["sh", "-c", NPM_INSTALL]],
            keeps=("node_modules",),
            least={"node": (20,)},
        ),
        Program(
            "go",
            builds_with=("go",),
            steps=[["go", "build", "-o", "bin/", "./..."]],
            least={"go": (1, 26)},
        ),
        Program(
            "rust",
            builds_with=("cargo",),
            steps=[["cargo", "build", "--locked", "--quiet"]],
            keeps=("target",),
            least={"cargo": (1, 84)},
        ),
        Program(
            "java",
            runs_with=("java",),
            builds_with=("mvn",),
            steps=[["mvn", "--quiet", "--batch-mode", "package"]],
            least={"java": (17,)},
        ),
    )
}


def main(names: Sequence[str]) -> int:
    """Build these, or all; 1 if a step of one failed, though not for want of a tool."""
    status = 0
    for name in names or PROGRAMS:
        try:
            print(f"{name}: {PROGRAMS[name].build()}", flush=True)  # noqa: T201 - for people
        except subprocess.CalledProcessError as error:
            print(f"{name}: {error}", flush=True)  # noqa: T201 - for people
            status = 1
    return status


def check() -> int:
    """Name what can't run and why; 1 if there is one that has all its tools."""
    status = 0
    for name, program in PROGRAMS.items():
        if program.lacking() is None:
            continue
        wanting = program.wanting()
        told = f"skipped, {wanting}" if wanting else "failed to build, though its tools are here"
        print(f"{name}: {told}", flush=True)  # noqa: T201 - for people
        if wanting is None:
            status = 1
    return status


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(check() if words == ["--check"] else main(words))
