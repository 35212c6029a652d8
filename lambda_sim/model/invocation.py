"""An invocation, its answer, and what is known of it at one moment."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Self

import attrs

from lambda_sim.errors import ConfigurationError
from lambda_sim.model import checks, protocol
from lambda_sim.model.identifiers import RequestId, new_id, new_trace_id
from lambda_sim.model.late import Late

__all__ = [
    "Invocation",
    "InvocationError",
    "InvocationResponse",
    "InvocationState",
    "InvocationStatus",
]


class _Body(bytes):
    """Bytes that are a payload already, and not a value to be written as JSON."""


def _body(value: Any) -> bytes:
    if isinstance(value, _Body):
        return value
    try:
        return _Body(
            json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        )
    except (TypeError, ValueError, RecursionError) as error:
        allowed = f"any JSON value, or Invocation.from_bytes for other content ({error})"
        raise ConfigurationError("payload", value, allowed) from error


def _json_text(value: Any) -> Any:
    """A dict as JSON text; what can't be is left for the validator to refuse."""
    if isinstance(value, dict):
        try:
            return json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            return value
    return value


def _is_json_object(value: object) -> bool:
    return (
        checks.header_text(value)
        and isinstance(decoded(str(value)), dict)
        and len(base64.b64encode(str(value).encode())) <= protocol.MAX_CLIENT_CONTEXT_BYTES
    )


_json_object = checks.checked(
    _is_json_object,
    f"a dict or its JSON text, at most {protocol.MAX_CLIENT_CONTEXT_BYTES} bytes in base64",
)


# A value with a dict is made, and copied, twice as fast as one with slots.
@attrs.frozen(slots=False)
class Invocation:
    """One event for the function.

    :param payload: any JSON value. :meth:`from_bytes` takes bytes as they are.
    :param timeout: seconds, 0.001 to 900; the function's own when None.
    :param request_id: new when None; may come again once its earlier invocation is complete.
    :param invoked_function_arn: the function's unqualified ARN when None.
    :param trace_id: the X-Ray header; a new, unsampled one when None.
    :param client_context, cognito_identity: a dict, or its JSON text.
    :raises ConfigurationError: a value is out of AWS's range; it names the field.

    AWS: *Invoke* in the API reference; *Lambda quotas*.
    """

    body: bytes = attrs.field(
        alias="payload",
        repr=lambda body: f"<{len(body)} bytes>",
        converter=_body,
        validator=checks.checked(
            lambda body: len(body) <= protocol.MAX_PAYLOAD_BYTES,
            f"at most {protocol.MAX_PAYLOAD_BYTES} bytes",
        ),
    )
    timeout: float | None = attrs.field(default=None, kw_only=True)
    request_id: RequestId = attrs.field(default=None, kw_only=True)
    invoked_function_arn: str = attrs.field(default=None, kw_only=True)
    trace_id: str = attrs.field(default=None, kw_only=True)
    client_context: str | None = attrs.field(
        default=None, kw_only=True, converter=_json_text, repr=False
    )
    cognito_identity: str | None = attrs.field(
        default=None, kw_only=True, converter=_json_text, repr=False
    )
    tenant_id: str | None = attrs.field(default=None, kw_only=True)
    content_type: str = attrs.field(
        default=protocol.JSON_TYPE,
        kw_only=True,
        validator=checks.unless(protocol.JSON_TYPE, checks.header),
    )
    created_at: datetime = attrs.field(
        factory=lambda: datetime.now(UTC),
        kw_only=True,
        validator=checks.checked(
            lambda value: isinstance(value, datetime) and value.tzinfo is not None,
            "an aware datetime",
        ),
    )
    deadline_ms: int | None = attrs.field(default=None, kw_only=True)
    """When Lambda will end it, milliseconds since the epoch; None until that is known."""

    def __attrs_post_init__(self) -> None:
        fields = self.__dict__
        for attribute, validate in _WHERE_GIVEN:
            if (value := fields[attribute.name]) is not None:
                validate(self, attribute, value)
        if fields["request_id"] is None:
            fields["request_id"] = new_id()
        if fields["invoked_function_arn"] is None:
            fields["invoked_function_arn"] = ""
        if fields["trace_id"] is None:
            fields["trace_id"] = new_trace_id(time.time())
        if self.deadline_ms is None and self.timeout is not None:
            fields["deadline_ms"] = int((self.created_at.timestamp() + self.timeout) * 1000)

    @classmethod
    def from_bytes(
        cls,
        body: bytes | bytearray | memoryview,
        content_type: str = protocol.JSON_TYPE,
        **fields: Any,
    ) -> Self:
        """An invocation whose payload goes through as it is, JSON or not."""
        if not isinstance(body, bytes | bytearray | memoryview):
            raise ConfigurationError("body", body, "bytes")
        return cls(_Body(body), content_type=content_type, **fields)

    def filled(self, **known: Any) -> Invocation:
        """A copy in which fields are set that only the environment knows; nothing is checked."""
        twin = object.__new__(Invocation)
        twin.__dict__.update(self.__dict__, **known)
        return twin

    @property
    def payload(self) -> Any:
        """The payload, decoded from JSON anew at each call.

        :raises ValueError: it is not JSON.
        """
        return json.loads(self.body)


