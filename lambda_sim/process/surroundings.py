"""The variables a child gets: Lambda's, its own, and a few of the developer's.

AWS: *Working with Lambda environment variables*, Defined runtime environment variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from lambda_sim.errors import SpawnFailed
from lambda_sim.model.process import ProcessConfig

__all__ = ["child_environment", "working_directory"]

ALLOWED = (
    "COMSPEC",
    "PATHEXT",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "WINDIR",
)
"""What is taken over from the developer as it is: where temporary files go, what Windows needs."""

LAMBDA_PATHS = {
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": (
        "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:"
        "/var/task/lib:/opt/lib"
    ),
}
"""Where Lambda looks for programs and libraries, unless a function says otherwise."""

TASK_ROOT = "/var/task"


def child_environment(
    variables: Mapping[str, str], config: ProcessConfig, outer: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """All variables of one process; the developer's credentials and settings are not among them.

    Lambda's default search paths follow the developer's, so that the interpreter of a virtual
    environment is found and finds its libraries; paths set for the function stay as they are. On a
    machine without ``/var/task`` the task root is where the process runs.

    :param variables: Lambda's own and the function's.
    :param outer: where the allow-list is looked up.
    :raises SpawnFailed: there the process can't run.
    """
    environment = {name: outer[name] for name in ALLOWED if name in outer}
    environment.update(variables)
    for name, default in LAMBDA_PATHS.items():
        if environment.get(name) == default and outer.get(name):
            environment[name] = _appended(outer[name], default)
    if environment.get("LAMBDA_TASK_ROOT") == TASK_ROOT and not os.path.isdir(TASK_ROOT):
        environment["LAMBDA_TASK_ROOT"] = working_directory(config)
    return environment | config.env


def working_directory(config: ProcessConfig) -> str:
    """Where a process runs.

    :raises SpawnFailed: it is not there.
    """
    given = config.cwd or os.curdir
    with suppress(FileNotFoundError):  # even our own may have been deleted
        if os.path.isdir(found := os.path.abspath(given)):
            return found
    raise SpawnFailed(f"{config.words[0]}: the working directory {given!r} is not there")


def _appended(first: str, then: str) -> str:
    """The entries of one search path, and those of another that are missing in it."""
    entries = first.split(os.pathsep)
    have = {entry.rstrip("/") for entry in entries}
    more = [entry for entry in then.split(":") if entry.rstrip("/") not in have]
    return os.pathsep.join(entries + more)
