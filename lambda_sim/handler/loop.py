"""The runtime loop: Next, the handler, the answer, and again."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any, NoReturn

from .client import Event, RuntimeApiError, RuntimeClient
from .context import LambdaContext
from .failure import ErrorReport
from .logs import LambdaLog
from .outcome import Executor, Failure, Outcome, Stream
from .plain import PlainExecutor

__all__ = ["poll", "run"]

_logger = logging.getLogger(__name__)


def run(
    handler: Callable[[Any, LambdaContext], Any],
    client: RuntimeClient,
    *,
    log: LambdaLog | None = None,
) -> NoReturn:
    """Serve a plain function's invocations until something ends the process; see ``poll``."""
    poll(PlainExecutor(handler), client, log=log)


def poll(executor: Executor, client: RuntimeClient, *, log: LambdaLog | None = None) -> NoReturn:
    """Serve invocations until something ends the process.

    The handler's exceptions are logged and posted. SystemExit and KeyboardInterrupt come
    through with nothing posted: Lambda sees the process end and reports ``Runtime.ExitError``.
    An answer the API refuses with 4xx, 413 for one that is too large, is logged and lost, and
    the next invocation is served, as in Lambda. An executor that is poisoned ends the process.

    :param log: where errors go and request IDs are taken from; by default plain text.
    :raises RuntimeApiError: Next was refused, or an answer met a server's failure.
    :raises OSError: the Runtime API is gone; ConnectionClosed when ``client`` was closed.
    :raises BadAnswer: what Next gave is no invocation.

    AWS: *Building a custom runtime for AWS Lambda*, Processing tasks.
    """
    log = log or LambdaLog()
    while True:
        _serve_one(executor, client, log)


def _serve_one(executor: Executor, client: RuntimeClient, log: LambdaLog) -> None:
    # A function of its own, so that a payload of megabytes is not kept while Next waits.
    event = client.next()
    log.begin(event)
    _set_trace_id(event.trace_id)
    outcome = executor.execute(event)
    if isinstance(outcome, Failure):
        log.write_error(outcome.report)
    # Lambda may freeze the process as soon as it has the answer.
    log.flush()
    try:
        _answer(outcome, event, client, log)
    except RuntimeApiError as refusal:
        if not 400 <= refusal.status < 500:
            raise
        _logger.warning("%s", refusal)
    if executor.is_poisoned:
        sys.exit(1)


def _answer(outcome: Outcome, event: Event, client: RuntimeClient, log: LambdaLog) -> None:
    if isinstance(outcome, Failure):
        client.fail(event, outcome.report)
    elif isinstance(outcome, Stream):
        with closing(outcome):
            client.stream(event, outcome, outcome.content_type, lambda: _end(outcome, log))
    else:
        client.respond(event, outcome.body, outcome.content_type)


def _end(stream: Stream, log: LambdaLog) -> ErrorReport | None:
    """What ended a stream early, once it is logged."""
    report = stream.failure and stream.failure.report
    if report is not None:
        log.write_error(report)
    log.flush()
    return report


def _set_trace_id(trace_id: str | None) -> None:
    """Tell the X-Ray SDK, which looks for it in the environment."""
    if trace_id is None:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    else:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
