"""Events of Kinesis and DynamoDB streams, and of CloudWatch Logs and Secrets Manager."""

from __future__ import annotations

import base64
import gzip
import json
import unittest
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from lambda_sim.handler.events import (
    CloudWatchLogsEvent,
    DynamoDBStreamEvent,
    KinesisStreamEvent,
    SecretsManagerEvent,
)
from lambda_sim.handler.validation import EventValidationError

STREAM = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks"


def kinesis_record(**data: Any) -> dict[str, Any]:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "k",
            "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
            "data": base64.b64encode(b'{"a": 1}').decode(),
            "approximateArrivalTimestamp": 1795867800.25,
            **data,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": "shardId-000000000006:4959",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/r",
        "awsRegion": "eu-west-1",
        "eventSourceARN": STREAM,
    }


class TestKinesis(unittest.TestCase):
    def test_a_record(self) -> None:
        (record,) = KinesisStreamEvent.from_json({"Records": [kinesis_record()]}).records
        data = record.kinesis
        self.assertEqual((b'{"a": 1}', {"a": 1}), (data.data, data.json_data))
        self.assertEqual(("1.0", "k"), (data.kinesis_schema_version, data.partition_key))
        self.assertTrue(data.sequence_number.endswith("136588898"))
        arrival = datetime(2026, 11, 28, 12, 10, 0, 250_000, tzinfo=UTC)
        self.assertEqual(arrival, data.approximate_arrival_timestamp)
        self.assertEqual("shardId-000000000006:4959", record.event_id)
        self.assertEqual("aws:kinesis:record", record.event_name)
        self.assertEqual(("aws:kinesis", "1.0"), (record.event_source, record.event_version))
        self.assertEqual((STREAM, "eu-west-1"), (record.event_source_arn, record.aws_region))
        self.assertEqual("arn:aws:iam::123456789012:role/r", record.invoke_identity_arn)

    def test_data_that_is_no_base64_is_named(self) -> None:
        for data in ("%", "abc", "YQ==\n", "é"):
            event = {"Records": [kinesis_record(data=data)]}
            with (
                self.subTest(data),
                self.assertRaisesRegex(
                    EventValidationError, r"^Records\[0\]\.kinesis\.data: expected base64"
                ),
            ):
                KinesisStreamEvent.from_json(event)

    def test_data_that_is_no_json_is_named(self) -> None:
        event = KinesisStreamEvent.from_json({"Records": [kinesis_record(data="/w==")]})
        with self.assertRaisesRegex(EventValidationError, "^data: expected JSON"):
            _ = event.records[0].kinesis.json_data

    def test_a_tumbling_window(self) -> None:
        event = KinesisStreamEvent.from_json(
            {
                "Records": [],
                "window": {"start": "2026-11-28T12:00:00Z", "end": "2026-11-28T12:02:00Z"},
                "state": {"k": 5},
                "shardId": "shardId-000000000006",
                "eventSourceARN": STREAM,
                "isFinalInvokeForWindow": True,
                "isWindowTerminatedEarly": False,
            }
        )
        assert event.window is not None
        self.assertEqual(120.0, (event.window.end - event.window.start).total_seconds())
        self.assertEqual(({"k": 5}, "shardId-000000000006"), (event.state, event.shard_id))
        self.assertIs(event.is_final_invoke_for_window, True)
        self.assertIs(event.is_window_terminated_early, False)
        self.assertEqual(STREAM, event.event_source_arn)

    def test_without_a_window_there_is_nothing_of_it(self) -> None:
        event = KinesisStreamEvent.from_json({"Records": []})
        self.assertEqual((None, None, None), (event.window, event.state, event.shard_id))


