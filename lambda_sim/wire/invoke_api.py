"""The Invoke API: one function, called as AWS's SDKs and users of its emulator call it.

AWS API reference: *Invoke*; *InvokeWithResponseStream*.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import ClassVar, Protocol
from urllib.parse import parse_qs

from lambda_sim import refusals
from lambda_sim.errors import ConfigurationError, ShuttingDown, WaitTimeout, WireError
from lambda_sim.model import protocol
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.identifiers import function_arn, is_uuid, new_id
from lambda_sim.model.invocation import Invocation, InvocationState, InvocationStatus
from lambda_sim.streams import InvocationStream
from lambda_sim.wire import eventstream, rendering
from lambda_sim.wire.application import Call, Endpoint, Route
from lambda_sim.wire.rendering import Answer, header_text
from lambda_sim.wire.server import HangUp

__all__ = ["InvokeApi"]

INVOKE = protocol.INVOKE_PATH.format(name="<name>")
INVOKE_STREAMING = "/2021-11-15/functions/<name>/response-streaming-invocations"

ANY_FUNCTION = "function"
"""The name under which AWS's emulator serves whatever function it has."""

INVOCATION_TYPE = "HTTP_X_AMZ_INVOCATION_TYPE"
LOG_TYPE = "HTTP_X_AMZ_LOG_TYPE"
CLIENT_CONTEXT = "HTTP_X_AMZ_CLIENT_CONTEXT"
TENANT_ID = "HTTP_X_AMZ_TENANT_ID"
TRACE_ID = "HTTP_X_AMZN_TRACE_ID"
REQUEST_ID = "HTTP_X_AMZN_REQUESTID"

MAX_EVENT_BYTES = 1024 * 1024
"""AWS: *Lambda quotas*, Invocation payload, asynchronous."""

FUNCTION_ERROR = "Unhandled"
"""What AWS calls every failure: a handler's error, a crash, a timeout, a failed init."""

UNSAID = ("application/octet-stream", "application/x-www-form-urlencoded")
"""What SDKs and curl send unless told otherwise. AWS takes every payload for JSON, and runtime
clients read as JSON only what is called so."""


class Environment(Protocol):
    """What is called: a simulator, or whatever answers like one."""

    @property
    def config(self) -> SimulatorConfig: ...
    def enqueue(self, invocation: Invocation) -> str: ...
    def invoke(self, invocation: Invocation) -> InvocationState: ...
    def invoke_stream(self, invocation: Invocation) -> InvocationStream: ...


class InvokeRefusal(WireError):
    """A refusal in the form of Lambda's API, which is not that of the Runtime API."""

    status = 400
    error_type = "InvalidParameterValueException"
    blamed: ClassVar[str] = "User"
    member: ClassVar[str] = "message"
    """AWS spells it with a capital letter in some errors."""

    def body(self) -> dict[str, str]:
        return {"Type": self.blamed, self.member: self.message}


class InvalidContent(InvokeRefusal):
    """A part of the request that can't be read."""

    error_type = "InvalidRequestContentException"


class FunctionNotFound(InvokeRefusal):
    """A function, or a version of it, that is not the one served here."""

    status = 404
    error_type = "ResourceNotFoundException"
    member = "Message"

    def __init__(self, arn: str) -> None:
        super().__init__(f"Function not found: {arn}")


class RequestTooLarge(InvokeRefusal):
    """A payload beyond the limit."""

    status = 413
    error_type = "RequestTooLargeException"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
        )


class SnapStartFailed(InvokeRefusal):
    """A hook of the function's own failed after its restore."""

    error_type = "SnapStartException"
    member = "Message"

    def __init__(self) -> None:
        super().__init__("The function failed while its snapshot was restored: see its log")


class SnapStartTimedOut(SnapStartFailed):
    """A restore took too long."""

    status = 408
    error_type = "SnapStartTimeoutException"


class ServiceFailed(InvokeRefusal):
    """The environment ended, or never answered."""

    status = 500
    error_type = "ServiceException"
    blamed = "Service"
    member = "Message"


