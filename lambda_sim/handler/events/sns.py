"""Notifications of Amazon SNS topics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from .shape import (
    Record,
    array_of,
    field,
    iso_8601,
    map_of,
    optional,
    parsed_json,
    text,
    with_default,
)

__all__ = ["SNSEvent", "SNSMessage", "SNSMessageAttribute", "SNSRecord"]


@attrs.frozen(kw_only=True)
class SNSMessageAttribute(Record):
    """What the publisher says of a message; a Binary value is base64."""

    type: str = field("Type", text)
    value: str = field("Value", text)


@attrs.frozen(kw_only=True)
class SNSMessage(Record):
    """A notification, as functions get it; also the one that a subscribed queue gets."""

    type: str = field("Type", text)
    message_id: str = field("MessageId", text)
    topic_arn: str = field("TopicArn", text)
    subject: str | None = optional("Subject", text)
    message: str = field("Message", text)
    timestamp: datetime = field("Timestamp", iso_8601)
    message_attributes: Mapping[str, SNSMessageAttribute] = with_default(
        "MessageAttributes", map_of(SNSMessageAttribute.from_json), dict
    )
    signature_version: str | None = optional("SignatureVersion", text)
    signature: str | None = optional("Signature", text)
    signing_cert_url: str | None = optional("SigningCertUrl", text, also="SigningCertURL")
    unsubscribe_url: str | None = optional("UnsubscribeUrl", text, also="UnsubscribeURL")

    @property
    def json_message(self) -> Any:
        """What the message holds as JSON.

        :raises EventValidationError: it holds something else.
        """
        return parsed_json("Message", self.message)


@attrs.frozen(kw_only=True)
class SNSRecord(Record):
    """A notification, and the subscription that it comes by."""

    event_source: str = field("EventSource", text)
    event_version: str = field("EventVersion", text)
    event_subscription_arn: str = field("EventSubscriptionArn", text)
    sns: SNSMessage = field("Sns", SNSMessage.from_json)


@attrs.frozen(kw_only=True)
class SNSEvent(Record):
    """What a topic sends: one record.

    AWS: *Invoking Lambda functions with Amazon SNS notifications*.
    """

    records: tuple[SNSRecord, ...] = field("Records", array_of(SNSRecord.from_json))
