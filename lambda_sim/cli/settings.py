"""From options to a SimulatorConfig; what is refused is called by the name its user gave it."""

from __future__ import annotations

import os
import site
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from lambda_sim.cli import values
from lambda_sim.cli.arguments import log_format
from lambda_sim.errors import ConfigurationError
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process.discovery import found_extensions

__all__ = ["EMULATOR_VARIABLES", "LOG_VARIABLES", "simulator_config"]

OPTIONS = {
    "function_name": "--function-name",
    "function_version": "--function-version",
    "handler": "--handler",
    "memory_size_mb": "--memory",
    "region": "--region",
    "invocation_timeout": "--timeout",
    "initialization_type": "--initialization-type",
    "max_concurrency": "--max-concurrency",
    "log_format": "--log-format",
    "extensions_dir": "--extensions-dir",
    "environment": "--env",
}
"""The options of fields, which argparse keeps under the fields' names."""

LOG_VARIABLES = {"AWS_LAMBDA_LOG_FORMAT": "log_format"}

EMULATOR_VARIABLES = {
    "AWS_LAMBDA_FUNCTION_NAME": "function_name",
    "AWS_LAMBDA_FUNCTION_VERSION": "function_version",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "memory_size_mb",
    "AWS_LAMBDA_FUNCTION_TIMEOUT": "invocation_timeout",
    "AWS_LAMBDA_FUNCTION_HANDLER": "handler",
    "_HANDLER": "handler",
    "AWS_LAMBDA_MAX_CONCURRENCY": "max_concurrency",
    **LOG_VARIABLES,
}
"""What AWS's emulator reads, the stronger first."""

NUMBERS = ("memory_size_mb", "invocation_timeout", "max_concurrency")


def simulator_config(
    options: Namespace, names: Mapping[str, str], environ: Mapping[str, str], **fields: Any
) -> SimulatorConfig:
    """What the options ask for, with the variables of these names as defaults.

    :param fields: what else there is to set.
    :raises ConfigurationError: something can't be used; it names the option or the variable.
    """
    sources = dict(OPTIONS)
    for name in OPTIONS:
        if getattr(options, name, None) is not None:
            fields[name] = getattr(options, name)
    for variable, name in names.items():
        if name not in fields and environ.get(variable):
            fields[name] = _from_variable(variable, environ[variable], name)
            sources[name] = variable
    if fields.get("max_concurrency", 1) != 1:
        # As AWS's emulator has it: whoever wants this wants the other kind of environment.
        fields.setdefault("initialization_type", "lambda-managed-instances")
    fields["environment"] = values.variables(options.env, options.env_file)
    directory = fields.pop("extensions_dir", None)
    try:
        fields["extensions"] = [*_named(options.extension), *_found(directory)]
        fields["runtime"] = _runtime(options.command, fields)
        return SimulatorConfig(**fields)
    except ConfigurationError as error:
        source = sources.get(error.field, error.field)
        raise ConfigurationError(source, error.value, error.allowed) from error


def _from_variable(variable: str, text: str, field: str) -> Any:
    if field in NUMBERS:
        try:
            return int(text)
        except ValueError as error:
            raise ConfigurationError(variable, text, "a whole number") from error
    return log_format(text) if field == "log_format" else text


def _named(paths: Iterable[str]) -> Iterable[ProcessConfig]:
    for path in paths:
        if not os.path.isfile(path):
            raise ConfigurationError("--extension", path, "a file that is there")
        yield ProcessConfig(os.path.abspath(path), ProcessRole.EXTENSION, inherit_stdio=False)


def _found(directory: str | None) -> Iterable[ProcessConfig]:
    # Lambda does without the directory; whoever typed its name meant one that is there.
    if directory is not None and not os.path.isdir(directory):
        raise ConfigurationError("extensions_dir", directory, "a directory that is there")
    # The log is printed line by line, so none of it may reach our streams by itself as well.
    for extension in found_extensions(directory):
        yield attrs.evolve(extension, inherit_stdio=False)


def _runtime(command: list[str], fields: Mapping[str, Any]) -> ProcessConfig:
    """The command, or else our own runtime for Python handlers."""
    if command:
        return ProcessConfig(command, ProcessRole.RUNTIME, inherit_stdio=False)
    if not fields.get("handler"):
        raise ConfigurationError("--handler", None, "module.function, or a command behind --")
    return ProcessConfig(
        [sys.executable, "-m", "lambda_sim.handler"],
        ProcessRole.RUNTIME,
        env=_search_path(fields["environment"]),
        inherit_stdio=False,
    )


def _search_path(environment: Mapping[str, str]) -> dict[str, str]:
    """How the child finds this package where Python does not look for it by itself."""
    root = str(Path(__file__).resolve().parents[2])
    if root in (*site.getsitepackages(), site.getusersitepackages()):
        return {}  # named once more it would come before the standard library
    entries = [root, environment.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, entries))}
