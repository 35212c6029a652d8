"""failure: errors in the words and the JSON of Lambda's Python runtime."""

from __future__ import annotations

import contextlib
import json
import unittest

from lambda_sim.handler.failure import ErrorReport, Fault


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def caught(error: Exception) -> Exception:
    with contextlib.suppress(type(error)):
        raise error
    return error


class TestErrorReport(unittest.TestCase):
    def test_the_json_has_lambda_s_keys_in_its_order(self) -> None:
        body = ErrorReport("ValueError", "boom", ["  File …\n"], "r-1").to_json()
        pairs = [
            ("errorMessage", "boom"),
            ("errorType", "ValueError"),
            ("requestId", "r-1"),
            ("stackTrace", ["  File …\n"]),
        ]
        self.assertEqual(pairs, list(json.loads(body).items()))

    def test_an_exception_is_reported_under_its_class_s_name(self) -> None:
        report = ErrorReport.from_exception(caught(KeyError("k")), "r-1")
        self.assertEqual(("KeyError", "'k'", "r-1"), (*report[:2], report.request_id))

    def test_frames_are_formatted_as_python_does_without_markers(self) -> None:
        report = ErrorReport.from_exception(caught(KeyError("k")))
        self.assertEqual(1, len(report.stack_trace))
        lines = report.stack_trace[0].splitlines()
        self.assertRegex(lines[0], r'^  File ".*test_failure\.py", line \d+, in caught$')
        self.assertEqual(["    raise error"], lines[1:])

    def test_a_fault_is_reported_under_lambda_s_name_for_it(self) -> None:
        report = ErrorReport.from_exception(Fault("Runtime.MarshalError", "no", ["here"]), "r-1")
        self.assertEqual(ErrorReport("Runtime.MarshalError", "no", ["here"], "r-1"), report)

    def test_an_exception_that_can_t_be_printed_is_still_reported(self) -> None:
        report = ErrorReport.from_exception(caught(Unspeakable()))
        self.assertEqual("Unspeakable", report.error_type)
        self.assertIn("unprintable", report.error_message)

    def test_text_that_utf_8_can_t_hold_is_posted_all_the_same(self) -> None:
        body = ErrorReport("E", "half \ud800").to_json()
        self.assertEqual("half \ud800", json.loads(body)["errorMessage"])
