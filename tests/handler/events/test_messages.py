"""Events of queues, topics, buckets and buses, with the fields that AWS's pages show."""

from __future__ import annotations

import unittest
from datetime import UTC, datetime
from typing import Any

from lambda_sim.handler.events import EventBridgeEvent, S3Event, SNSEvent, SNSMessage, SQSEvent
from lambda_sim.handler.validation import EventValidationError

MESSAGE = {
    "messageId": "8c6f0e0c-6ad4-4f5c-8b0e-3f3f6a0d6a10",
    "receiptHandle": "AQEBo0Zp",
    "body": '{"order": 7}',
    "attributes": {
        "ApproximateReceiveCount": "3",
        "SentTimestamp": "1795867800250",
        "SequenceNumber": "18870000000000000000",
        "MessageGroupId": "ada",
        "SenderId": "AIDAEXAMPLE",
        "MessageDeduplicationId": "d-1",
        "ApproximateFirstReceiveTimestamp": "1795867800255",
        "AWSTraceHeader": "Root=1-6b0ac4d8-000000000000000000000001",
        "DeadLetterQueueSourceArn": "arn:aws:sqs:eu-west-1:123456789012:first.fifo",
    },
    "messageAttributes": {
        "weight": {
            "stringValue": "2.5",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "Number",
        },
        "blob": {
            "binaryValue": "AP8=",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "Binary",
        },
    },
    "md5OfMessageAttributes": None,
    "md5OfBody": "0a1b",
    "eventSource": "aws:sqs",
    "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders.fifo",
    "awsRegion": "eu-west-1",
}


class TestSQS(unittest.TestCase):
    def read(self, **fields: Any) -> Any:
        (record,) = SQSEvent.from_json({"Records": [{**MESSAGE, **fields}]}).records
        return record

    def test_a_message(self) -> None:
        record = self.read()
        self.assertEqual(MESSAGE["messageId"], record.message_id)
        self.assertEqual("AQEBo0Zp", record.receipt_handle)
        self.assertEqual({"order": 7}, record.json_body)
        self.assertEqual("0a1b", record.md5_of_body)
        self.assertIsNone(record.md5_of_message_attributes)
        self.assertEqual(("aws:sqs", "eu-west-1"), (record.event_source, record.aws_region))
        self.assertEqual(MESSAGE["eventSourceARN"], record.event_source_arn)

    def test_what_the_queue_says(self) -> None:
        about = self.read().attributes
        sent = datetime(2026, 11, 28, 12, 10, 0, 250_000, tzinfo=UTC)
        self.assertEqual(3, about.approximate_receive_count)
        self.assertEqual(sent, about.sent_timestamp)
        self.assertEqual(
            sent.replace(microsecond=255_000), about.approximate_first_receive_timestamp
        )
        self.assertEqual(("ada", "d-1"), (about.message_group_id, about.message_deduplication_id))
        self.assertEqual("18870000000000000000", about.sequence_number)
        self.assertEqual("AIDAEXAMPLE", about.sender_id)
        self.assertTrue(about.aws_trace_header.startswith("Root=1-"))
        self.assertTrue(about.dead_letter_queue_source_arn.endswith(":first.fifo"))

    def test_what_the_sender_says(self) -> None:
        attributes = self.read().message_attributes
        self.assertEqual(("Number", "2.5"), _text(attributes["weight"]))
        self.assertEqual(("Binary", b"\0\xff"), _binary(attributes["blob"]))

    def test_a_queue_is_fifo_by_its_name_and_not_for_its_groups(self) -> None:
        self.assertTrue(self.read().is_fifo)
        fair = self.read(eventSourceARN="arn:aws:sqs:eu-west-1:123456789012:orders")
        self.assertFalse(fair.is_fifo)
        self.assertEqual("ada", fair.attributes.message_group_id)

    def test_a_body_that_is_no_json_is_named(self) -> None:
        with self.assertRaisesRegex(EventValidationError, "^body: expected JSON, got text$"):
            _ = self.read(body="hello").json_body

    def test_another_service_in_the_body(self) -> None:
        body = '{"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": "hi",'
        body += ' "Timestamp": "2026-11-28T12:00:00Z", "SigningCertURL": "https://x"}'
        message = SNSMessage.from_json(self.read(body=body).json_body)
        self.assertEqual(("hi", "https://x"), (message.message, message.signing_cert_url))


def _text(attribute: Any) -> tuple[str, str]:
    assert attribute.binary_value is None
    return attribute.data_type, attribute.string_value


def _binary(attribute: Any) -> tuple[str, bytes]:
    assert attribute.string_value is None
    return attribute.data_type, attribute.binary_value


