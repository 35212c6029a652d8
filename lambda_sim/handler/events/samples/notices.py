"""Made-up events of CloudWatch Logs and Secrets Manager."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any, Unpack

from lambda_sim.errors import ConfigurationError

from .making import Making, Where, items

__all__ = ["cloudwatch_logs", "secrets_manager"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


def cloudwatch_logs(
    message: str = "[ERROR] Something went wrong",
    *,
    each: Sequence[str] | None = None,
    count: int = 1,
    log_group: str = "/aws/lambda/my-function",
    log_stream: str | None = None,
    subscription_filter: str = "my-filter",
    **where: Unpack[Where],
) -> dict[str, Any]:
    """Log events of a subscription of CloudWatch Logs.

    :param message: what a log event says
    :param each: the messages of several log events
    :param count: how many log events
    :param log_group: the log group's name
    :param log_stream: the log stream's name (default: one as functions have them)
    :param subscription_filter: the name of the subscription's filter
    """
    make = Making(**where)
    first = make.number(56)
    data = {
        "messageType": "DATA_MESSAGE",
        "owner": make.account_id,
        "logGroup": log_group,
        "logStream": log_stream or f"{make.at:%Y/%m/%d}/[$LATEST]{make.hex(32)}",
        "subscriptionFilters": [subscription_filter],
        "logEvents": [
            {"id": str(first + number), "timestamp": make.later_ms(number), "message": item}
            for number, item in items(message, each, count)
        ],
    }
    packed = gzip.compress(json.dumps(data).encode(), mtime=0)
    return {"awslogs": {"data": base64.b64encode(packed).decode()}}


def secrets_manager(
    step: str = "createSecret",
    *,
    secret: str = "my-secret",
    token: str | None = None,
    rotation_token: str | None = None,
    **where: Unpack[Where],
) -> dict[str, Any]:
    """A step of the rotation of a secret.

    :param step: createSecret, setSecret, testSecret or finishSecret
    :param secret: the secret's name, or its ARN
    :param token: the id of the version that is being made (default: a new one)
    :param rotation_token: what proves where the request comes from
    """
    make = Making(**where)
    if step not in STEPS:
        raise ConfigurationError("step", step, ", ".join(STEPS))
    if not secret.startswith("arn:"):
        secret = make.arn("secretsmanager", f"secret:{secret}-{make.letters(6, LETTERS)}")
    event = {"Step": step, "SecretId": secret, "ClientRequestToken": token or make.uuid()}
    return event if rotation_token is None else {**event, "RotationToken": rotation_token}
