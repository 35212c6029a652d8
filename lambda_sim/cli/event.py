"""``lambda-sim event``: an event, made up. The options are the parameters of its generator."""

from __future__ import annotations

import inspect
import json
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, get_type_hints

import attrs

from lambda_sim.cli.output import write_out
from lambda_sim.cli.values import json_value, standard_input
from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.events import samples
from lambda_sim.handler.events.samples.http import HeaderValues
from lambda_sim.handler.events.samples.making import Attributes, Where

__all__ = ["add_sources", "run"]

ASSIGNMENT = re.compile(r"([^=:]+)(?:=|: *)(.*)", re.DOTALL)
DESCRIBED = re.compile(r":param (\w+): (.+)")

EACH = "each"
"""The parameter that is no option: the first option may be repeated instead."""


def add_sources(parser: ArgumentParser) -> None:
    """A command for each source, with its options."""
    sources = parser.add_subparsers(
        title="sources", metavar="SOURCE", dest="event_of", required=True
    )
    for name in samples.__all__:
        what = (inspect.getdoc(getattr(samples, name)) or "").partition("\n")[0]
        source = sources.add_parser(
            name.replace("_", "-"), help=what, description=what, allow_abbrev=False
        )
        for option in _options(name):
            option.add_to(source)


def run(options: Namespace) -> int:
    """Print the event.

    :raises ConfigurationError: an option's value is none that it takes.
    """
    if options.command:
        raise ConfigurationError("--", options.command, "nothing: an event runs no command")
    name = options.event_of.replace("-", "_")
    known = {option.name: option for option in _options(name)}
    given = dict(
        option.argument(getattr(options, option.name))
        for option in known.values()
        if getattr(options, option.name) is not None
    )
    try:
        event = getattr(samples, name)(**given)
    except ConfigurationError as error:
        field = known[error.field].flag if error.field in known else error.field
        raise ConfigurationError(field, error.value, error.allowed) from error
    write_out(json.dumps(event, indent=2).encode() + b"\n")
    return 0


@attrs.frozen
class _Kind:
    """How values of a type are written: argparse's settings, and what is made of all of them."""

    settings: Mapping[str, Any]
    finish: Callable[[Any], Any] = lambda value: value
    is_plural: bool = False


@attrs.frozen
class _Option:
    """A parameter of a generator, as an option of its command."""

    name: str
    kind: _Kind
    help: str | None
    has_each: bool

    @property
    def flag(self) -> str:
        """``--header`` of ``headers``, which is written once for each."""
        name = self.name.removesuffix("s") if self.kind.is_plural else self.name
        return "--" + name.replace("_", "-")

    def add_to(self, parser: ArgumentParser) -> None:
        settings = {**self.kind.settings, "help": self.help, "default": None, "dest": self.name}
        if self.has_each:
            settings |= {"action": "append", "help": f"{self.help}; may be repeated"}
        parser.add_argument(self.flag, **settings)

    def argument(self, value: Any) -> tuple[str, Any]:
        """The generator's argument that a value from the command line stands for."""
        if not self.has_each:
            return self.name, self.kind.finish(value)
        return (self.name, value[0]) if len(value) == 1 else (EACH, value)


def _options(name: str) -> Iterator[_Option]:
    make = getattr(samples, name)
    types = {**get_type_hints(make), **get_type_hints(Where)}
    described = dict(DESCRIBED.findall(f"{make.__doc__}\n{Where.__doc__}"))
    own = {
        key: parameter.default
        for key, parameter in inspect.signature(make).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    is_first = EACH in own
    for key in (*own, *get_type_hints(Where)):
        if key != EACH:
            words = described.get(key)
            if isinstance(default := own.get(key), str | int) and default is not False:
                words = f"{words} (default: {default})"
            yield _Option(key, _KINDS[types[key]], words, is_first)
            is_first = False


def _content(text: str) -> str | bytes:
    """Text as it is written, or what a file holds."""
    if not text.startswith("@"):
        return text
    try:
        held = standard_input("-") if text == "@-" else Path(text[1:]).read_bytes()
    except OSError as error:
        raise ArgumentTypeError(f"{text[1:]} can't be read: {error.strerror}") from error
    except ConfigurationError as error:
        raise ArgumentTypeError(str(error)) from error
    try:
        return held.decode()
    except UnicodeDecodeError:
        return held


def _text(text: str) -> str:
    content = _content(text)
    if isinstance(content, bytes):
        raise ArgumentTypeError(f"{text[1:]} holds no text in UTF-8")
    return content


def _object(text: str) -> dict[str, Any]:
    try:
        value = json_value(_text(text).encode())
    except ValueError as error:
        raise ArgumentTypeError(f"that is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ArgumentTypeError("that is JSON, but no object")
    return value


def _pair(text: str) -> tuple[str, str]:
    pair = ASSIGNMENT.fullmatch(text)
    if pair is None:
        raise ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return pair[1], pair[2]


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no time in ISO 8601") from error


def _lists(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


_TEXT = _Kind({"metavar": "TEXT"})
_PAIRS = _Kind({"type": _pair, "metavar": "NAME=VALUE", "action": "append"}, dict, is_plural=True)
_TEXTS = _Kind({"metavar": "TEXT", "action": "append"}, is_plural=True)
_KINDS: Mapping[Any, _Kind] = {
    str: _TEXT,
    str | None: _TEXT,
    int: _Kind({"type": int, "metavar": "N"}),
    bool: _Kind({"action": "store_true"}),
    datetime: _Kind({"type": _moment, "metavar": "TIME"}),
    Any: _Kind({"type": _text, "metavar": "TEXT|@FILE"}),
    Any | bytes: _Kind({"type": _content, "metavar": "TEXT|@FILE"}),
    Mapping[str, Any] | None: _Kind({"type": _object, "metavar": "JSON|@FILE"}),
    Mapping[str, str] | None: _PAIRS,
    Attributes | None: _PAIRS,
    HeaderValues | None: attrs.evolve(_PAIRS, finish=_lists),
    Sequence[str] | None: _TEXTS,
    str | Sequence[str] | None: _TEXTS,
}
"""The types of the generators' parameters."""
