"""Finding external extensions: the files of a directory, each a program of its own."""

from __future__ import annotations

import os

from lambda_sim.errors import ConfigurationError
from lambda_sim.model.process import ProcessConfig, ProcessRole

__all__ = ["found_extensions"]


def found_extensions(directory: str | None) -> list[ProcessConfig]:
    """The external extensions in a directory, by file name.

    AWS: *Extensions API*: files directly in /opt/extensions, each an extension.
    """
    if directory is None:
        return []
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        allowed = f"a directory that can be read ({error.strerror})"
        raise ConfigurationError("extensions_dir", directory, allowed) from error
    return [
        ProcessConfig(os.path.abspath(entry.path), ProcessRole.EXTENSION)
        for entry in entries
        if entry.is_file()
    ]
