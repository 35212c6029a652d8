"""SnapStart: what runs before the snapshot is taken, and after an environment was restored from it.

AWS: *Implement code before or after Lambda function snapshots*.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from .client import RuntimeClient
from .failure import ErrorReport
from .logs import LambdaLog
from .outcome import Executor

__all__ = ["pass_through"]

LIBRARY = "snapshot_restore_py"
"""AWS's registry of hooks, which functions import by themselves."""

BEFORE_FAILED = 64
AFTER_FAILED = 65
"""Exit statuses, as awslambdaric has them."""


def pass_through(
    executor: Executor, client: RuntimeClient, log: LambdaLog, environ: Mapping[str, str]
) -> int | None:
    """Where there is a snapshot, wait until it is restored; the exit status if a hook failed."""
    if environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return None
    try:
        # The last one registered is the first, and the handler's own was there before all.
        for function, arguments, named in reversed(_registered("before_snapshot")):
            function(*arguments, **named)
        executor.before_snapshot()
    except Exception as error:
        client.fail_init(_logged(error, log), "Runtime.BeforeSnapshotError")
        return BEFORE_FAILED
    log.flush()
    client.wait_for_restore()
    try:
        executor.after_restore()
        for function, arguments, named in _registered("after_restore"):
            function(*arguments, **named)
    except Exception as error:
        client.fail_restore(_logged(error, log))
        return AFTER_FAILED
    return None


def _registered(when: str) -> list[tuple[Any, tuple[Any, ...], dict[str, Any]]]:
    library = sys.modules.get(LIBRARY)
    return [] if library is None else list(getattr(library, f"get_{when}")())


def _logged(error: Exception, log: LambdaLog) -> ErrorReport:
    report = ErrorReport.from_exception(error)
    log.write_error(report)
    log.flush()
    return report