class TestSNS(unittest.TestCase):
    def test_a_notification(self) -> None:
        record = {
            "EventVersion": "1.0",
            "EventSubscriptionArn": "arn:aws:sns:eu-west-1:123456789012:news:1",
            "EventSource": "aws:sns",
            "Sns": {
                "SignatureVersion": "1",
                "Timestamp": "2026-11-28T12:00:00.125Z",
                "Signature": "c2ln",
                "SigningCertUrl": "https://sns.eu-west-1.amazonaws.com/x.pem",
                "MessageId": "m-1",
                "Message": '{"news": true}',
                "MessageAttributes": {"tone": {"Type": "String", "Value": "calm"}},
                "Type": "Notification",
                "UnsubscribeUrl": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
                "TopicArn": "arn:aws:sns:eu-west-1:123456789012:news",
                "Subject": "today",
            },
        }
        (read,) = SNSEvent.from_json({"Records": [record]}).records
        self.assertEqual(("aws:sns", "1.0"), (read.event_source, read.event_version))
        self.assertEqual(record["EventSubscriptionArn"], read.event_subscription_arn)
        message = read.sns
        self.assertEqual(("m-1", "Notification"), (message.message_id, message.type))
        self.assertEqual({"news": True}, message.json_message)
        self.assertEqual("today", message.subject)
        self.assertEqual(datetime(2026, 11, 28, 12, 0, 0, 125_000, tzinfo=UTC), message.timestamp)
        tone = message.message_attributes["tone"]
        self.assertEqual(("String", "calm"), (tone.type, tone.value))
        self.assertEqual(("1", "c2ln"), (message.signature_version, message.signature))
        self.assertTrue(message.signing_cert_url and message.signing_cert_url.endswith(".pem"))
        self.assertTrue(message.unsubscribe_url and "Unsubscribe" in message.unsubscribe_url)
        self.assertTrue(message.topic_arn.endswith(":news"))


class TestS3(unittest.TestCase):
    def read(self, **thing: Any) -> Any:
        record = {
            "eventVersion": "2.6",
            "eventSource": "aws:s3",
            "awsRegion": "eu-west-1",
            "eventTime": "2026-11-28T12:00:00.000Z",
            "eventName": "ObjectRestore:Completed",
            "userIdentity": {"principalId": "AIDAEXAMPLE"},
            "requestParameters": {"sourceIPAddress": "203.0.113.7"},
            "responseElements": {"x-amz-request-id": "C3D1", "x-amz-id-2": "FMyU"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "photos-in",
                "bucket": {
                    "name": "photos",
                    "ownerIdentity": {"principalId": "A3NL"},
                    "arn": "arn:aws:s3:::photos",
                },
                "object": thing,
            },
            "glacierEventData": {"restoreEventData": {"lifecycleRestoreStorageClass": "GLACIER"}},
        }
        (read,) = S3Event.from_json({"Records": [record]}).records
        return read

    def test_a_notification(self) -> None:
        record = self.read(key="a.txt", size=12, eTag="d41d", versionId="v1", sequencer="0055")
        self.assertEqual("ObjectRestore:Completed", record.event_name)
        self.assertEqual(datetime(2026, 11, 28, 12, tzinfo=UTC), record.event_time)
        self.assertEqual("AIDAEXAMPLE", record.user_identity.principal_id)
        self.assertEqual("203.0.113.7", record.request_parameters["sourceIPAddress"])
        self.assertEqual("FMyU", record.response_elements["x-amz-id-2"])
        self.assertEqual("photos-in", record.s3.configuration_id)
        bucket, thing = record.s3.bucket, record.s3.object
        self.assertEqual(("photos", "arn:aws:s3:::photos"), (bucket.name, bucket.arn))
        self.assertEqual("A3NL", bucket.owner_identity.principal_id)
        self.assertEqual((12, "d41d"), (thing.size, thing.e_tag))
        self.assertEqual(("v1", "0055"), (thing.version_id, thing.sequencer))
        self.assertIn("restoreEventData", record.glacier_event_data)

    def test_keys_are_decoded(self) -> None:
        thing = self.read(key="my+folder/caf%C3%A9+%2B1.txt").s3.object
        self.assertEqual("my folder/café +1.txt", thing.key)
        self.assertEqual("my+folder/caf%C3%A9+%2B1.txt", thing.raw["key"])

    def test_a_deleted_object_has_neither_size_nor_tag(self) -> None:
        thing = self.read(key="gone", sequencer="0056").s3.object
        self.assertEqual((None, None), (thing.size, thing.e_tag))


class TestEventBridge(unittest.TestCase):
    def test_an_event(self) -> None:
        event = EventBridgeEvent.from_json(
            {
                "version": "0",
                "id": "6a7e8feb",
                "detail-type": "Order Created",
                "source": "my.shop",
                "account": "123456789012",
                "time": "2026-11-28T12:00:00Z",
                "region": "eu-west-1",
                "resources": ["arn:one"],
                "detail": {"id": 7},
                "replay-name": "again",
            }
        )
        self.assertEqual(("0", "6a7e8feb"), (event.version, event.id))
        self.assertEqual(("my.shop", "Order Created"), (event.source, event.detail_type))
        self.assertEqual(("123456789012", "eu-west-1"), (event.account, event.region))
        self.assertEqual(datetime(2026, 11, 28, 12, tzinfo=UTC), event.time)
        self.assertEqual((("arn:one",), {"id": 7}), (event.resources, event.detail))
        self.assertEqual("again", event.replay_name)


if __name__ == "__main__":
    unittest.main()
