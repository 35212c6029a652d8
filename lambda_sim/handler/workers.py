"""Several processes that serve one function, as many as it may have invocations at once.

AWS: *Lambda managed instances*, Python runtime: each invocation has a process of its own.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["run", "wanted"]

VARIABLE = "AWS_LAMBDA_MAX_CONCURRENCY"

LOG_STREAMS = "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"
"""The variable that says where there is a log stream for whoever connects.

AWS: ``MultiConcurrentRunner`` of *awslambdaric*.
"""


def wanted(environ: Mapping[str, str]) -> int:
    """How many there are to be; one where Lambda says nothing, or there is no fork."""
    text = environ.get(VARIABLE, "")
    return int(text) if text.isascii() and text.isdecimal() and hasattr(os, "fork") else 1


def run(count: int, serve: Callable[[], int]) -> int:
    """Serve in so many copies of this process. When one ends, all do: Lambda starts others.

    SIGTERM is handed on to all of them, and each may end in its own way then.

    :returns: the exit status of the first that ended; 128 and its number for a signal.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    children = _start_all(count, serve)
    with _sigterm_handed_on(children) as told:
        ended, status = _wait_for_one_of(children)
        children.remove(ended)
        if not told:
            _send(children, signal.SIGKILL)
        _reap(children)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _start_all(count: int, serve: Callable[[], int]) -> list[int]:
    children: list[int] = []
    try:
        for _ in range(count):
            children.append(_start(serve))
    except BaseException:  # there are too many processes, for instance
        _send(children, signal.SIGKILL)
        _reap(children)
        raise
    return children


def _wait_for_one_of(children: Collection[int]) -> tuple[int, int]:
    """The first that ends, and its status.

    Others end, too: what the function's module started, and as process 1 whatever lost its parent,
    which nobody else would reap. Who waits for one of those in a thread is told 0 for its status.
    """
    while True:
        ended, status = os.wait()
        if ended in children:
            return ended, status


def _reap(children: Iterable[int]) -> None:
    for child in children:
        os.waitpid(child, 0)


@contextmanager
def _sigterm_handed_on(children: Iterable[int]) -> Iterator[list[int]]:
    """Inside, whether SIGTERM came: the list has something in it then."""
    told: list[int] = []

    def hand_on(number: int, frame: FrameType | None) -> None:
        told.append(number)
        _send(children, number)

    if threading.current_thread() is not threading.main_thread():
        yield told
        return
    theirs = signal.signal(signal.SIGTERM, hand_on)
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, theirs or signal.SIG_DFL)


def _send(children: Iterable[int], number: int) -> None:
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, number)


def _start(serve: Callable[[], int]) -> int:
    """A copy that serves, and ends without what its parent has yet to do."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        _take_log_streams(os.environ)
        status = _status_after(serve)
    finally:
        os._exit(status & 0xFF)


def _take_log_streams(environ: Mapping[str, str]) -> None:
    """Have stdout and stderr where no other worker's lines get into ours, if Lambda offers it."""
    path = environ.get(LOG_STREAMS)
    if path is None:
        return
    with suppress(OSError):  # nobody listens there: they share what there is
        for fd in (1, 2):
            with socket.socket(socket.AF_UNIX) as stream:
                stream.connect(path)
                os.dup2(stream.fileno(), fd)


def _status_after(serve: Callable[[], int]) -> int:
    """The status with which it ends. What Python prints of such an end is printed."""
    try:
        return serve()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
    except KeyboardInterrupt:
        return 130
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(AttributeError, OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
    return 1
