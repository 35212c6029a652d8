"""What a subscription's body may hold, for the Telemetry API and for the Logs API.

AWS: *Lambda Telemetry API reference*, Subscribe; *Using the Lambda Logs API*, Subscribe.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from lambda_sim import refusals
from lambda_sim.lifecycle.registry import Extension
from lambda_sim.model import protocol
from lambda_sim.model.telemetry import (
    DeliveryProtocol,
    SubscriptionApi,
    TelemetryEventType,
    TelemetrySubscription,
)

LOOPBACK = "127.0.0.1"
MAX_PORT = 65_535
DEFAULT_SCHEMA = "2022-12-13"
"""Where the schema is not checked, and not said."""

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
URI_CHARACTERS = "%:/?#[]@!$&'()*+,;="
"""What a path keeps as it is, besides letters and digits. RFC 3986, 2.2."""

METHODS = ("POST", "PUT")
PROTOCOLS = tuple(one.value for one in DeliveryProtocol)

# Field, least, most, default. AWS: Telemetry API reference, Buffering.
BUFFERING = (
    ("maxBytes", 262_144, 1_048_576, 262_144),
    ("maxItems", 1_000, 10_000, 10_000),
    ("timeoutMs", 25, 30_000, 1_000),
)
ANY_NUMBER = (0, 2**31)


def to_telemetry(
    body: bytes, extension: Extension, *, versions: Sequence[str], is_checked: bool
) -> TelemetrySubscription:
    """The subscription to the Telemetry API that a request's body asks for.

    :param versions: the schemas that there are.
    :param is_checked: whether AWS's ranges, schema and hosts are required.
    :raises InvalidSubscription: it names every problem, joined with semicolons.
    """
    default = DEFAULT_SCHEMA if DEFAULT_SCHEMA in versions else versions[0]
    reader = _Reader(body, SubscriptionApi.TELEMETRY, is_checked=is_checked)
    return reader.subscription(extension, versions, None if is_checked else default)


def to_logs(body: bytes, extension: Extension, *, is_checked: bool) -> TelemetrySubscription:
    """The same for the Logs API, where the schema may be left out.

    :raises InvalidLogsSubscription: as for :func:`to_telemetry`.
    """
    versions = protocol.LOGS_SCHEMA_VERSIONS
    reader = _Reader(body, SubscriptionApi.LOGS, is_checked=is_checked)
    return reader.subscription(extension, versions, versions[0])


class _Destination(NamedTuple):
    """Where events go, and how."""

    host: str = ""
    port: int = 0
    path: str = "/"
    protocol: DeliveryProtocol = DeliveryProtocol.HTTP
    method: str = METHODS[0]


NOWHERE = _Destination()


class _Reader:
    """Reads one body from end to end, and collects what is wrong with it."""

    def __init__(self, body: bytes, api: SubscriptionApi, *, is_checked: bool) -> None:
        self._api = api
        self._is_checked = is_checked
        self._problems: list[str] = []
        self._asked = self._object(body)

    def subscription(
        self, extension: Extension, versions: Sequence[str], default: str | None
    ) -> TelemetrySubscription:
        version = self._schema_version(versions, default)
        destination = self._destination()
        types = self._types()
        buffering = self._buffering()
        if self._problems:
            raise self._refusal("; ".join(self._problems))
        return TelemetrySubscription(
            extension_id=extension.id,
            extension_name=extension.name,
            types=types,
            max_bytes=buffering["maxBytes"],
            max_items=buffering["maxItems"],
            timeout_ms=buffering["timeoutMs"],
            schema_version=version,
            api=self._api,
            **destination._asdict(),
        )

    def _refusal(self, words: str) -> refusals.InvalidSubscription:
        if self._api is SubscriptionApi.LOGS:
            return refusals.InvalidLogsSubscription(words)
        return refusals.InvalidSubscription(words)

    def _wrong(self, problem: str) -> None:
        self._problems.append(problem)

    def _object(self, body: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._refusal(f"failed to parse JSON: {error}") from error
        if not isinstance(asked, dict):
            raise self._refusal("failed to parse JSON: the body is not an object")
        return asked

    def _schema_version(self, versions: Sequence[str], default: str | None) -> str:
        version = self._asked.get("schemaVersion")
        if version is None and default is not None:
            return default
        if version not in versions:
            self._wrong(f"schemaVersion should be one of {', '.join(versions)}")
        return str(version)

    def _types(self) -> frozenset[TelemetryEventType]:
        types = self._asked.get("types")
        if not isinstance(types, list) or not types:
            self._wrong("types should not be empty")
            return frozenset()
        known = {one.value: one for one in TelemetryEventType}
        strange = [name for name in types if not isinstance(name, str) or name not in known]
        if strange:
            self._wrong(f"types should be among {', '.join(known)}, not {strange[0]!r}")
            return frozenset()
        return frozenset(known[name] for name in types)

    def _buffering(self) -> dict[str, int]:
        given = self._asked.get("buffering") or {}
        if not isinstance(given, dict):
            self._wrong("buffering should be an object")
            given = {}
        found = {}
        for name, *limits, default in BUFFERING:
            value = given.get(name)
            if value is None:
                value = default
            least, most = limits if self._is_checked else ANY_NUMBER
            if not _is_whole(value) or not least <= value <= most:
                self._wrong(f"buffering.{name} should be a number from {least} to {most}")
                value = default
            found[name] = value
        return found

    # --- Destination ----------------------------------------------------------------------------

    def _destination(self) -> _Destination:
        """Where to deliver; the sandbox's names mean this very machine."""
        given = self._asked.get("destination")
        if not isinstance(given, dict):
            self._wrong("destination should not be empty")
            return NOWHERE
        if given.get("protocol") == DeliveryProtocol.TCP.value:
            return self._tcp(given)
        if given.get("protocol") == DeliveryProtocol.HTTP.value:
            return self._http(given)
        names = " or ".join(PROTOCOLS)
        self._wrong(f"destination.protocol should be {names}, not {given.get('protocol')!r}")
        return NOWHERE

    def _tcp(self, given: dict[str, Any]) -> _Destination:
        port = given.get("port")
        if port is None:
            self._wrong("destination.port is not provided")
            return NOWHERE
        if not _is_whole(port) or not 1 <= port <= MAX_PORT:
            self._wrong(f"destination.port should be a number from 1 to {MAX_PORT}")
            return NOWHERE
        return _Destination(LOOPBACK, port, protocol=DeliveryProtocol.TCP)

    def _http(self, given: dict[str, Any]) -> _Destination:
        method = self._method(given)
        uri = given.get("URI")
        if not isinstance(uri, str) or not uri:
            self._wrong("destination.URI should not be empty")
            return NOWHERE
        if CONTROL.search(uri):  # which Python would leave out of it
            self._wrong("destination.URI is not a URI: it holds a control character")
            return NOWHERE
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            self._wrong(f"destination.URI is not a URI: {error}")
            return NOWHERE
        self._check_uri(parts.scheme, host, port)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        path = quote(path, safe=URI_CHARACTERS, errors="replace")
        host = LOOPBACK if host in protocol.SANDBOX_HOSTS else host
        return _Destination(host, port or 80, path, method=method)

    def _method(self, given: dict[str, Any]) -> str:
        """How HTTP delivers, for which the Telemetry API has no field."""
        if self._api is not SubscriptionApi.LOGS:
            return METHODS[0]
        if given.get("encoding") not in (None, "JSON"):
            self._wrong(f"destination.encoding should be JSON, not {given['encoding']!r}")
        method = given.get("method")
        if method is None:
            return METHODS[0]
        if method not in METHODS:
            self._wrong(f"destination.method should be {' or '.join(METHODS)}, not {method!r}")
        return str(method)

    def _check_uri(self, scheme: str, host: str, port: int | None) -> None:
        if scheme != "http" or not host:
            self._wrong("destination.URI should start with http:// and name a host")
        elif self._is_checked and host not in protocol.SANDBOX_HOSTS:
            self._wrong("Invalid destination: destination.URI host must be sandbox.localdomain")
        if self._is_checked and port is None:
            self._wrong("URI port is not provided")
        elif port == 0:
            self._wrong(f"URI port should be a number from 1 to {MAX_PORT}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
