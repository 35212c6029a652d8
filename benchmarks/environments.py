"""What is invoked: ours in process, ours over HTTP and AWS's emulator, around any runtime."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import rie
from benchmarks.client import Caller, free_port, wait_until_listening
from lambda_sim import Invocation, ProcessConfig, ProcessRole, Simulator

ROOT = Path(__file__).resolve().parent.parent
MINIMAL = [sys.executable, "-S", str(ROOT / "benchmarks" / "runtime.py"), "handler"]
"""The last word of a command is the handler, for whoever wants one: the emulator does."""

TIMEOUT = 60.0

Invoke = Callable[[bytes], object]


def runtime_of(command: list[str]) -> ProcessConfig:
    environment = {"PYTHONPATH": str(ROOT)}
    return ProcessConfig(command, ProcessRole.RUNTIME, inherit_stdio=False, env=environment)


def simulator(command: list[str] | None = None, **settings: Any) -> Simulator:
    """One of ours around a runtime, by default the minimal one."""
    command = MINIMAL if command is None else command
    own = {"runtime": runtime_of(command), "handler": command[-1]}
    return Simulator(**own, invocation_timeout=TIMEOUT, **settings)


def invoking(simulator: Simulator) -> Invoke:
    return lambda payload: simulator.invoke(Invocation.from_bytes(payload))


@contextmanager
def in_process(command: list[str]) -> Iterator[Invoke]:
    with simulator(command) as ours:
        yield invoking(ours)


@contextmanager
def over_http(command: list[str]) -> Iterator[Invoke]:
    """The command, a process of its own as the emulator is one."""
    port = free_port()
    options = ["--port", str(port), "--timeout", str(TIMEOUT), "--handler", command[-1]]
    options += ["--env", f"PYTHONPATH={ROOT}"]
    serving = subprocess.Popen(
        [sys.executable, "-m", "lambda_sim", "serve", *options, "--", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        wait_until_listening(port)
        caller = Caller(port)
        try:
            yield caller.invoke
        finally:
            caller.close()
    finally:
        serving.terminate()
        serving.wait()


@contextmanager
def emulator(
    command: list[str], extensions: Mapping[str, list[str]] | None = None
) -> Iterator[Invoke]:
    # The emulator is used in images that say where functions are.
    variables = {"PYTHONPATH": str(ROOT), "LAMBDA_TASK_ROOT": os.getcwd()}
    with rie.running(command, variables, extensions) as port:
        caller = Caller(port)
        try:
            yield caller.invoke
        finally:
            caller.close()


def payload(size: int) -> bytes:
    """A JSON text of so many bytes."""
    return b'"' + b"x" * (size - 2) + b'"'


SMALL = payload(100)