class TestDynamoDB(unittest.TestCase):
    def read(self, **fields: Any) -> Any:
        record = {
            "eventID": "2",
            "eventVersion": "1.1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1795867800,
                "OldImage": {"Id": {"N": "101"}, "Text": {"S": "old"}},
                "NewImage": {"Id": {"N": "101"}, "Text": {"S": "new"}},
                "Keys": {"Id": {"N": "101"}},
                "SequenceNumber": "222",
                "SizeBytes": 59,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
            "awsRegion": "eu-west-1",
            "eventName": "MODIFY",
            "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/T/stream/S",
            "eventSource": "aws:dynamodb",
            **fields,
        }
        (read,) = DynamoDBStreamEvent.from_json({"Records": [record]}).records
        return read

    def test_a_change(self) -> None:
        record = self.read()
        self.assertEqual(("2", "MODIFY"), (record.event_id, record.event_name))
        self.assertEqual(("aws:dynamodb", "1.1"), (record.event_source, record.event_version))
        self.assertEqual("eu-west-1", record.aws_region)
        self.assertTrue(record.event_source_arn.endswith("/stream/S"))
        change = record.dynamodb
        self.assertEqual({"Id": Decimal(101)}, change.keys)
        self.assertEqual({"Id": Decimal(101), "Text": "old"}, change.old_image)
        self.assertEqual({"Id": Decimal(101), "Text": "new"}, change.new_image)
        self.assertEqual(("222", 59), (change.sequence_number, change.size_bytes))
        self.assertEqual("NEW_AND_OLD_IMAGES", change.stream_view_type)
        created = datetime(2026, 11, 28, 12, 10, tzinfo=UTC)
        self.assertEqual(created, change.approximate_creation_date_time)
        self.assertEqual({"N": "101"}, change.raw["Keys"]["Id"])

    def test_images_that_the_view_does_not_show_are_none(self) -> None:
        change = self.read(dynamodb={"SequenceNumber": "1", "Keys": {}}).dynamodb
        self.assertEqual((None, None), (change.old_image, change.new_image))

    def test_who_deletes_what_is_too_old(self) -> None:
        self.assertIsNone(self.read().user_identity)
        service = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        who = self.read(eventName="REMOVE", userIdentity=service).user_identity
        self.assertEqual(("Service", "dynamodb.amazonaws.com"), (who.type, who.principal_id))


LOGS: dict[str, Any] = {
    "messageType": "DATA_MESSAGE",
    "owner": "123456789012",
    "logGroup": "/aws/lambda/f",
    "logStream": "2026/11/28/[$LATEST]0f",
    "subscriptionFilters": ["one"],
    "logEvents": [{"id": "3462", "timestamp": 1795867800250, "message": "REPORT\n"}],
    "policyLevel": "ACCOUNT_LEVEL_POLICY",
}


class TestCloudWatchLogs(unittest.TestCase):
    def read(self, packed: bytes) -> Any:
        data = base64.b64encode(packed).decode()
        return CloudWatchLogsEvent.from_json({"awslogs": {"data": data}}).awslogs.data

    def test_log_events_are_unpacked(self) -> None:
        data = self.read(gzip.compress(json.dumps(LOGS).encode()))
        self.assertEqual(("DATA_MESSAGE", "123456789012"), (data.message_type, data.owner))
        self.assertEqual(("/aws/lambda/f", ("one",)), (data.log_group, data.subscription_filters))
        self.assertEqual("2026/11/28/[$LATEST]0f", data.log_stream)
        self.assertEqual("ACCOUNT_LEVEL_POLICY", data.policy_level)
        (event,) = data.log_events
        self.assertEqual(("3462", "REPORT\n"), (event.id, event.message))
        moment = datetime(2026, 11, 28, 12, 10, 0, 250_000, tzinfo=UTC)
        self.assertEqual(moment, event.timestamp)

    def test_what_can_not_be_unpacked_is_named(self) -> None:
        whole = gzip.compress(json.dumps(LOGS).encode())
        wrong = gzip.compress(json.dumps({**LOGS, "logEvents": [{}]}).encode())
        for packed, fault in (
            (b"plain", "awslogs.data: expected gzip in base64"),
            (whole[:-20], "awslogs.data: expected gzip in base64"),
            (gzip.compress(b"{"), "awslogs.data: expected JSON"),
            (wrong, r"awslogs.data.logEvents\[0\].id: expected text, got nothing"),
        ):
            with self.subTest(fault), self.assertRaisesRegex(EventValidationError, f"^{fault}"):
                self.read(packed)


class TestSecretsManager(unittest.TestCase):
    def test_a_step(self) -> None:
        event = SecretsManagerEvent.from_json(
            {
                "Step": "setSecret",
                "SecretId": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf",
                "ClientRequestToken": "t",
                "RotationToken": "r",
            }
        )
        self.assertEqual(("setSecret", "t"), (event.step, event.client_request_token))
        self.assertTrue(event.secret_id.endswith(":db-AbCdEf"))
        self.assertEqual("r", event.rotation_token)


if __name__ == "__main__":
    unittest.main()
