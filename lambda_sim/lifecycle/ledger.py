"""The record of every invocation: waiting, in flight, and a bounded history of the rest. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum

import attrs

from lambda_sim.errors import ConfigurationError
from lambda_sim.lifecycle.failures import Failure
from lambda_sim.lifecycle.history import Entry
from lambda_sim.lifecycle.readiness import NOBODY, Readiness
from lambda_sim.model import protocol
from lambda_sim.model.identifiers import RequestId, new_id, new_segment_id
from lambda_sim.model.invocation import (
    Invocation,
    InvocationError,
    InvocationResponse,
    InvocationState,
    InvocationStatus,
)
from lambda_sim.model.late import Late
from lambda_sim.model.telemetry import LogLine

LATE_KEPT = 1_000
"""How many late answers are known as such; so many AWS's emulator of managed instances keeps."""


class Stage(Enum):
    """Where the runtime is with an invocation; the values are AWS's names of its states."""

    QUEUED = "Ready"
    RUNNING = "Running"
    RESPONDING = "InvocationResponse"
    REPORTING = "InvocationErrorResponse"
    ANSWERED = "RuntimeResponseSentState"


@attrs.define(eq=False, slots=True)
class Record:
    """One attempt at one invocation. Times are monotonic seconds, but for those that end in _at."""

    invocation: Invocation
    timeout: float
    function_arn: str
    is_streamed: bool = False
    """Whether the caller reads the response while it arrives."""

    attempt_id: str = attrs.field(factory=new_id)
    segment_id: str = attrs.field(factory=new_segment_id)
    """The function's own part of the trace."""
    status: InvocationStatus = InvocationStatus.PENDING
    is_complete: bool = False
    """Whether the status is a final one."""
    stage: Stage = Stage.QUEUED
    holder: object = None
    """The poll that it was handed to; None while it is nobody's."""
    is_cold: bool = False
    init_ms: float | None = None
    """What a cold start adds to the first invocation's bill."""
    restore_ms: float | None = None
    """The same of a restored snapshot."""

    deadline: float | None = None
    deadline_ms: int | None = None
    """The deadline as AWS prints it: milliseconds since the epoch."""

    charged_from: float | None = None
    """When the suppressed init began that is part of its duration."""
    dispatched: float | None = None
    first_byte: float | None = None
    answered: float | None = None
    runtime_done: float | None = None
    extensions_done: float | None = None
    is_reported: bool = False

    started_at: float | None = None
    completed_at: float | None = None

    readiness: Readiness = NOBODY
    had_extensions: bool = False
    chunks: list[bytes] = attrs.field(factory=list)
    produced_bytes: int = 0
    content_type: str = ""
    failure: Failure | None = None
    facts: list[Entry] = attrs.field(factory=list)
    """This invocation's facts, for its log tail; the oldest leave when the tail is long enough."""
    log_size: int = 0
    tail: str | None = None
    """The log tail as text, once it is final and somebody has read it: it is smaller so."""

    request_id: RequestId = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.request_id = self.invocation.request_id

    @property
    def is_delivered(self) -> bool:
        return self.holder is not None

    @property
    def is_settled(self) -> bool:
        """Whether its caller need wait no longer: it is answered, and reported unless extensions
        hold the report up."""
        return self.is_complete and (self.is_reported or not self.readiness.is_complete)

    @property
    def stream_topic(self) -> object:
        """What those wait for who read its response while it arrives."""
        return (self.request_id, "stream")

    @property
    def extension_overhead_ms(self) -> float | None:
        """Milliseconds that extensions worked on after the runtime was done."""
        if self.runtime_done is None or self.extensions_done is None:
            return None
        return (self.extensions_done - self.runtime_done) * 1000

    def note(self, fact: Entry) -> None:
        """Keep a fact for the log tail, which shows the last few KB only."""
        self.facts.append(fact)
        if isinstance(fact, LogLine):
            self.log_size += len(fact.message)
            while self.log_size - _log_size(self.facts[0]) >= protocol.LOG_TAIL_BYTES:
                self.log_size -= _log_size(self.facts.pop(0))

    def keep_tail(self, tail: str) -> None:
        """Its log tail, made of the facts so far; the facts go once there will be no more."""
        if self.is_reported:
            self.tail = tail
            self.facts.clear()

    def snapshot(self, tail: str | Late[str]) -> InvocationState:
        """What the caller may keep."""
        completed_at = moment(self.completed_at)
        return InvocationState(
            invocation=self.invocation.filled(
                deadline_ms=self.deadline_ms, invoked_function_arn=self.function_arn
            ),
            status=self.status,
            started_at=moment(self.started_at),
            completed_at=completed_at,
            response=self._response(completed_at),
            error=self._error(completed_at),
            is_cold=self.is_cold,
            log_tail=tail,
        )

    def _response(self, at: datetime | None) -> InvocationResponse | None:
        if self.status is not InvocationStatus.SUCCESS or at is None:
            return None
        chunks = tuple(self.chunks)
        return InvocationResponse(
            request_id=self.request_id,
            body=chunks[0] if len(chunks) == 1 else b"".join(chunks),
            content_type=self.content_type,
            chunks=chunks,
            received_at=at,
        )

    def _error(self, at: datetime | None) -> InvocationError | None:
        failure = self.failure
        if failure is None or at is None:
            return None
        return InvocationError.of(
            self.request_id,
            failure.payload(self.request_id),
            failure.error_type,
            failure.told(self.request_id),
            at,
            cause=failure.cause,
            in_restore=failure.in_restore,
        )


