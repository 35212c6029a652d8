"""Requests that an Application Load Balancer hands on."""

from __future__ import annotations

from urllib.parse import unquote_plus

import attrs

from .requests import MultiValueRequest
from .shape import Record, field, text

__all__ = ["ALBContext", "ALBElb", "ALBEvent"]


@attrs.frozen(kw_only=True)
class ALBElb(Record):
    """The target group that the function stands in."""

    target_group_arn: str = field("targetGroupArn", text)


@attrs.frozen(kw_only=True)
class ALBContext(Record):
    """From where the request comes."""

    elb: ALBElb = field("elb", ALBElb.from_json)


@attrs.frozen(kw_only=True)
class ALBEvent(MultiValueRequest):
    """A request; with multi-value headers, only the lists are there.

    The load balancer does not decode query strings: parameters are as they stand in the URL, but
    for ``query_values``.

    AWS: *Use Lambda functions as targets of an Application Load Balancer*.
    """

    http_method: str = field("httpMethod", text)
    path: str = field("path", text)
    request_context: ALBContext = field("requestContext", ALBContext.from_json)

    def query_values(self, name: str) -> tuple[str, ...]:
        names = {*self.query_string_parameters, *self.multi_value_query_string_parameters}
        found = (super(ALBEvent, self).query_values(n) for n in names if unquote_plus(n) == name)
        return tuple(unquote_plus(value) for values in found for value in values)
