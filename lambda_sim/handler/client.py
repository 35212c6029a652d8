"""The Runtime API from the runtime's side: Next, response, error, init error."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import NamedTuple, Self

from lambda_sim.errors import ConfigurationError, LambdaSimError
from lambda_sim.version import __version__

from .failure import ErrorReport
from .http import Answer, BadAnswer, Connection, ConnectionClosed

__all__ = ["Event", "RuntimeApiError", "RuntimeClient"]

VARIABLE = "AWS_LAMBDA_RUNTIME_API"

_USER_AGENT = "lambda-sim-python/{}.{}.{}-{}".format(*sys.version_info[:3], __version__)
_API = "/2018-06-01/runtime"
_ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
_ERROR_BODY = "Lambda-Runtime-Function-Error-Body"


class RuntimeApiError(LambdaSimError):
    """The Runtime API refused; ``status`` and ``body`` are its answer.

    On an answer to an invocation, 403 is a wrong moment, 410 too late, and 413 too large.
    """

    def __init__(self, asked: str, status: int, body: bytes) -> None:
        self.asked = asked
        self.status = status
        self.body = body
        shown = body[:500].decode(errors="replace").strip()
        super().__init__(f"{asked} was answered with {status}: {shown}")


class Event(NamedTuple):
    """One invocation, as Next hands it over.

    ``deadline_ms`` is a point in time, in milliseconds since 1970. ``client_context`` and
    ``cognito_identity`` are JSON. What Lambda did not send is None.

    AWS: *Using the Lambda runtime API for custom runtimes*, Next invocation.
    """

    request_id: str
    deadline_ms: int
    invoked_function_arn: str | None
    trace_id: str | None
    client_context: str | None
    cognito_identity: str | None
    tenant_id: str | None
    invocation_id: str | None
    content_type: str
    body: bytes
    headers: dict[str, str]

    def __repr__(self) -> str:
        # Payloads are large, and nobody's business in a log.
        return f"<Event {self.request_id}, {len(self.body)} bytes of {self.content_type}>"


class RuntimeClient:
    """Asks for invocations and answers them, over one kept-alive connection.

    One thread asks at a time. Any thread may ``close``. Each method raises RuntimeApiError when
    the answer is not 2xx, and what ``Connection.request`` raises when there is no answer.

    :param address: ``host:port``; by default what AWS_LAMBDA_RUNTIME_API says.
    :raises ConfigurationError: there is no address, or it has another form.

    AWS: *Using the Lambda runtime API for custom runtimes*.
    """

    def __init__(self, address: str | None = None) -> None:
        self.address = _address_from_environment() if address is None else address
        self._connection = Connection(self.address)
        self._is_waiting = False
        self._is_stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def next(self) -> Event:
        """Wait, without limit, for the next invocation. The first call ends the Init phase."""
        return _event(self._wait("/invocation/next"))

    def respond(self, event: Event, body: bytes, content_type: str = "application/json") -> None:
        """Post the function's result."""
        headers = [("Content-Type", content_type), *_echo(event)]
        self._ask("POST", _invocation_path(event, "response"), headers, body)

    def stream(
        self,
        event: Event,
        chunks: Iterable[bytes],
        content_type: str,
        end: Callable[[], ErrorReport | None] = lambda: None,
    ) -> None:
        """Post the function's result piece by piece.

        :param end: asked after the last piece, for what ended the stream early, if anything did.

        AWS: *Using the Lambda runtime API for custom runtimes*, Response streaming.
        """
        headers = [
            ("User-Agent", _USER_AGENT),
            ("Content-Type", content_type),
            ("Lambda-Runtime-Function-Response-Mode", "streaming"),
            ("Trailer", f"{_ERROR_TYPE}, {_ERROR_BODY}"),
            *_echo(event),
        ]

        path = _API + _invocation_path(event, "response")
        answer = self._connection.stream(
            "POST", path, headers, chunks, lambda: _error_trailers(end())
        )
        _refuse(f"POST {path}", answer)

    def fail(self, event: Event, error: ErrorReport) -> None:
        """Post the function's error.

        As awslambdaric does, without Lambda-Runtime-Function-Error-Type.
        """
        headers = [("Content-Type", "application/json"), *_echo(event)]
        self._ask("POST", _invocation_path(event, "error"), headers, error.to_json())

    def fail_from_aside(self, event: Event, error: ErrorReport) -> None:
        """Post the function's error from another thread than the one that asks and answers.

        A stream under way ends with it. Else a connection of its own is used.
        """
        if not self._connection.end_stream(_error_trailers(error)):
            with RuntimeClient(self.address) as other:
                other.fail(event, error)

    def fail_init(self, error: ErrorReport, error_type: str | None = None) -> None:
        """Post that the function could not be loaded; only before the first ``next``.

        :param error_type: what Lambda is told instead of the error's own.
        """
        self._fail_phase("/init/error", error, error_type or error.error_type)

    def wait_for_restore(self) -> None:
        """Wait, without limit, until SnapStart has restored this process from a snapshot.

        AWS: *Using the Lambda runtime API for custom runtimes*, and *Custom runtimes with
        SnapStart*.
        """
        self._wait("/restore/next")

    def fail_restore(self, error: ErrorReport) -> None:
        """Post that the function could not be restored; only before the first ``next``."""
        self._fail_phase("/restore/error", error, "Runtime.AfterRestoreError")

    def stop(self) -> None:
        """Wait no more: whatever waits raises ConnectionClosed, now and from now on.

        An invocation that is at work can still be answered. A signal handler may call this in the
        thread that waits.
        """
        connection = self._connection  # not the one that ``_wait`` may put in its place meanwhile
        self._is_stopped = True
        if self._is_waiting:
            connection.close()

    def close(self) -> None:
        """End the connection; a ``next`` that waits raises ConnectionClosed."""
        self._connection.close()

    def _wait(self, path: str) -> Answer:
        self._is_waiting = True
        try:
            self._refuse_if_stopped()
            answer = self._ask("GET", path)
        finally:
            self._is_waiting = False
        if self._is_stopped:
            # As the answer came: the event is ours, and what we say to it needs another connection.
            self._connection.close()
            self._connection = Connection(self.address)
        return answer

    def _refuse_if_stopped(self) -> None:
        if self._is_stopped:
            raise ConnectionClosed("the client was stopped", answer_began=False)

    def _fail_phase(self, path: str, error: ErrorReport, error_type: str) -> None:
        headers = [("Content-Type", "application/json"), (_ERROR_TYPE, _one_line(error_type))]
        self._ask("POST", path, headers, error.to_json())

    def _ask(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Answer:
        headers = [("User-Agent", _USER_AGENT), *headers]
        answer = self._connection.request(method, _API + path, headers, body)
        _refuse(f"{method} {_API}{path}", answer)
        return answer


def _refuse(asked: str, answer: Answer) -> None:
    if not 200 <= answer.status < 300:
        raise RuntimeApiError(asked, answer.status, answer.body)


def _one_line(error_type: str) -> str:
    """A function's own exception may have any name, but a header has one line of text."""
    return " ".join(error_type.split())


def _address_from_environment() -> str:
    address = os.environ.get(VARIABLE)
    if not address:
        raise ConfigurationError(
            VARIABLE, address, "the Runtime API's host:port, which Lambda sets"
        )
    return address


def _event(answer: Answer) -> Event:
    headers = answer.headers
    request_id = headers.get("lambda-runtime-aws-request-id", "")
    deadline_ms = headers.get("lambda-runtime-deadline-ms", "")
    if not request_id or not deadline_ms.isdecimal():
        raise BadAnswer(f"Next came with request id {request_id!r} and deadline {deadline_ms!r}")
    return Event(
        request_id=request_id,
        deadline_ms=int(deadline_ms),
        invoked_function_arn=headers.get("lambda-runtime-invoked-function-arn"),
        trace_id=headers.get("lambda-runtime-trace-id"),
        client_context=headers.get("lambda-runtime-client-context"),
        cognito_identity=headers.get("lambda-runtime-cognito-identity"),
        tenant_id=headers.get("lambda-runtime-aws-tenant-id"),
        invocation_id=headers.get("lambda-runtime-invocation-id"),
        content_type=headers.get("content-type", "application/json"),
        body=answer.body,
        headers=headers,
    )


def _error_trailers(error: ErrorReport | None) -> list[tuple[str, str]]:
    """What tells, behind a stream, what ended it early."""
    if error is None:
        return []
    body = b64encode(error.to_json()).decode()
    return [(_ERROR_TYPE, _one_line(error.error_type)), (_ERROR_BODY, body)]


def _echo(event: Event) -> list[tuple[str, str]]:
    """What tells Lambda which attempt is answered: a retry has the same request id."""
    if event.invocation_id is None:
        return []
    return [("Lambda-Runtime-Invocation-Id", event.invocation_id)]


def _invocation_path(event: Event, what: str) -> str:
    request_id = event.request_id
    if not (request_id.isascii() and request_id.replace("-", "").isalnum()):
        from urllib.parse import quote  # noqa: PLC0415 - Lambda's own ids never need it

        request_id = quote(request_id, safe="")
    return f"/invocation/{request_id}/{what}"
