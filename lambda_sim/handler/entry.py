"""How a handler gets its events: by our own loop, or from AWS's runtime as its entry point."""

from __future__ import annotations

import atexit
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import FrameType
from typing import Any

from lambda_sim.errors import LambdaSimError

from .client import VARIABLE, Event, RuntimeClient
from .context import LambdaContext
from .execution import Execution
from .failure import ErrorReport
from .farewell import Farewell
from .logs import LambdaLog, start_logging, wants_json
from .outcome import Failure, Payload, Stream
from .serving import end_stuck, live, memory_bytes, report, tear_down
from .snapshots import LIBRARY
from .stacks import without_ours
from .typed import Handler

__all__ = ["EntryPoint", "as_entrypoint", "serve"]

AWS_RUNTIME = "awslambdaric"
"""The package that is AWS's Python runtime, also in its images and managed runtimes."""

LONGEST_MS = 900_000
"""What Lambda gives an invocation at most: for a context that does not say."""


def serve(handler: Handler[Any, Any, Any], *, runtime_api: str | None = None) -> int:
    """Serve invocations until the Runtime API is gone or SIGTERM comes: a custom runtime's main.

    Sets up during Init, and tears down at the end. For a handler with a ``teardown`` an internal
    extension is registered, so that Lambda sends SIGTERM and waits for half a second. The root
    logger writes in Lambda's formats. As many processes serve as AWS_LAMBDA_MAX_CONCURRENCY says.

    :param runtime_api: ``host:port``; by default what AWS_LAMBDA_RUNTIME_API says.
    :returns: the exit status, for ``sys.exit``.
    :raises ConfigurationError: there is no Runtime API, or the address has another form.

    AWS: *Building a custom runtime for AWS Lambda*.
    """
    with RuntimeClient(runtime_api) as client:
        log = start_logging(os.environ)
        try:
            return live(lambda: Execution(handler), client, log)
        except KeyboardInterrupt:
            return 130
        finally:
            logging.getLogger().removeHandler(log)


def as_entrypoint(handler: Handler[Any, Any, Any]) -> EntryPoint:
    """Make a function of ``(event, context)``, for AWS's own runtime to call.

    Written in a module as ``handler = as_entrypoint(Orders())``.

    Where AWS's runtime imports the module, the handler is set up here, so during Init, and what
    that raises is an init error. Elsewhere it is set up when the first event comes, so that a test
    may import the module, and ``serve`` may be called in the same file.

    Events are validated and errors reported as by ``serve``. A stream is handed over in one piece,
    for AWS's Python runtime does not stream.

    AWS: *Define Lambda function handler in Python*.
    """
    return EntryPoint(handler)


