"""Partial batches: what is handled, held up, or out of time, and what Lambda is told."""

from __future__ import annotations

import json
import unittest
from collections.abc import Callable
from typing import Any

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.batch import BatchProcessingError, RecordStatus, process_batch, run_batch
from lambda_sim.handler.codec import TypedCodec
from lambda_sim.handler.deadline import Deadline
from lambda_sim.handler.events import (
    DynamoDBStreamEvent,
    EventBridgeEvent,
    KinesisStreamEvent,
    SQSEvent,
    samples,
)
from lambda_sim.handler.validation import EventValidationError
from lambda_sim.testing import ManualClock

LOGGER = "lambda_sim.handler.batch"


def bad(*bodies: str, seen: list[str] | None = None) -> Callable[[Any], str]:
    """A handler of messages that fails for these bodies, and returns the others."""

    def handle(record: Any) -> str:
        body: str = record.body
        if seen is not None:
            seen.append(body)
        if body in bodies:
            raise LookupError(body)
        return body

    return handle


def ids(event: dict[str, Any], *indices: int) -> list[dict[str, str]]:
    return [{"itemIdentifier": event["Records"][i]["messageId"]} for i in indices]


class BatchTestCase(unittest.TestCase):
    def process(self, event: Any, handler: Callable[[Any], object], **options: Any) -> Any:
        """The response to a batch of which something fails, or is not begun."""
        with self.assertLogs(LOGGER):
            return process_batch(event, handler, **options)["batchItemFailures"]


class TestStandardQueue(BatchTestCase):
    def test_a_batch_that_succeeds_has_no_failures(self) -> None:
        with self.assertNoLogs(LOGGER):
            response = process_batch(samples.sqs(count=3), bad())
        self.assertEqual({"batchItemFailures": []}, response)

    def test_an_empty_batch_has_no_failures(self) -> None:
        self.assertEqual({"batchItemFailures": []}, process_batch({"Records": []}, bad()))

    def test_the_others_are_handled_after_a_failure(self) -> None:
        seen: list[str] = []
        event = samples.sqs(each=["a", "b", "c", "d"])
        failures = self.process(event, bad("a", "c", seen=seen))
        self.assertEqual(ids(event, 0, 2), failures)
        self.assertEqual(["a", "b", "c", "d"], seen)

    def test_groups_of_a_fair_queue_hold_nothing_up(self) -> None:
        event = samples.sqs(each=["a", "b"], group="g")
        self.assertEqual(ids(event, 0), self.process(event, bad("a")))

    def test_a_typed_event_is_as_good(self) -> None:
        event = samples.sqs(each=["a", "b"])
        self.assertEqual(ids(event, 1), self.process(SQSEvent.from_json(event), bad("b")))

    def test_a_message_that_is_not_what_aws_sends_fails_alone(self) -> None:
        event = samples.sqs(each=["a", "b"])
        event["Records"][0]["body"] = None
        self.assertEqual(ids(event, 0), self.process(event, bad()))

    def test_what_is_no_exception_comes_through(self) -> None:
        def leave(_: Any) -> None:
            raise SystemExit(3)

        with self.assertRaises(SystemExit):
            process_batch(samples.sqs(), leave)


class TestFifoQueue(BatchTestCase):
    def setUp(self) -> None:
        bodies, groups = ["a", "b", "c", "d"], ["1", "2", "1", "2"]
        self.event = samples.sqs(each=bodies, queue="q.fifo", group=groups)
        self.seen: list[str] = []

    def test_it_stops_at_the_first_failure(self) -> None:
        failures = self.process(self.event, bad("b", seen=self.seen))
        self.assertEqual((ids(self.event, 1, 2, 3), ["a", "b"]), (failures, self.seen))

    def test_it_may_stop_the_failed_group_only(self) -> None:
        handler = bad("a", seen=self.seen)
        failures = self.process(self.event, handler, skip_group_on_error=True)
        self.assertEqual((ids(self.event, 0, 2), ["a", "b", "d"]), (failures, self.seen))

    def test_an_unreadable_message_holds_up_its_group(self) -> None:
        del self.event["Records"][1]["receiptHandle"]
        handler = bad(seen=self.seen)
        failures = self.process(self.event, handler, skip_group_on_error=True)
        self.assertEqual((ids(self.event, 1, 3), ["a", "c"]), (failures, self.seen))


