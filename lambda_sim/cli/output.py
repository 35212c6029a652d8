"""Standard output, which somebody may have closed: ``lambda-sim ... | head``."""

from __future__ import annotations

import base64
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from lambda_sim.cli.values import json_value

__all__ = ["for_machines", "for_people", "say", "write_out"]


def say(line: str, err: TextIO | None) -> None:
    """Put a line on standard error. One that is closed, or whose reader went away, is no reason to
    end."""
    with suppress(OSError, ValueError):
        if err is not None:
            err.write(line + "\n")
            err.flush()


def write_out(data: bytes, out: TextIO | None = None) -> None:
    """Put bytes on standard output, if anybody reads it.

    :param out: standard output, where something else is in its place just now.
    """
    out = out or sys.stdout
    if not out:  # closed before we began, as daemons' are
        return
    try:
        out.buffer.write(data)
        out.buffer.flush()
    except BrokenPipeError:
        # What is left must not be tried once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def for_people(payload: bytes, out: TextIO | None = None) -> bytes:
    """Text ends with a line break; anything else is left as it is, but on a terminal."""
    if not payload or payload.endswith(b"\n"):
        return payload
    try:
        payload.decode()
    except UnicodeDecodeError:
        out = out or sys.stdout
        if not out or not out.isatty():
            return payload
    return payload + b"\n"


def for_machines(payload: bytes) -> dict[str, Any]:
    """A payload as JSON, or in base64 if it is none."""
    try:
        return {"payload": json_value(payload), "isBase64Encoded": False}
    except ValueError:
        return {"payload": base64.b64encode(payload).decode(), "isBase64Encoded": True}
