"""Standard output and error, which somebody may have closed: ``lambda-sim ... | head``."""

from __future__ import annotations

import base64
import os
import select
import sys
from contextlib import suppress
from typing import Any, TextIO

from lambda_sim.cli.values import json_value
from lambda_sim.errors import LambdaSimError

__all__ = ["for_machines", "for_people", "give_up", "say", "write_out"]


def say(line: str, err: TextIO | None) -> None:
    """Put a line on standard error. One that is closed, or whose reader went away, is no reason to
    end."""
    if err is None:
        return
    text = line + "\n"
    with suppress(OSError, ValueError):
        if hasattr(err, "buffer"):
            err.flush()  # what somebody else began a line with
            _put(text.encode(err.encoding, err.errors or "strict"), err)
        else:  # text in memory, in its place
            err.write(text)
            err.flush()


def write_out(data: bytes, out: TextIO | None = None) -> None:
    """Put bytes on standard output, if anybody reads it.

    :param out: standard output, where something else is in its place just now.
    :raises LambdaSimError: it can't be written, on a full disk for instance.
    """
    out = out or sys.stdout
    if not out:  # closed before we began, as daemons' are
        return
    try:
        _put(data, out)
    except BrokenPipeError:
        return
    except OSError as error:
        raise LambdaSimError(f"standard output can't be written: {error.strerror}") from error


def give_up(stream: TextIO) -> None:
    """Have a stream lead nowhere. What is left in it would be tried once more when the interpreter
    ends, and make its status 120."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _put(data: bytes, stream: TextIO) -> None:
    try:
        _put_all(data, stream)
    except OSError:
        give_up(stream)
        raise


def _put_all(data: bytes, stream: TextIO) -> None:
    """Write it piece by piece, where the stream takes what fits and does not wait by itself."""
    rest, is_out = memoryview(data), False
    while not is_out:
        try:
            rest = rest[stream.buffer.write(rest) or 0 :]
            stream.buffer.flush()
            is_out = not rest
        except BlockingIOError as full:
            rest = rest[full.characters_written :]
        if not is_out:
            select.select([], [stream], [])


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