class TestStreams(BatchTestCase):
    def test_kinesis_stops_at_the_first_failure(self) -> None:
        event = samples.kinesis(each=["a", "b", "c"])
        numbers = [record["kinesis"]["sequenceNumber"] for record in event["Records"]]

        def handle(record: Any) -> None:
            if record.kinesis.data == b"b":
                raise ValueError

        for form in (event, KinesisStreamEvent.from_json(event)):
            failures = self.process(form, handle)
            self.assertEqual(numbers[1:], [one["itemIdentifier"] for one in failures])

    def test_dynamodb_stops_at_the_first_failure(self) -> None:
        event = samples.dynamodb(each=[{"Id": 1}, {"Id": 2}, {"Id": 3}])
        numbers = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]

        def handle(record: Any) -> None:
            if record.dynamodb.keys["Id"] == 2:
                raise ValueError

        for form in (event, DynamoDBStreamEvent.from_json(event)):
            failures = self.process(form, handle, skip_group_on_error=True)
            self.assertEqual(numbers[1:], [one["itemIdentifier"] for one in failures])

    def test_data_that_can_not_be_read_is_where_lambda_goes_on(self) -> None:
        event = samples.kinesis(each=["a", "b", "c"])
        event["Records"][1]["kinesis"]["data"] = "%"
        seen = []
        failures = self.process(event, lambda record: seen.append(record.kinesis.data))
        self.assertEqual((2, [b"a"]), (len(failures), seen))


class TestTime(BatchTestCase):
    def setUp(self) -> None:
        self.clock = ManualClock()
        self.event = samples.sqs(count=5)

    def taking(self, *seconds: float) -> Callable[[Any], object]:
        """A handler that takes this long, time after time."""
        times = iter(seconds)
        return lambda _: self.clock.advance(next(times))

    def deadline(self, seconds: float) -> Deadline:
        return Deadline.from_ms(int((self.clock.time() + seconds) * 1000), clock=self.clock)

    def test_records_for_which_the_time_may_not_suffice_are_reported(self) -> None:
        handler = self.taking(1, 1, 1)
        # After three, 1.4 s are left: as much as one took, and the margin, would be 1.5 s.
        failures = self.process(self.event, handler, deadline=self.deadline(4.4), margin=0.5)
        self.assertEqual(ids(self.event, 3, 4), failures)

    def test_all_are_handled_when_the_time_suffices(self) -> None:
        handler = self.taking(1, 1, 1, 1, 1)
        response = process_batch(self.event, handler, deadline=self.deadline(5.6), margin=0.5)
        self.assertEqual({"batchItemFailures": []}, response)

    def test_the_slowest_so_far_counts(self) -> None:
        handler = self.taking(3, 0.1)
        # 3.55 s suffice for a second one as slow as the first; the 3.45 s that it leaves do not.
        failures = self.process(self.event, handler, deadline=self.deadline(6.55), margin=0.5)
        self.assertEqual(ids(self.event, 2, 3, 4), failures)

    def test_a_batch_that_comes_too_late_is_reported_whole_and_no_error(self) -> None:
        failures = self.process(self.event, self.taking(), deadline=self.deadline(0.4))
        self.assertEqual(ids(self.event, 0, 1, 2, 3, 4), failures)

    def test_a_context_will_do_for_a_deadline(self) -> None:
        deadline = self.deadline(2.6)

        class Context:
            get_remaining_time_in_millis = staticmethod(deadline.remaining_ms)

        failures = self.process(self.event, self.taking(1, 1), deadline=Context(), margin=0.5)
        self.assertEqual(ids(self.event, 2, 3, 4), failures)

    def test_without_a_deadline_it_takes_as_long_as_it_takes(self) -> None:
        handler = self.taking(900, 900, 900, 900, 900)
        self.assertEqual({"batchItemFailures": []}, process_batch(self.event, handler))

    def test_a_margin_that_is_none_is_refused(self) -> None:
        for margin in (-1, float("nan"), "1", True):
            with self.subTest(margin), self.assertRaisesRegex(ConfigurationError, "^margin: "):
                process_batch(self.event, self.taking(), margin=margin)  # type: ignore[arg-type]


