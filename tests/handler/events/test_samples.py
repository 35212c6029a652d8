"""Made-up events: what they hold, that they are plain JSON, and that they can be made again."""

from __future__ import annotations

import hashlib
import json
import unittest
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.events import (
    ALBEvent,
    APIGatewayProxyEvent,
    APIGatewayProxyEventV2,
    CloudWatchLogsEvent,
    DynamoDBStreamEvent,
    EventBridgeEvent,
    KinesisStreamEvent,
    LambdaFunctionUrlEvent,
    S3Event,
    SecretsManagerEvent,
    SNSEvent,
    SQSEvent,
    samples,
)

AT = datetime(2026, 11, 28, 12, 10, 0, 250_000, tzinfo=UTC)


class TestAll(unittest.TestCase):
    def test_they_are_plain_json(self) -> None:
        for name in samples.__all__:
            event = getattr(samples, name)()
            with self.subTest(name):
                self.assertEqual(event, json.loads(json.dumps(event)))

    def test_the_same_seed_and_time_make_the_same_event(self) -> None:
        for name in samples.__all__:
            make = getattr(samples, name)
            with self.subTest(name):
                self.assertEqual(make(at=AT, seed=1), make(at=AT, seed=1))

    def test_ids_differ_without_a_seed(self) -> None:
        for name in samples.__all__:
            make = getattr(samples, name)
            with self.subTest(name):
                self.assertNotEqual(make(at=AT), make(at=AT))

    def test_region_and_account_are_everywhere(self) -> None:
        for name in samples.__all__:
            with self.subTest(name):
                event = getattr(samples, name)(region="eu-west-1", account_id="111122223333")
                self.assertNotIn("us-east-1", json.dumps(event))
                self.assertNotIn("123456789012", json.dumps(event))

    def test_a_time_may_have_any_zone(self) -> None:
        there = AT.astimezone(timezone(timedelta(hours=5)))
        for name in samples.__all__:
            make = getattr(samples, name)
            with self.subTest(name):
                self.assertEqual(make(at=AT, seed=1), make(at=there, seed=1))

    def test_several_records_hold_each_what_was_given_and_are_told_apart(self) -> None:
        for name in ("sqs", "sns", "kinesis"):
            event = getattr(samples, name)(each=["one", {"two": 2}])
            with self.subTest(name):
                ids = Counter(json.dumps(record) for record in event["Records"])
                self.assertEqual([1, 1], list(ids.values()))
        first, second = SQSEvent.from_json(samples.sqs(each=["one", {"two": 2}])).records
        self.assertEqual(("one", {"two": 2}), (first.body, second.json_body))

    def test_counts_that_no_batch_has_are_refused(self) -> None:
        for count in (0, -1, 10_001, True, "2"):
            with self.subTest(count), self.assertRaisesRegex(ConfigurationError, "^count: "):
                samples.sqs(count=count)  # type: ignore[arg-type]
        with self.assertRaisesRegex(ConfigurationError, "^each: "):
            samples.kinesis(each=[])


