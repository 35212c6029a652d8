"""Requests to the URL of a function."""

from __future__ import annotations

import attrs

from .apigateway import APIGatewayProxyEventV2

__all__ = ["LambdaFunctionUrlEvent"]


@attrs.frozen(kw_only=True)
class LambdaFunctionUrlEvent(APIGatewayProxyEventV2):
    """A request, in the format of API Gateway's HTTP APIs; routes and stages are placeholders.

    AWS: *Invoking Lambda function URLs*.
    """
