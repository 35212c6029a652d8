"""run_local: a handler, called in this process as Lambda would call it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import attrs

from lambda_sim.errors import ConfigurationError
from lambda_sim.model.identifiers import function_arn, new_id, new_trace_id
from lambda_sim.sync import SYSTEM_CLOCK

from .capture import LogCapture
from .client import Event
from .codec import TypedCodec
from .entry import EntryPoint
from .execution import Execution
from .failure import ErrorReport, Fault
from .interruption import Interruption
from .loading import load
from .local_report import InvocationReport, LocalRun, complaint_about, result_of
from .memory import MemoryPressure, MemoryWatch
from .outcome import Executor, Failure, Payload, Stream
from .serving import tear_down
from .testdata import LocalInvocation, TestData
from .timed import TimedExecutor
from .typed import Handler
from .usage import own_source
from .watchdog import Watchdog

__all__ = ["Onlooker", "run_local"]

ACCOUNT = "123456789012"
DEFAULT_MEMORY = 128

GRACE = 1.0
"""Seconds that a handler has to get out of what Lambda would have ended, before anybody is told."""

_MEGABYTE = 1024 * 1024

Runnable = Handler[Any, Any, Any] | type[Handler[Any, Any, Any]] | Callable[..., Any] | str


class Onlooker:
    """Is told of a local run while it goes on. Each method may be overridden."""

    def said(self, line: str) -> None:
        """The function wrote a line to its log, in the thread that this is called from."""

    def began(self, request_id: str) -> None:
        """An invocation begins, after the init if there had to be one."""

    def ended(self, report: InvocationReport) -> None:
        """An invocation ended."""

    def is_stuck(self, report: InvocationReport) -> None:
        """An invocation went on for a second after it was interrupted. This may end the process.

        Called from another thread. The run goes on when the handler comes to its end by itself.
        """


def run_local(
    handler: Runnable,
    data: TestData,
    *,
    stop_on_error: bool = True,
    onlooker: Onlooker | None = None,
) -> LocalRun:
    """Run a handler's invocations one after the other, in this process, as Lambda would.

    The handler is set up when the first event comes, serves all of them, and is torn down at the
    end. After an invocation that was stuck, ended the process or filled the memory, and after an
    init that failed, the next one is cold again. Lambda's variables and the function's are in
    ``os.environ`` meanwhile, and what the function logs is in the reports.

    Time is kept: handlers with declared types have their guard, and plain functions end as Lambda
    ends them, with ``Sandbox.Timedout``. Memory is watched where a size was given, and is that of
    this process and those below it.

    Only one run at a time may go on in a process. In its main thread more can be interrupted.

    :param handler: a ``Handler``, its class, an entry point, a function of ``(event, context)``, or
        the name of one of these, ``module.name``, which is imported when its variables are set.
    :param stop_on_error: run no more after an invocation that went otherwise than expected.
    :param onlooker: is told of all while it happens.
    :raises ConfigurationError: an event can't be written as JSON, or ``handler`` is none.
    """
    _check(handler)
    bodies = [_body(number, one.event) for number, one in enumerate(data.invocations)]
    onlooker = onlooker or Onlooker()
    reports: list[InvocationReport] = []
    variables = _variables(data, handler if isinstance(handler, str) else None)
    with _in_environment(variables), LogCapture(onlooker.said) as log:
        with closing(_Run(handler, data, onlooker, log)) as run:
            for number, body in enumerate(bodies):
                reports.append(run.invoke(number, body))
                onlooker.ended(reports[-1])
                if stop_on_error and not reports[-1].is_success:
                    break
        log.take()
        lines = log.lines
    return LocalRun(reports=tuple(reports), left=len(bodies) - len(reports), logs=lines)


@attrs.define
class _Attempt:
    """An invocation at work."""

    number: int
    invocation: LocalInvocation
    event: Event
    began: float
    init_duration: float | None = None
    watch: MemoryWatch | None = None

    def report(self, outcome: Payload | Failure, logs: tuple[str, ...]) -> InvocationReport:
        failure = outcome if isinstance(outcome, Failure) else None
        return InvocationReport(
            number=self.number,
            request_id=self.event.request_id,
            result=result_of(outcome),
            error=failure and failure.error,
            error_report=failure and failure.report,
            payload=outcome.report.to_json() if isinstance(outcome, Failure) else outcome.body,
            duration=SYSTEM_CLOCK.monotonic() - self.began,
            init_duration=self.init_duration,
            logs=logs,
            peak_bytes=None if self.watch is None else self.watch.peak_bytes,
            is_cold=self.init_duration is not None,
            complaint=complaint_about(self.invocation, outcome),
        )


class _Run:
    """The function's environment in this process; another one when an invocation spoilt it."""

    def __init__(
        self, handler: Runnable, data: TestData, onlooker: Onlooker, log: LogCapture
    ) -> None:
        self._handler = handler
        self._data = data
        self._onlooker = onlooker
        self._log = log
        self._executor: Executor | None = None
        self._attempt: _Attempt | None = None
        self._lookout: Watchdog | None = None  # over an attempt that does not end
        self._arn = function_arn(data.region, ACCOUNT, data.function.name)

    def close(self) -> None:
        """End the environment, if there is one."""
        self._look_no_more()
        executor, self._executor = self._executor, None
        if executor is not None:
            tear_down(executor)

    def invoke(self, number: int, body: bytes) -> InvocationReport:
        invocation = self._data.invocations[number]
        request_id = invocation.context.get("request_id") or new_id()
        os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = str(self._memory(invocation))
        began = SYSTEM_CLOCK.monotonic()
        is_cold = self._executor is None
        failure = self._init(request_id) if is_cold else None
        init_duration = SYSTEM_CLOCK.monotonic() - began if is_cold else None
        self._onlooker.began(request_id)
        event = self._event(invocation, body, request_id)
        self._log.begin(event)
        os.environ["_X_AMZN_TRACE_ID"] = event.trace_id or ""
        self._attempt = attempt = _Attempt(
            number, invocation, event, SYSTEM_CLOCK.monotonic(), init_duration
        )
        outcome = failure or self._execute(attempt)
        self._look_no_more()
        report = attempt.report(outcome, ())
        if isinstance(outcome, Failure):
            self._log.write_error(outcome.report)
            if self._is_spoilt_by(outcome):
                self.close()
        return attrs.evolve(report, logs=self._log.take())

    def _init(self, request_id: str) -> Failure | None:
        """Make the environment; what went wrong with it."""
        try:
            executor = _executor_of(self._handler, self._timeout)
            executor.start(self._watch_stuck)
        except SystemExit as end:
            return _exited(end, request_id)
        except Exception as error:
            return Failure.of(error, request_id)
        self._executor = executor
        return None

    def _execute(self, attempt: _Attempt) -> Payload | Failure:
        executor, request_id = self._executor, attempt.event.request_id
        assert executor is not None
        attempt.watch = _memory_watch(attempt.invocation.memory or self._data.function.memory)
        try:
            with attempt.watch or nullcontext():
                return _in_one_piece(executor.execute(attempt.event))
        except Interruption as error:  # between what the executor guards by itself
            return Failure.of(error, request_id)
        except SystemExit as end:
            return _exited(end, request_id)

    def _is_spoilt_by(self, failure: Failure) -> bool:
        """Whether Lambda would have another environment for the next event."""
        is_poisoned = self._executor is not None and self._executor.is_poisoned
        return is_poisoned or isinstance(failure.error, SystemExit | MemoryPressure)

    def _event(self, invocation: LocalInvocation, body: bytes, request_id: str) -> Event:
        """What Next would give. Its time begins now."""
        told, now = invocation.context, SYSTEM_CLOCK.time()
        timeout = self._timeout_of(invocation)
        is_bytes = isinstance(invocation.event, bytes)
        return Event(
            request_id=request_id,
            deadline_ms=int((now + timeout) * 1000),
            invoked_function_arn=told.get("invoked_function_arn", self._arn),
            trace_id=told.get("trace_id") or new_trace_id(now),
            client_context=_json_or_none(told.get("client_context")),
            cognito_identity=_json_or_none(told.get("cognito_identity")),
            tenant_id=told.get("tenant_id"),
            invocation_id=None,
            content_type="application/octet-stream" if is_bytes else "application/json",
            body=body,
            headers={},
        )

    def _timeout_of(self, invocation: LocalInvocation) -> float:
        return invocation.timeout or self._data.function.timeout

    def _timeout(self) -> float:
        """The seconds of the invocation at work."""
        assert self._attempt is not None
        return self._timeout_of(self._attempt.invocation)

    def _memory(self, invocation: LocalInvocation) -> int:
        """The megabytes that the function is told it has."""
        return invocation.memory or self._data.function.memory or DEFAULT_MEMORY

    def _watch_stuck(self, event: Event, error: ErrorReport) -> None:
        """The guard has given it up; but a slow machine is no reason to end."""
        assert self._attempt is not None
        self._lookout = Watchdog()
        told = _Stuck(self._attempt, error, self._log, self._onlooker)
        self._lookout.add(told, SYSTEM_CLOCK.monotonic() + GRACE)

    def _look_no_more(self) -> None:
        lookout, self._lookout = self._lookout, None
        if lookout is not None:
            lookout.close()


