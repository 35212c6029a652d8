"""The Runtime API: Next, response, error, init error; restore Next and error with SnapStart.

AWS: *Using the Lambda runtime API for custom runtimes*; *Lambda SnapStart runtime hooks*.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress

from lambda_sim import refusals
from lambda_sim.lifecycle import failures
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.failures import Failure
from lambda_sim.lifecycle.ledger import Record, Stage
from lambda_sim.lifecycle.poller import PollerGone
from lambda_sim.model import protocol
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.identifiers import with_parent
from lambda_sim.wire import rendering
from lambda_sim.wire.answers import Lines
from lambda_sim.wire.application import Call, Endpoint, Route
from lambda_sim.wire.rendering import Answer, header_text

INVOCATION_ID = "HTTP_LAMBDA_RUNTIME_INVOCATION_ID"
ERROR_TYPE = "HTTP_LAMBDA_RUNTIME_FUNCTION_ERROR_TYPE"
ERROR_CAUSE = "HTTP_LAMBDA_RUNTIME_FUNCTION_XRAY_ERROR_CAUSE"
RESPONSE_MODE = "HTTP_LAMBDA_RUNTIME_FUNCTION_RESPONSE_MODE"

ERROR_TYPE_TRAILER = protocol.FUNCTION_ERROR_TYPE.lower()
ERROR_BODY_TRAILER = protocol.FUNCTION_ERROR_BODY.lower()

UNTYPED = "application/octet-stream"


class RuntimeApi:
    """The endpoints that a runtime calls, over one environment. Those of SnapStart are unknown
    paths without it."""

    def __init__(self, environment: ExecutionEnvironment, config: SimulatorConfig) -> None:
        self._environment = environment
        self._accepted = rendering.ACCEPTED._replace(afterwards=environment.measure_soon)
        self._reported = rendering.ACCEPTED._replace(afterwards=environment.reporter_answered)
        self._has_snapshots = config.is_snap_start
        self._max_error = (
            protocol.MAX_REPORT_BYTES if config.is_managed else protocol.MAX_PAYLOAD_BYTES
        )

    def routes(self) -> list[Route]:
        base = protocol.RUNTIME_API
        invocation = f"{base}/runtime/invocation"
        snapshots = [
            Route("GET", f"{base}/runtime/restore/next", self.restore_next),
            Route("POST", f"{base}/runtime/restore/error", self.restore_error),
        ]
        return [
            *(snapshots if self._has_snapshots else ()),
            Route("GET", f"{base}/ping", self.ping),
            Route("GET", f"{invocation}/next", self.next),
            Route("POST", f"{invocation}/<request_id>/response", self._answering(self.response)),
            Route("POST", f"{invocation}/<request_id>/error", self._answering(self.error)),
            Route("POST", f"{base}/runtime/init/error", self.init_error),
        ]

    def ping(self, call: Call) -> Answer:
        return rendering.answer(200, b"pong", "text/plain; charset=utf-8")

    def next(self, call: Call) -> Answer:
        """Blocks without limit: runtimes are told not to time it out."""
        poller = call.poller
        record = self._environment.next_invocation(poller)
        return Answer(
            rendering.OK,
            invocation_lines(record),
            record.invocation.body,
            lambda: self._environment.give_back(record, poller),
        )

    def response(self, call: Call) -> Answer:
        record = self._begin(call, Stage.RESPONDING)
        content_type = call.header("CONTENT_TYPE") or UNTYPED
        try:
            mode = call.header(RESPONSE_MODE)
            if mode is None:
                body = call.body(protocol.MAX_PAYLOAD_BYTES)
                self._finish(record, content_type, body, call)
            elif mode == "streaming":
                self._stream(record, content_type, call)
            else:
                raise refusals.InvalidResponseMode
        except refusals.FailsInvocation as refusal:
            self._refuse(record, refusal)
            raise
        return self._accepted

    def error(self, call: Call) -> Answer:
        record = self._begin(call, Stage.REPORTING)
        try:
            body = call.body(self._max_error)
            error_type, content_type = call.header(ERROR_TYPE), call.header("CONTENT_TYPE")
            cause = call.header(ERROR_CAUSE)
            self._environment.fail(record, failures.reported(body, error_type, content_type, cause))
        except refusals.FailsInvocation as refusal:
            self._refuse(record, refusal)
            raise
        return self._accepted

    def init_error(self, call: Call) -> Answer:
        body = call.body(protocol.MAX_PAYLOAD_BYTES)
        self._environment.fail_init(failures.reported(body, call.header(ERROR_TYPE)))
        return self._reported

    def restore_next(self, call: Call) -> Answer:
        """Blocks until the snapshot is restored."""
        poller = call.poller
        self._environment.await_restore(poller)
        if not poller.is_connected():
            self._environment.give_back_restore(poller)
            raise PollerGone
        return rendering.answer(
            200, b"", undelivered=lambda: self._environment.give_back_restore(poller)
        )

    def restore_error(self, call: Call) -> Answer:
        body = call.body(protocol.MAX_PAYLOAD_BYTES)
        self._environment.fail_restore(failures.reported(body, call.header(ERROR_TYPE)))
        return self._reported

    def _answering(self, endpoint: Endpoint) -> Endpoint:
        """What a signal cuts off, of the caller's who attends to the runtime, it may say again."""

        def answer(call: Call) -> Answer:
            try:
                return endpoint(call)
            except Exception:
                raise
            except BaseException:
                self._environment.answer_broken_off(call.argument)
                raise

        return answer

    def _begin(self, call: Call, stage: Stage) -> Record:
        return self._environment.begin_answer(call.argument, call.header(INVOCATION_ID), stage)

    def _stream(self, record: Record, content_type: str, call: Call) -> None:
        """Hand a response on as it arrives."""
        for chunk in call.chunks():
            self._environment.add_chunk(record, chunk)
        self._finish(record, content_type, None, call)

    def _finish(self, record: Record, content_type: str, body: bytes | None, call: Call) -> None:
        """All was read. The trailers may still say that it failed, those of a response that does
        not call itself a stream too: Go's readers fail so."""
        failure = _failure_in(call.trailers)
        if failure is None:
            self._environment.respond(record, content_type, body)
        else:
            self._environment.fail(record, failure)

    def _refuse(self, record: Record, refusal: refusals.FailsInvocation) -> None:
        failure = Failure(error_type=refusal.invocation_error, message=refusal.told())
        # It may have ended otherwise in the meantime: the first answer stands.
        with suppress(refusals.InvalidRequestId):
            self._environment.fail(record, failure)


