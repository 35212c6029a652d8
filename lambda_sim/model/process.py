"""What a child process is to be: its command, its role, its surroundings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import attrs

from lambda_sim.errors import ConfigurationError
from lambda_sim.model import checks

__all__ = ["FreezeMode", "ProcessConfig", "ProcessRole"]


class ProcessRole(Enum):
    """What a process is in its environment."""

    RUNTIME = "runtime"
    EXTENSION = "extension"


class FreezeMode(Enum):
    """Whether an idle environment's processes are stopped between invocations."""

    NONE = "none"
    PROCESS = "process"


def command_words(value: Any) -> tuple[str, ...]:
    """A command as words; text and a path are one word, whatever spaces they hold."""
    words = [value] if isinstance(value, str | os.PathLike) else value
    try:
        found = tuple(os.fspath(word) for word in words)
    except TypeError:
        found = ()
    good = bool(found) and all(isinstance(word, str) and "\0" not in word for word in found)
    if isinstance(value, bytes) or not good or not found[0]:
        raise ConfigurationError("command", value, "a path, or a non-empty sequence of words")
    return found


def path_text(value: Any) -> Any:
    """A path as text, anything else as it is."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def plain_dict(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _words(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def is_environment(value: object) -> bool:
    """Whether a value can be variables of a process: text to text, nothing that C would cut."""
    return isinstance(value, dict) and all(
        isinstance(name, str)
        and isinstance(text, str)
        and name
        and "=" not in name
        and "\0" not in name + text
        for name, text in value.items()
    )


@attrs.frozen
class ProcessConfig:
    """A process to start in the environment.

    :param command: the program, looked for on ``PATH`` when it holds no slash; or all its words.
    :param role: runtime or extension.
    :param env: variables that win over Lambda's own and the function's.
    :param args: words added to the command.
    :param cwd: where it runs; the simulator's own directory by default.
    :param inherit_stdio: also copy what it prints to our own streams. It is captured either way.
    :param name: the name an external extension registers under; the program's file name by default.
    """

    command: tuple[str, ...] = attrs.field(converter=command_words)
    role: ProcessRole = attrs.field(validator=checks.kind(ProcessRole, "a ProcessRole"))
    env: dict[str, str] = attrs.field(
        factory=dict,
        kw_only=True,
        converter=plain_dict,
        validator=checks.checked(is_environment, "a mapping of variable names to text"),
        repr=False,
    )
    args: tuple[str, ...] = attrs.field(
        default=(),
        kw_only=True,
        converter=_words,
        validator=checks.checked(
            lambda value: isinstance(value, tuple) and all(isinstance(word, str) for word in value),
            "a sequence of words",
        ),
    )
    cwd: str | None = attrs.field(
        default=None,
        kw_only=True,
        converter=path_text,
        validator=checks.checked(lambda v: v is None or isinstance(v, str), "a directory or None"),
    )
    inherit_stdio: bool = attrs.field(
        default=True, kw_only=True, validator=checks.kind(bool, "True or False")
    )
    name: str = attrs.field(kw_only=True, validator=checks.header)

    @name.default
    def _name(self) -> str:
        return PurePath(self.command[0]).name or self.command[0]

    @property
    def words(self) -> tuple[str, ...]:
        """The whole command line."""
        return self.command + self.args
