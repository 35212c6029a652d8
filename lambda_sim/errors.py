"""Every exception the core raises; what the wire answers with is in its own class below."""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "BinaryNotFound",
    "ConfigurationError",
    "FreezeError",
    "InvocationNotFound",
    "LambdaSimError",
    "ProcessError",
    "ProcessExited",
    "ShuttingDown",
    "SpawnFailed",
    "StartError",
    "WaitTimeout",
    "WireError",
]


class LambdaSimError(Exception):
    """The base of everything the simulator raises on purpose."""


class ConfigurationError(LambdaSimError, ValueError):
    """A value that can't be used: says which field, what came and what is allowed."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        self.field = field
        self.value = value
        self.allowed = allowed
        shown = repr(value)
        if len(shown) > 200:
            shown = f"{shown[:200]}… ({len(shown)} characters)"
        super().__init__(f"{field}: got {shown}; allowed is {allowed}")


class StartError(LambdaSimError, OSError):
    """The simulator could not listen or start."""


class WaitTimeout(LambdaSimError, TimeoutError):
    """A wait ran out. The notes carry the phase, who is parked and the last log lines."""

    def __init__(self, what: str, timeout: float | None = None) -> None:
        self.what = what
        self.timeout = timeout
        within = "" if timeout is None else f" within {timeout:g} s"
        super().__init__(f"waited for {what}, which did not come{within}")


class ShuttingDown(LambdaSimError):
    """The simulator closed (or was not started) while, or before, something was asked of it."""


class InvocationNotFound(LambdaSimError, KeyError):
    """No invocation has this request id, or it left the bounded history."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        super().__init__(request_id)

    def __str__(self) -> str:
        return f"no invocation {self.request_id!r} is known (never enqueued, or out of history)"


class FreezeError(LambdaSimError):
    """A process that can't be frozen: not there, not ours to signal, or ourselves."""


class ProcessError(LambdaSimError):
    """Something about a child process."""


class BinaryNotFound(ProcessError, FileNotFoundError):
    """The command's first word names no executable file; one that is there may not be one."""

    def __init__(self, command: str, why: str, *, is_there: bool = False) -> None:
        self.command = command
        self.is_there = is_there
        super().__init__(f"{command}: {why}")


class SpawnFailed(ProcessError):
    """The operating system refused to start the command."""


class ProcessExited(ProcessError):
    """A child ended while something was expected of it."""

    def __init__(self, name: str, pid: int, returncode: int) -> None:
        self.name = name
        self.pid = pid
        self.returncode = returncode
        super().__init__(f"{name} (pid {pid}) exited with status {returncode}")


class WireError(LambdaSimError):
    """An answer AWS has words for: an HTTP status, an error type and a message.

    AWS: the error responses of *Using the Lambda runtime API* and *Lambda Extensions API*.
    """

    status: ClassVar[int] = 403
    error_type: ClassVar[str] = "InternalServerError"

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        """The JSON object AWS sends, its two keys in AWS's order."""
        return {"errorMessage": self.message, "errorType": self.error_type}