@attrs.frozen(eq=False)
class _Stuck:
    """An attempt that is yet to end, and who is to be told if it does not."""

    attempt: _Attempt
    error: ErrorReport
    log: LogCapture
    onlooker: Onlooker

    def look(self, now: float) -> None:
        error = self.error
        fault = Fault(error.error_type, error.error_message, error.stack_trace)
        self.onlooker.is_stuck(self.attempt.report(Failure(fault, error), self.log.look()))


def _check(handler: object) -> None:
    if not (isinstance(handler, str | Handler) or callable(handler)):
        allowed = "a handler, its class, a function, or a name of one"
        raise ConfigurationError("handler", handler, allowed)


def _body(number: int, event: Any) -> bytes:
    if isinstance(event, bytes):
        return event
    try:
        return TypedCodec().encode(event)
    except Fault as error:
        field = f"invocations[{number}].event"
        raise ConfigurationError(field, type(event).__name__, f"JSON ({error})") from error


def _executor_of(handler: Runnable, timeout: Callable[[], float]) -> Executor:
    target = load(handler) if isinstance(handler, str) else handler
    if isinstance(target, EntryPoint):
        target = target.handler  # whose own execution is for others
    if isinstance(target, type) and issubclass(target, Handler):
        target = target()
    return Execution(target) if isinstance(target, Handler) else TimedExecutor(target, timeout)


