"""The commands of a test class as processes: where they run, and what they are called."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

import lambda_sim
from lambda_sim.model.process import ProcessConfig, ProcessRole

__all__ = ["process_config"]

EMBEDDED_RUNTIME = "lambda_sim.handler"


def process_config(
    command: Sequence[str],
    role: ProcessRole,
    *,
    directory: str,
    environment: Mapping[str, str],
) -> ProcessConfig:
    """A process for a test: quiet, as the test shows its output when it fails.

    :param directory: where it runs.
    :param environment: the function's own variables.
    """
    return ProcessConfig(
        command,
        role,
        name=_name(command),
        cwd=directory,
        env=_search_path(environment) if EMBEDDED_RUNTIME in command else {},
        inherit_stdio=False,
    )


def _name(command: Sequence[str]) -> str:
    """What an external extension has to register as: its file name, not its interpreter's."""
    program, *words = command
    is_script = program == sys.executable and words and not words[0].startswith("-")
    return Path(words[0] if is_script else program).name


def _search_path(environment: Mapping[str, str]) -> dict[str, str]:
    """What lets a child import what the tests can: modules named from the directory they are run
    in, and this package, from a checkout that is not installed."""
    folders = [os.getcwd()]
    root = str(Path(lambda_sim.__file__).parent.parent)
    if root not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        folders.append(root)
    if theirs := environment.get("PYTHONPATH"):
        folders.append(theirs)
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(folders))}
