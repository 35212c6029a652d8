"""The life of a runtime process: load, set up, pass a snapshot, serve, tear down."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import FrameType
from typing import Self

from lambda_sim.errors import LambdaSimError

from . import snapshots, workers
from .client import Event, RuntimeClient
from .failure import ErrorReport
from .logs import LambdaLog
from .loop import poll
from .outcome import Executor, OnStuck

__all__ = ["complain", "end_stuck", "live", "memory_bytes", "report", "tear_down"]

MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
"""The variable that says how many megabytes the function has."""

_logger = logging.getLogger(__name__)


def live(load: Callable[[], Executor], client: RuntimeClient, log: LambdaLog) -> int:
    """Serve invocations until the Runtime API is gone, or SIGTERM came.

    Where Lambda hands out several invocations at once, as many processes serve them. They load
    together, and each sets up for itself.

    :returns: the exit status: 1 when the handler could not be loaded or set up or the Runtime API
        went away, 0 when it did so after SIGTERM, 64 and 65 when a SnapStart hook failed.
    """
    try:
        executor = load()
    except Exception as error:
        return _fail_init(error, client, log)
    if (count := workers.wanted(os.environ)) > 1:
        return workers.run(
            count, lambda: _live(executor, RuntimeClient(client.address), log, is_worker=True)
        )
    return _live(executor, client, log)


def _live(
    executor: Executor, client: RuntimeClient, log: LambdaLog, *, is_worker: bool = False
) -> int:
    with ExitStack() as undo:
        try:
            executor.start(end_stuck(client, log), memory_bytes(os.environ))
        except Exception as error:
            return _fail_init(error, client, log)
        # The last to go: a second SIGTERM must not break the tearing down off.
        sigterm = undo.enter_context(
            _Sigterm(client, ends_us=executor.has_teardown, is_worker=is_worker)
        )
        undo.callback(tear_down, executor)
        if executor.has_teardown:
            from .farewell import Farewell  # noqa: PLC0415 - few functions want to be told

            undo.enter_context(Farewell(client.address))
        try:
            status = snapshots.pass_through(executor, client, log, os.environ)
            if status is None:
                poll(executor, client, log=log)
        except (LambdaSimError, OSError) as error:
            status = 0 if sigterm.is_seen else complain(f"the Runtime API is gone: {error}", 1)
        return status


def end_stuck(client: RuntimeClient, log: LambdaLog) -> OnStuck:
    """What is done about a handler that can't be interrupted: its error is posted from here, and
    the process ends, so that no other event meets it."""

    def end(event: Event, error: ErrorReport) -> None:
        report(event, error, client, log)
        os._exit(1)

    return end


def report(event: Event, error: ErrorReport, client: RuntimeClient, log: LambdaLog) -> None:
    """Log and post an error in the place of a runtime that can't, or would serve on."""
    log.write_error(error)
    log.flush()
    try:
        client.fail_from_aside(event, error)
    except (LambdaSimError, OSError) as refusal:
        complain(f"the error could not be posted: {refusal}", 1)


def memory_bytes(environ: Mapping[str, str]) -> int | None:
    """What Lambda gives the function; None where nobody says it."""
    text = environ.get(MEMORY, "")
    return int(text) * 1024 * 1024 if text.isascii() and text.isdecimal() and int(text) else None


def tear_down(executor: Executor) -> None:
    """Whatever that raises is logged: there is nobody left who could do something about it.

    Who exits does not, either, as an answer may be yet to be posted, or a result to be printed.
    """
    try:
        executor.close()
    except (Exception, SystemExit) as error:
        if not (isinstance(error, SystemExit) and error.code in (None, 0)):
            _logger.exception("teardown failed")


def _fail_init(error: Exception, client: RuntimeClient, log: LambdaLog) -> int:
    told = ErrorReport.from_exception(error)
    log.write_error(told)
    log.flush()
    try:
        client.fail_init(told)
    except (LambdaSimError, OSError) as refusal:
        return complain(f"the init error could not be posted: {refusal}", 1)
    return 1


class _Sigterm:
    """Notes SIGTERM on its way to the function's own handler.

    :param ends_us: whether to ask for no more events then, so that there is time to tear down.
        Otherwise, without a handler of the function's, the process ends at once, by the signal,
        as under awslambdaric.
    :param is_worker: whether it may come twice, to the group of processes and from our parent. The
        second may come late, and finds nobody but us, as the process ends then.
    """

    def __init__(self, client: RuntimeClient, *, ends_us: bool, is_worker: bool) -> None:
        self.is_seen = False
        self._is_worker = is_worker
        self._client = client
        self._ends_us = ends_us
        self._theirs = signal.getsignal(signal.SIGTERM)
        is_ours = ends_us or callable(self._theirs)
        self._is_set = is_ours and threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if self._is_set:
            signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._is_set and not (self._is_worker and self.is_seen):
            signal.signal(signal.SIGTERM, self._theirs or signal.SIG_DFL)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.is_seen:
            return
        self.is_seen = True
        if self._ends_us:
            self._client.stop()
        if callable(self._theirs):
            self._theirs(number, frame)


def complain(line: str, status: int) -> int:
    """One line about what went wrong, for whoever started the process."""
    sys.stderr.write(line + "\n")
    return status