class TestMessages(unittest.TestCase):
    def test_sqs(self) -> None:
        event = SQSEvent.from_json(samples.sqs({"a": 1}, at=AT, attributes={"n": 2, "b": b"\0"}))
        (record,) = event.records
        digest = hashlib.md5(record.body.encode(), usedforsecurity=False).hexdigest()
        self.assertEqual(({"a": 1}, digest), (record.json_body, record.md5_of_body))
        self.assertEqual((1, AT), (_received(record), record.attributes.sent_timestamp))
        self.assertEqual("arn:aws:sqs:us-east-1:123456789012:my-queue", record.event_source_arn)
        self.assertIsNone(record.attributes.message_group_id)
        number, blob = record.message_attributes["n"], record.message_attributes["b"]
        self.assertEqual(("Number", "2"), (number.data_type, number.string_value))
        self.assertEqual(("Binary", b"\0"), (blob.data_type, blob.binary_value))

    def test_sqs_fifo(self) -> None:
        event = samples.sqs(queue="q.fifo", count=3, group=["a", "b"], receive_count=2)
        records = SQSEvent.from_json(event).records
        self.assertEqual(["a", "b", "a"], [r.attributes.message_group_id for r in records])
        numbers = [int(r.attributes.sequence_number or 0) for r in records]
        self.assertEqual((numbers, 3), (sorted(numbers), len(set(numbers))))
        self.assertTrue(all(r.is_fifo and _received(r) == 2 for r in records))

    def test_sns(self) -> None:
        event = samples.sns("hi", subject="s", topic="news", attributes={"n": 2, "b": b"\0"})
        (record,) = SNSEvent.from_json(event).records
        self.assertEqual(("hi", "s"), (record.sns.message, record.sns.subject))
        self.assertTrue(record.event_subscription_arn.startswith(record.sns.topic_arn + ":"))
        kinds = {name: a.type for name, a in record.sns.message_attributes.items()}
        self.assertEqual({"n": "Number", "b": "Binary"}, kinds)

    def test_s3(self) -> None:
        event = samples.s3("a b/ü.txt", bucket="photos", size=5, version_id="v")
        (record,) = S3Event.from_json(event).records
        thing = record.s3.object
        self.assertEqual(("a b/ü.txt", 5, "v"), (thing.key, thing.size, thing.version_id))
        self.assertEqual("a+b/%C3%BC.txt", event["Records"][0]["s3"]["object"]["key"])
        self.assertEqual("arn:aws:s3:::photos", record.s3.bucket.arn)

    def test_s3_of_a_deleted_object(self) -> None:
        (record,) = S3Event.from_json(samples.s3(event_name="ObjectRemoved:Delete")).records
        self.assertEqual((None, None), (record.s3.object.size, record.s3.object.e_tag))

    def test_eventbridge(self) -> None:
        schedule = EventBridgeEvent.from_json(samples.eventbridge(at=AT))
        self.assertEqual(("aws.events", {}), (schedule.source, schedule.detail))
        self.assertEqual("rule/my-schedule", schedule.resources[0].rpartition(":")[2])
        self.assertEqual(AT.replace(microsecond=0), schedule.time)
        own = samples.eventbridge({"id": 7}, detail_type="Order Created", source="my.shop")
        self.assertEqual(({"id": 7}, []), (own["detail"], own["resources"]))


def _received(record: Any) -> int:
    count = record.attributes.approximate_receive_count
    assert isinstance(count, int)
    return count


class TestStreams(unittest.TestCase):
    def test_kinesis(self) -> None:
        event = samples.kinesis(each=[b"\0", "two", {"n": 3}], shard=4, partition_key="p")
        records = KinesisStreamEvent.from_json(event).records
        self.assertEqual([b"\0", b"two", b'{"n": 3}'], [r.kinesis.data for r in records])
        numbers = [int(r.kinesis.sequence_number) for r in records]
        self.assertEqual((numbers, 3), (sorted(numbers), len(set(numbers))))
        shard = f"shardId-000000000004:{numbers[0]}"
        self.assertEqual(("p", shard), (records[0].kinesis.partition_key, records[0].event_id))

    def test_dynamodb_says_what_happened(self) -> None:
        for fields, name in (
            ({"new_image": {"Id": 1}}, "INSERT"),
            ({"new_image": {"Id": 1}, "old_image": {"Id": 1}}, "MODIFY"),
            ({"old_image": {"Id": 1}}, "REMOVE"),
        ):
            (record,) = DynamoDBStreamEvent.from_json(samples.dynamodb(**fields)).records
            self.assertEqual((name, {"Id": 1}), (record.event_name, record.dynamodb.keys))

    def test_dynamodb_keys_may_be_two(self) -> None:
        event = samples.dynamodb(each=[{"a": 1, "b": 2, "c": 3}], key=["a", "c"])
        (record,) = DynamoDBStreamEvent.from_json(event).records
        self.assertEqual({"a": 1, "c": 3}, record.dynamodb.keys)
        with self.assertRaisesRegex(ConfigurationError, "^key: "):
            samples.dynamodb({"a": 1}, key="b")
        with self.assertRaisesRegex(ConfigurationError, "^key: "):
            samples.dynamodb({})

    def test_dynamodb_sizes_are_those_of_the_guide(self) -> None:
        old, new = (
            {"Message": "New item!", "Id": 101},
            {"Message": "This item has changed", "Id": 101},
        )
        for size, fields in (
            (26, {"new_image": old}),
            (59, {"new_image": new, "old_image": old}),
            (38, {"old_image": new}),
        ):
            event = samples.dynamodb(key="Id", **fields)
            self.assertEqual(size, event["Records"][0]["dynamodb"]["SizeBytes"])

    def test_dynamodb_sizes_of_documents(self) -> None:
        item = {"k": 1, "doc": {"l": [True, None], "s": {"ab", "c"}, "b": b"123"}}
        event = samples.dynamodb(item)
        keys, document = 3, 3 + 3 + 3 + (1 + 3 + 2 + 2) + (1 + 3) + (1 + 3)
        self.assertEqual(keys + 3 + document, event["Records"][0]["dynamodb"]["SizeBytes"])


