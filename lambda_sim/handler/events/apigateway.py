"""Requests that Amazon API Gateway hands on, in both of its payload formats."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from .requests import HttpRequest, MultiValueRequest, values_in
from .shape import (
    Record,
    an_object,
    array_of,
    epoch_ms,
    field,
    map_of,
    optional,
    text,
    with_default,
)

__all__ = [
    "APIGatewayContext",
    "APIGatewayContextV2",
    "APIGatewayHttp",
    "APIGatewayIdentity",
    "APIGatewayProxyEvent",
    "APIGatewayProxyEventV2",
]


@attrs.frozen(kw_only=True)
class APIGatewayIdentity(Record):
    """Who calls, as far as it is known; the rest (Cognito, certificates) is in ``raw``."""

    source_ip: str | None = optional("sourceIp", text)
    user_agent: str | None = optional("userAgent", text)
    user: str | None = optional("user", text)
    user_arn: str | None = optional("userArn", text)
    caller: str | None = optional("caller", text)
    account_id: str | None = optional("accountId", text)
    access_key: str | None = optional("accessKey", text)
    api_key: str | None = optional("apiKey", text)
    api_key_id: str | None = optional("apiKeyId", text)
    cognito_identity_id: str | None = optional("cognitoIdentityId", text)
    cognito_identity_pool_id: str | None = optional("cognitoIdentityPoolId", text)
    client_cert: Mapping[str, Any] | None = optional("clientCert", an_object)


@attrs.frozen(kw_only=True)
class APIGatewayContext(Record):
    """What API Gateway knows of a request in format 1.0."""

    account_id: str | None = optional("accountId", text)
    api_id: str = field("apiId", text)
    stage: str = field("stage", text)
    request_id: str = field("requestId", text)
    extended_request_id: str | None = optional("extendedRequestId", text)
    http_method: str = field("httpMethod", text)
    path: str | None = optional("path", text)
    protocol: str | None = optional("protocol", text)
    resource_id: str | None = optional("resourceId", text)
    resource_path: str = field("resourcePath", text)
    operation_name: str | None = optional("operationName", text)
    domain_name: str | None = optional("domainName", text)
    domain_prefix: str | None = optional("domainPrefix", text)
    request_time: str | None = optional("requestTime", text)
    request_time_epoch: datetime | None = optional("requestTimeEpoch", epoch_ms)
    identity: APIGatewayIdentity = field("identity", APIGatewayIdentity.from_json)
    authorizer: Mapping[str, Any] = with_default("authorizer", an_object, dict)


@attrs.frozen(kw_only=True)
class APIGatewayProxyEvent(MultiValueRequest):
    """A request to a REST API, or to an HTTP API in format 1.0.

    AWS: *Lambda proxy integrations in API Gateway*, input format.
    """

    version: str | None = optional("version", text)
    resource: str = field("resource", text)
    path: str = field("path", text)
    http_method: str = field("httpMethod", text)
    path_parameters: Mapping[str, str] = with_default("pathParameters", map_of(text), dict)
    stage_variables: Mapping[str, str] = with_default("stageVariables", map_of(text), dict)
    request_context: APIGatewayContext = field("requestContext", APIGatewayContext.from_json)


@attrs.frozen(kw_only=True)
class APIGatewayHttp(Record):
    """The request line, and from where it came."""

    method: str = field("method", text)
    path: str = field("path", text)
    protocol: str | None = optional("protocol", text)
    source_ip: str | None = optional("sourceIp", text)
    user_agent: str | None = optional("userAgent", text)


@attrs.frozen(kw_only=True)
class APIGatewayContextV2(Record):
    """What API Gateway, or a function URL, knows of a request in format 2.0.

    :ivar authorizer: what let the request in: an object under ``iam``, ``jwt`` or ``lambda``.
    """

    account_id: str = field("accountId", text)
    api_id: str = field("apiId", text)
    domain_name: str = field("domainName", text)
    domain_prefix: str = field("domainPrefix", text)
    http: APIGatewayHttp = field("http", APIGatewayHttp.from_json)
    request_id: str = field("requestId", text)
    route_key: str = field("routeKey", text)
    stage: str = field("stage", text)
    time: str | None = optional("time", text)
    time_epoch: datetime | None = optional("timeEpoch", epoch_ms)
    authentication: Mapping[str, Any] | None = optional("authentication", an_object)
    authorizer: Mapping[str, Any] = with_default("authorizer", an_object, dict)


@attrs.frozen(kw_only=True)
class APIGatewayProxyEventV2(HttpRequest):
    """A request to an HTTP API in format 2.0.

    Repeated headers and parameters are joined with commas, as AWS sends them;
    ``query_values`` has them one by one.

    AWS: *Create AWS Lambda proxy integrations for HTTP APIs in API Gateway*.
    """

    version: str = field("version", text)
    route_key: str = field("routeKey", text)
    raw_path: str = field("rawPath", text)
    raw_query_string: str = with_default("rawQueryString", text, str)
    cookies: tuple[str, ...] = with_default("cookies", array_of(text), tuple)
    path_parameters: Mapping[str, str] = with_default("pathParameters", map_of(text), dict)
    stage_variables: Mapping[str, str] = with_default("stageVariables", map_of(text), dict)
    request_context: APIGatewayContextV2 = field("requestContext", APIGatewayContextV2.from_json)

    @property
    def http_method(self) -> str:
        return self.request_context.http.method

    @property
    def path(self) -> str:
        return self.raw_path

    def query_values(self, name: str) -> tuple[str, ...]:
        return values_in(self.raw_query_string, name)