class EntryPoint:
    """A handler that AWS's runtime can call. One thread calls.

    It tears down when the process ends, and at SIGTERM where Lambda sends it. A runtime of AWS's
    before Python 3.12 does not let Python see the signal while it waits for an event.
    """

    def __init__(self, handler: Handler[Any, Any, Any]) -> None:
        self.execution = Execution(handler)
        self._is_busy = False
        self._is_told = False
        self._theirs: Any = None
        self._report: Callable[[Event, ErrorReport], None] | None = None  # where Lambda is
        # Our own runtime takes the execution, and looks after it by itself.
        if VARIABLE in os.environ and AWS_RUNTIME in sys.modules:
            self._live_in_lambda()

    @property
    def handler(self) -> Handler[Any, Any, Any]:
        return self.execution.handler

    def __repr__(self) -> str:
        return f"as_entrypoint({self.handler!r})"

    def __call__(self, event: Any, context: Any = None) -> Any:
        """Run one invocation.

        :param context: AWS's, or any object with some of its fields.
        :returns: the result as plain JSON values; bytes for bytes and streams.
        """
        if not self.execution.is_started:
            self.execution.start()
            atexit.register(tear_down, self.execution)
        self._is_busy = True
        try:
            outcome = self._run(event, _context(context))
        finally:
            self._is_busy = False
            if self._is_told:
                # The result is yet to be posted; what ends the process then is Lambda.
                self._let_go()
        if isinstance(outcome, Failure):
            raise _as_reported(outcome)
        is_json = outcome.content_type == "application/json"
        return json.loads(outcome.body) if is_json else outcome.body

    def _run(self, event: Any, context: LambdaContext) -> Payload | Failure:
        told = _event(event, context)
        outcome = self.execution.execute(told, context)
        if isinstance(outcome, Stream):
            body = b"".join(outcome)
            outcome = outcome.failure or Payload(body, outcome.content_type)
        if isinstance(outcome, Failure) and self._report is not None and self.execution.is_poisoned:
            # AWS's runtime would post it as well, but serve on.
            self._report(told, outcome.report)
            sys.exit(1)
        return outcome

    def _live_in_lambda(self) -> None:
        execution = self.execution
        client, log = RuntimeClient(), LambdaLog(is_json=wants_json(os.environ))
        self._report = partial(report, client=client, log=log)
        execution.start(end_stuck(client, log), memory_bytes(os.environ))
        atexit.register(tear_down, execution)
        if execution.has_snapshot_hooks:
            library = import_module(LIBRARY)
            library.register_before_snapshot(execution.before_snapshot)
            library.register_after_restore(execution.after_restore)
        is_main = threading.current_thread() is threading.main_thread()
        if execution.has_teardown and is_main:
            Farewell(os.environ[VARIABLE]).start()
            self._theirs = signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        if self._is_told:
            return
        self._is_told = True
        if not self._is_busy:
            self._let_go()
            signal.raise_signal(number)

    def _let_go(self) -> None:
        """Tear down, and leave SIGTERM to whom it was before us."""
        tear_down(self.execution)
        signal.signal(signal.SIGTERM, self._theirs or signal.SIG_DFL)


def _event(event: Any, context: LambdaContext) -> Event:
    """What Next would have handed over."""
    is_bytes = isinstance(event, bytes)
    return Event(
        request_id=context.aws_request_id,
        deadline_ms=context.deadline_ms,
        invoked_function_arn=context.invoked_function_arn,
        trace_id=context.trace_id,
        client_context=None,
        cognito_identity=None,
        tenant_id=context.tenant_id,
        invocation_id=None,
        content_type="application/octet-stream" if is_bytes else "application/json",
        body=event if is_bytes else json.dumps(event).encode(),
        headers={},
    )


def _context(told: Any) -> LambdaContext:
    """Our context with what another one says; awslambdaric's, or a test's."""
    if isinstance(told, LambdaContext):
        return told
    context = LambdaContext(
        getattr(told, "aws_request_id", ""),
        {"w3c": _told_by(told, "w3c")},
        None,
        _deadline_ms(told),
        getattr(told, "invoked_function_arn", None),
        getattr(told, "tenant_id", None),
        trace_id=os.environ.get("_X_AMZN_TRACE_ID"),
    )
    context.client_context = getattr(told, "client_context", None)
    context.identity = getattr(told, "identity", None) or context.identity
    return context


def _deadline_ms(told: Any) -> int:
    exact = getattr(told, "_epoch_deadline_time_in_ms", None)
    if isinstance(exact, int):
        return exact
    left = _told_by(told, "get_remaining_time_in_millis")
    return int(time.time() * 1000) + (LONGEST_MS if left is None else int(left))


def _told_by(context: Any, name: str) -> Any:
    """What a method says, if there is one."""
    method = getattr(context, name, None)
    return method() if callable(method) else None


def _as_reported(failure: Failure) -> Exception:
    """What AWS's runtime reports as we would: it goes by the name of the class."""
    error, report = failure.error, failure.report
    trace = without_ours(error.__traceback__)
    if isinstance(error, Exception) and type(error).__name__ == report.error_type:
        return error.with_traceback(trace)
    stand_in: Exception = type(report.error_type, (LambdaSimError,), {})(report.error_message)
    stand_in.__cause__ = error
    return stand_in.with_traceback(trace)
