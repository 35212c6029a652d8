"""Made-up events of queues, topics, buckets, buses and schedules."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Unpack
from urllib.parse import quote_plus

from .making import Attributes, Json, Making, Where, as_text, items

__all__ = ["eventbridge", "s3", "sns", "sqs"]

SCHEDULED = "Scheduled Event"


def sqs(
    body: Json = "Hello from SQS!",
    *,
    each: Sequence[Json] | None = None,
    count: int = 1,
    queue: str = "my-queue",
    group: str | Sequence[str] | None = None,
    attributes: Attributes | None = None,
    receive_count: int = 1,
    **where: Unpack[Where],
) -> dict[str, Any]:
    """Messages of an SQS queue.

    :param body: what a message says; what is no text becomes JSON
    :param each: the bodies of several messages
    :param count: how many messages
    :param queue: the queue's name; if it ends in .fifo, the queue is one
    :param group: the message group, or one for each message in turn
    :param attributes: what the sender says of each message
    :param receive_count: how often each message was received by now
    """
    make = Making(**where)
    groups = [group] if isinstance(group, str) else group
    if groups is None and queue.endswith(".fifo"):
        groups = ["my-group"]
    first = make.number(20)
    records = []
    for number, item in items(body, each, count):
        text = as_text(item)
        about = {
            "ApproximateReceiveCount": str(receive_count),
            "SentTimestamp": str(make.later_ms(number)),
            "SenderId": f"AIDA{make.letters(17)}",
            "ApproximateFirstReceiveTimestamp": str(make.later_ms(number + 2)),
        }
        if queue.endswith(".fifo"):
            about["SequenceNumber"] = str(first + 256 * number)
            about["MessageDeduplicationId"] = hashlib.sha256(text.encode()).hexdigest()
        if groups:
            about["MessageGroupId"] = groups[number % len(groups)]
        records.append(
            {
                "messageId": make.uuid(),
                "receiptHandle": f"AQEB{make.base64(96)}",
                "body": text,
                "attributes": about,
                "messageAttributes": {
                    name: _sqs_attribute(value) for name, value in (attributes or {}).items()
                },
                "md5OfBody": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": make.arn("sqs", queue),
                "awsRegion": make.region,
            }
        )
    return {"Records": records}


def _sqs_attribute(value: str | float | bytes) -> dict[str, Any]:
    lists: dict[str, Any] = {"stringListValues": [], "binaryListValues": []}
    if isinstance(value, bytes):
        return {"binaryValue": base64.b64encode(value).decode(), **lists, "dataType": "Binary"}
    kind = "String" if isinstance(value, str) else "Number"
    return {"stringValue": str(value), **lists, "dataType": kind}


def sns(
    message: Json = "Hello from SNS!",
    *,
    each: Sequence[Json] | None = None,
    count: int = 1,
    topic: str = "my-topic",
    subject: str | None = None,
    attributes: Attributes | None = None,
    **where: Unpack[Where],
) -> dict[str, Any]:
    """Notifications of an SNS topic; AWS sends one at a time.

    :param message: what a notification says; what is no text becomes JSON
    :param each: the messages of several notifications
    :param count: how many notifications
    :param topic: the topic's name
    :param subject: the subject line
    :param attributes: what the publisher says of each message
    """
    make = Making(**where)
    topic_arn = make.arn("sns", topic)
    subscription = f"{topic_arn}:{make.uuid()}"
    host = f"https://sns.{make.region}.amazonaws.com"
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription,
                "Sns": {
                    "Type": "Notification",
                    "MessageId": make.uuid(),
                    "TopicArn": topic_arn,
                    "Subject": subject,
                    "Message": as_text(item),
                    "Timestamp": make.later_iso(number),
                    "SignatureVersion": "1",
                    "Signature": make.base64(256),
                    "SigningCertUrl": f"{host}/SimpleNotificationService-{make.hex(32)}.pem",
                    "UnsubscribeUrl": f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription}",
                    "MessageAttributes": {
                        name: _sns_attribute(value) for name, value in (attributes or {}).items()
                    },
                },
            }
            for number, item in items(message, each, count)
        ]
    }


def _sns_attribute(value: str | float | bytes) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"Type": "Binary", "Value": base64.b64encode(value).decode()}
    return {"Type": "String" if isinstance(value, str) else "Number", "Value": str(value)}


def s3(
    key: str = "my-folder/my file.txt",
    *,
    each: Sequence[str] | None = None,
    count: int = 1,
    bucket: str = "my-bucket",
    event_name: str = "ObjectCreated:Put",
    size: int = 1024,
    version_id: str | None = None,
    **where: Unpack[Where],
) -> dict[str, Any]:
    """Notifications of an S3 bucket; AWS sends one at a time.

    :param key: the object's key, as it is called in the bucket
    :param each: the keys of several objects
    :param count: how many notifications
    :param bucket: the bucket's name
    :param event_name: what happened
    :param size: the object's size in bytes
    :param version_id: the object's version, in a bucket that has versions
    """
    make = Making(**where)
    records = []
    for number, item in items(key, each, count):
        entity: dict[str, Any] = {"key": quote_plus(item, safe="/")}
        if not event_name.startswith("ObjectRemoved:"):
            entity |= {"size": size, "eTag": make.hex(32)}
        if version_id is not None:
            entity["versionId"] = version_id
        records.append(
            {
                "eventVersion": "2.6",
                "eventSource": "aws:s3",
                "awsRegion": make.region,
                "eventTime": make.later_iso(number),
                "eventName": event_name,
                "userIdentity": {"principalId": f"AWS:AIDA{make.letters(17)}"},
                "requestParameters": {"sourceIPAddress": "203.0.113.7"},
                "responseElements": {
                    "x-amz-request-id": make.hex(16).upper(),
                    "x-amz-id-2": make.base64(57),
                },
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "my-notification",
                    "bucket": {
                        "name": bucket,
                        "ownerIdentity": {"principalId": f"A{make.letters(13)}"},
                        "arn": f"arn:aws:s3:::{bucket}",
                    },
                    "object": {**entity, "sequencer": f"00{make.hex(16).upper()}"},
                },
            }
        )
    return {"Records": records}


def eventbridge(
    detail: Mapping[str, Any] | None = None,
    *,
    detail_type: str = SCHEDULED,
    source: str = "aws.events",
    resources: Sequence[str] | None = None,
    **where: Unpack[Where],
) -> dict[str, Any]:
    """An event of an EventBridge bus; a schedule's, if nothing else is said.

    :param detail: the event itself, a JSON object
    :param detail_type: what kind of event it is
    :param source: the service or application that it comes from
    :param resources: the ARNs it is about (default: a rule's, for a schedule)
    """
    make = Making(**where)
    if resources is None:
        resources = [make.arn("events", "rule/my-schedule")] if detail_type == SCHEDULED else []
    return {
        "version": "0",
        "id": make.uuid(),
        "detail-type": detail_type,
        "source": source,
        "account": make.account_id,
        "time": make.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": make.region,
        "resources": list(resources),
        "detail": dict(detail or {}),
    }