def _memory_watch(limit_mb: int | None) -> MemoryWatch | None:
    """What watches an invocation's memory, or only sees how much there was."""
    try:
        source = own_source()
    except ConfigurationError:
        if limit_mb is not None:
            raise
        return None
    return MemoryWatch(sys.maxsize if limit_mb is None else limit_mb * _MEGABYTE, source=source)


def _in_one_piece(outcome: Payload | Stream | Failure) -> Payload | Failure:
    if not isinstance(outcome, Stream):
        return outcome
    with closing(outcome):
        body = b"".join(outcome)
    return outcome.failure or Payload(body, outcome.content_type)


def _exited(end: SystemExit, request_id: str) -> Failure:
    """What Lambda's callers are told of a process that ended."""
    status = end.code if isinstance(end.code, int) else int(end.code is not None)
    how = f"with error: exit status {status}" if status else "without providing a reason"
    fault = Fault("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited {how}")
    return Failure(end, ErrorReport.from_exception(fault, request_id))


def _json_or_none(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _variables(data: TestData, name: str | None) -> dict[str, str]:
    """Lambda's variables that say what the function is, then the function's own."""
    function = data.function
    lambdas = {
        "AWS_DEFAULT_REGION": data.region,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"local/[{function.version}]{os.getpid()}",
        "AWS_REGION": data.region,
    }
    return {**lambdas, **({} if name is None else {"_HANDLER": name}), **data.env}


@contextmanager
def _in_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Inside, these variables are set; afterwards all are as they were."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
