"""What a local run is to do: the invocations, and the function that they come to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import attrs

from lambda_sim.errors import ConfigurationError
from lambda_sim.model import checks, protocol
from lambda_sim.model.variables import refuse_reserved

from .validation import MISSING

__all__ = ["ExpectedError", "LocalFunction", "LocalInvocation", "TestData"]

T = TypeVar("T")

CONTEXT = {
    "request_id": str,
    "invoked_function_arn": str,
    "trace_id": str,
    "tenant_id": str,
    "client_context": dict,
    "cognito_identity": dict,
}
"""What the context of an invocation may say, and as what."""

_seconds = checks.seconds(protocol.MIN_TIMEOUT, protocol.MAX_TIMEOUT)
_megabytes = checks.optional(checks.whole(*protocol.MEMORY_MB))
_text = checks.optional(checks.kind(str, "text"))


@attrs.frozen(kw_only=True)
class LocalFunction:
    """What the function is to Lambda.

    :ivar memory: MB it may use. If nothing is said it is told of 128, and may use any.
    :ivar timeout: seconds an invocation may take, unless that says something else.
    """

    name: str = attrs.field(
        default="test-function",
        validator=checks.matching(
            r"[a-zA-Z0-9_-]{1,140}", "1 to 140 letters, digits, hyphens or underscores"
        ),
    )
    version: str = attrs.field(
        default="$LATEST", validator=checks.matching(r"\$LATEST|[0-9]+", "$LATEST or a number")
    )
    memory: int | None = attrs.field(default=None, validator=_megabytes)
    timeout: float = attrs.field(default=3.0, validator=_seconds)


@attrs.frozen(kw_only=True)
class ExpectedError:
    """How an invocation is expected to fail; None is anything.

    :ivar type: the name of the error's class, or Lambda's name for it.
    """

    type: str | None = attrs.field(default=None, validator=_text)
    message: str | None = attrs.field(default=None, validator=_text)


def _expected(value: Any) -> Any:
    if isinstance(value, str):
        return ExpectedError(type=value)
    if isinstance(value, Mapping):
        return _made(ExpectedError, value, "error")
    return value


def _check_context(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, Mapping):
        raise ConfigurationError("context", value, "an object")
    for name, told in value.items():
        if name not in CONTEXT:
            raise ConfigurationError("context", name, ", ".join(CONTEXT))
        if not isinstance(told, CONTEXT[name]):
            what = "text" if CONTEXT[name] is str else "an object"
            raise ConfigurationError(f"context.{name}", told, what)


@attrs.frozen
class LocalInvocation:
    """One event, and what is special about it.

    :ivar event: any JSON value, bytes, or an instance of what the handler declares.
    :ivar context: ``request_id``, ``invoked_function_arn``, ``trace_id``, ``tenant_id``,
        ``client_context``, ``cognito_identity``.
    :ivar timeout: seconds; by default the function's.
    :ivar memory: MB; by default the function's.
    :ivar result: what is expected; by default anything that is no error.
    :ivar error: the error that is expected: its type, or its ``type`` and ``message``.
    :raises ConfigurationError: a value that can't be used; it names the field.
    """

    # Neither is shown, as nobody's business in a log.
    event: Any = attrs.field(repr=False)
    context: Mapping[str, Any] = attrs.field(
        factory=dict, repr=False, kw_only=True, validator=_check_context
    )
    timeout: float | None = attrs.field(
        default=None, kw_only=True, validator=checks.optional(_seconds)
    )
    memory: int | None = attrs.field(default=None, kw_only=True, validator=_megabytes)
    result: Any = attrs.field(default=MISSING, repr=False, kw_only=True)
    error: ExpectedError | None = attrs.field(
        default=None,
        kw_only=True,
        converter=_expected,
        validator=checks.optional(
            checks.kind(ExpectedError, "an error's type, or an object of type and message")
        ),
    )

    def __attrs_post_init__(self) -> None:
        if self.error is not None and self.result is not MISSING:
            raise ConfigurationError("error", self.error, "nothing where a result is expected")

    @classmethod
    def of(cls, item: Any) -> LocalInvocation:
        """What stands in a list of invocations: a bare event, or an object with it as ``event``.

        The latter is an object of ``event`` and nothing that this class does not know.

        :raises ConfigurationError: it might be both.
        """
        if isinstance(item, cls):
            return item
        if not isinstance(item, Mapping) or "event" not in item:
            return cls(item)
        known = {field.name for field in attrs.fields(cls)}
        strange = [name for name in item if name not in known]
        if not strange:
            return cls(**item)
        if len(strange) + 1 == len(item):
            return cls(item)
        allowed = f"{', '.join(sorted(known))}; or, for an event of its own, all of it as event"
        raise ConfigurationError("fields", strange, allowed)


def _invocations(value: Any) -> Any:
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
        raise ConfigurationError("invocations", value, "a list")
    return tuple(
        _placed(f"invocations[{number}]", LocalInvocation.of, item)
        for number, item in enumerate(value)
    )


def _function(value: Any) -> Any:
    return _made(LocalFunction, value, "function") if isinstance(value, Mapping) else value


def _check_env(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    is_text = isinstance(value, Mapping) and all(
        isinstance(one, str) for pair in value.items() for one in pair
    )
    if not is_text:
        raise ConfigurationError("env", value, "an object of texts")
    try:
        refuse_reserved(value)
    except ConfigurationError as error:
        raise ConfigurationError("env", error.value, error.allowed) from error


@attrs.frozen
class TestData:
    """Events for a local run, and the function that they come to.

    Read from JSON with these names as keys, of which only ``invocations`` must be there. That is
    also the format of the Rust crate lambda_runtime_types, ``{"region": …, "invocations": […]}``.

    :ivar invocations: each a bare event, or an object of ``event``, ``context``, ``timeout``,
        ``memory``, and ``result`` or ``error``, which are expected; see ``LocalInvocation``. An
        event that itself has ``event`` in it is best written as an object.
    :ivar region: where the function seems to be.
    :ivar env: variables of the function.
    :ivar function: ``name``, ``version``, ``memory`` and ``timeout``; see ``LocalFunction``.
    :ivar handler: what ``lambda-sim run-local`` runs: ``module.name``.
    :raises ConfigurationError: a value that can't be used; it names the field.
    """

    __test__: ClassVar = False  # pytest takes every class of such a name for a test's

    invocations: tuple[LocalInvocation, ...] = attrs.field(converter=_invocations)
    region: str = attrs.field(
        default="us-east-1",
        kw_only=True,
        validator=checks.matching(r"[a-z0-9-]+", "a region such as us-east-1"),
    )
    env: Mapping[str, str] = attrs.field(
        factory=dict, repr=False, kw_only=True, validator=_check_env
    )
    function: LocalFunction = attrs.field(
        factory=LocalFunction,
        kw_only=True,
        converter=_function,
        validator=checks.kind(LocalFunction, "an object"),
    )
    handler: str | None = attrs.field(default=None, kw_only=True, validator=_text)

    @classmethod
    def from_json(cls, value: str | bytes | Mapping[str, Any]) -> Self:
        """Test data from JSON, as text or as what was read from it.

        :raises ConfigurationError: it is none, or something in it can't be used.
        """
        if isinstance(value, str | bytes):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                # What is in there is nobody's business in a log.
                kind = type(error).__name__
                raise ConfigurationError("test data", kind, f"JSON ({error})") from error
        if not isinstance(value, Mapping) or "invocations" not in value:
            raise ConfigurationError("test data", type(value).__name__, "an object of invocations")
        made: Self = _made(cls, value, "")
        return made

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Test data from a file of JSON.

        :raises ConfigurationError: as from_json, or the file can't be read.
        """
        try:
            held = Path(path).read_bytes()
        except OSError as error:
            allowed = f"a file that can be read ({error.strerror})"
            raise ConfigurationError("test data", str(path), allowed) from error
        return cls.from_json(held)


def _made(kind: type[Any], value: Mapping[str, Any], where: str) -> Any:
    """An instance with the fields of an object."""
    known = [field.name for field in attrs.fields(kind)]
    for name in value:
        if name not in known:
            raise ConfigurationError(where or "test data", name, ", ".join(known))
    return _placed(where, lambda fields: kind(**fields), value)


def _placed(where: str, make: Callable[[Any], T], value: Any) -> T:
    """What is made of a value; a refusal tells where it stands."""
    try:
        return make(value)
    except ConfigurationError as error:
        field = f"{where}.{error.field}" if where else error.field
        raise ConfigurationError(field, error.value, error.allowed) from error
