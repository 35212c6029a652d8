"""Records of Amazon Kinesis data streams."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from .shape import Record, array_of, base64_bytes, epoch_seconds, field, optional, parsed_json, text
from .window import StreamEvent

__all__ = ["KinesisData", "KinesisStreamEvent", "KinesisStreamRecord"]


@attrs.frozen(kw_only=True)
class KinesisData(Record):
    """What a producer put into the stream, and where in its shard that is.

    :ivar data: the bytes that were put; on the wire, and in ``raw``, they are base64.
    """

    kinesis_schema_version: str = field("kinesisSchemaVersion", text)
    partition_key: str = field("partitionKey", text)
    sequence_number: str = field("sequenceNumber", text)
    data: bytes = field("data", base64_bytes)
    approximate_arrival_timestamp: datetime = field("approximateArrivalTimestamp", epoch_seconds)

    @property
    def json_data(self) -> Any:
        """What the data holds as JSON.

        :raises EventValidationError: it holds something else.
        """
        return parsed_json("data", self.data)


@attrs.frozen(kw_only=True)
class KinesisStreamRecord(Record):
    """A record, and the mapping that it comes by."""

    kinesis: KinesisData = field("kinesis", KinesisData.from_json)
    event_id: str = field("eventID", text)
    event_name: str = field("eventName", text)
    event_source: str = field("eventSource", text)
    event_version: str = field("eventVersion", text)
    event_source_arn: str = field("eventSourceARN", text)
    invoke_identity_arn: str | None = optional("invokeIdentityArn", text)
    aws_region: str = field("awsRegion", text)


@attrs.frozen(kw_only=True)
class KinesisStreamEvent(StreamEvent):
    """A batch of records of one shard, oldest first.

    AWS: *Using Lambda to process records from Amazon Kinesis Data Streams*.
    """

    records: tuple[KinesisStreamRecord, ...] = field(
        "Records", array_of(KinesisStreamRecord.from_json)
    )
