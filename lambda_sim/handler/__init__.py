"""A Lambda runtime for Python handlers; runs under the simulator and in Lambda, unchanged."""

from .client import Event, RuntimeApiError, RuntimeClient
from .context import LambdaContext
from .failure import ErrorReport, Fault
from .http import Answer, BadAnswer, Connection, ConnectionClosed
from .loading import load
from .loop import run

__all__ = [
    "Answer",
    "BadAnswer",
    "Connection",
    "ConnectionClosed",
    "ErrorReport",
    "Event",
    "Fault",
    "LambdaContext",
    "RuntimeApiError",
    "RuntimeClient",
    "load",
    "run",
]
