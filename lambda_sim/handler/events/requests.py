"""What events that carry an HTTP request have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import attrs

from lambda_sim.handler.validation import EventValidationError

from .headers import Headers, headers_of
from .shape import (
    Record,
    array_of,
    base64_bytes,
    flag,
    map_of,
    optional,
    parsed_json,
    text,
    with_default,
)

__all__ = ["HttpRequest", "MultiValueRequest"]


def _no() -> bool:
    return False


@attrs.frozen(kw_only=True)
class HttpRequest(Record):
    """A request's headers and body; headers are found whatever the case of their names."""

    headers: Headers[str] = with_default("headers", headers_of(text), Headers)
    query_string_parameters: Mapping[str, str] = with_default(
        "queryStringParameters", map_of(text), dict
    )
    body: str | None = optional("body", text)
    is_base64_encoded: bool = with_default("isBase64Encoded", flag, _no)

    @property
    def body_bytes(self) -> bytes:
        """The body as the client sent it; empty when there is none.

        :raises EventValidationError: it should be base64, and is not.
        """
        if not self.is_base64_encoded:
            return (self.body or "").encode()
        try:
            return base64_bytes(self.body or "")
        except EventValidationError as error:
            raise error.below("body") from None

    @property
    def json_body(self) -> Any:
        """What the body holds as JSON.

        :raises EventValidationError: it holds something else.
        """
        return parsed_json("body", self.body_bytes if self.is_base64_encoded else self.body or "")

    def header(self, name: str) -> str | None:
        """A header's value; the last one, when it was sent several times and AWS lists them."""
        return self.headers.get(name)

    def query_values(self, name: str) -> tuple[str, ...]:
        """All values of a query parameter, in order, decoded."""
        value = self.query_string_parameters.get(name)
        return () if value is None else (value,)


@attrs.frozen(kw_only=True)
class MultiValueRequest(HttpRequest):
    """A request whose repeated headers and parameters are listed; one list or both may be there."""

    multi_value_headers: Headers[tuple[str, ...]] = with_default(
        "multiValueHeaders", headers_of(array_of(text)), Headers
    )
    multi_value_query_string_parameters: Mapping[str, tuple[str, ...]] = with_default(
        "multiValueQueryStringParameters", map_of(array_of(text)), dict
    )

    def header(self, name: str) -> str | None:
        values = self.header_values(name)
        return values[-1] if values else None

    def header_values(self, name: str) -> tuple[str, ...]:
        """All values of a header, in order."""
        if name in self.multi_value_headers:
            return self.multi_value_headers[name]
        return (self.headers[name],) if name in self.headers else ()

    def query_values(self, name: str) -> tuple[str, ...]:
        if name in self.multi_value_query_string_parameters:
            return self.multi_value_query_string_parameters[name]
        return super().query_values(name)


def values_in(query_string: str, name: str) -> tuple[str, ...]:
    """The values of a parameter in a query string, decoded."""
    return tuple(parse_qs(query_string, keep_blank_values=True).get(name, ()))