# One loop over what is rarely given costs half of a validator for each.
_WHERE_GIVEN = [
    (getattr(attrs.fields(Invocation), name), validator)
    for name, validator in {
        "timeout": checks.seconds(protocol.MIN_TIMEOUT, protocol.MAX_TIMEOUT),
        "request_id": checks.header,
        "invoked_function_arn": checks.checked(checks.header_text, checks.HEADER_TEXT),
        "trace_id": checks.header,
        "client_context": _json_object,
        "cognito_identity": _json_object,
        "tenant_id": checks.matching(
            r"[a-zA-Z0-9._:/=+\-@ ]{1,256}", "1 to 256 of letters, digits and ._:/=+-@ or space"
        ),
        "deadline_ms": checks.whole(0),
    }.items()
]


class InvocationStatus(Enum):
    """How far an invocation has got. The last three are final."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"

    @property
    def is_complete(self) -> bool:
        return self not in (InvocationStatus.PENDING, InvocationStatus.IN_PROGRESS)


@attrs.frozen(kw_only=True, slots=False)
class InvocationResponse:
    """What the runtime answered, byte for byte.

    ``chunks`` holds the pieces of a streamed response as they came; one piece otherwise.
    """

    request_id: RequestId
    body: bytes = attrs.field(repr=False)
    content_type: str
    chunks: tuple[bytes, ...] = attrs.field(repr=False)
    received_at: datetime

    @property
    def payload(self) -> Any:
        """The body, decoded from JSON anew at each call.

        :raises ValueError: it is not JSON.
        """
        return json.loads(self.body)


@attrs.frozen(kw_only=True)
class InvocationError:
    """Why an invocation failed; ``body`` is what the caller of Invoke gets, byte for byte.

    ``error_type`` is the body's own ``errorType`` where it has one, and else the type that
    Lambda gives it.
    """

    request_id: RequestId
    error_type: str
    error_message: str
    stack_trace: list[str] | None
    body: bytes = attrs.field(repr=False)
    received_at: datetime
    cause: dict[str, Any] | None = attrs.field(default=None, repr=False)
    """What the runtime told X-Ray of it, shrunk to 64 KB as Lambda does it; None for nothing."""
    in_restore: bool = False
    """Whether it is a SnapStart restore that failed: Invoke then answers SnapStartException."""

    @property
    def payload(self) -> Any:
        """The body, decoded; None when it is empty or not JSON."""
        return decoded(self.body)

    @classmethod
    def of(
        cls,
        request_id: RequestId,
        body: bytes,
        error_type: str,
        message: str,
        received_at: datetime,
        **facts: Any,
    ) -> InvocationError:
        """An error whose parts are read from the body where it is an object of AWS's form."""
        told = decoded(body)
        parts = told if isinstance(told, dict) else {}
        frames = parts.get("stackTrace")
        return cls(
            request_id=request_id,
            error_type=_text(parts.get("errorType"), error_type),
            error_message=_text(parts.get("errorMessage"), message),
            stack_trace=[one for one in frames if isinstance(one, str)]
            if isinstance(frames, list)
            else None,
            body=body,
            received_at=received_at,
            **facts,
        )


def _log_text(tail: str | Late[str]) -> str:
    return tail if isinstance(tail, str) else tail()


@attrs.frozen(kw_only=True, slots=False)
class InvocationState:
    """An invocation at one moment; ask again for a later one.

    ``response`` is there when the status is SUCCESS, ``error`` when it is ERROR or TIMEOUT; until
    then both are None. Times are aware, in UTC.
    """

    invocation: Invocation = attrs.field(repr=lambda invocation: invocation.request_id)
    status: InvocationStatus
    started_at: datetime | None = None
    completed_at: datetime | None = None
    response: InvocationResponse | None = None
    error: InvocationError | None = None
    is_cold: bool = False
    _log_tail: str | Late[str] = attrs.field(default="", repr=False, eq=_log_text)

    @property
    def log_tail(self) -> str:
        """The last 4 KB of this invocation's log lines, as ``LogType=Tail`` returns them."""
        return _log_text(self._log_tail)

    @property
    def request_id(self) -> RequestId:
        return self.invocation.request_id

    @property
    def is_complete(self) -> bool:
        return self.status.is_complete


def decoded(body: bytes | str) -> Any:
    """JSON's value, or None for what is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _text(value: object, otherwise: str) -> str:
    return value if isinstance(value, str) else otherwise
