"""What the runtime uploads, until the last byte is there: whether it may, and how much. Pure.

AWS: *Using the Lambda runtime API for custom runtimes*, Invocation response.
"""

from __future__ import annotations

from lambda_sim import refusals
from lambda_sim.errors import WireError
from lambda_sim.lifecycle.ledger import Ledger, Record, Stage
from lambda_sim.lifecycle.outbox import Outbox
from lambda_sim.lifecycle.runtime import Runtime
from lambda_sim.model.identifiers import RequestId
from lambda_sim.model.protocol import MAX_PAYLOAD_BYTES, MAX_STREAMED_BYTES
from lambda_sim.sync import Clock


class Uploads:
    """Of responses and errors, to the ledger's open invocations.

    :param is_managed: whether many are answered at one time, and the runtime has no one state.
    """

    def __init__(
        self, ledger: Ledger, runtime: Runtime, clock: Clock, outbox: Outbox, *, is_managed: bool
    ) -> None:
        self._ledger = ledger
        self._runtime = runtime
        self._clock = clock
        self._outbox = outbox
        self._is_managed = is_managed

    def begin(self, request_id: str, attempt_id: str | None, stage: Stage) -> Record:
        """The runtime starts to upload a response or an error. The id is looked at first.

        :raises InvalidRequestId: it is not that of an invocation in progress.
        :raises InvalidStateTransition: it is, and this is not the time for it.
        :raises InvokeTimeout: the answer is to an earlier attempt.
        """
        record = self._ledger.open.get(RequestId(request_id))
        if record is None or record.runtime_done is not None:
            raise self._nothing_to_answer(request_id, stage)
        if not record.is_delivered or record.stage is not Stage.RUNNING:
            if record.is_delivered and self._is_managed:
                raise refusals.InvalidRequestId  # states are not asked for where there are many
            state = record.stage if record.is_delivered else Stage.QUEUED
            raise refusals.InvalidStateTransition(state.value, stage.value)
        if attempt_id is not None and attempt_id != record.attempt_id:
            raise refusals.InvokeTimeout
        record.stage = stage
        record.first_byte = self._clock.monotonic()
        return record

    def _nothing_to_answer(self, request_id: str, stage: Stage) -> WireError:
        pending = self._ledger.pending
        if pending and pending[0].request_id == request_id and not self._ledger.open:
            return self._runtime.refuse(stage.value)
        is_late = self._ledger.is_late(request_id)
        return refusals.InvokeTimeout() if is_late else refusals.InvalidRequestId()

    def broken_off(self, request_id: str) -> None:
        """Who read the answer was interrupted before the end: it may be given again."""
        record = self._ledger.open.get(RequestId(request_id))
        if record is not None and record.stage in (Stage.RESPONDING, Stage.REPORTING):
            record.stage = Stage.RUNNING
            record.chunks.clear()
            record.produced_bytes = 0

    def add_chunk(self, record: Record, chunk: bytes) -> None:
        """A piece of a streamed response came.

        :raises InvalidRequestId: another answer came first.
        :raises PayloadTooLarge: it is one too many.
        """
        self.refuse_late(record)
        limit = MAX_STREAMED_BYTES if record.is_streamed else MAX_PAYLOAD_BYTES
        if record.produced_bytes + len(chunk) > limit:
            raise refusals.PayloadTooLarge(limit)
        record.produced_bytes += len(chunk)
        if not record.chunks:
            record.first_byte = self._clock.monotonic()
        record.chunks.append(chunk)
        self._outbox.changed(record.stream_topic)

    def end(self, record: Record, content_type: str, body: bytes | None) -> None:
        """A response is there, as a whole or because its last chunk came (None).

        :raises InvalidRequestId: another answer came first.
        """
        self.refuse_late(record)
        if body is not None:
            record.chunks.append(body)
            record.produced_bytes = len(body)
        record.content_type = content_type

    def refuse_late(self, record: Record) -> None:
        """Only the first answer counts.

        :raises InvalidRequestId: another came first.
        :raises InvokeTimeout: none came in time.
        """
        if record.is_complete:
            is_late = self._ledger.is_late(record.request_id)
            raise refusals.InvokeTimeout if is_late else refusals.InvalidRequestId
