"""``python -m lambda_sim.handler [module.function]``: a Lambda runtime for Python functions."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from lambda_sim.errors import ConfigurationError, LambdaSimError

from . import workers
from .client import RuntimeClient
from .context import LambdaContext
from .failure import ErrorReport
from .loading import add_function_folders, load
from .logs import LambdaLog, start_logging
from .loop import run

__all__ = ["main"]

_USAGE = "usage: python -m lambda_sim.handler [module.function]   (default: what _HANDLER says)"


def main(arguments: list[str]) -> int:
    """Load the handler and serve invocations until the Runtime API is gone.

    Where Lambda hands out several invocations at once, as many processes serve them.

    :returns: the exit status: 2 for wrong usage, 1 when the handler could not be loaded or the
        Runtime API went away, 0 when it did so after SIGTERM, 130 after Ctrl-C.
    """
    names = arguments or [os.environ.get("_HANDLER", "")]
    if len(names) != 1 or not names[0] or names[0].startswith("-"):
        return _complain(_USAGE, 2)
    try:
        client = RuntimeClient()
    except ConfigurationError as error:
        return _complain(str(error), 2)
    with client:
        try:
            return _serve(names[0], client, start_logging(os.environ))
        except KeyboardInterrupt:
            return 130


def _serve(name: str, client: RuntimeClient, log: LambdaLog) -> int:
    try:
        add_function_folders(os.environ)
        handler = load(name)
    except Exception as error:
        return _fail_init(ErrorReport.from_exception(error), client, log)
    if (count := workers.wanted(os.environ)) > 1:
        return workers.run(count, lambda: _poll(handler, RuntimeClient(), log))
    return _poll(handler, client, log)


def _poll(
    handler: Callable[[Any, LambdaContext], Any], client: RuntimeClient, log: LambdaLog
) -> int:
    sigterm = _Sigterm()
    try:
        run(handler, client, log=log)
    except (LambdaSimError, OSError) as error:
        return 0 if sigterm.is_seen else _complain(f"the Runtime API is gone: {error}", 1)


def _fail_init(report: ErrorReport, client: RuntimeClient, log: LambdaLog) -> int:
    log.write_error(report)
    log.flush()
    try:
        client.fail_init(report)
    except (LambdaSimError, OSError) as error:
        return _complain(f"the init error could not be posted: {error}", 1)
    return 1


class _Sigterm:
    """Notes SIGTERM on its way to the function's own handler.

    Without one the process ends at once, by the signal, as under awslambdaric.
    """

    def __init__(self) -> None:
        self.is_seen = False
        self._theirs = signal.getsignal(signal.SIGTERM)
        if callable(self._theirs):
            signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.is_seen = True
        if callable(self._theirs):
            self._theirs(number, frame)


def _complain(line: str, status: int) -> int:
    sys.stderr.write(line + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
