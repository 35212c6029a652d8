"""Facts as events: what a subscriber is sent of each, in the form it asked for. Pure.

AWS: *Lambda Telemetry API Event schema reference*; *Using the Lambda Logs API*.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import NamedTuple

from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.telemetry import (
    Fact,
    LogLine,
    SubscriptionApi,
    TelemetryEvent,
    TelemetryEventType,
    TelemetrySubscription,
)
from lambda_sim.telemetry import logs_records, records
from lambda_sim.telemetry.notation import Json, iso

__all__ = [
    "SCHEMA_VERSION",
    "Form",
    "encoded",
    "encoded_events",
    "event_of",
    "form_of",
    "stream_of",
    "type_of",
]

SCHEMA_VERSION = "2022-12-13"
"""The version events are in where nobody asked for another."""


class Form(NamedTuple):
    """How events look to a subscriber: what its API and its schema version make of facts.

    Subscribers of one form are sent the same bytes.
    """

    api: SubscriptionApi
    carries_objects: bool
    """Whether a log line that is a JSON object is sent as one, and not as text."""
    has_runtime_done: bool
    """Whether the Logs API tells when the runtime was done."""


def form_of(subscription: TelemetrySubscription, config: SimulatorConfig) -> Form:
    """The form that a subscription asked for. Every schema of the Logs API is older than objects
    are, and so its log lines are always text."""
    api, version = subscription.api, subscription.schema_version
    is_logs = api is SubscriptionApi.LOGS
    has_runtime_done = not is_logs or version >= logs_records.RUNTIME_DONE_VERSION
    return Form(api, _carries_objects(config, version), has_runtime_done)


def _carries_objects(config: SimulatorConfig, schema_version: str) -> bool:
    return config.log_format == "JSON" and schema_version >= SCHEMA_VERSION


def stream_of(fact: Fact) -> TelemetryEventType:
    """The stream a fact belongs to: what a subscription names in its types."""
    return fact.source if isinstance(fact, LogLine) else TelemetryEventType.PLATFORM


def type_of(fact: Fact) -> str:
    """An event's ``type``: ``function``, ``extension`` or ``platform.…``."""
    return fact.source.value if isinstance(fact, LogLine) else records.type_of(fact)


def event_of(
    fact: Fact, config: SimulatorConfig, *, schema_version: str = SCHEMA_VERSION
) -> TelemetryEvent:
    """A fact as an event of the Telemetry API, in AWS's words.

    :param schema_version: before ``2022-12-13`` a log line is always text.
    """
    record: Json | str
    if isinstance(fact, LogLine):
        found = _object(fact.message) if _carries_objects(config, schema_version) else None
        record = fact.message if found is None else found
    else:
        record = records.of(fact, config)
    at = datetime.fromtimestamp(fact.time, UTC)
    return TelemetryEvent(time=at, type=type_of(fact), record=record)


def encoded(fact: Fact, config: SimulatorConfig, *, schema_version: str = SCHEMA_VERSION) -> bytes:
    """A fact as subscribers to the Telemetry API receive it: one event's JSON, in UTF-8.

    :param schema_version: as for :func:`event_of`.
    """
    if isinstance(fact, LogLine):
        return _line(fact, carries_objects=_carries_objects(config, schema_version))
    return _event(fact.time, records.type_of(fact), _compact(records.of(fact, config)))


def encoded_events(fact: Fact, config: SimulatorConfig, form: Form) -> list[bytes]:
    """A fact as subscribers of a form receive it: the JSON of each event that it is to them.

    To the Telemetry API it is always one; to the Logs API it may be none, or several.
    """
    if isinstance(fact, LogLine):
        return [_line(fact, carries_objects=form.carries_objects)]
    if form.api is SubscriptionApi.TELEMETRY:
        return [encoded(fact, config)]
    events = logs_records.events_of(fact, config, has_runtime_done=form.has_runtime_done)
    return [_event(fact.time, kind, _compact(record)) for kind, record in events]


def _line(fact: LogLine, *, carries_objects: bool) -> bytes:
    if carries_objects and _object(fact.message) is not None:
        # As it was written: numbers keep their digits, and nothing is built twice. Only that it
        # is one line, which is what ends an event over TCP; a line break in JSON is but space.
        written = fact.message.strip().replace("\n", " ").replace("\r", " ")
        return _event(fact.time, fact.source.value, written)
    return _event(fact.time, fact.source.value, _compact(fact.message))


def _event(time: float, kind: str, record: str) -> bytes:
    event = f'{{"time":"{iso(time)}","type":"{kind}","record":{record}}}'
    # A child may print half a surrogate pair, which UTF-8 has no bytes for.
    return event.encode("utf-8", "replace")


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _not_json(constant: str) -> None:
    raise ValueError(f"{constant} is Python's, not JSON's")


_decode = json.JSONDecoder(parse_constant=_not_json).decode


def _object(line: str) -> Json | None:
    """The JSON object that a log line is, if it is one."""
    if not line.lstrip().startswith("{"):
        return None
    try:
        found = _decode(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