class TestRequests(unittest.TestCase):
    def test_api_gateway(self) -> None:
        made = samples.api_gateway(
            "/orders/a%20b?q=1&q=2%2C3",
            method="POST",
            body={"a": 1},
            resource="/orders/{id}",
            headers={"X-Tag": ["a", "b"], "user-agent": "me"},
            stage="test",
            stage_variables={"table": "t"},
            authorizer={"principalId": "ada"},
        )
        event = APIGatewayProxyEvent.from_json(made)
        self.assertEqual({"id": "a b"}, event.path_parameters)
        self.assertEqual(("1", "2,3"), event.query_values("q"))
        self.assertEqual({"q": "2,3"}, event.query_string_parameters)
        self.assertEqual(
            (("a", "b"), "me"), (event.header_values("x-tag"), event.header("User-Agent"))
        )
        self.assertEqual(
            ("application/json", {"a": 1}), (event.header("content-type"), event.json_body)
        )
        context = event.request_context
        self.assertEqual(("test", "/test/orders/a%20b"), (context.stage, context.path))
        self.assertEqual(
            ({"table": "t"}, "ada"), (event.stage_variables, context.authorizer["principalId"])
        )

    def test_api_gateway_leaves_nothing_out(self) -> None:
        made = samples.api_gateway("/")
        self.assertEqual(
            ("/", None, None), (made["resource"], made["pathParameters"], made["body"])
        )
        self.assertIsNone(made["queryStringParameters"])
        self.assertEqual({"proxy": "a/b"}, samples.api_gateway("/a/b")["pathParameters"])

    def test_api_gateway_v2(self) -> None:
        made = samples.api_gateway_v2(
            "/orders/7?q=1&q=2",
            method="PUT",
            route_key="PUT /orders/{id}",
            stage="test",
            headers={"Cookie": "a=1; b=2", "X-Tag": ["a", "b"]},
            stage_variables={"table": "t"},
        )
        event = APIGatewayProxyEventV2.from_json(made)
        self.assertEqual(("/test/orders/7", "q=1&q=2"), (event.raw_path, event.raw_query_string))
        self.assertEqual(
            ({"q": "1,2"}, "a,b"), (event.query_string_parameters, event.header("x-tag"))
        )
        self.assertEqual((("a=1", "b=2"), None), (event.cookies, event.header("cookie")))
        self.assertEqual(({"id": "7"}, "PUT"), (event.path_parameters, event.http_method))
        self.assertEqual("PUT /orders/{id}", event.request_context.route_key)

    def test_format_2_leaves_out_what_there_is_none_of(self) -> None:
        for made in (samples.api_gateway_v2(), samples.function_url()):
            absent = {
                "body",
                "cookies",
                "pathParameters",
                "queryStringParameters",
                "stageVariables",
            }
            self.assertEqual(set(), absent & made.keys())

    def test_function_url(self) -> None:
        event = LambdaFunctionUrlEvent.from_json(samples.function_url("/a?b=c", at=AT))
        context = event.request_context
        self.assertEqual(("anonymous", AT), (context.account_id, context.time_epoch))
        self.assertEqual("28/Nov/2026:12:10:00 +0000", context.time)
        self.assertRegex(context.domain_name, r"^[a-z0-9]{32}\.lambda-url\.us-east-1\.on\.aws$")
        cookies = LambdaFunctionUrlEvent.from_json(samples.function_url(headers={"Cookie": "a=1"}))
        self.assertEqual((("a=1",), "a=1"), (cookies.cookies, cookies.header("cookie")))
        signed = samples.function_url(authorizer={"iam": {"userId": "AIDA"}})["requestContext"]
        self.assertEqual("123456789012", signed["accountId"])

    def test_alb(self) -> None:
        one = ALBEvent.from_json(samples.alb("/a?q=a%20b&q=c"))
        self.assertEqual({"q": "c"}, one.query_string_parameters)
        self.assertEqual((0, ""), (len(one.multi_value_headers), one.body))
        many = ALBEvent.from_json(samples.alb("/a?q=a%20b&q=c", multi_value=True))
        self.assertEqual({"q": ("a%20b", "c")}, many.multi_value_query_string_parameters)
        self.assertEqual((("a b", "c"), 0), (many.query_values("q"), len(many.headers)))

    def test_bodies_are_text_or_base64_as_their_type_says(self) -> None:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for body, headers, is_base64 in (
            ("a", {}, False),
            (b"a", {}, True),
            ({"a": 1}, {}, False),
            (b"{}", {"content-type": "application/problem+json; charset=utf-8"}, False),
            (b"\xff", {"content-type": "text/plain"}, True),
            ("a=b", form, True),
        ):
            for make in (samples.function_url, samples.api_gateway_v2, samples.alb):
                with self.subTest(body=body, make=make.__name__):
                    made = make(method="POST", body=body, headers=headers)
                    self.assertEqual(is_base64, made["isBase64Encoded"])
        self.assertFalse(samples.api_gateway(body="a=b", headers=form)["isBase64Encoded"])
        self.assertTrue(samples.api_gateway(body=b"a=b", headers=form)["isBase64Encoded"])

    def test_what_fits_no_route_is_refused(self) -> None:
        for field, make in (
            ("path", lambda: samples.alb("orders")),
            ("resource", lambda: samples.api_gateway("/a/b", resource="/a/{id}/c")),
            ("resource", lambda: samples.api_gateway("/a/b", resource="/{id}")),
            ("route_key", lambda: samples.api_gateway_v2("/a", route_key="POST /a")),
            ("route_key", lambda: samples.api_gateway_v2("/a", route_key="ANY /b")),
        ):
            with self.subTest(field), self.assertRaisesRegex(ConfigurationError, f"^{field}: "):
                make()


