"""What options hold: an event, variables, and files of either. Each says where it is wrong."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from lambda_sim.errors import ConfigurationError

__all__ = ["event_bytes", "json_value", "parse_dotenv", "standard_input", "variables"]

_BLANK = re.compile(r"[^\S\n]*(?:\#[^\n]*)?(?:\n|\Z)")
_ENTRY = re.compile(
    r"""[^\S\n]*(?:export[^\S\n]+)?(?P<name>[^\s=\#'"]+)[^\S\n]*=[^\S\n]*
        (?: '(?P<literal>[^']*)'[^\S\n]*(?:\#[^\n]*)?
          | "(?P<quoted>(?:[^"\\]|\\.)*)"[^\S\n]*(?:\#[^\n]*)?
          | (?P<bare>(?!['"])[^\n]*?)(?:[^\S\n]+\#[^\n]*)?
        )[^\S\n]*(?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def event_bytes(text: str) -> bytes:
    """The event that ``--event`` names, as it is written, in UTF-8.

    :raises ConfigurationError: it is neither JSON nor a file of it, and it says at which position;
        or standard input is closed.
    """
    if text == "-":
        return _checked(standard_input("--event"), "standard input")
    given = os.fsencode(text)
    try:
        json_value(given)
    except ValueError as error:
        try:
            with open(text, "rb") as file:
                return _checked(file.read(), text)
        except FileNotFoundError:
            allowed = f"JSON ({error}), a file that is there, or -"
        except (OSError, ValueError) as trouble:  # a directory, a name too long, ...
            allowed = f"JSON ({error}), a file that can be read ({trouble}), or -"
        raise ConfigurationError("--event", text, allowed) from error
    return given


def standard_input(field: str) -> bytes:
    """All that comes there.

    :param field: what names it by ``-``.
    :raises ConfigurationError: it is closed.
    """
    if sys.stdin is None:  # before we began, as daemons' is
        raise ConfigurationError(field, "-", "a file: standard input is closed")
    return sys.stdin.buffer.read()


def json_value(data: bytes) -> Any:
    """The value of strict JSON, which NaN and Infinity are not.

    :raises ValueError: it is something else; it says what, and at which position.
    """
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def variables(assignments: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """What ``--env`` and ``--env-file`` say together; the former wins.

    :raises ConfigurationError: one of them is malformed, or can't be read.
    """
    found: dict[str, str] = {}
    for path in files:
        try:
            with open(path, encoding="utf-8-sig") as file:
                found |= parse_dotenv(file.read())
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                "--env-file", path, f"a file of NAME=VALUE lines ({error})"
            ) from error
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not (name and equals):
            raise ConfigurationError("--env", assignment, "NAME=VALUE")
        found[name] = value
    return found


def parse_dotenv(text: str) -> dict[str, str]:
    """The variables of a ``.env`` file.

    Comments, blank lines and ``export`` are understood; single quotes keep everything, double
    quotes know backslashes, both may span lines. Nothing is substituted.

    :raises ValueError: a line is none of that.
    """
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        if blank := _BLANK.match(text, position):
            position = blank.end()
            continue
        entry = _ENTRY.match(text, position)
        if entry is None:
            line = text.count("\n", 0, position) + 1
            raise ValueError(f"line {line} is not NAME=VALUE")
        found[entry["name"]] = _value(entry)
        position = entry.end()
    return found


def _value(entry: re.Match[str]) -> str:
    if entry["quoted"] is None:
        return entry["bare"] if entry["literal"] is None else entry["literal"]
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), entry["quoted"], flags=re.DOTALL)


def _checked(data: bytes, source: str) -> bytes:
    try:
        json_value(data)
        # Also what Windows writes, with a mark in front or in UTF-16, reaches functions in UTF-8.
        return data.decode(json.detect_encoding(data)).encode()
    except ValueError as error:
        raise ConfigurationError("--event", source, f"JSON ({error})") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
