"""Log events that Amazon CloudWatch Logs hands on by a subscription."""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Any

import attrs

from .shape import (
    Record,
    array_of,
    base64_bytes,
    epoch_ms,
    field,
    optional,
    parsed_json,
    refuse,
    text,
    with_default,
)

__all__ = ["CloudWatchLogs", "CloudWatchLogsData", "CloudWatchLogsEvent", "CloudWatchLogsLogEvent"]

GZIP = 16 + zlib.MAX_WBITS


@attrs.frozen(kw_only=True)
class CloudWatchLogsLogEvent(Record):
    """An event of a log: a line, or several."""

    id: str = field("id", text)
    timestamp: datetime = field("timestamp", epoch_ms)
    message: str = field("message", text)


@attrs.frozen(kw_only=True)
class CloudWatchLogsData(Record):
    """Some of the events of one log stream; a CONTROL_MESSAGE only tries the connection.

    :ivar raw: the JSON, unpacked.
    """

    message_type: str = field("messageType", text)
    owner: str = field("owner", text)
    log_group: str = field("logGroup", text)
    log_stream: str = field("logStream", text)
    subscription_filters: tuple[str, ...] = with_default(
        "subscriptionFilters", array_of(text), tuple
    )
    log_events: tuple[CloudWatchLogsLogEvent, ...] = field(
        "logEvents", array_of(CloudWatchLogsLogEvent.from_json)
    )
    policy_level: str | None = optional("policyLevel", text)


def _unpacked(value: Any) -> CloudWatchLogsData:
    try:
        packed = zlib.decompress(base64_bytes(value), wbits=GZIP)
    except zlib.error:
        refuse("gzip in base64", value)
    return CloudWatchLogsData.from_json(parsed_json("", packed))


@attrs.frozen(kw_only=True)
class CloudWatchLogs(Record):
    """Compressed JSON; ``data`` is what it holds."""

    data: CloudWatchLogsData = field("data", _unpacked)


@attrs.frozen(kw_only=True)
class CloudWatchLogsEvent(Record):
    """What a subscription sends.

    AWS: *Using Lambda with CloudWatch Logs*.
    """

    awslogs: CloudWatchLogs = field("awslogs", CloudWatchLogs.from_json)
