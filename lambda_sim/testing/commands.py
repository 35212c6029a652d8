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
        env=_path_to_us(environment) if EMBEDDED_RUNTIME in command else {},
        inherit_stdio=False,
    )


def _name(command: Sequence[str]) -> str:
    """What an external extension has to register as: its file name, not its interpreter's."""
    program, *words = command
    is_script = program == sys.executable and words and not words[0].startswith("-")
    return Path(words[0] if is_script else program).name


def _path_to_us(environment: Mapping[str, str]) -> dict[str, str]:
    """What lets a child import this package from a checkout that is not installed."""
    root = str(Path(lambda_sim.__file__).parent.parent)
    if root in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        return {}
    theirs = environment.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([root, theirs] if theirs else [root])}