def invocation_lines(record: Record) -> Lines:
    """The headers that Next answers with. AWS leaves out what is not there."""
    invocation = record.invocation
    # Extensions get the caller's own trace. All of it was checked when the invocation was made.
    text = (
        f"Content-Type: {invocation.content_type}\r\n"
        f"Content-Length: {len(invocation.body)}\r\n"
        f"{protocol.REQUEST_ID}: {record.request_id}\r\n"
        f"{protocol.DEADLINE_MS}: {record.deadline_ms}\r\n"
        f"{protocol.INVOKED_FUNCTION_ARN}: {record.function_arn}\r\n"
        f"{protocol.TRACE_ID}: {with_parent(invocation.trace_id, record.segment_id)}\r\n"
        f"{protocol.INVOCATION_ID}: {record.attempt_id}\r\n"
    )
    if invocation.client_context is not None:
        text += f"{protocol.CLIENT_CONTEXT}: {invocation.client_context}\r\n"
    if invocation.cognito_identity is not None:
        text += f"{protocol.COGNITO_IDENTITY}: {invocation.cognito_identity}\r\n"
    if invocation.tenant_id is not None:
        text += f"{protocol.TENANT_ID}: {invocation.tenant_id}\r\n"
    return Lines(header_text(text))


def _failure_in(trailers: dict[str, str]) -> Failure | None:
    """The error that a response ended with. AWS: *Response streaming*, trailers."""
    error_type = trailers.get(ERROR_TYPE_TRAILER)
    encoded = trailers.get(ERROR_BODY_TRAILER)
    if error_type is None and encoded is None:
        return None
    try:
        body = base64.b64decode(encoded or "", validate=True)
    except (binascii.Error, ValueError):
        body = b""
    return failures.reported(body, error_type)
