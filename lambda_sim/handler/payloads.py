"""Payloads: an event's bytes to a Python value, a handler's result to bytes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from .client import Event
from .failure import Fault

__all__ = ["Payload", "decode", "encode", "from_json", "is_json", "to_json"]


class Payload(NamedTuple):
    """A result, ready to be posted."""

    body: bytes
    content_type: str


def decode(event: Event) -> Any:
    """What the handler gets: the JSON's value, or the bytes themselves for any other content type.

    Unlike awslambdaric, ``application/json; charset=…`` counts as JSON too.

    :raises Fault: ``Runtime.UnmarshalError``: it is called JSON and is none.
    """
    return from_json(event.body) if is_json(event) else event.body


def is_json(event: Event) -> bool:
    """Whether the event is called JSON."""
    return event.content_type.partition(";")[0].strip().lower() == "application/json"


def from_json(body: bytes) -> Any:
    """The value of some JSON.

    :raises Fault: ``Runtime.UnmarshalError``: it is none.
    """
    try:
        return json.loads(body)
    except Exception as error:
        message = f"Unable to unmarshal input: {error}"
        raise Fault("Runtime.UnmarshalError", message) from error


def encode(result: object) -> Payload:
    """What is posted for a result: JSON, or bytes as they are, as ``application/unknown``.

    As in awslambdaric, NaN is written so, a Decimal with all its digits, bytes inside the
    result as text, and text as ``\\uXXXX`` up to Python 3.11 and as it is from 3.12 on. Unlike
    there, a named tuple is an array.

    :raises Fault: ``Runtime.MarshalError``: it has no JSON.
    """
    if isinstance(result, bytes):
        return Payload(result, "application/unknown")
    return Payload(to_json(result), "application/json")


def to_json(value: object, simplify: Callable[[Any], Any] | None = None) -> bytes:
    """A result as JSON.

    :param simplify: gives what JSON knows for a value that it does not, or raises TypeError.
    :raises Fault: ``Runtime.MarshalError``: it has none.
    """
    try:
        return _Encoder(simplify).encode(value).encode()
    except Exception as error:
        message = f"Unable to marshal response: {error}"
        raise Fault("Runtime.MarshalError", message) from error


class _Encoder(json.JSONEncoder):
    """For one result. Decimals go in as marked text, and come out as bare numbers."""

    def __init__(self, simplify: Callable[[Any], Any] | None) -> None:
        super().__init__(ensure_ascii=_is_ascii_wanted())
        self._simplify = simplify or super().default
        self._mark = ""

    def default(self, value: object) -> object:
        from decimal import Decimal  # noqa: PLC0415 - results rarely get here

        if isinstance(value, bytes):
            return value.decode()
        if not isinstance(value, Decimal):
            return self._simplify(value)
        # Nobody can have this mark in a text of their own.
        self._mark = self._mark or os.urandom(16).hex()
        return self._mark + ("NaN" if value.is_nan() else str(value))

    def encode(self, value: object) -> str:
        text = super().encode(value)
        if self._mark:
            text = re.sub(f'"{self._mark}([^"]*)"', r"\1", text)
        return text


def _is_ascii_wanted() -> bool:
    # AWS changed it with the Python 3.12 runtime, and only in its own images.
    name, _, minor = os.environ.get("AWS_EXECUTION_ENV", "").partition("python3.")
    return not (name == "AWS_Lambda_" and minor.isdecimal() and int(minor) >= 12)
