"""testdata: what a file of test data may say, and what it is told of what it may not."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from typing import Any

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler import LocalFunction, LocalInvocation, TestData
from lambda_sim.handler.testdata import ExpectedError


class TestItems(unittest.TestCase):
    def events(self, *items: Any) -> list[LocalInvocation]:
        return list(TestData(items).invocations)

    def test_anything_is_an_event(self) -> None:
        items = (None, 1, "text", [1], {"id": "1"}, {"result": 1, "timeout": 2}, b"\0")
        self.assertEqual([one.event for one in self.events(*items)], list(items))

    def test_an_object_with_an_event_and_what_is_special_about_it(self) -> None:
        [found] = self.events(
            {
                "event": {"id": "1"},
                "timeout": 0.5,
                "memory": 256,
                "context": {"tenant_id": "blue"},
                "error": {"type": "KeyError", "message": "'milk'"},
            }
        )
        expected = LocalInvocation(
            {"id": "1"},
            timeout=0.5,
            memory=256,
            context={"tenant_id": "blue"},
            error=ExpectedError(type="KeyError", message="'milk'"),
        )
        self.assertEqual(found, expected)

    def test_an_event_with_an_event_in_it_and_nothing_we_know_is_bare(self) -> None:
        item = {"event": "created", "user": 3}
        self.assertEqual([one.event for one in self.events(item, {"event": item})], [item, item])

    def test_what_might_be_both_is_refused(self) -> None:
        with self.assertRaisesRegex(
            ConfigurationError,
            r"invocations\[1\]\.fields: got \['timeuot'\]; allowed is .*timeout; or, .* as event",
        ):
            TestData([{}, {"event": 1, "timeuot": 2, "result": 3}])

    def test_an_event_is_not_shown(self) -> None:
        data = TestData([{"event": "s3cret", "result": "s3cret"}], env={"KEY": "s3cret"})
        self.assertNotIn("s3cret", repr(data))


class TestJson(unittest.TestCase):
    def test_the_crates_own_is_read(self) -> None:
        data = TestData.from_json('{"region": "eu-west-1", "invocations": [{"id": 1}, {"id": 2}]}')
        self.assertEqual(data.region, "eu-west-1")
        self.assertEqual([one.event for one in data.invocations], [{"id": 1}, {"id": 2}])

    def test_all_of_it(self) -> None:
        data = TestData.from_json(
            b'{"invocations": [], "handler": "a.b", "env": {"TABLE": "t"},'
            b' "function": {"name": "orders", "version": "7", "memory": 256, "timeout": 30}}'
        )
        function = LocalFunction(name="orders", version="7", memory=256, timeout=30)
        expected = TestData([], handler="a.b", env={"TABLE": "t"}, function=function)
        self.assertEqual(data, expected)

    def test_a_file(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "data.json").write_text('{"invocations": ["Zoë"]}', "utf-8")
        self.assertEqual(TestData.load(folder / "data.json"), TestData(["Zoë"]))
        with self.assertRaisesRegex(ConfigurationError, r"/none'; .*can be read \(No such file"):
            TestData.load(folder / "none")

    def test_null_may_be_expected(self) -> None:
        data = TestData.from_json({"invocations": [{"event": 1, "result": None}]})
        self.assertIsNone(data.invocations[0].result)

    def test_what_can_not_be_used_is_named(self) -> None:
        for value, fault in (
            ("{", r"test data: got 'JSONDecodeError'; allowed is JSON \(Expecting"),
            (b"\xff", "test data: got 'UnicodeDecodeError'"),
            ("[" * 100_000, "test data: got 'RecursionError'"),
            ("[1]", "test data: got 'list'; allowed is an object of invocations"),
            ({"region": "eu-west-1"}, "an object of invocations"),
            ({"invocations": {}}, r"invocations: got \{\}; allowed is a list"),
            ({"invocations": [], "regoin": 1}, "test data: got 'regoin'; .*region"),
            ({"invocations": [], "region": "EU!"}, "region: got 'EU!'; .*us-east-1"),
            ({"invocations": [], "env": {"A1": 1}}, r"env: got \{'A1': 1\}; .*texts"),
            ({"invocations": [], "env": {"AWS_REGION": "x"}}, "env: got 'AWS_REGION'; "),
            ({"invocations": [], "function": {"memory": 1}}, "function.memory: got 1; .*128"),
            ({"invocations": [], "function": {"time": 1}}, "function: got 'time'; .*timeout"),
            ({"invocations": [], "function": 3}, "function: got 3; allowed is an object"),
            ({"invocations": [{"event": 1, "timeout": "2"}]}, r"\[0\].timeout: got '2'; .*sec"),
            ({"invocations": [{"event": 1, "memory": 0}]}, r"invocations\[0\].memory: got 0; "),
            ({"invocations": [{"event": 1, "error": 7}]}, r"\[0\].error: got 7; .*type"),
            (
                {"invocations": [{"event": 1, "error": {"kind": "x"}}]},
                r"invocations\[0\]\.error: got 'kind'; allowed is type, message",
            ),
            (
                {"invocations": [{"event": 1, "error": "A", "result": 1}]},
                r"\[0\].error: .* nothing where a result is expected",
            ),
            (
                {"invocations": [{"event": 1, "context": {"id": "x"}}]},
                r"\[0\].context: got 'id'; allowed is request_id, ",
            ),
            (
                {"invocations": [{"event": 1, "context": {"client_context": "x"}}]},
                r"\[0\].context.client_context: got 'x'; allowed is an object",
            ),
        ):
            with self.subTest(value), self.assertRaisesRegex(ConfigurationError, fault):
                TestData.from_json(value)


if __name__ == "__main__":
    unittest.main()