class TestEntireFailure(BatchTestCase):
    def test_it_is_an_error(self) -> None:
        event = samples.sqs(each=["a", "b"])
        with self.assertLogs(LOGGER), self.assertRaises(BatchProcessingError) as caught:
            process_batch(event, bad("a", "b"))
        expected = "none of 2 records succeeded; 2 failed: LookupError"
        self.assertEqual(expected, str(caught.exception))
        self.assertEqual(2, len(caught.exception.result.failed))

    def test_also_of_a_stream_whose_first_record_fails(self) -> None:
        with self.assertLogs(LOGGER), self.assertRaises(BatchProcessingError):
            process_batch(samples.kinesis(count=2), lambda record: record.nothing)

    def test_or_a_response_like_any_other(self) -> None:
        event = samples.sqs(each=["a"])
        failures = self.process(event, bad("a"), raise_on_entire_batch_failure=False)
        self.assertEqual(ids(event, 0), failures)


class TestResult(BatchTestCase):
    def test_it_tells_what_became_of_each_record(self) -> None:
        event = samples.sqs(each=["a", "b", "c"], queue="q.fifo")
        with self.assertLogs(LOGGER):
            result = run_batch(event, bad("b"))
        statuses = [outcome.status for outcome in result.outcomes]
        self.assertEqual(list(RecordStatus), statuses)
        (succeeded,), (failed,), (unprocessed,) = (
            result.succeeded,
            result.failed,
            result.unprocessed,
        )
        self.assertEqual(("a", None), (succeeded.result, succeeded.error))
        self.assertIsInstance(failed.error, LookupError)
        self.assertEqual("c", unprocessed.record.body)
        self.assertEqual(event["Records"][0]["messageId"], succeeded.identifier)

    def test_it_is_encoded_as_the_response(self) -> None:
        result = run_batch(samples.sqs(), bad())
        self.assertEqual({"batchItemFailures": []}, json.loads(json.dumps(result.to_json())))

    def test_a_handler_may_take_typed_batches_and_return_results(self) -> None:
        codec = TypedCodec()
        made = samples.sqs(each=["a", "b"])
        event = codec.decode(json.dumps(made).encode(), SQSEvent)
        with self.assertLogs(LOGGER):
            result = run_batch(event, bad("a"))
        self.assertEqual({"batchItemFailures": ids(made, 0)}, json.loads(codec.encode(result)))

    def test_bodies_are_not_shown(self) -> None:
        result = run_batch(samples.sqs("hush"), bad())
        self.assertNotIn("hush", repr(result))

    def test_failures_are_logged_with_their_traceback(self) -> None:
        event = samples.sqs(each=["a", "b"])
        with self.assertLogs(LOGGER) as logs:
            run_batch(event, bad("b"))
        (record,) = logs.records
        self.assertIn(event["Records"][1]["messageId"], record.getMessage())
        assert record.exc_info is not None
        self.assertIs(LookupError, record.exc_info[0])


class TestWhatIsNoBatch(unittest.TestCase):
    def test_it_is_refused_and_named(self) -> None:
        unnamed = samples.sqs(count=2)
        del unnamed["Records"][1]["messageId"]
        for event, fault in (
            (None, "the event: expected an object, got null"),
            ({}, "Records: expected an array, got nothing"),
            (EventBridgeEvent.from_json(samples.eventbridge()), "Records: expected an array"),
            ({"Records": [{}]}, r"Records\[0\].eventSource: expected one of aws:sqs, aws:kin"),
            (samples.s3(), r"Records\[0\].eventSource: expected one of"),
            (unnamed, r"Records\[1\].messageId: expected an identifier, got nothing"),
        ):
            with self.subTest(fault), self.assertRaisesRegex(EventValidationError, f"^{fault}"):
                process_batch(event, self.fail)  # type: ignore[arg-type]


if __name__ == "__main__":
    unittest.main()
