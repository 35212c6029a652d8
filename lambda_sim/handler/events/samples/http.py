"""A made-up HTTP request, before a service makes an event of it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, unquote

import attrs

from lambda_sim.errors import ConfigurationError

from .making import Json, Making, as_text

__all__ = ["SOURCE_IP", "USER_AGENT", "HeaderValues", "Request", "matched"]

SOURCE_IP = "203.0.113.7"
USER_AGENT = "curl/8.5.0"
TEXTUAL = re.compile(r"(text/.*|application/(.+\+)?(json|xml|javascript))(;.*)?", re.IGNORECASE)
"""Content types whose bodies are handed on as text."""

HeaderValues = Mapping[str, str | Sequence[str]]
"""Headers as people give them: one value, or several."""


@attrs.frozen
class Request:
    """What a client sent, and what was added on the way."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, Sequence[str]]
    body: bytes | None

    @classmethod
    def made(
        cls,
        make: Making,
        host: str,
        target: str,
        *,
        method: str,
        headers: HeaderValues | None,
        body: Json | bytes,
    ) -> Request:
        """The request for a target, like ``/orders?id=1``, of a server."""
        if not target.startswith("/"):
            raise ConfigurationError("path", target, "a path that starts with /")
        path, _, query_string = target.partition("?")
        added = {
            "Accept": "*/*",
            "Host": host,
            "User-Agent": USER_AGENT,
            "X-Amzn-Trace-Id": make.trace_id(),
            "X-Forwarded-For": SOURCE_IP,
            "X-Forwarded-Port": "443",
            "X-Forwarded-Proto": "https",
        }
        sent = None if body is None else body if isinstance(body, bytes) else as_text(body).encode()
        if sent is not None:
            added |= {"Content-Type": _content_type(body), "Content-Length": str(len(sent))}
        given = headers or {}
        lower = {name.lower() for name in given}
        all_of_them: HeaderValues = {
            **{name: value for name, value in added.items() if name.lower() not in lower},
            **given,
        }
        lists = {
            name: [value] if isinstance(value, str) else list(value)
            for name, value in all_of_them.items()
        }
        return cls(method, path, query_string, lists, sent)

    @property
    def lower_headers(self) -> dict[str, Sequence[str]]:
        return {name.lower(): values for name, values in self.headers.items()}

    @property
    def query(self) -> dict[str, list[str]]:
        """The parameters, decoded, with all their values."""
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query_string, keep_blank_values=True):
            found.setdefault(name, []).append(value)
        return found

    @property
    def raw_query(self) -> dict[str, list[str]]:
        """The parameters as they stand in the URL, with all their values."""
        found: dict[str, list[str]] = {}
        for part in filter(None, self.query_string.split("&")):
            name, _, value = part.partition("=")
            found.setdefault(name, []).append(value)
        return found

    @property
    def is_textual(self) -> bool:
        """Whether the body's type says that it is text."""
        types = self.lower_headers.get("content-type", ["text/plain"])
        return TEXTUAL.fullmatch(types[-1]) is not None

    def body_fields(self, *, is_text: bool) -> dict[str, object]:
        """The body, in base64 unless it is text."""
        if self.body is None:
            return {"body": None, "isBase64Encoded": False}
        try:
            if is_text:
                return {"body": self.body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
        return {"body": base64.b64encode(self.body).decode(), "isBase64Encoded": True}


def _content_type(body: Json | bytes) -> str:
    if isinstance(body, bytes):
        return "application/octet-stream"
    return "text/plain" if isinstance(body, str) and not _is_json(body) else "application/json"


def _is_json(body: str) -> bool:
    """Whether text is a JSON object or array; bare words and numbers are text."""
    try:
        return isinstance(json.loads(body), dict | list)
    except (ValueError, RecursionError):
        return False


def matched(field: str, template: str, path: str) -> dict[str, str]:
    """What the braces of a template, as in ``/orders/{id}`` or ``/{proxy+}``, are in a path.

    :raises ConfigurationError: the path is none of the template's.
    """
    names = re.findall(r"\{([^}+]+)\+?\}", template)
    pieces = (re.escape(piece) for piece in re.split(r"\{[^}]+\}", template))
    gaps = ["(.+)" if greedy else "([^/]+)" for greedy in re.findall(r"\{[^}+]+(\+?)\}", template)]
    pattern = "".join(piece + gap for piece, gap in zip(pieces, [*gaps, ""], strict=True))
    found = re.fullmatch(pattern, path)
    if found is None:
        raise ConfigurationError(field, template, f"a template that the path {path} fits")
    return {name: unquote(value) for name, value in zip(names, found.groups(), strict=True)}
