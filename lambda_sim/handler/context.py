"""What a handler is told besides its event: the context object of Lambda's Python runtime."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from .client import Event
from .failure import Fault

__all__ = ["Client", "ClientContext", "CognitoIdentity", "LambdaContext"]

_W3C_FIELDS = ("traceparent", "tracestate", "baggage")


class _Fields:
    """Named fields filled from a JSON object; those it lacks are None, others are dropped."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, values: Mapping[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self) -> str:
        return _show(self, self.__slots__)


class CognitoIdentity(_Fields):
    """Who called, when an Amazon Cognito identity did."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    cognito_identity_id: str | None
    cognito_identity_pool_id: str | None


class Client(_Fields):
    """The mobile application that called."""

    __slots__ = (  # noqa: RUF023 - the order of awslambdaric's repr
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    )

    installation_id: str | None
    app_title: str | None
    app_version_name: str | None
    app_version_code: str | None
    app_package_name: str | None


class ClientContext(_Fields):
    """What the calling application sent along."""

    __slots__ = ("custom", "env", "client")  # noqa: RUF023 - likewise

    custom: dict[str, Any] | None
    env: dict[str, Any] | None
    client: Client | None

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        client = values.get("client")
        self.client = None if client is None else Client(client)


class LambdaContext:
    """The second argument of a handler; field by field that of awslambdaric.

    ``memory_limit_in_mb`` is text, ``identity`` is always there, and ``client_context`` only
    when the caller sent one. Two fields are ours: ``deadline_ms`` (milliseconds since 1970) and
    ``trace_id``.

    AWS: *Using the Lambda context object to retrieve Python function information*.
    """

    _SHOWN = (
        "aws_request_id",
        "log_group_name",
        "log_stream_name",
        "function_name",
        "memory_limit_in_mb",
        "function_version",
        "invoked_function_arn",
        "client_context",
        "identity",
        "tenant_id",
    )

    def __init__(  # noqa: PLR0917 - the arguments of awslambdaric's
        self,
        invoke_id: str,
        client_context: Mapping[str, Any] | None,
        cognito_identity: Mapping[str, Any] | None,
        epoch_deadline_time_in_ms: int,
        invoked_function_arn: str | None = None,
        tenant_id: str | None = None,
        *,
        trace_id: str | None = None,
    ) -> None:
        self.aws_request_id = invoke_id
        self.deadline_ms = epoch_deadline_time_in_ms
        self.invoked_function_arn = invoked_function_arn
        self.tenant_id = tenant_id
        self.trace_id = trace_id
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.client_context = None if client_context is None else ClientContext(client_context)
        self.identity = _identity(cognito_identity or {})
        self._w3c = _w3c(client_context or {})

    @classmethod
    def from_event(cls, event: Event) -> LambdaContext:
        """The context of an invocation.

        :raises Fault: ``Runtime.LambdaContextUnmarshalError``, for a header that is no JSON object.
        """
        return cls(
            event.request_id,
            _parse(event.client_context, "Client Context"),
            _parse(event.cognito_identity, "Cognito Identity"),
            event.deadline_ms,
            event.invoked_function_arn,
            event.tenant_id,
            trace_id=event.trace_id,
        )

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends this invocation, never less than 0."""
        return max(0, self.deadline_ms - int(time.time() * 1000))

    def w3c(self) -> dict[str, str]:
        """The W3C trace context the caller sent: traceparent, tracestate, baggage."""
        return dict(self._w3c)

    def log(self, msg: object) -> None:
        """Write to the function's log as it is, without adding a line break."""
        sys.stdout.write(str(msg))

    def __repr__(self) -> str:
        return _show(self, self._SHOWN)


def _show(value: object, names: tuple[str, ...]) -> str:
    shown = ",".join(f"{name}={getattr(value, name)}" for name in names)
    return f"{type(value).__name__}([{shown}])"


def _identity(values: Mapping[str, Any]) -> CognitoIdentity:
    return CognitoIdentity(
        {
            "cognito_identity_id": values.get("cognitoIdentityId"),
            "cognito_identity_pool_id": values.get("cognitoIdentityPoolId"),
        }
    )


def _w3c(client_context: Mapping[str, Any]) -> dict[str, str]:
    fields = client_context.get("w3c")
    if not isinstance(fields, dict):
        return {}
    return {name: fields[name] for name in _W3C_FIELDS if isinstance(fields.get(name), str)}


def _parse(header: str | None, what: str) -> dict[str, Any] | None:
    if not header:
        return None
    try:
        value = json.loads(header)
    except ValueError as error:
        raise _unparsable(what, str(error)) from error
    if value is not None and not isinstance(value, dict):
        raise _unparsable(what, f"{type(value).__name__} where an object was expected")
    return value


def _unparsable(what: str, why: str) -> Fault:
    error_type = "Runtime.LambdaContextUnmarshalError"
    return Fault(error_type, f"Unable to parse {what} JSON: {why}")
