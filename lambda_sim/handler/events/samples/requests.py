"""Made-up events of HTTP requests: API Gateway, function URLs, load balancers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from lambda_sim.errors import ConfigurationError

from .http import SOURCE_IP, USER_AGENT, HeaderValues, Request, matched
from .making import Json, Making, Where

__all__ = ["alb", "api_gateway", "api_gateway_v2", "function_url"]

ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"

NOBODY = (
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)
"""What is not known of a caller who did not say who it is."""


def api_gateway(
    path: str = "/my/path",
    *,
    method: str = "GET",
    headers: HeaderValues | None = None,
    body: Json | bytes = None,
    resource: str | None = None,
    stage: str = "prod",
    stage_variables: Mapping[str, str] | None = None,
    authorizer: Mapping[str, Any] | None = None,
    **where: Unpack[Where],
) -> dict[str, Any]:
    """A request to a REST API of API Gateway (payload format 1.0).

    :param path: the path, with its query string if any
    :param method: the HTTP method
    :param headers: headers of the request
    :param body: the body; what is neither bytes nor text becomes JSON
    :param resource: the resource that the path belongs to (default: /{proxy+})
    :param stage: the stage
    :param stage_variables: the stage's variables
    :param authorizer: what an authorizer found out, a JSON object
    """
    make = Making(**where)
    api_id = make.letters(10, ID_LETTERS)
    host = f"{api_id}.execute-api.{make.region}.amazonaws.com"
    request = Request.made(make, host, path, method=method, headers=headers, body=body)
    if resource is None:
        resource = "/" if request.path == "/" else "/{proxy+}"
    context: dict[str, Any] = {
        "resourceId": make.letters(6, ID_LETTERS),
        "resourcePath": resource,
        "httpMethod": method,
        "extendedRequestId": make.base64(11),
        "requestTime": make.clock(),
        "path": f"/{stage}{request.path}",
        "accountId": make.account_id,
        "protocol": "HTTP/1.1",
        "stage": stage,
        "domainPrefix": api_id,
        "requestTimeEpoch": make.later_ms(0),
        "requestId": make.uuid(),
        "identity": {
            **dict.fromkeys(NOBODY),
            "sourceIp": SOURCE_IP,
            "userAgent": USER_AGENT,
        },
        "domainName": host,
        "apiId": api_id,
    }
    if authorizer is not None:
        context["authorizer"] = authorizer
    return {
        "resource": resource,
        "path": request.path,
        "httpMethod": method,
        "headers": _last(request.headers),
        "multiValueHeaders": _lists(request.headers),
        "queryStringParameters": _last(request.query) or None,
        "multiValueQueryStringParameters": request.query or None,
        "pathParameters": matched("resource", resource, request.path) or None,
        "stageVariables": stage_variables and dict(stage_variables),
        "requestContext": context,
        # Nothing is binary for a REST API but what it was told to be.
        **request.body_fields(is_text=not isinstance(body, bytes)),
    }


def api_gateway_v2(
    path: str = "/my/path",
    *,
    method: str = "GET",
    headers: HeaderValues | None = None,
    body: Json | bytes = None,
    route_key: str = "$default",
    stage: str = "$default",
    stage_variables: Mapping[str, str] | None = None,
    authorizer: Mapping[str, Any] | None = None,
    **where: Unpack[Where],
) -> dict[str, Any]:
    """A request to an HTTP API of API Gateway (payload format 2.0).

    :param path: the path, with its query string if any
    :param method: the HTTP method
    :param headers: headers of the request; a cookie header becomes the cookies
    :param body: the body; what is neither bytes nor text becomes JSON
    :param route_key: the route, like GET /orders/{id}
    :param stage: the stage
    :param stage_variables: the stage's variables
    :param authorizer: what an authorizer found out, under jwt, lambda or iam, a JSON object
    """
    make = Making(**where)
    api_id = make.letters(10, ID_LETTERS)
    host = f"{api_id}.execute-api.{make.region}.amazonaws.com"
    request = Request.made(make, host, path, method=method, headers=headers, body=body)
    event = _format_2(make, request, api_id, make.account_id, authorizer)
    event["headers"].pop("cookie", None)  # which a function URL leaves there
    event["routeKey"] = event["requestContext"]["routeKey"] = route_key
    event["requestContext"]["stage"] = stage
    if stage != "$default":
        event["rawPath"] = event["requestContext"]["http"]["path"] = f"/{stage}{request.path}"
    if parameters := _path_parameters(route_key, request):
        event["pathParameters"] = parameters
    if stage_variables:
        event["stageVariables"] = dict(stage_variables)
    return event


def function_url(
    path: str = "/",
    *,
    method: str = "GET",
    headers: HeaderValues | None = None,
    body: Json | bytes = None,
    authorizer: Mapping[str, Any] | None = None,
    **where: Unpack[Where],
) -> dict[str, Any]:
    """A request to the URL of a function.

    :param path: the path, with its query string if any
    :param method: the HTTP method
    :param headers: headers of the request; a cookie header is also the cookies
    :param body: the body; what is neither bytes nor text becomes JSON
    :param authorizer: who called, under iam, for a URL that asks; a JSON object
    """
    make = Making(**where)
    url_id = make.letters(32, ID_LETTERS)
    host = f"{url_id}.lambda-url.{make.region}.on.aws"
    request = Request.made(make, host, path, method=method, headers=headers, body=body)
    caller = "anonymous" if authorizer is None else make.account_id
    return _format_2(make, request, url_id, caller, authorizer)


def alb(
    path: str = "/",
    *,
    method: str = "GET",
    headers: HeaderValues | None = None,
    body: Json | bytes = None,
    multi_value: bool = False,
    target_group: str = "my-targets",
    **where: Unpack[Where],
) -> dict[str, Any]:
    """A request to an Application Load Balancer.

    :param path: the path, with its query string if any
    :param method: the HTTP method
    :param headers: headers of the request
    :param body: the body; what is neither bytes nor text becomes JSON
    :param multi_value: the target group has multi-value headers
    :param target_group: the target group's name
    """
    make = Making(**where)
    host = f"my-alb-{make.number(9)}.{make.region}.elb.amazonaws.com"
    request = Request.made(make, host, path, method=method, headers=headers, body=body)
    group = f"targetgroup/{target_group}/{make.hex(16)}"
    event: dict[str, Any] = {
        "requestContext": {"elb": {"targetGroupArn": make.arn("elasticloadbalancing", group)}},
        "httpMethod": method,
        "path": request.path,
    }
    if multi_value:
        event["multiValueQueryStringParameters"] = request.raw_query
        event["multiValueHeaders"] = _lists(request.lower_headers)
    else:
        event["queryStringParameters"] = _last(request.raw_query)
        event["headers"] = _last(request.lower_headers)
    fields = request.body_fields(is_text=request.is_textual)
    return {**event, **fields, "body": fields["body"] or ""}


def _format_2(
    make: Making,
    request: Request,
    api_id: str,
    account_id: str,
    authorizer: Mapping[str, Any] | None,
) -> dict[str, Any]:
    headers = {name: ",".join(values) for name, values in request.lower_headers.items()}
    cookies = [c for c in headers.get("cookie", "").split("; ") if c]
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query_string,
        "headers": headers,
        "requestContext": {
            "accountId": account_id,
            "apiId": api_id,
            "domainName": headers["host"],
            "domainPrefix": api_id,
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": SOURCE_IP,
                "userAgent": headers["user-agent"],
            },
            "requestId": make.uuid(),
            "routeKey": "$default",
            "stage": "$default",
            "time": make.clock(),
            "timeEpoch": make.later_ms(0),
        },
        **request.body_fields(is_text=request.is_textual),
    }
    # What there is none of is left out, not null.
    if cookies:
        event["cookies"] = cookies
    if request.query:
        event["queryStringParameters"] = {
            name: ",".join(values) for name, values in request.query.items()
        }
    if authorizer is not None:
        event["requestContext"]["authorizer"] = dict(authorizer)
    if event["body"] is None:
        del event["body"]
    return event


def _path_parameters(route_key: str, request: Request) -> dict[str, str]:
    if route_key == "$default":
        return {}
    method, _, template = route_key.partition(" ")
    if method not in ("ANY", request.method):
        allowed = f"$default, or a route of {request.method} or ANY"
        raise ConfigurationError("route_key", route_key, allowed)
    return matched("route_key", template, request.path)


def _last(values: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {name: several[-1] for name, several in values.items() if several}


def _lists(values: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {name: list(several) for name, several in values.items()}