class InvokeApi:
    """The endpoints that callers of a function use. A caller who hangs up cancels nothing."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def routes(self) -> list[Route]:
        return [
            Route("POST", INVOKE, _answering(self.invoke)),
            Route("POST", INVOKE_STREAMING, _answering(self.invoke_streaming)),
        ]

    def invoke(self, call: Call) -> Answer:
        kinds = ("Event", "RequestResponse", "DryRun")
        kind = _choice(call, INVOCATION_TYPE, "invocationType", kinds, "RequestResponse")
        wants_log = _wants_log(call)
        invocation = self._invocation(call, is_event=kind == "Event")
        if kind == "RequestResponse":
            state = self._environment.invoke(invocation)
            _refuse_unrestored(state)
            return self._answer(state, wants_log)
        if kind == "Event":
            self._environment.enqueue(invocation)
        status = 202 if kind == "Event" else 204
        return rendering.answer(status, b"", headers=_identity(invocation))

    def invoke_streaming(self, call: Call) -> Answer:
        kinds = ("RequestResponse", "DryRun")
        kind = _choice(call, INVOCATION_TYPE, "invocationType", kinds, "RequestResponse")
        wants_log = _wants_log(call)
        invocation = self._invocation(call)
        if kind == "DryRun":
            return rendering.answer(204, b"", headers=_identity(invocation))
        stream = self._environment.invoke_stream(invocation)
        # AWS, too, answers only when there is something to answer with.
        first = next(stream, b"")
        if stream.state is not None:
            _refuse_unrestored(stream.state)
        frames = _frames(chain([first], stream), stream, wants_log)
        headers = [*_identity(invocation), self._executed_version()]
        return rendering.streamed(frames, eventstream.CONTENT_TYPE, headers)

    def _answer(self, state: InvocationState, wants_log: bool) -> Answer:
        """The function's answer. AWS calls it JSON whatever the runtime called it."""
        headers = [*_identity(state.invocation), self._executed_version()]
        if state.error is not None:
            headers.append(("X-Amz-Function-Error", FUNCTION_ERROR))
        if wants_log:
            headers.append(("X-Amz-Log-Result", _log_result(state)))
        return rendering.answer(200, _payload(state), headers=headers)

    def _executed_version(self) -> tuple[str, str]:
        return ("X-Amz-Executed-Version", self._environment.config.function_version)

    def _invocation(self, call: Call, *, is_event: bool = False) -> Invocation:
        """The request as an invocation; nothing of it is kept when it is refused."""
        arn = self._called_arn(call)
        context = _client_context(call)
        body = call.body(MAX_EVENT_BYTES if is_event else protocol.MAX_PAYLOAD_BYTES)
        return Invocation.from_bytes(
            body or b"{}",  # no payload is an empty object, as AWS has it
            _content_type(call),
            request_id=_request_id(call),
            invoked_function_arn=arn,
            trace_id=call.header(TRACE_ID) or None,
            # AWS API reference, Invoke, ClientContext: for synchronous invocations only.
            client_context=None if is_event else context,
            tenant_id=call.header(TENANT_ID),
        )

    def _called_arn(self, call: Call) -> str:
        """The function's ARN, with the qualifier that it was called by."""
        config = self._environment.config
        arn, name = config.function_arn, call.argument
        ours = (
            ANY_FUNCTION,
            config.function_name,
            f"{config.account_id}:function:{config.function_name}",
            arn,
        )
        query = parse_qs(call.header("QUERY_STRING") or "")
        qualifier = query.get("Qualifier", [""])[-1]
        before, _, derived = name.rpartition(":")
        if before in ours:
            if qualifier not in ("", derived):
                why = "The derived qualifier from the function name does not match the specified"
                raise InvokeRefusal(f"{why} qualifier.")
            name, qualifier = before, derived
        if name not in ours:
            is_arn = name.startswith("arn:")
            arn = name if is_arn else function_arn(config.region, config.account_id, name)
        called = f"{arn}:{qualifier}" if qualifier else arn
        if name not in ours or qualifier not in ("", "$LATEST", config.function_version):
            raise FunctionNotFound(called)
        return called


