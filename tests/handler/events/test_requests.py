"""Events that carry HTTP requests: headers, parameters and bodies, in each format."""

from __future__ import annotations

import unittest
from datetime import UTC, datetime
from typing import Any

from lambda_sim.handler.events import (
    ALBEvent,
    APIGatewayProxyEvent,
    APIGatewayProxyEventV2,
    LambdaFunctionUrlEvent,
)
from lambda_sim.handler.events.headers import Headers
from lambda_sim.handler.validation import EventValidationError

AT = datetime(2026, 11, 28, 12, 10, 0, 250_000, tzinfo=UTC)


def format_1(**fields: Any) -> APIGatewayProxyEvent:
    return APIGatewayProxyEvent.from_json(
        {
            "version": "1.0",
            "resource": "/orders/{id}",
            "path": "/orders/7",
            "httpMethod": "POST",
            "headers": {"Content-Type": "application/json", "X-Tag": "b"},
            "multiValueHeaders": {"Content-Type": ["application/json"], "X-Tag": ["a", "b"]},
            "queryStringParameters": {"q": "2"},
            "multiValueQueryStringParameters": {"q": ["1", "2"]},
            "pathParameters": {"id": "7"},
            "stageVariables": {"table": "orders"},
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "id",
                "authorizer": {"claims": None, "principalId": "ada"},
                "domainName": "id.execute-api.eu-west-1.amazonaws.com",
                "domainPrefix": "id",
                "extendedRequestId": "JKJa=",
                "httpMethod": "POST",
                "identity": {"sourceIp": "203.0.113.7", "userAgent": "curl", "apiKey": None},
                "path": "/prod/orders/7",
                "protocol": "HTTP/1.1",
                "requestId": "r-1",
                "requestTime": "28/Nov/2026:12:10:00 +0000",
                "requestTimeEpoch": 1795867800250,
                "resourceId": None,
                "resourcePath": "/orders/{id}",
                "stage": "prod",
            },
            "body": '{"a": 1}',
            "isBase64Encoded": False,
            **fields,
        }
    )


def format_2(cls: type[APIGatewayProxyEventV2], **fields: Any) -> APIGatewayProxyEventV2:
    return cls.from_json(
        {
            "version": "2.0",
            "routeKey": "POST /orders/{id}",
            "rawPath": "/orders/7",
            "rawQueryString": "q=1&q=2%2C3&empty=",
            "cookies": ["a=1", "b=2"],
            "headers": {"content-type": "application/json", "x-tag": "a,b"},
            "queryStringParameters": {"q": "1,2,3", "empty": ""},
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "id",
                "authorizer": {"jwt": {"claims": {"sub": "ada"}, "scopes": ["read"]}},
                "domainName": "id.execute-api.eu-west-1.amazonaws.com",
                "domainPrefix": "id",
                "http": {
                    "method": "POST",
                    "path": "/orders/7",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "203.0.113.7",
                    "userAgent": "curl",
                },
                "requestId": "r-1",
                "routeKey": "POST /orders/{id}",
                "stage": "$default",
                "time": "28/Nov/2026:12:10:00 +0000",
                "timeEpoch": 1795867800250,
            },
            "body": '{"a": 1}',
            "pathParameters": {"id": "7"},
            "isBase64Encoded": False,
            "stageVariables": {"table": "orders"},
            **fields,
        }
    )


def load_balanced(**fields: Any) -> ALBEvent:
    group = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/t/1"
    return ALBEvent.from_json(
        {
            "requestContext": {"elb": {"targetGroupArn": group}},
            "httpMethod": "GET",
            "path": "/orders",
            "body": "",
            "isBase64Encoded": False,
            **fields,
        }
    )


class TestFormat1(unittest.TestCase):
    def test_a_request(self) -> None:
        event = format_1()
        self.assertEqual(("POST", "/orders/7"), (event.http_method, event.path))
        self.assertEqual(("1.0", "/orders/{id}"), (event.version, event.resource))
        self.assertEqual({"id": "7"}, event.path_parameters)
        self.assertEqual({"table": "orders"}, event.stage_variables)
        self.assertEqual(({"a": 1}, b'{"a": 1}'), (event.json_body, event.body_bytes))

    def test_its_context(self) -> None:
        context = format_1().request_context
        self.assertEqual(("prod", "/prod/orders/7"), (context.stage, context.path))
        self.assertEqual((AT, "r-1"), (context.request_time_epoch, context.request_id))
        self.assertEqual("203.0.113.7", context.identity.source_ip)
        self.assertIsNone(context.identity.api_key)
        self.assertEqual("ada", context.authorizer["principalId"])

    def test_repeated_headers_and_parameters(self) -> None:
        event = format_1()
        self.assertEqual(("a", "b"), event.header_values("x-tag"))
        self.assertEqual("b", event.header("X-TAG"))
        self.assertEqual(("1", "2"), event.query_values("q"))
        self.assertEqual((), event.query_values("missing"))
        self.assertEqual(((), None), (event.header_values("missing"), event.header("missing")))

    def test_what_is_null_is_empty(self) -> None:
        event = format_1(
            headers=None,
            multiValueHeaders=None,
            queryStringParameters=None,
            multiValueQueryStringParameters=None,
            pathParameters=None,
            stageVariables=None,
            body=None,
        )
        self.assertEqual(
            (0, {}, {}), (len(event.headers), event.path_parameters, event.stage_variables)
        )
        self.assertEqual((b"", None), (event.body_bytes, event.body))
        self.assertEqual((), event.query_values("q"))

    def test_a_faulty_header_is_named(self) -> None:
        with self.assertRaisesRegex(EventValidationError, r"^headers\.X: expected text, got a num"):
            format_1(headers={"X": 5})


