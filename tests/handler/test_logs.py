"""logs: the text and JSON lines of Lambda's Python runtime."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import logging
import sys
import threading
import unittest
from typing import Any
from unittest import mock

from lambda_sim.handler.deadline import DeadlineExceeded
from lambda_sim.handler.failure import ErrorReport
from lambda_sim.handler.logs import LambdaLog, start_logging

from .test_context import make_event


class LogTestCase(unittest.TestCase):
    is_json = False

    def setUp(self) -> None:
        self.output = self.enterContext(contextlib.redirect_stdout(io.StringIO()))
        self.log = LambdaLog(is_json=self.is_json)
        self.logger = logging.getLogger("shop.orders")
        self.logger.addHandler(self.log)
        self.addCleanup(self.logger.removeHandler, self.log)
        self.enterContext(mock.patch.object(self.logger, "propagate", False))
        self.logger.setLevel(logging.DEBUG)


class TestLock(LogTestCase):
    """Records of several threads are written one after the other."""

    def interrupt_at(self, step: int) -> bool:
        """Raise at this step of a record, where Python looks for what other threads raise in this
        one; False if it has not so many."""
        steps = iter(range(step))

        def at_each(frame: object, event: str, argument: object) -> None:
            if event in ("call", "c_return") and next(steps, None) is None:
                raise DeadlineExceeded

        record = logging.makeLogRecord({"msg": "at work"})
        sys.setprofile(at_each)
        try:
            self.log.handle(record)
        except DeadlineExceeded:
            return True
        finally:
            sys.setprofile(None)
        return False

    def is_free(self) -> bool:
        """Whether another thread could take it."""
        found: list[bool] = []

        def try_it() -> None:
            found.append(self.log.lock.acquire(blocking=False))
            if found[0]:
                self.log.lock.release()

        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
        return found[0]

    def test_a_thread_that_is_interrupted_lets_go_of_it(self) -> None:
        for step in itertools.count():
            if not self.interrupt_at(step):
                break
            self.assertTrue(self.is_free(), f"interrupted at step {step}")
        self.assertGreater(step, 5)

    def test_it_is_held_while_a_record_is_written(self) -> None:
        found: list[bool] = []

        def write(text: str) -> None:
            found.append(self.is_free())

        with mock.patch.object(self.output, "write", write):
            self.logger.info("at work")
        self.assertEqual(found, [False])

    def test_a_record_that_is_filtered_is_not_written(self) -> None:
        self.log.addFilter(lambda record: record.msg != "secret")
        self.logger.info("secret")
        self.logger.info("known")
        self.assertTrue(self.output.getvalue().endswith("\tknown\n"))
        self.assertNotIn("secret", self.output.getvalue())

    @unittest.skipUnless(sys.version_info >= (3, 12), "a filter only says yes or no before")
    def test_a_filter_may_put_another_record_in_its_place(self) -> None:
        other = logging.makeLogRecord({"msg": "another", "levelname": "INFO"})
        self.log.addFilter(lambda record: other)
        self.logger.info("secret")
        self.assertTrue(self.output.getvalue().endswith("\tanother\n"))


class TestText(LogTestCase):
    def test_a_line_has_level_utc_time_request_id_and_message(self) -> None:
        self.log.begin(make_event(request_id="r-1"))
        self.logger.info("paid %d", 3)
        pattern = r"^\[INFO\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\tr-1\tpaid 3\n$"
        self.assertRegex(self.output.getvalue(), pattern)

    def test_the_time_is_the_record_s_in_utc(self) -> None:
        record = logging.makeLogRecord({"created": 1.25, "msecs": 250.0, "msg": "early"})
        self.log.emit(record)
        self.assertIn("\t1970-01-01T00:00:01.250Z\t", self.output.getvalue())

    def test_before_the_first_invocation_the_request_id_is_empty(self) -> None:
        self.logger.error("init")
        self.assertRegex(self.output.getvalue(), r"Z\t\tinit\n$")

    def test_an_exception_follows_its_message(self) -> None:
        try:
            raise ValueError("boom")
        except ValueError:
            self.logger.exception("failed")
        text = self.output.getvalue()
        self.assertIn("\tfailed\nTraceback (most recent call last):\n", text)
        self.assertTrue(text.endswith("ValueError: boom\n"))

    def test_an_author_s_own_format_may_name_the_request_id(self) -> None:
        self.log.begin(make_event(request_id="r-1"))
        self.log.setFormatter(logging.Formatter("%(aws_request_id)s %(message)s"))
        self.logger.info("mine")
        self.assertEqual("r-1 mine\n", self.output.getvalue())

    def test_text_that_utf_8_can_t_hold_is_logged_escaped(self) -> None:
        self.log.setFormatter(logging.Formatter())
        self.logger.info("half \ud800")
        self.assertEqual("half \\ud800\n", self.output.getvalue())

    def test_an_error_is_printed_with_its_frames(self) -> None:
        self.log.write_error(ErrorReport("ValueError", "boom", ["  File …\n    raise\n"]))
        expected = (
            "[ERROR] ValueError: boom\nTraceback (most recent call last):\n  File …\n    raise\n"
        )
        self.assertEqual(expected, self.output.getvalue())

    def test_an_error_without_frames_is_one_line(self) -> None:
        self.log.write_error(ErrorReport("Runtime.MarshalError", "no"))
        self.assertEqual("[ERROR] Runtime.MarshalError: no\n", self.output.getvalue())

    def test_an_error_without_a_message_is_its_type(self) -> None:
        self.log.write_error(ErrorReport("ValueError", ""))
        self.assertEqual("[ERROR] ValueError\n", self.output.getvalue())

    def test_a_stream_that_is_gone_is_borne_with(self) -> None:
        self.output.close()
        for stream in (self.output, None):
            with self.subTest(stream), contextlib.redirect_stdout(stream):
                self.log.write_error(ErrorReport("ValueError", "boom"))
                self.log.flush()


class TestJson(LogTestCase):
    is_json = True

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.getvalue().splitlines()]

    def test_a_line_has_lambda_s_keys(self) -> None:
        self.log.begin(make_event(request_id="r-1"))
        self.logger.info("paid %d", 3)
        [line] = self.lines()
        self.assertRegex(line.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        expected = {
            "level": "INFO",
            "message": "paid 3",
            "logger": "shop.orders",
            "requestId": "r-1",
        }
        self.assertEqual(expected, line)

    def test_a_tenant_is_named(self) -> None:
        self.log.begin(make_event(tenant_id="blue"))
        self.logger.info("hi")
        self.assertEqual("blue", self.lines()[0]["tenantId"])

    def test_a_dict_stays_an_object_and_extra_fields_are_added(self) -> None:
        self.logger.info({"order": 7}, extra={"shop": "nl", "odd": {1}})
        [line] = self.lines()
        self.assertEqual(({"order": 7}, "nl"), (line["message"], line["shop"]))
        self.assertEqual("{1}", line["odd"])

    def test_an_extra_field_can_t_replace_lambda_s_own(self) -> None:
        self.logger.info("x", extra={"level": "mine", "requestId": "mine"})
        [line] = self.lines()
        self.assertEqual(("INFO", ""), (line["level"], line["requestId"]))

    def test_an_exception_is_taken_apart(self) -> None:
        try:
            raise ValueError("boom")
        except ValueError:
            self.logger.exception("failed")
        [line] = self.lines()
        self.assertEqual(("ValueError", "boom"), (line["errorType"], line["errorMessage"]))
        self.assertIn("test_logs.py", line["stackTrace"][0])
        self.assertIn("test_logs.py:test_an_exception_is_taken_apart:", line["location"])

    def test_a_level_of_one_s_own_is_brought_down_to_a_standard_one(self) -> None:
        self.logger.log(35, "between")
        self.logger.log(99, "above")
        self.assertEqual(["WARNING", "CRITICAL"], [line["level"] for line in self.lines()])

    def test_an_error_is_one_line_too(self) -> None:
        self.log.write_error(ErrorReport("ValueError", "boom", ["frame\n"], "r-1"))
        [line] = self.lines()
        self.assertEqual(("ERROR", "boom"), (line["level"], line["errorMessage"]))
        self.assertEqual(("r-1", ["frame\n"]), (line["requestId"], line["stackTrace"]))


class TestStartLogging(unittest.TestCase):
    def setUp(self) -> None:
        self.root = logging.getLogger()
        self.addCleanup(self.root.setLevel, self.root.level)

    def start(self, **environ: str) -> LambdaLog:
        log = start_logging(environ)
        self.addCleanup(self.root.removeHandler, log)
        return log

    def test_the_root_logger_writes_to_standard_output(self) -> None:
        self.start()
        with contextlib.redirect_stdout(io.StringIO()) as output:
            logging.getLogger("any").warning("hello")
        self.assertTrue(output.getvalue().endswith("\thello\n"))

    def test_json_is_asked_for_by_the_environment(self) -> None:
        self.start(AWS_LAMBDA_LOG_FORMAT="Json")
        with contextlib.redirect_stdout(io.StringIO()) as output:
            logging.getLogger("any").warning("hello")
        self.assertEqual("hello", json.loads(output.getvalue())["message"])

    def test_the_level_is_taken_by_lambda_s_names(self) -> None:
        levels = {"TRACE": 10, "debug": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50}
        for name, level in levels.items():
            with self.subTest(name):
                self.start(AWS_LAMBDA_LOG_LEVEL=name)
                self.assertEqual(level, self.root.level)

    def test_no_level_and_unknown_ones_change_nothing(self) -> None:
        before = self.root.level
        self.start()
        self.start(AWS_LAMBDA_LOG_LEVEL="LOUD")
        self.assertEqual(before, self.root.level)

    def test_each_printed_line_reaches_the_pipe_at_once(self) -> None:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(io.BufferedWriter(raw))
        self.enterContext(contextlib.redirect_stdout(stream))
        self.start()
        stream.write("a line\n")
        self.assertEqual(b"a line\n", raw.getvalue())
