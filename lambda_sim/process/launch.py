"""A command found as a shell finds it, and started."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

from lambda_sim.errors import BinaryNotFound, SpawnFailed
from lambda_sim.model.process import ProcessConfig

__all__ = ["find_program", "launch"]


def launch(
    config: ProcessConfig, environment: Mapping[str, str], *, is_heard: bool
) -> subprocess.Popen[bytes]:
    """Start a command as the leader of a process group of its own.

    :param is_heard: its output comes through pipes; else it goes to our own streams.
    :raises BinaryNotFound: the command names no executable file.
    :raises SpawnFailed: the system refused to start it.
    """
    word = config.words[0]
    if config.cwd is not None and not os.path.isdir(config.cwd):
        raise SpawnFailed(f"{word}: the working directory {config.cwd!r} is not there")
    program = find_program(word, environment.get("PATH", os.defpath), config.cwd)
    output = subprocess.PIPE if is_heard else None
    try:
        return subprocess.Popen(
            config.words,
            bufsize=0,
            executable=program,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=config.cwd,
            env=dict(environment),
            process_group=0,
        )
    except FileNotFoundError as error:
        # The file is there, as was just seen.
        why = "the interpreter in its first line, or its loader, does not exist"
        raise BinaryNotFound(word, why) from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        # In small letters, as Lambda words it.
        raise SpawnFailed(f"{word}: {why[:1].lower()}{why[1:]}") from error


def find_program(word: str, search_path: str, cwd: str | None) -> str:
    """The file that a command's first word names; with a slash in it, it is a path from ``cwd``.

    :raises BinaryNotFound: there is none, or none that may be executed.
    """
    base = os.path.abspath(cwd or os.curdir)
    if os.path.dirname(word):
        path = os.path.join(base, word)
        if not os.path.exists(path):
            where = "" if os.path.isabs(word) else f" in {base}"
            raise BinaryNotFound(word, f"no such file{where}")
        if os.path.isdir(path):
            raise BinaryNotFound(word, "a directory, not a program")
        if not os.access(path, os.X_OK):
            raise _not_executable(word, path)
        return word
    directories = [os.path.join(base, entry) for entry in search_path.split(os.pathsep)]
    if found := shutil.which(word, path=os.pathsep.join(directories)):
        return found
    for directory in directories:
        if os.path.isfile(path := os.path.join(directory, word)):
            raise _not_executable(word, path)
    raise BinaryNotFound(word, f"not found on the PATH of the process, {search_path}")


def _not_executable(word: str, path: str) -> BinaryNotFound:
    why = f"{path} is not executable; chmod +x makes it so"
    return BinaryNotFound(word, why, is_there=True)
