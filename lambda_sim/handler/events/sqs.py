"""Messages of Amazon SQS queues."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from .shape import (
    Record,
    array_of,
    base64_bytes,
    epoch_ms,
    field,
    map_of,
    optional,
    parsed_json,
    text,
    whole,
    with_default,
)

__all__ = ["SQSAttributes", "SQSEvent", "SQSMessageAttribute", "SQSRecord"]

FIFO = ".fifo"
"""How the name of every FIFO queue ends."""


@attrs.frozen(kw_only=True)
class SQSAttributes(Record):
    """What the queue says of a message. The group and sequence are those of FIFO queues.

    A standard queue has groups too, when it is a fair queue.
    """

    approximate_receive_count: int = field("ApproximateReceiveCount", whole)
    sent_timestamp: datetime | None = optional("SentTimestamp", epoch_ms)
    sender_id: str | None = optional("SenderId", text)
    approximate_first_receive_timestamp: datetime | None = optional(
        "ApproximateFirstReceiveTimestamp", epoch_ms
    )
    sequence_number: str | None = optional("SequenceNumber", text)
    message_group_id: str | None = optional("MessageGroupId", text)
    message_deduplication_id: str | None = optional("MessageDeduplicationId", text)
    aws_trace_header: str | None = optional("AWSTraceHeader", text)
    dead_letter_queue_source_arn: str | None = optional("DeadLetterQueueSourceArn", text)


@attrs.frozen(kw_only=True)
class SQSMessageAttribute(Record):
    """What the sender says of a message: text for String and Number, bytes for Binary."""

    data_type: str = field("dataType", text)
    string_value: str | None = optional("stringValue", text)
    binary_value: bytes | None = optional("binaryValue", base64_bytes)


@attrs.frozen(kw_only=True)
class SQSRecord(Record):
    """A message."""

    message_id: str = field("messageId", text)
    receipt_handle: str = field("receiptHandle", text)
    body: str = field("body", text)
    attributes: SQSAttributes = field("attributes", SQSAttributes.from_json)
    message_attributes: Mapping[str, SQSMessageAttribute] = with_default(
        "messageAttributes", map_of(SQSMessageAttribute.from_json), dict
    )
    md5_of_body: str | None = optional("md5OfBody", text)
    md5_of_message_attributes: str | None = optional("md5OfMessageAttributes", text)
    event_source: str = field("eventSource", text)
    event_source_arn: str = field("eventSourceARN", text)
    aws_region: str = field("awsRegion", text)

    @property
    def json_body(self) -> Any:
        """What the body holds as JSON.

        :raises EventValidationError: it holds something else.
        """
        return parsed_json("body", self.body)

    @property
    def is_fifo(self) -> bool:
        """Whether the queue keeps an order."""
        return self.event_source_arn.endswith(FIFO)


@attrs.frozen(kw_only=True)
class SQSEvent(Record):
    """A batch of messages of one queue.

    A body that holds another service's notification is read by its class, as in
    ``S3Event.from_json(record.json_body)``.

    AWS: *Using Lambda with Amazon SQS*.
    """

    records: tuple[SQSRecord, ...] = field("Records", array_of(SQSRecord.from_json))
