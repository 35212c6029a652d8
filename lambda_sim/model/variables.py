"""The environment variables Lambda sets, for the runtime and for extensions.

AWS: *Working with Lambda environment variables*, Defined runtime environment variables;
*Extensions API*, on which of them extensions do not see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from lambda_sim.errors import ConfigurationError
from lambda_sim.model import protocol

if TYPE_CHECKING:
    from lambda_sim.model.config import SimulatorConfig

RUNTIME_ONLY = frozenset(
    {
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""What extensions do not get; nor any name that starts with an underscore."""

RESERVED = frozenset(
    {
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""Names a function can't set for itself; AWS refuses them when a function is created."""

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")

XRAY_DAEMON = "127.0.0.1:2000"


class Credentials(NamedTuple):
    """What a function signs its calls with."""

    access_key_id: str = "AKIALAMBDASIMULATED0"
    secret_access_key: str = "simulated-secret-access-key"
    session_token: str = "simulated-session-token"


CREDENTIALS = Credentials()
"""They are nobody's, and open nothing."""


def refuse_reserved(environment: Mapping[str, str]) -> None:
    """Check a function's own variables as CreateFunction does.

    :raises ConfigurationError: a name is reserved or malformed, or they are more than 4 KB.
    """
    for name in environment:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                "environment", name, "names of a letter and one or more letters, digits or _"
            )
        if name in RESERVED:
            raise ConfigurationError("environment", name, "any name that Lambda does not reserve")
    size = sum(len(name.encode()) + len(value.encode()) for name, value in environment.items())
    if size > protocol.MAX_ENVIRONMENT_BYTES:
        raise ConfigurationError(
            "environment", f"{size} bytes", f"at most {protocol.MAX_ENVIRONMENT_BYTES} bytes in all"
        )


def runtime_variables(
    config: SimulatorConfig, runtime_api: str, credentials_token: str = ""
) -> dict[str, str]:
    """What the runtime's process is given: Lambda's own, then the function's.

    :param credentials_token: what a SnapStart function fetches its credentials with.
    """
    host = XRAY_DAEMON.partition(":")
    variables = {
        "AWS_DEFAULT_REGION": config.region,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_size_mb),
        "AWS_LAMBDA_FUNCTION_NAME": config.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": config.function_version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": config.initialization_type,
        "AWS_LAMBDA_LOG_GROUP_NAME": config.log_group_name,
        "AWS_LAMBDA_LOG_STREAM_NAME": config.log_stream_name,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_REGION": config.region,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": XRAY_DAEMON,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": (
            "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:"
            "/var/task/lib:/opt/lib"
        ),
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "TZ": ":UTC",
        "_AWS_XRAY_DAEMON_ADDRESS": host[0],
        "_AWS_XRAY_DAEMON_PORT": host[2],
    }
    if config.is_snap_start:
        # AWS: Monitoring for Lambda SnapStart, on variables that are not there.
        del variables["AWS_LAMBDA_LOG_GROUP_NAME"], variables["AWS_LAMBDA_LOG_STREAM_NAME"]
        uri = f"http://{runtime_api}{protocol.CREDENTIALS_API}"
        variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = uri
        variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = credentials_token
    else:
        variables["AWS_ACCESS_KEY_ID"] = CREDENTIALS.access_key_id
        variables["AWS_SECRET_ACCESS_KEY"] = CREDENTIALS.secret_access_key
        variables["AWS_SESSION_TOKEN"] = CREDENTIALS.session_token
    if config.workers is not None:
        variables["AWS_LAMBDA_MAX_CONCURRENCY"] = str(config.workers)
    if config.handler is not None:
        variables["_HANDLER"] = config.handler
    if config.log_format == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = config.log_level or "INFO"
    return variables | config.environment


def extension_variables(
    config: SimulatorConfig, runtime_api: str, credentials_token: str = ""
) -> dict[str, str]:
    """What an extension's process is given: the runtime's, less what is only the runtime's."""
    return {
        name: value
        for name, value in runtime_variables(config, runtime_api, credentials_token).items()
        if name not in RUNTIME_ONLY and not name.startswith("_")
    }
