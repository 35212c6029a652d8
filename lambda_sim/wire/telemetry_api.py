"""The Telemetry API: subscribe.

AWS: *Lambda Telemetry API reference*.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from lambda_sim import refusals
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.registry import Extension
from lambda_sim.model import protocol
from lambda_sim.model.rules import Rules
from lambda_sim.model.telemetry import TelemetryEventType, TelemetrySubscription
from lambda_sim.wire import rendering
from lambda_sim.wire.application import Call, Route
from lambda_sim.wire.extensions_api import identifier_of
from lambda_sim.wire.rendering import Answer

LOOPBACK = "127.0.0.1"
MAX_PORT = 65_535

# Field, least, most, default. AWS: Telemetry API reference, Buffering.
BUFFERING = (
    ("maxBytes", 262_144, 1_048_576, 262_144),
    ("maxItems", 1_000, 10_000, 10_000),
    ("timeoutMs", 25, 30_000, 1_000),
)
ANY_NUMBER = (0, 2**31)


class TelemetryApi:
    """The endpoint by which an extension subscribes, over one environment."""

    def __init__(self, environment: ExecutionEnvironment, rules: Rules) -> None:
        self._environment = environment
        self._rules = rules

    def routes(self) -> list[Route]:
        # AWS's guide writes the path both ways.
        return [
            Route("PUT", protocol.TELEMETRY_API, self.subscribe),
            Route("PUT", f"{protocol.TELEMETRY_API}/", self.subscribe),
        ]

    def subscribe(self, call: Call) -> Answer:
        identifier = identifier_of(call)
        self._environment.check_extension(identifier)
        body = call.body(protocol.MAX_REPORT_BYTES)

        def subscription(extension: Extension) -> TelemetrySubscription:
            return parse(body, extension, is_checked=self._rules.subscriptions_are_checked)

        self._environment.subscribe(identifier, subscription)
        return rendering.answer(200, b'"OK"')


def parse(body: bytes, extension: Extension, *, is_checked: bool) -> TelemetrySubscription:
    """The subscription that a request's body asks for.

    :param is_checked: whether AWS's ranges, schema and hosts are required.
    :raises InvalidSubscription: it names every problem, joined with semicolons.
    """
    asked = _object(body)
    problems: list[str] = []
    version = _schema_version(asked, problems, is_checked)
    host, port, path = _destination(asked, problems, is_checked)
    types = _types(asked, problems)
    buffering = _buffering(asked, problems, is_checked)
    if problems:
        raise refusals.InvalidSubscription("; ".join(problems))
    return TelemetrySubscription(
        extension_id=extension.id,
        extension_name=extension.name,
        types=types,
        host=host,
        port=port,
        path=path,
        max_bytes=buffering["maxBytes"],
        max_items=buffering["maxItems"],
        timeout_ms=buffering["timeoutMs"],
        schema_version=version,
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise refusals.InvalidSubscription(f"failed to parse JSON: {error}") from error
    if not isinstance(asked, dict):
        raise refusals.InvalidSubscription("failed to parse JSON: the body is not an object")
    return asked


def _schema_version(asked: dict[str, Any], problems: list[str], is_checked: bool) -> str:
    version = asked.get("schemaVersion")
    if version is None and not is_checked:
        return "2022-12-13"
    if version in protocol.SCHEMA_VERSIONS:
        return str(version)
    problems.append(f"schemaVersion should be one of {', '.join(protocol.SCHEMA_VERSIONS)}")
    return ""


def _types(asked: dict[str, Any], problems: list[str]) -> frozenset[TelemetryEventType]:
    types = asked.get("types")
    if not isinstance(types, list) or not types:
        problems.append("types should not be empty")
        return frozenset()
    known = {one.value: one for one in TelemetryEventType}
    strange = [name for name in types if not isinstance(name, str) or name not in known]
    if strange:
        problems.append(f"types should be among {', '.join(known)}, not {strange[0]!r}")
        return frozenset()
    return frozenset(known[name] for name in types)


def _buffering(asked: dict[str, Any], problems: list[str], is_checked: bool) -> dict[str, int]:
    given = asked.get("buffering") or {}
    if not isinstance(given, dict):
        problems.append("buffering should be an object")
        given = {}
    found = {}
    for name, *limits, default in BUFFERING:
        value = given.get(name)
        if value is None:
            value = default
        least, most = limits if is_checked else ANY_NUMBER
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or not least <= value <= most:
            problems.append(f"buffering.{name} should be a number from {least} to {most}")
            value = default
        found[name] = value
    return found


def _destination(
    asked: dict[str, Any], problems: list[str], is_checked: bool
) -> tuple[str, int, str]:
    """Host, port and path to deliver to; the sandbox's names mean this very machine."""
    given = asked.get("destination")
    nowhere = ("", 0, "")
    if not isinstance(given, dict):
        problems.append("destination should not be empty")
        return nowhere
    if given.get("protocol") != "HTTP":
        problems.append(f"destination.protocol should be HTTP, not {given.get('protocol')!r}")
        return nowhere
    uri = given.get("URI")
    if not isinstance(uri, str) or not uri:
        problems.append("destination.URI should not be empty")
        return nowhere
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        problems.append(f"destination.URI is not a URI: {error}")
        return nowhere
    _check_uri(parts.scheme, host, port, problems, is_checked)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return LOOPBACK if host in protocol.SANDBOX_HOSTS else host, port or 80, path


def _check_uri(
    scheme: str, host: str, port: int | None, problems: list[str], is_checked: bool
) -> None:
    if scheme != "http" or not host:
        problems.append("destination.URI should start with http:// and name a host")
    elif is_checked and host not in protocol.SANDBOX_HOSTS:
        problems.append("Invalid destination: destination.URI host must be sandbox.localdomain")
    if is_checked and port is None:
        problems.append("URI port is not provided")
    elif port == 0:
        problems.append(f"URI port should be a number from 1 to {MAX_PORT}")
