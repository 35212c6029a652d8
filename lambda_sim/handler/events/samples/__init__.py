"""Made-up events: for each source a function that returns what AWS would send, as plain JSON.

Each takes ``region``, ``account_id``, ``at`` (when it happened) and ``seed`` (the same seed and
time make the same event) besides its own.
"""

from .messages import eventbridge, s3, sns, sqs
from .notices import cloudwatch_logs, secrets_manager
from .requests import alb, api_gateway, api_gateway_v2, function_url
from .streams import dynamodb, kinesis

__all__ = [
    "alb",
    "api_gateway",
    "api_gateway_v2",
    "cloudwatch_logs",
    "dynamodb",
    "eventbridge",
    "function_url",
    "kinesis",
    "s3",
    "secrets_manager",
    "sns",
    "sqs",
]
