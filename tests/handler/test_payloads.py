"""payloads: JSON in and out, as awslambdaric has it."""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
import unittest
from collections import OrderedDict
from decimal import Decimal
from unittest import mock

from lambda_sim.handler.failure import Fault
from lambda_sim.handler.payloads import decode, encode

from .test_context import make_event


class TestDecode(unittest.TestCase):
    def test_json_becomes_its_value(self) -> None:
        event = make_event(content_type="application/json", body='{"k": "Zoë"}'.encode())
        self.assertEqual({"k": "Zoë"}, decode(event))

    def test_json_with_parameters_is_json_too(self) -> None:
        event = make_event(content_type="Application/JSON; charset=utf-8", body=b"[1]")
        self.assertEqual([1], decode(event))

    def test_any_other_content_type_is_handed_over_as_bytes(self) -> None:
        for content_type in ("text/plain", "application/xml", "application/json-seq", ""):
            with self.subTest(content_type):
                event = make_event(content_type=content_type, body=b"\xff{")
                self.assertEqual(b"\xff{", decode(event))

    def test_what_is_called_json_and_is_none_has_its_own_error_type(self) -> None:
        for body in (b"", b"{", b"\xff\xfe\xfd", b"[" * 100_000):
            with self.subTest(body[:5]), self.assertRaises(Fault) as caught:
                decode(make_event(content_type="application/json", body=body))
            self.assertEqual("Runtime.UnmarshalError", caught.exception.error_type)
            self.assertIn("Unable to unmarshal input", str(caught.exception))


class TestEncode(unittest.TestCase):
    def test_nothing_is_null(self) -> None:
        self.assertEqual((b"null", "application/json"), encode(None))

    def test_bytes_are_posted_as_they_are(self) -> None:
        self.assertEqual((b"\x00\xff", "application/unknown"), encode(b"\x00\xff"))

    def test_decimals_keep_their_digits(self) -> None:
        result = {"price": Decimal("1.10"), "all": [Decimal("1E+3"), Decimal("NaN")]}
        self.assertEqual(b'{"price": 1.10, "all": [1E+3, NaN]}', encode(result).body)

    def test_text_is_ascii_until_the_runtime_of_python_3_12(self) -> None:
        expected = {
            "": b'"\\u00eb"',
            "AWS_Lambda_python3.9": b'"\\u00eb"',
            "AWS_Lambda_python3.11": b'"\\u00eb"',
            "AWS_Lambda_Image": b'"\\u00eb"',
            "AWS_Lambda_python3.12": '"ë"'.encode(),
            "AWS_Lambda_python3.14": '"ë"'.encode(),
        }
        for name, body in expected.items():
            with self.subTest(name), mock.patch.dict(os.environ, AWS_EXECUTION_ENV=name):
                self.assertEqual(body, encode("ë").body)

    def test_a_result_without_json_has_its_own_error_type(self) -> None:
        loop: list[object] = []
        loop.append(loop)
        for result in ({1, 2}, object(), {(1, 2): 3}, {"k": b"\xff"}, loop):
            with self.subTest(type(result)), self.assertRaises(Fault) as caught:
                encode(result)
            self.assertEqual("Runtime.MarshalError", caught.exception.error_type)
            self.assertIn("Unable to marshal response", str(caught.exception))

    def test_half_a_surrogate_pair_is_an_error_once_text_is_not_ascii(self) -> None:
        self.assertEqual(b'"\\ud800"', encode("\ud800").body)
        self.enterContext(mock.patch.dict(os.environ, AWS_EXECUTION_ENV="AWS_Lambda_python3.13"))
        with self.assertRaises(Fault):
            encode("\ud800")


@unittest.skipUnless(importlib.util.find_spec("awslambdaric"), "awslambdaric is not installed")
class TestBesideAwslambdaric(unittest.TestCase):
    RESULTS = (
        None,
        b"bytes",
        "Zoë \u2028 \U0001f600",
        {"b": b"inside", "d": Decimal("-0.00"), "n": [math.nan, math.inf, Decimal("-Infinity")]},
        {1: 2, None: 3, 1.5: 4, False: 5},
        (1, [2.0, (3,)]),
        OrderedDict(z=1, a=10**30),
    )

    def test_results_become_the_same_bytes(self) -> None:
        theirs = importlib.import_module("awslambdaric.lambda_runtime_marshaller")
        for name in ("AWS_Lambda_python3.11", "AWS_Lambda_python3.13"):
            with mock.patch.dict(os.environ, AWS_EXECUTION_ENV=name):
                for result in self.RESULTS:
                    with self.subTest(result, on=name):
                        body, content_type = theirs.LambdaMarshaller().marshal_response(result)
                        raw = body.encode() if isinstance(body, str) else body
                        self.assertEqual((raw, content_type), encode(result))