def _answering(endpoint: Endpoint) -> Endpoint:
    """An endpoint that refuses in the words of Lambda's API."""

    def answer(call: Call) -> Answer:
        try:
            return endpoint(call)
        except InvokeRefusal as refusal:
            return _refused(refusal)
        except refusals.PayloadTooLarge as refusal:
            return _refused(RequestTooLarge(refusal.limit))
        except refusals.TruncatedRequest as refusal:
            return _refused(InvalidContent(refusal.message))
        except ConfigurationError as error:
            return _refused(InvokeRefusal(str(error)))
        except (ShuttingDown, WaitTimeout) as error:
            return _refused(ServiceFailed(str(error)))

    return answer


def _refused(refusal: InvokeRefusal) -> Answer:
    headers = [("x-amzn-ErrorType", refusal.error_type), ("x-amzn-RequestId", new_id())]
    return rendering.json_answer(refusal.status, refusal.body(), headers)


def _refuse_unrestored(state: InvocationState) -> None:
    """AWS API reference: *Invoke*, errors, SnapStartException and SnapStartTimeoutException."""
    if state.error is not None and state.error.in_restore:
        timed_out = state.status is InvocationStatus.TIMEOUT
        raise SnapStartTimedOut if timed_out else SnapStartFailed


def _frames(pieces: Iterable[bytes], stream: InvocationStream, wants_log: bool) -> Iterator[bytes]:
    """A response's pieces as they come, and how it ended."""
    try:
        for piece in pieces:
            if piece:
                yield eventstream.event("PayloadChunk", piece, "application/octet-stream")
    except (ShuttingDown, WaitTimeout) as end:
        raise HangUp from end  # too late for an error: only a broken stream tells
    state = stream.state
    assert state is not None  # the stream is exhausted
    complete = {}
    if state.error is not None:
        complete["ErrorCode"] = FUNCTION_ERROR
        complete["ErrorDetails"] = state.error.body.decode(errors="replace")
    if wants_log:
        complete["LogResult"] = _log_result(state)
    yield eventstream.event("InvokeComplete", json.dumps(complete).encode(), protocol.JSON_TYPE)


def _payload(state: InvocationState) -> bytes:
    if state.error is not None:
        return state.error.body
    return b"" if state.response is None else state.response.body


def _identity(invocation: Invocation) -> list[tuple[str, str]]:
    return [
        ("x-amzn-RequestId", invocation.request_id),
        (protocol.TRACING_TYPE, header_text(invocation.trace_id)),
    ]


def _log_result(state: InvocationState) -> str:
    return base64.b64encode(state.log_tail.encode()).decode()


def _choice(call: Call, key: str, name: str, allowed: tuple[str, ...], default: str) -> str:
    value = call.header(key) or default
    if value not in allowed:
        raise InvokeRefusal(
            f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(allowed)}]"
        )
    return value


def _wants_log(call: Call) -> bool:
    return _choice(call, LOG_TYPE, "logType", ("None", "Tail"), "None") == "Tail"


def _content_type(call: Call) -> str:
    given = call.header("CONTENT_TYPE") or protocol.JSON_TYPE
    bare = given.partition(";")[0].strip().lower()
    return protocol.JSON_TYPE if bare in (*UNSAID, protocol.JSON_TYPE) else given


def _request_id(call: Call) -> str | None:
    given = call.header(REQUEST_ID)
    if given is not None and not is_uuid(given):
        raise InvalidContent(f"The request ID is not a UUID: {given}")
    return given


def _client_context(call: Call) -> str | None:
    """The context's JSON, which arrives in base64."""
    given = call.header(CLIENT_CONTEXT)
    if not given:
        return None
    try:
        text = base64.b64decode(given, validate=True).decode()
        if not isinstance(json.loads(text), dict) or len(given) > protocol.MAX_CLIENT_CONTEXT_BYTES:
            raise ValueError
    except (binascii.Error, ValueError, RecursionError) as error:
        why = "Client context must be a valid Base64-encoded JSON object."
        raise InvalidContent(why) from error
    # In JSON line breaks are only space, and the runtime gets it in a header.
    return text.replace("\r", " ").replace("\n", " ")
