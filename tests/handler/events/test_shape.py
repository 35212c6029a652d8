"""Records read from JSON: what is missing, wrong or unknown, in every place of every event."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import unittest
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import attrs

from lambda_sim.handler import events
from lambda_sim.handler.events import samples
from lambda_sim.handler.events.shape import Record
from lambda_sim.handler.validation import EventValidationError

READERS: dict[str, tuple[type[Record], dict[str, Any]]] = {
    "sqs": (events.SQSEvent, {"attributes": {"a": "b", "c": b"d"}, "queue": "q.fifo"}),
    "sns": (events.SNSEvent, {"attributes": {"a": "b"}, "subject": "s"}),
    "s3": (events.S3Event, {"version_id": "v"}),
    "eventbridge": (events.EventBridgeEvent, {}),
    "kinesis": (events.KinesisStreamEvent, {"count": 2}),
    "dynamodb": (
        events.DynamoDBStreamEvent,
        {"old_image": {"Id": 1, "deep": {"list": [True, None, {"x"}]}}},
    ),
    "api_gateway": (events.APIGatewayProxyEvent, {"path": "/a?b=c", "body": "{}"}),
    "api_gateway_v2": (
        events.APIGatewayProxyEventV2,
        {"path": "/a?b=c", "headers": {"cookie": "d=e"}, "authorizer": {"jwt": {}}},
    ),
    "function_url": (events.LambdaFunctionUrlEvent, {"body": b"\0"}),
    "alb": (events.ALBEvent, {"multi_value": True, "path": "/a?b=c"}),
    "cloudwatch_logs": (events.CloudWatchLogsEvent, {}),
    "secrets_manager": (events.SecretsManagerEvent, {"rotation_token": "r"}),
}
AT = datetime(2026, 11, 28, 12, 30, 0, 250_000, tzinfo=UTC)
WRONG: tuple[Any, ...] = (
    *(None, True, -5, 1.5, 10**400, float("nan"), float("inf")),
    *("", "no\x00thing", "9" * 5000, "\ud800", [], {}, [None], {"x": None}),
)


def sample(source: str) -> Any:
    made = getattr(samples, source)(at=AT, seed=7, **READERS[source][1])
    return json.loads(json.dumps(made))


def places(value: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """Where a JSON value holds values, itself included."""
    yield path
    if isinstance(value, dict):
        for name, held in value.items():
            yield from places(held, *path, name)
    if isinstance(value, list):
        for index, held in enumerate(value):
            yield from places(held, *path, index)


def changed(value: Any, path: tuple[str | int, ...], to: Any) -> Any:
    if not path:
        return to
    copied = copy.deepcopy(value)
    place = copied
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return copied


def spelled(path: tuple[str | int, ...]) -> str:
    return EventValidationError("", "", "").below(*path).path


class TestEveryEvent(unittest.TestCase):
    def test_samples_are_read(self) -> None:
        for source, (cls, _) in READERS.items():
            with self.subTest(source):
                self.assertIsInstance(cls.from_json(sample(source)), cls)

    def test_wherever_a_value_is_wrong_the_error_is_about_that_place(self) -> None:
        for source, (cls, _) in READERS.items():
            event = sample(source)
            refused = set()
            for path in places(event):
                # A value that is not even there is missed by the object around it.
                around, spot = spelled(path[:-1]), spelled(path)
                for wrong in WRONG:
                    try:
                        cls.from_json(changed(event, path, wrong))
                    except EventValidationError as error:
                        refused.add(path)
                        right = error.path == around or error.path.startswith(spot)
                        self.assertTrue(right, f"{source}: {spot} was {wrong!r}, but {error}")
            self.assertGreater(len(refused), 2, source)

    def test_unknown_fields_are_kept_wherever_they_are(self) -> None:
        for source, (cls, _) in READERS.items():
            event = sample(source)
            known = cls.from_json(event)
            event |= {"tomorrow": 1}
            with self.subTest(source):
                self.assertEqual(1, cls.from_json(event).raw["tomorrow"])
                self.assertEqual(known, cls.from_json(event))

    def test_records_do_not_change(self) -> None:
        for source, (cls, _) in READERS.items():
            event = cls.from_json(sample(source))
            name = attrs.fields(type(event))[0].name
            with self.subTest(source), self.assertRaises(attrs.exceptions.FrozenInstanceError):
                setattr(event, name, None)

    def test_repr_leaves_the_raw_json_out(self) -> None:
        event = events.SecretsManagerEvent.from_json({**sample("secrets_manager"), "x": "hush"})
        self.assertNotIn("hush", repr(event))


class TestFaults(unittest.TestCase):
    def test_a_fault_deep_inside_names_the_way(self) -> None:
        event = samples.sqs(count=2)
        event["Records"][1]["attributes"]["SentTimestamp"] = "yesterday"
        with self.assertRaises(EventValidationError) as caught:
            events.SQSEvent.from_json(event)
        self.assertEqual(
            "Records[1].attributes.SentTimestamp: expected a whole number, got text",
            str(caught.exception),
        )

    def test_a_missing_field_is_named(self) -> None:
        event = samples.sqs()
        del event["Records"][0]["body"]
        with self.assertRaises(EventValidationError) as caught:
            events.SQSEvent.from_json(event)
        self.assertEqual(
            "Records[0].body: expected text, got nothing",
            str(caught.exception),
        )

    def test_what_is_no_object_is_refused(self) -> None:
        for value in (None, [], "{}", 5):
            with self.subTest(value), self.assertRaisesRegex(EventValidationError, "^the event: "):
                events.SQSEvent.from_json(value)


class TestImports(unittest.TestCase):
    def test_a_service_costs_only_its_own_import(self) -> None:
        code = (
            "import sys\n"
            "from lambda_sim.handler.events import SQSEvent\n"
            "print(*sorted(m for m in sys.modules if 'handler.events.' in m))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        package = "lambda_sim.handler.events"
        self.assertEqual(f"{package}.shape {package}.sqs", done.stdout.strip())

    def test_every_public_name_is_there(self) -> None:
        for name in events.__all__:
            self.assertIsNotNone(getattr(events, name))
        self.assertEqual(events.__all__, dir(events))
        with self.assertRaises(AttributeError):
            _ = events.Nonsense


if __name__ == "__main__":
    unittest.main()
