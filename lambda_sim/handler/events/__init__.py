"""Typed events: what AWS's services send to functions, as frozen records.

Each class reads parsed JSON with ``from_json`` and keeps it in ``raw``; names are AWS's, in
snake case. ``samples`` makes events up. A service costs its import only when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import samples
    from .alb import ALBEvent
    from .apigateway import APIGatewayProxyEvent, APIGatewayProxyEventV2
    from .attribute_values import deserialize, serialize
    from .cloudwatch_logs import CloudWatchLogsEvent
    from .dynamodb import DynamoDBStreamEvent, DynamoDBStreamRecord
    from .eventbridge import EventBridgeEvent
    from .function_url import LambdaFunctionUrlEvent
    from .kinesis import KinesisStreamEvent, KinesisStreamRecord
    from .s3 import S3Event, S3Record
    from .secrets_manager import SecretsManagerEvent
    from .sns import SNSEvent, SNSMessage, SNSRecord
    from .sqs import SQSEvent, SQSRecord

__all__ = [
    "ALBEvent",
    "APIGatewayProxyEvent",
    "APIGatewayProxyEventV2",
    "CloudWatchLogsEvent",
    "DynamoDBStreamEvent",
    "DynamoDBStreamRecord",
    "EventBridgeEvent",
    "KinesisStreamEvent",
    "KinesisStreamRecord",
    "LambdaFunctionUrlEvent",
    "S3Event",
    "S3Record",
    "SNSEvent",
    "SNSMessage",
    "SNSRecord",
    "SQSEvent",
    "SQSRecord",
    "SecretsManagerEvent",
    "deserialize",
    "samples",
    "serialize",
]

_ROOMS = {
    "alb": ("ALBEvent",),
    "apigateway": ("APIGatewayProxyEvent", "APIGatewayProxyEventV2"),
    "attribute_values": ("deserialize", "serialize"),
    "cloudwatch_logs": ("CloudWatchLogsEvent",),
    "dynamodb": ("DynamoDBStreamEvent", "DynamoDBStreamRecord"),
    "eventbridge": ("EventBridgeEvent",),
    "function_url": ("LambdaFunctionUrlEvent",),
    "kinesis": ("KinesisStreamEvent", "KinesisStreamRecord"),
    "s3": ("S3Event", "S3Record"),
    "secrets_manager": ("SecretsManagerEvent",),
    "sns": ("SNSEvent", "SNSMessage", "SNSRecord"),
    "sqs": ("SQSEvent", "SQSRecord"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "samples":
        return import_module(f"{__name__}.samples")
    if name in _ROOM_OF:
        module = import_module(f"{__name__}.{_ROOM_OF[name]}")
        found = globals()[name] = getattr(module, name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
