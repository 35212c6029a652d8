"""Batches whose records fail one by one: Lambda is told which, and sends those again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Protocol, TypedDict

import attrs

from lambda_sim.errors import ConfigurationError, LambdaSimError

from .batch_items import Item, items_of
from .events.shape import Record

__all__ = [
    "BatchItemFailure",
    "BatchProcessingError",
    "BatchResponse",
    "BatchResult",
    "RecordOutcome",
    "RecordStatus",
    "process_batch",
    "run_batch",
]

MARGIN = 0.5
"""Seconds that are kept for what comes after the last record."""

_log = logging.getLogger(__name__)


class BatchItemFailure(TypedDict):
    """A record that Lambda is to send again."""

    itemIdentifier: str


class BatchResponse(TypedDict):
    """What a function answers whose event source mapping has ``ReportBatchItemFailures``."""

    batchItemFailures: list[BatchItemFailure]


class RecordStatus(Enum):
    """What became of a record; an UNPROCESSED one was not begun."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNPROCESSED = "unprocessed"


@attrs.frozen(kw_only=True)
class RecordOutcome:
    """A record, and what became of it.

    :ivar identifier: the message id, or the sequence number.
    :ivar record: None if it was not what AWS sends.
    :ivar result: what the record's handler returned.
    :ivar error: what it raised, or what is wrong with the record.
    """

    identifier: str
    status: RecordStatus
    record: Any = attrs.field(default=None, repr=False)
    result: Any = attrs.field(default=None, repr=False)
    error: Exception | None = None


@attrs.frozen
class BatchResult:
    """What became of the records of a batch, in order; a ``Handler`` may return it."""

    outcomes: tuple[RecordOutcome, ...]

    @property
    def succeeded(self) -> tuple[RecordOutcome, ...]:
        return self._having(RecordStatus.SUCCEEDED)

    @property
    def failed(self) -> tuple[RecordOutcome, ...]:
        return self._having(RecordStatus.FAILED)

    @property
    def unprocessed(self) -> tuple[RecordOutcome, ...]:
        return self._having(RecordStatus.UNPROCESSED)

    @property
    def response(self) -> BatchResponse:
        """Every record that did not succeed, in the words of Lambda.

        Of a stream's batch, Lambda goes on from the lowest sequence number.
        """
        missed = (one for one in self.outcomes if one.status is not RecordStatus.SUCCEEDED)
        return {"batchItemFailures": [{"itemIdentifier": one.identifier} for one in missed]}

    def to_json(self) -> BatchResponse:
        """What it is encoded as when a handler returns it."""
        return self.response

    def _having(self, status: RecordStatus) -> tuple[RecordOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.status is status)


class BatchProcessingError(LambdaSimError):
    """No record succeeded, so that the invocation may as well fail.

    :ivar result: what became of each record.
    """

    def __init__(self, result: BatchResult) -> None:
        self.result = result
        super().__init__(result)

    def __str__(self) -> str:
        failed = self.result.failed
        kinds = ", ".join(sorted({type(outcome.error).__name__ for outcome in failed}))
        return (
            f"none of {len(self.result.outcomes)} records succeeded; {len(failed)} failed: {kinds}"
        )


class TimeLeft(Protocol):
    """A deadline: of ``Invocation``, say."""

    def remaining(self) -> float | None:
        """Seconds."""


class Context(Protocol):
    """A handler's context, whoever's runtime made it."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds."""


def process_batch(
    event: Mapping[str, Any] | Record,
    record_handler: Callable[[Any], object],
    *,
    deadline: TimeLeft | Context | None = None,
    margin: float = MARGIN,
    skip_group_on_error: bool = False,
    raise_on_entire_batch_failure: bool = True,
) -> BatchResponse:
    """Handle a batch's records one by one, and name those that Lambda is to send again.

    ``run_batch`` does it, and tells more of each record.

    :param raise_on_entire_batch_failure: whether the invocation fails when a record failed and
        none succeeded. Lambda sends all of them again either way; this way it is seen as an error.
    :raises BatchProcessingError: no record succeeded.
    """
    result = run_batch(
        event,
        record_handler,
        deadline=deadline,
        margin=margin,
        skip_group_on_error=skip_group_on_error,
    )
    if raise_on_entire_batch_failure and result.failed and not result.succeeded:
        raise BatchProcessingError(result)
    return result.response


