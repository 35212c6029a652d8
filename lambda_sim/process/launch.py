"""A command found as a shell finds it, and started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress

from lambda_sim.errors import BinaryNotFound, SpawnFailed
from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process.frames import LOG_FD
from lambda_sim.process.surroundings import working_directory

if sys.platform != "win32":
    import fcntl

__all__ = ["find_program", "launch"]

WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
SHELL = "/bin/sh"

PIPE_BYTES = 1024 * 1024
"""Room for the largest log event several times; no user needs a privilege for it."""

LAMBDAS_NUMBER = 62
"""The descriptor for log frames that Lambda's Java and .NET are given."""


def launch(
    config: ProcessConfig,
    environment: Mapping[str, str],
    *,
    is_heard: bool,
    has_log_frames: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a command as the leader of a process group of its own.

    :param is_heard: its output comes through pipes; else it goes to our own streams.
    :param has_log_frames: it is told of a descriptor for log frames, which come out of the pipe
        of its stdout, between the lines.
    :raises BinaryNotFound: the command names no executable file.
    :raises SpawnFailed: the system refused to start it.
    """
    word = config.words[0]
    search_path = environment.get("PATH", os.defpath)
    program = find_program(word, search_path, working_directory(config))
    words, program = _wrapped(config, program, environment)
    output = subprocess.PIPE if is_heard else None

    def start(
        env: Mapping[str, str], stdout: int | None, pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            words,
            bufsize=0,
            executable=program,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=output,
            cwd=config.cwd,
            env=dict(env),
            process_group=0,
            pass_fds=pass_fds,
        )

    try:
        if has_log_frames:
            return _with_log_frames(start, environment)
        return start(environment, output)
    except FileNotFoundError as error:
        # The file is there, as was just seen.
        why = "the interpreter in its first line, or its loader, does not exist"
        raise BinaryNotFound(word, why) from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        # In small letters, as Lambda words it.
        raise SpawnFailed(f"{word}: {why[:1].lower()}{why[1:]}") from error


def _wrapped(
    config: ProcessConfig, program: str, environment: Mapping[str, str]
) -> tuple[Sequence[str], str]:
    """The words to start, and their program: a wrapper script of the function's starts the runtime.

    AWS: *Modifying the runtime environment*, Wrapper scripts.
    """
    wrapper = environment.get(WRAPPER)
    if not wrapper or config.role is not ProcessRole.RUNTIME:
        return config.words, program
    # By a shell, so that a script which is not there ends as it does at Lambda, with status 127.
    return [SHELL, "-c", 'exec "$0" "$@"', wrapper, program, *config.words[1:]], SHELL


def _with_log_frames(
    start: Callable[..., subprocess.Popen[bytes]], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start it with a second way into the pipe of its stdout.

    One pipe, so that what it prints and what it logs stay in the order they were written in.
    """
    with ExitStack() as undo:
        reader, writer = os.pipe()
        stdout = undo.enter_context(open(reader, "rb", buffering=0))
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            # A write that does not fit sleeps midway, and what another thread prints then comes
            # within its frame.
            with suppress(OSError):
                fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        with ExitStack() as ours:
            ours.callback(os.close, writer)
            frames = _second_way(writer)
            ours.callback(os.close, frames)
            popen = start({**environment, LOG_FD: str(frames)}, writer, (frames,))
        undo.pop_all()
    popen.stdout = stdout
    return popen


def _second_way(writer: int) -> int:
    """Another descriptor of a pipe's end, with Lambda's number for it if that is free."""
    try:
        # Opened, not copied: a runtime that makes its stdout non-blocking means only that.
        frames = os.open(f"/proc/self/fd/{writer}", os.O_WRONLY)
    except OSError:
        frames = os.dup(writer)
    try:
        return fcntl.fcntl(frames, fcntl.F_DUPFD_CLOEXEC, LAMBDAS_NUMBER)
    finally:
        os.close(frames)


def find_program(word: str, search_path: str, base: str) -> str:
    """The file that a command's first word names; with a slash in it, it is a path from ``base``.

    :raises BinaryNotFound: there is none, or none that may be executed.
    """
    import shutil  # noqa: PLC0415 - it brings four ways to compress

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