def _log_size(fact: Entry) -> int:
    return len(fact.message) if isinstance(fact, LogLine) else 0


def moment(epoch: float | None) -> datetime | None:
    """An aware datetime of seconds since the epoch."""
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC)


class Ledger:
    """All records by id, oldest first; completed ones beyond the limit are forgotten."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._records: dict[RequestId, Record] = {}
        self._settled: deque[Record] = deque()
        self.pending: deque[Record] = deque()
        self.open: dict[RequestId, Record] = {}
        """Dispatched, and not yet reported."""
        self._late: OrderedDict[str, bool] = OrderedDict()

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def get(self, request_id: str) -> Record | None:
        return self._records.get(RequestId(request_id))

    def add(self, record: Record) -> None:
        """Put a record at the end of the queue.

        :raises ConfigurationError: its id belongs to an invocation that is not over.
        """
        earlier = self._records.get(record.request_id)
        if earlier is not None:
            if not earlier.is_complete or earlier.request_id in self.open:
                raise ConfigurationError(
                    "request_id", record.request_id, "an id that no unfinished invocation has"
                )
            del self._records[earlier.request_id]  # the new one is the latest
            self._settled.remove(earlier)
        self._late.pop(record.request_id, None)
        self._records[record.request_id] = record
        self.pending.append(record)

    def expect_late(self, record: Record) -> None:
        """An invocation timed out whose runtime lives on, and may answer yet."""
        self._late[record.request_id] = True
        while len(self._late) > LATE_KEPT:
            self._late.popitem(last=False)

    def is_late(self, request_id: str) -> bool:
        """Whether an answer comes after its invocation timed out; said once of each."""
        return self._late.pop(request_id, False)

    def writer_of(self, line: str) -> Record | None:
        """Whose a line is that a process printed: the one invocation's that is at work, or that
        one's of several which it names, as the lines of loggers do. One that names an invocation
        which timed out, and whose runtime lives on, is nobody's."""
        if any(request_id in line for request_id in self._late):
            return None
        at_work = [one for one in self.open.values() if one.runtime_done is None]
        if len(at_work) == 1:
            return at_work[0]
        return next((one for one in at_work if one.request_id in line), None)

    def open_next(self) -> Record:
        """The oldest pending record, now open."""
        record = self.pending.popleft()
        self.open[record.request_id] = record
        return record

    def settle(self, record: Record) -> None:
        """An invocation is over; the oldest of history make room."""
        self.open.pop(record.request_id, None)
        self._settled.append(record)
        while len(self._settled) > self._limit:
            oldest = self._settled.popleft()
            del self._records[oldest.request_id]
