"""SimulatorConfig: what one execution environment is to be, checked when it is made."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import attrs

from lambda_sim.errors import ConfigurationError
from lambda_sim.model import checks, protocol
from lambda_sim.model.identifiers import function_arn, new_id, partition
from lambda_sim.model.process import (
    FreezeMode,
    ProcessConfig,
    ProcessRole,
    is_environment,
    path_text,
    plain_dict,
)
from lambda_sim.model.rules import AWS, Rules
from lambda_sim.model.variables import refuse_reserved
from lambda_sim.version import __version__

__all__ = ["SimulatorConfig", "SimulatorPhase"]

INITIALIZATION_TYPES = (
    "on-demand",
    "provisioned-concurrency",
    "snap-start",
    "lambda-managed-instances",
)
LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


class SimulatorPhase(Enum):
    """How far an environment has got. Only a reset leads back to INITIALIZING."""

    INITIALIZING = "initializing"
    READY = "ready"
    SHUTTING_DOWN = "shutting_down"


def _or_empty(value: Any) -> Any:
    return "" if value is None else value


def _or_new_id(value: Any) -> Any:
    return new_id() if value is None else value


def _or_own_version(value: Any) -> Any:
    return f"provided:lambda_sim.v{__version__}" if value is None else value


def _items(value: Any) -> Any:
    is_sequence = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    return tuple(value) if is_sequence else value


def _plays(role: ProcessRole) -> checks.Validator:
    return checks.checked(
        lambda value: isinstance(value, ProcessConfig) and value.role is role,
        f"a ProcessConfig with role {role}",
    )


def _each(validator: checks.Validator) -> Any:
    is_tuple = checks.kind(tuple, "a sequence")
    return attrs.validators.deep_iterable(validator, iterable_validator=is_tuple)


def _optional(validator: checks.Validator) -> Any:
    return attrs.validators.optional(validator)


_pid = checks.whole(1)
_name = checks.matching(r"[a-zA-Z0-9_-]{1,140}", "1 to 140 letters, digits, hyphens or underscores")


@attrs.frozen(kw_only=True)
class SimulatorConfig:
    """One execution environment's settings. Durations are seconds, sizes what the name says.

    :param function_name, function_version, handler, memory_size_mb, region, account_id: what the
        function is to Lambda. Memory is 128 MB if nothing is said, 2048 on managed instances.
        ``handler`` is only told, in ``_HANDLER``: see ``runtime``.
    :param invocation_timeout: the function's timeout, 0.001 to 900.
    :param init_timeout: the time that init may take before it is ended and tried again inside the
        first invocation. If it is not given, it is Lambda's own: ten seconds on demand, and 130
        or the function's timeout, whichever is more, for other initialization types.
    :param extension_ready_timeout: how long after the answer the report waits for whoever has not
        asked for Next.
    :param shutdown_timeout: what extensions have to clean up after SHUTDOWN.
    :param host, port: where the Runtime API listens; port 0 is any that is free.
    :param freeze_mode: PROCESS stops all processes between invocations.
    :param runtime_pid, extension_pids: processes that are not ours, to be frozen with the rest.
    :param log_group_name, log_stream_name, instance_id: derived, or made up, when None.
    :param environment: the function's own variables. Nothing of our own environment is passed on
        but ``PATH`` and ``LD_LIBRARY_PATH``.
    :param initialization_type: what ``AWS_LAMBDA_INITIALIZATION_TYPE`` says; ``snap-start`` waits
        to be restored after init, ``lambda-managed-instances`` has rules of its own.
    :param max_concurrency: how many invocations are in flight at once, as on managed instances.
        None leaves it to the rules, which say one; it is 16 on managed instances.
    :param runtime_version: what INIT_START and telemetry call the runtime's version, such as
        ``python:3.13.v60``; None is one that names this library.
    :param log_format, log_level: "Text", or "JSON" and from which level on; JSON if nothing is said
        on managed instances, which have no other at Lambda.
    :param extensions_dir: a directory whose files are started as extensions, as /opt/extensions.
    :param external_extensions: names that count as external though no process carries them.
    :param history_limit: how many completed invocations, and how many events, are kept.
    :param runtime, extensions: the processes to start, and to start again after a reset.
    :param rules: AWS, or RELAXED for tests that attach half an environment.
    :raises ConfigurationError: a value can't be used; it names the field, what came and what is
        allowed.

    AWS: *Lambda quotas*; *Configuring Lambda functions*.
    """

    function_name: str = attrs.field(default="test-function", validator=_name)
    function_version: str = attrs.field(
        default="$LATEST", validator=checks.matching(r"\$LATEST|[0-9]+", "$LATEST or a number")
    )
    handler: str | None = attrs.field(default=None, validator=_optional(checks.header))
    _memory_size_mb: int = attrs.field(
        default=0,  # Lambda's own
        repr=False,
        validator=checks.unless(0, checks.whole(*protocol.MEMORY_MB)),
    )
    region: str = attrs.field(
        default="us-east-1", validator=checks.matching(r"[a-z0-9-]+", "a region such as us-east-1")
    )
    account_id: str = attrs.field(
        default="123456789012", validator=checks.matching(r"[0-9]{12}", "12 digits")
    )

    invocation_timeout: float = attrs.field(
        default=3.0, validator=checks.seconds(protocol.MIN_TIMEOUT, protocol.MAX_TIMEOUT)
    )
    _init_timeout: float = attrs.field(
        default=math.inf,  # Lambda's own
        repr=False,
        validator=checks.unless(
            math.inf, checks.seconds(protocol.MIN_TIMEOUT, protocol.MAX_TIMEOUT)
        ),
    )
    extension_ready_timeout: float = attrs.field(default=2.0, validator=checks.seconds(0))
    shutdown_timeout: float = attrs.field(default=2.0, validator=checks.seconds(0))

    host: str = attrs.field(default="127.0.0.1", validator=checks.header)
    port: int = attrs.field(default=0, validator=checks.whole(0, 65_535))

    freeze_mode: FreezeMode = attrs.field(
        default=FreezeMode.NONE, validator=checks.kind(FreezeMode, "a FreezeMode")
    )
    runtime_pid: int | None = attrs.field(default=None, validator=_optional(_pid))
    extension_pids: tuple[int, ...] = attrs.field(
        default=(), converter=_items, validator=_each(_pid)
    )

    _log_group_name: str = attrs.field(
        converter=_or_empty,
        default=None,
        repr=False,
        validator=checks.checked(checks.header_text, checks.HEADER_TEXT),
    )
    _log_stream_name: str = attrs.field(
        converter=_or_empty,
        default=None,
        repr=False,
        validator=checks.checked(checks.header_text, checks.HEADER_TEXT),
    )
    instance_id: str = attrs.field(
        converter=_or_new_id,
        default=None,
        validator=checks.header,
    )

    environment: dict[str, str] = attrs.field(
        factory=dict,
        converter=plain_dict,
        validator=checks.checked(is_environment, "a mapping of variable names to text"),
        repr=False,
    )
    initialization_type: str = attrs.field(
        default="on-demand", validator=checks.one_of(INITIALIZATION_TYPES)
    )
    max_concurrency: int | None = attrs.field(
        default=None, validator=_optional(checks.whole(1, protocol.MAX_CONCURRENCY))
    )
    runtime_version: str = attrs.field(
        default=None, converter=_or_own_version, validator=checks.header
    )
    _log_format: str = attrs.field(
        default="",  # Lambda's own
        repr=False,
        validator=checks.unless("", checks.one_of(("Text", "JSON"))),
    )
    log_level: str | None = attrs.field(
        default=None, validator=_optional(checks.one_of(LOG_LEVELS))
    )
    extensions_dir: str | None = attrs.field(
        default=None,
        converter=path_text,
        validator=checks.checked(
            lambda value: value is None or (isinstance(value, str) and value != ""),
            "a directory or None",
        ),
    )
    external_extensions: tuple[str, ...] = attrs.field(
        default=(), converter=_items, validator=_each(checks.header)
    )
    history_limit: int = attrs.field(default=10_000, validator=checks.whole(1))
    runtime: ProcessConfig | None = attrs.field(
        default=None, validator=_optional(_plays(ProcessRole.RUNTIME))
    )
    extensions: tuple[ProcessConfig, ...] = attrs.field(
        default=(),
        converter=_items,
        validator=_each(_plays(ProcessRole.EXTENSION)),
    )
    _rules: Rules = attrs.field(
        default=AWS, validator=checks.kind(Rules, "AWS or RELAXED"), repr=False
    )

    # What was given is kept apart from what follows, so that a changed copy derives it anew.
    memory_size_mb: int = attrs.field(init=False)
    init_timeout: float = attrs.field(init=False)
    log_format: str = attrs.field(init=False)
    log_group_name: str = attrs.field(init=False)
    log_stream_name: str = attrs.field(init=False, eq=False)
    rules: Rules = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        refuse_reserved(self.environment)
        limit = self._init_timeout
        derived = {
            "memory_size_mb": self._memory_size_mb or (2048 if self.is_managed else 128),
            "log_format": self._log_format or ("JSON" if self.is_managed else "Text"),
            "init_timeout": self._init_limit() if limit == math.inf else limit,
            "log_group_name": self._log_group_name or f"/aws/lambda/{self.function_name}",
            "log_stream_name": self._log_stream_name or self._new_log_stream(),
            "rules": self._rules.for_instances(self.max_concurrency, is_managed=self.is_managed),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        if self.log_level is not None and self.log_format != "JSON":
            raise ConfigurationError("log_level", self.log_level, "None unless log_format is JSON")

    @property
    def function_arn(self) -> str:
        """The function's unqualified ARN."""
        return function_arn(self.region, self.account_id, self.function_name)

    @property
    def runtime_version_arn(self) -> str:
        """The ARN of the runtime's version, which AWS ends in a digest."""
        import hashlib  # noqa: PLC0415 - it brings OpenSSL, and few ask

        digest = hashlib.sha256(self.runtime_version.encode()).hexdigest()
        return f"arn:{partition(self.region)}:lambda:{self.region}::runtime:{digest}"

    @property
    def memory_limit_bytes(self) -> int | None:
        """What the processes may use together; None where the rules set no limit."""
        return self.memory_size_mb * protocol.BYTES_PER_MB if self.rules.enforces_memory else None

    @property
    def is_snap_start(self) -> bool:
        return self.initialization_type == "snap-start"

    @property
    def is_provisioned(self) -> bool:
        return self.initialization_type == "provisioned-concurrency"

    @property
    def is_managed(self) -> bool:
        """Whether it is an environment of a managed instance."""
        return self.initialization_type == "lambda-managed-instances"

    @property
    def workers(self) -> int | None:
        """How many workers a runtime is told to have; None where it is told nothing of them.

        As many as there are threads that ask, where the rules set no limit.
        """
        limit = self.rules.max_concurrency
        if self.is_managed:
            return limit or protocol.MANAGED_CONCURRENCY
        return None if limit == 1 else limit

    def _new_log_stream(self) -> str:
        today = datetime.now(UTC).strftime("%Y/%m/%d")
        return f"{today}/[{self.function_version}]{os.urandom(16).hex()}"

    def _init_limit(self) -> float:
        """AWS: *Understanding the Lambda execution environment lifecycle*, Init phase."""
        if self.initialization_type == "on-demand":
            return protocol.INIT_TIMEOUT
        return max(protocol.LONG_INIT_TIMEOUT, self.invocation_timeout)
