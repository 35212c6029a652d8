"""Several processes that serve one function, as many as it may have invocations at once.

AWS: *Lambda managed instances*, Python runtime: each invocation has a process of its own.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress

__all__ = ["run", "wanted"]

VARIABLE = "AWS_LAMBDA_MAX_CONCURRENCY"


def wanted(environ: Mapping[str, str]) -> int:
    """How many there are to be; one where Lambda says nothing, or there is no fork."""
    text = environ.get(VARIABLE, "")
    return int(text) if text.isascii() and text.isdecimal() and hasattr(os, "fork") else 1


def run(count: int, serve: Callable[[], int]) -> int:
    """Serve in so many copies of this process. When one ends, all do: Lambda starts others.

    :returns: the exit status of the first that ended; 128 and its number for a signal.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    children = [_start(serve) for _ in range(count)]
    ended, status = os.wait()
    for child in children:
        if child != ended:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _start(serve: Callable[[], int]) -> int:
    """A copy that serves, and ends without what its parent has yet to do."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        status = serve()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
