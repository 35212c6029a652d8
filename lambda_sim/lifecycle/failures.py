"""How Lambda words what went wrong: error types, messages, payloads, signal names. Pure.

AWS: payloads as the Invoke API returns them; *Understanding retry behavior*, function errors.
"""

from __future__ import annotations

import json
import re
import signal
from typing import Any

import attrs

from lambda_sim.lifecycle import causes
from lambda_sim.lifecycle.causes import Cause
from lambda_sim.model.identifiers import RequestId
from lambda_sim.model.invocation import decoded
from lambda_sim.model.rules import Rules
from lambda_sim.model.telemetry import Status

_SIGNAL_NAMES = {
    "SIGHUP": "hangup",
    "SIGINT": "interrupt",
    "SIGQUIT": "quit",
    "SIGILL": "illegal instruction",
    "SIGTRAP": "trace/breakpoint trap",
    "SIGABRT": "aborted",
    "SIGBUS": "bus error",
    "SIGFPE": "floating point exception",
    "SIGKILL": "killed",
    "SIGUSR1": "user defined signal 1",
    "SIGSEGV": "segmentation fault",
    "SIGUSR2": "user defined signal 2",
    "SIGPIPE": "broken pipe",
    "SIGALRM": "alarm clock",
    "SIGTERM": "terminated",
}
_EXTENSION_ERROR_TYPE = re.compile(r"Extension\.[A-Z][a-zA-Z]+")
_ERROR_TYPE = re.compile(r"(Runtime|Function)\.[A-Z][a-zA-Z]+")


@attrs.frozen(kw_only=True)
class Failure:
    """Why an invocation or an init failed.

    ``body`` is what the caller is handed; empty to have it written from type and message.
    """

    error_type: str
    message: str
    body: bytes = b""
    by_runtime: bool = False
    """Whether the runtime reported it itself, in words of its own."""
    claimed_type: str = ""
    """The errorType that the runtime's own words name."""
    cause: Cause | None = None
    """What the runtime told X-Ray of it."""
    in_restore: bool = False
    """Whether it was a snapshot's restore that failed."""

    @property
    def status(self) -> Status:
        """What telemetry calls it."""
        if self.error_type in (TIMED_OUT, RESTORE_TIMED_OUT):
            return Status.TIMEOUT
        return Status.FAILURE if self.error_type.startswith("Sandbox.") else Status.ERROR

    @property
    def summary(self) -> str:
        """Type and message in one line."""
        return f"{self.claimed_type or self.error_type}: {self.message}"

    @property
    def telemetry_type(self) -> str | None:
        """The errorType of telemetry records; a timeout's status says it all."""
        return None if self.status is Status.TIMEOUT else self.error_type

    def payload(self, request_id: RequestId) -> bytes:
        """What Invoke returns."""
        if self.by_runtime:
            return self.body
        told = {"errorType": self.error_type, "errorMessage": self.told(request_id)}
        return _json(told)

    def told(self, request_id: RequestId) -> str:
        """The message, as the caller of one invocation reads it."""
        if self.by_runtime or self.error_type in _UNPREFIXED:
            return self.message
        return f"RequestId: {request_id} Error: {self.message}"


TIMED_OUT = "Sandbox.Timedout"
RESTORE_TIMED_OUT = "Runtime.RestoreHookUserTimeout"
OUT_OF_MEMORY = "Runtime.OutOfMemory"
ERROR_CAUSE_TYPE = "application/vnd.aws.lambda.error.cause+json"
_ERROR_PARTS = ("errorMessage", "errorType", "stackTrace")
_UNPREFIXED = ("Function.ResponseSizeTooLarge",)


def timed_out(seconds: float) -> Failure:
    """An invocation's time ran out."""
    return Failure(error_type=TIMED_OUT, message=f"Task timed out after {seconds:.2f} seconds")


def init_timed_out(seconds: float) -> Failure:
    """Init's time ran out."""
    return Failure(error_type=TIMED_OUT, message=f"Init timed out after {seconds:.2f} seconds")


def restore_timed_out(seconds: float) -> Failure:
    """The time ran out that a restore and its hooks have."""
    message = f"Restore timed out after {seconds:.2f} seconds"
    return Failure(error_type=RESTORE_TIMED_OUT, message=message, in_restore=True)


def out_of_memory() -> Failure:
    """The function used more memory than it has, and its runtime was killed for it."""
    killed = runtime_exited(-signal.SIGKILL)
    return Failure(error_type=OUT_OF_MEMORY, message=killed.message)


def runtime_exited(returncode: int, *, dumped_core: bool = False) -> Failure:
    """The runtime's process ended; negative codes are signals, as Python has them."""
    if returncode == 0:
        message = "Runtime exited without providing a reason"
    else:
        words = exit_words(returncode) + (" (core dumped)" if dumped_core else "")
        message = f"Runtime exited with error: {words}"
    return Failure(error_type="Runtime.ExitError", message=message)


def extension_exited(returncode: int) -> Failure:
    """An extension's process ended, which it may not before the environment does."""
    words = exit_words(returncode) if returncode else "exit code 0"
    return Failure(error_type="Extension.Crash", message=words)


def extension_error_type(told: str, rules: Rules) -> str | None:
    """The type that an extension reported, where Lambda takes it over: on managed instances, if it
    is well formed."""
    is_taken = not rules.extensions_see_invocations and _EXTENSION_ERROR_TYPE.search(told)
    return told if is_taken else None


def exit_words(returncode: int) -> str:
    """How Lambda words an exit status."""
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = ""
    return f"signal: {_SIGNAL_NAMES.get(name, f'signal {-returncode}')}"


def reported(
    body: bytes,
    error_type: str | None,
    content_type: str | None = None,
    cause: str | None = None,
) -> Failure:
    """What a runtime reports about an invocation or its init: its body, the type and the cause in
    its headers.

    Any body will do; what it says is read where it is an object of AWS's form. One that carries
    an error cause, which is for X-Ray alone, is handed on without it.
    """
    told = decoded(body)
    parts = told if isinstance(told, dict) else {}
    found = causes.read(cause)
    if content_type == ERROR_CAUSE_TYPE:
        body = _without_cause(parts)
        found = found or causes.checked(parts.get("errorCause"))
    claimed, message = parts.get("errorType"), parts.get("errorMessage")
    return Failure(
        error_type=checked_error_type(error_type),
        message=message if isinstance(message, str) else "Unknown error",
        body=body,
        by_runtime=True,
        claimed_type=claimed if isinstance(claimed, str) else "UnknownError",
        cause=found,
    )


def _without_cause(parts: dict[str, Any]) -> bytes:
    if not parts:
        return b'"Invalid error body"'
    kept = {name: parts[name] for name in _ERROR_PARTS if name in parts}
    return _json(kept)


def _json(told: dict[str, Any]) -> bytes:
    # Half a surrogate pair, which JSON can name and UTF-8 can't, may come from the runtime.
    text = json.dumps(told, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace")


def checked_error_type(header: str | None) -> str:
    """The error type that telemetry shows for what a runtime claimed."""
    if header and _ERROR_TYPE.search(header):
        return header
    return "Function.Unknown" if header and header.startswith("Function.") else "Runtime.Unknown"