class TestFormat2(unittest.TestCase):
    def test_a_request(self) -> None:
        for cls in (APIGatewayProxyEventV2, LambdaFunctionUrlEvent):
            event = format_2(cls)
            self.assertIsInstance(event, cls)
            self.assertEqual(("POST", "/orders/7"), (event.http_method, event.path))
            self.assertEqual(("2.0", "POST /orders/{id}"), (event.version, event.route_key))
            self.assertEqual((("a=1", "b=2"), {"a": 1}), (event.cookies, event.json_body))
            self.assertEqual({"id": "7"}, event.path_parameters)
            self.assertEqual({"table": "orders"}, event.stage_variables)

    def test_its_context(self) -> None:
        context = format_2(APIGatewayProxyEventV2).request_context
        self.assertEqual((AT, "$default"), (context.time_epoch, context.stage))
        self.assertEqual("203.0.113.7", context.http.source_ip)
        self.assertEqual("ada", context.authorizer["jwt"]["claims"]["sub"])

    def test_repeated_parameters_are_told_apart_from_commas(self) -> None:
        event = format_2(APIGatewayProxyEventV2)
        self.assertEqual("1,2,3", event.query_string_parameters["q"])
        self.assertEqual(("1", "2,3"), event.query_values("q"))
        self.assertEqual(("",), event.query_values("empty"))
        self.assertEqual("a,b", event.header("X-Tag"))

    def test_what_is_left_out_is_empty(self) -> None:
        whole = dict(format_2(LambdaFunctionUrlEvent).raw)
        for name in (
            "cookies",
            "queryStringParameters",
            "pathParameters",
            "stageVariables",
            "body",
        ):
            del whole[name]
        event = LambdaFunctionUrlEvent.from_json(whole)
        self.assertEqual(((), {}), (event.cookies, event.path_parameters))
        self.assertIsNone(event.body)

    def test_a_time_as_text_is_read_too(self) -> None:
        context = {
            **format_2(LambdaFunctionUrlEvent).raw["requestContext"],
            "timeEpoch": "1795867800250",
        }
        event = format_2(LambdaFunctionUrlEvent, requestContext=context)
        self.assertEqual(AT, event.request_context.time_epoch)


class TestALB(unittest.TestCase):
    def test_a_request(self) -> None:
        event = load_balanced(headers={"accept": "*/*"}, queryStringParameters={"q": "a%20b"})
        self.assertEqual(("GET", "/orders"), (event.http_method, event.path))
        self.assertTrue(event.request_context.elb.target_group_arn.endswith("targetgroup/t/1"))
        self.assertEqual(("*/*", ("*/*",)), (event.header("Accept"), event.header_values("ACCEPT")))

    def test_parameters_are_decoded_by_us(self) -> None:
        event = load_balanced(queryStringParameters={"na%6De": "a%20b+c", "r": "1"})
        self.assertEqual("a%20b+c", event.query_string_parameters["na%6De"])
        self.assertEqual(
            (("a b c",), ("1",)), (event.query_values("name"), event.query_values("r"))
        )

    def test_multi_value_headers(self) -> None:
        event = load_balanced(
            multiValueHeaders={"x-tag": ["a", "b"]},
            multiValueQueryStringParameters={"q": ["1", "%32"]},
        )
        self.assertEqual((("a", "b"), "b"), (event.header_values("X-Tag"), event.header("X-Tag")))
        self.assertEqual(("1", "2"), event.query_values("q"))


class TestBodies(unittest.TestCase):
    def test_base64_is_decoded(self) -> None:
        event = format_1(body="eyJhIjogMn0=", isBase64Encoded=True)
        self.assertEqual((b'{"a": 2}', {"a": 2}), (event.body_bytes, event.json_body))
        self.assertEqual("eyJhIjogMn0=", event.body)

    def test_faults_are_named(self) -> None:
        for fields, fault in (
            ({"body": "%", "isBase64Encoded": True}, "body: expected base64, got text"),
            ({"body": "hello"}, "body: expected JSON, got text"),
            ({"body": None}, "body: expected JSON, got empty text"),
        ):
            event = format_1(**fields)
            with self.subTest(fault), self.assertRaises(EventValidationError) as caught:
                _ = event.json_body
            self.assertEqual(fault, str(caught.exception))


class TestHeaders(unittest.TestCase):
    def test_names_are_found_in_any_case_and_listed_as_they_came(self) -> None:
        headers = Headers({"Content-Type": "a", "x-b": "c"})
        self.assertEqual(("a", "c"), (headers["content-type"], headers["X-B"]))
        self.assertEqual(["Content-Type", "x-b"], list(headers))
        self.assertIn("CONTENT-TYPE", headers)
        self.assertNotIn(5, headers)
        self.assertEqual(2, len(headers))
        with self.assertRaises(KeyError):
            _ = headers["y"]

    def test_they_are_a_mapping_like_others(self) -> None:
        self.assertEqual({"A": "b"}, Headers({"A": "b"}))
        self.assertEqual("Headers({'A': 'b'})", repr(Headers({"A": "b"})))


if __name__ == "__main__":
    unittest.main()