def run_batch(
    event: Mapping[str, Any] | Record,
    record_handler: Callable[[Any], object],
    *,
    deadline: TimeLeft | Context | None = None,
    margin: float = MARGIN,
    skip_group_on_error: bool = False,
) -> BatchResult:
    """Handle a batch's records one by one, and tell what became of each.

    A record fails when its handler raises an Exception, which is logged, or when it is not what
    AWS sends. In a standard queue the others are still handled; where order counts (FIFO queues,
    Kinesis, DynamoDB) none is that comes after it. Nor is one begun for which the time may not
    suffice: as much as the slowest record took so far, and ``margin``, must be left.

    :param event: of SQS, Kinesis or DynamoDB, as parsed JSON or as one of the classes of
        ``events``, which take nothing but batches whose every record is what AWS sends.
    :param record_handler: takes an ``SQSRecord``, ``KinesisStreamRecord`` or
        ``DynamoDBStreamRecord``.
    :param deadline: the invocation's, or its context; None for as long as it takes.
    :param margin: seconds kept for what comes after the last record.
    :param skip_group_on_error: whether a failure in a FIFO queue holds up its message group only.
    :raises EventValidationError: the event is of another source, or a record has no identifier.

    AWS: *Handling errors for an SQS event source in Lambda*, *Configuring partial batch response
    with Kinesis Data Streams and Lambda*.
    """
    pace = _Pace(deadline, margin)
    held_up: set[str] = set()
    outcomes = []
    # Read before anything is handled: what can't be named can't be reported either.
    for item in list(items_of(event)):
        line = item.group if skip_group_on_error else ""
        if (item.keeps_order and line in held_up) or not pace.has_room():
            outcomes.append(_outcome(item, RecordStatus.UNPROCESSED))
            continue
        outcomes.append(_handled(item, record_handler))
        if outcomes[-1].status is RecordStatus.FAILED:
            held_up.add(line)
    result = BatchResult(tuple(outcomes))
    if result.unprocessed:
        _log.warning("%d of %d records were not begun", len(result.unprocessed), len(outcomes))
    return result


def _handled(item: Item, record_handler: Callable[[Any], object]) -> RecordOutcome:
    try:
        if item.fault is not None:
            raise item.fault
        return _outcome(item, RecordStatus.SUCCEEDED, result=record_handler(item.record))
    except Exception as error:
        _log.error("record %s failed", item.identifier, exc_info=error)
        return _outcome(item, RecordStatus.FAILED, error=error)


def _outcome(item: Item, status: RecordStatus, **how: Any) -> RecordOutcome:
    return RecordOutcome(identifier=item.identifier, record=item.record, status=status, **how)


class _Pace:
    """Whether the time is enough for one more record that is as slow as the slowest so far."""

    def __init__(self, deadline: TimeLeft | Context | None, margin: float) -> None:
        if isinstance(margin, bool) or not isinstance(margin, int | float) or not margin >= 0:
            raise ConfigurationError("margin", margin, "seconds, 0 or more")
        self._deadline = deadline
        self._margin = margin
        self._slowest = 0.0
        self._before: float | None = None

    def has_room(self) -> bool:
        """To be asked before each record."""
        left = _seconds(self._deadline)
        if left is None:
            return True
        if self._before is not None:
            self._slowest = max(self._slowest, self._before - left)
        self._before = left
        return left >= self._margin + self._slowest


def _seconds(deadline: Any) -> float | None:
    if deadline is None:
        return None
    if hasattr(deadline, "remaining"):
        left: float | None = deadline.remaining()
        return left
    return float(deadline.get_remaining_time_in_millis()) / 1000
