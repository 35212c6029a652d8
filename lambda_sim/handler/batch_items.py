"""What a batch holds: records of queues and streams, each with its identifier and its order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from . import events
from .events.shape import Record, an_object
from .validation import MISSING, EventValidationError, described

__all__ = ["Item", "items_of"]


@attrs.frozen(kw_only=True)
class Item:
    """A record to handle.

    :ivar record: one of the classes of ``events``; None when ``fault`` says what is wrong.
    :ivar keeps_order: whether no later one may be handled before it.
    :ivar group: the message group, of messages that have one.
    """

    identifier: str
    record: Any = None
    fault: EventValidationError | None = None
    keeps_order: bool
    group: str


@attrs.frozen
class _Source:
    """A kind of record: its class, and where its identifier stands in JSON and in the class."""

    record: str
    on_the_wire: tuple[str, ...]
    in_record: tuple[str, ...]


SQS = "aws:sqs"
FIFO = ".fifo"
_SOURCES = {
    SQS: _Source("SQSRecord", ("messageId",), ("message_id",)),
    "aws:kinesis": _Source(
        "KinesisStreamRecord", ("kinesis", "sequenceNumber"), ("kinesis", "sequence_number")
    ),
    "aws:dynamodb": _Source(
        "DynamoDBStreamRecord", ("dynamodb", "SequenceNumber"), ("dynamodb", "sequence_number")
    ),
}


def items_of(event: Mapping[str, Any] | Record) -> Iterator[Item]:
    """The records of a batch.

    :raises EventValidationError: the event is no batch, or a record can't be identified.
    """
    is_read = isinstance(event, Record)
    records = getattr(event, "records", MISSING) if is_read else _at(an_object(event), "Records")
    if not isinstance(records, list | tuple):
        raise EventValidationError("Records", "an array", described(records))
    for index, record in enumerate(records):
        try:
            yield _of_record(record) if is_read else _of_json(record)
        except EventValidationError as error:
            raise error.below("Records", index) from None


def _of_record(record: Any) -> Item:
    source = _source(getattr(record, "event_source", MISSING), "event_source")
    identifier = record
    for name in source.in_record:
        identifier = getattr(identifier, name)
    about = getattr(record, "attributes", None)
    return Item(
        identifier=identifier,
        record=record,
        keeps_order=_keeps_order(record.event_source, record.event_source_arn),
        group=getattr(about, "message_group_id", None) or "",
    )


def _of_json(value: Any) -> Item:
    kind = an_object(value).get("eventSource", MISSING)
    source = _source(kind, "eventSource")
    try:
        return _of_record(getattr(events, source.record).from_json(value))
    except EventValidationError as fault:
        path = source.on_the_wire
        identifier = _at(value, *path)
        if not isinstance(identifier, str) or not identifier:
            raise EventValidationError(
                ".".join(path), "an identifier", described(identifier)
            ) from None
        group = _at(value, "attributes", "MessageGroupId")
        return Item(
            identifier=identifier,
            fault=fault,
            keeps_order=_keeps_order(kind, str(value.get("eventSourceARN"))),
            group=group if isinstance(group, str) else "",
        )


def _source(kind: object, name: str) -> _Source:
    if not isinstance(kind, str) or kind not in _SOURCES:
        raise EventValidationError(name, f"one of {', '.join(_SOURCES)}", described(kind))
    return _SOURCES[kind]


def _keeps_order(kind: str, arn: str) -> bool:
    return kind != SQS or arn.endswith(FIFO)


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name, MISSING) if isinstance(value, dict) else MISSING
    return value
