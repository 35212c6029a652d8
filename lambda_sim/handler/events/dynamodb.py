"""Changes of items in Amazon DynamoDB tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from .attribute_values import deserialize
from .shape import (
    Record,
    array_of,
    epoch_seconds,
    field,
    map_of,
    optional,
    text,
    whole,
    with_default,
)
from .window import StreamEvent

__all__ = [
    "DynamoDBChange",
    "DynamoDBIdentity",
    "DynamoDBStreamEvent",
    "DynamoDBStreamRecord",
]

_item = map_of(deserialize)


@attrs.frozen(kw_only=True)
class DynamoDBChange(Record):
    """An item before and after, as far as the stream's view shows it.

    Keys and images hold Python values (numbers are Decimals); ``raw`` has DynamoDB's typed JSON.
    """

    approximate_creation_date_time: datetime | None = optional(
        "ApproximateCreationDateTime", epoch_seconds
    )
    keys: Mapping[str, Any] = with_default("Keys", _item, dict)
    new_image: Mapping[str, Any] | None = optional("NewImage", _item)
    old_image: Mapping[str, Any] | None = optional("OldImage", _item)
    sequence_number: str = field("SequenceNumber", text)
    size_bytes: int | None = optional("SizeBytes", whole)
    stream_view_type: str | None = optional("StreamViewType", text)


@attrs.frozen(kw_only=True)
class DynamoDBIdentity(Record):
    """Who deleted an item whose time to live was over."""

    type: str = field("type", text)
    principal_id: str = field("principalId", text)


@attrs.frozen(kw_only=True)
class DynamoDBStreamRecord(Record):
    """A change: ``event_name`` is INSERT, MODIFY or REMOVE."""

    event_id: str = field("eventID", text)
    event_name: str = field("eventName", text)
    event_version: str = field("eventVersion", text)
    event_source: str = field("eventSource", text)
    event_source_arn: str = field("eventSourceARN", text)
    aws_region: str = field("awsRegion", text)
    dynamodb: DynamoDBChange = field("dynamodb", DynamoDBChange.from_json)
    user_identity: DynamoDBIdentity | None = optional("userIdentity", DynamoDBIdentity.from_json)


@attrs.frozen(kw_only=True)
class DynamoDBStreamEvent(StreamEvent):
    """A batch of changes of one shard, oldest first.

    AWS: *Using AWS Lambda with Amazon DynamoDB*.
    """

    records: tuple[DynamoDBStreamRecord, ...] = field(
        "Records", array_of(DynamoDBStreamRecord.from_json)
    )