class TestNotices(unittest.TestCase):
    def test_cloudwatch_logs(self) -> None:
        event = CloudWatchLogsEvent.from_json(samples.cloudwatch_logs(each=["a", "b"], at=AT))
        data = event.awslogs.data
        self.assertEqual(["a", "b"], [e.message for e in data.log_events])
        self.assertEqual(
            ("/aws/lambda/my-function", "DATA_MESSAGE"), (data.log_group, data.message_type)
        )
        self.assertRegex(data.log_stream, r"^2026/11/28/\[\$LATEST\][0-9a-f]{32}$")

    def test_secrets_manager(self) -> None:
        made = samples.secrets_manager("testSecret", secret="db", token="t", rotation_token="r")
        event = SecretsManagerEvent.from_json(made)
        self.assertRegex(event.secret_id, r":123456789012:secret:db-[A-Za-z]{6}$")
        self.assertEqual(("t", "r"), (event.client_request_token, event.rotation_token))
        arn = "arn:aws:secretsmanager:eu-west-1:1:secret:x-AbCdEf"
        self.assertEqual(arn, samples.secrets_manager(secret=arn)["SecretId"])
        with self.assertRaisesRegex(ConfigurationError, "^step: got 'create'; allowed is createS"):
            samples.secrets_manager("create")


if __name__ == "__main__":
    unittest.main()
