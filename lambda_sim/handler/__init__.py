"""A Lambda runtime for Python handlers; runs under the simulator and in Lambda, unchanged.

Names are fetched on first use, so that a plain function pays for nothing it does not use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import Event, RuntimeApiError, RuntimeClient
    from .codec import Codec, TypedCodec
    from .context import LambdaContext
    from .deadline import Deadline, DeadlineExceeded
    from .entry import EntryPoint, as_entrypoint, serve
    from .execution import Execution
    from .failure import ErrorReport, Fault
    from .guard import DeadlineGuard
    from .http import Answer, BadAnswer, Connection, ConnectionClosed
    from .invocation import Invocation
    from .loading import load
    from .local import run_local
    from .local_report import InvocationReport, LocalRun, LocalRunFailed
    from .loop import run
    from .memory import MemoryPressure, MemoryWatch
    from .testdata import LocalFunction, LocalInvocation, TestData
    from .typed import Handler, lambda_handler
    from .validation import EventValidationError

__all__ = [
    "Answer",
    "BadAnswer",
    "Codec",
    "Connection",
    "ConnectionClosed",
    "Deadline",
    "DeadlineExceeded",
    "DeadlineGuard",
    "EntryPoint",
    "ErrorReport",
    "Event",
    "EventValidationError",
    "Execution",
    "Fault",
    "Handler",
    "Invocation",
    "InvocationReport",
    "LambdaContext",
    "LocalFunction",
    "LocalInvocation",
    "LocalRun",
    "LocalRunFailed",
    "MemoryPressure",
    "MemoryWatch",
    "RuntimeApiError",
    "RuntimeClient",
    "TestData",
    "TypedCodec",
    "as_entrypoint",
    "lambda_handler",
    "load",
    "run",
    "run_local",
    "serve",
]

_ROOMS = (
    "client",
    "context",
    "failure",
    "http",
    "loading",
    "loop",
    "validation",
    "typed",
    "codec",
    "invocation",
    "execution",
    "deadline",
    "guard",
    "memory",
    "entry",
    "testdata",
    "local_report",
    "local",
)
"""Where a name is looked for; the light ones first."""


def __getattr__(name: str) -> object:
    if name in __all__:
        for room in _ROOMS:
            module = import_module(f"{__name__}.{room}")
            if name in module.__all__:
                found = globals()[name] = getattr(module, name)
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
