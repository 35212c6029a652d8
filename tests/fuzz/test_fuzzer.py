"""The fuzzer itself: it finds what is planted, says it in few bytes, and does it again."""

from __future__ import annotations

import os
import threading
import unittest
from random import Random
from typing import Any
from unittest import mock

from lambda_sim import Invocation
from lambda_sim.wire import rendering
from lambda_sim.wire.application import Call
from lambda_sim.wire.runtime_api import RuntimeApi
from tests.fuzz import play
from tests.fuzz.answers import Malformed, answers_in
from tests.fuzz.cases import case_of, takes_an_event
from tests.fuzz.shrink import shortest
from tests.fuzz.storm import SEED_VARIABLE, Tally, chosen_seed, storm, told
from tests.fuzz.world import MEMORY_SLACK, World
from tests.support import SimulatorTest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class PlantedTest(SimulatorTest):
    """Each fault in turn, in the answer to a ping."""

    def plant(self, ping: Any) -> None:
        self.enterContext(mock.patch.object(RuntimeApi, "ping", ping))

    def storm(self, kind: str = "unready", *, is_rough: bool = True) -> Tally:
        return storm(1, kind, is_rough=is_rough, cases=200, seconds=10.0)

    def test_an_internal_error_is_found_and_told_in_the_fewest_bytes(self) -> None:
        def ping(self: RuntimeApi, call: Call) -> None:
            raise ZeroDivisionError

        self.plant(ping)
        tally = self.storm()
        self.assertTrue(any(one.what.startswith("status 500") for one in tally.findings))
        self.assertRegex(told(tally), r"b'GET /2018-06-01/ping HTTP/1\.[01]\\r\\n\\r\\n'")

    def test_what_is_logged_as_a_warning_is_a_complaint(self) -> None:
        def ping(self: RuntimeApi, call: Call) -> None:
            raise ZeroDivisionError

        self.plant(ping)
        self.assertIn("log: ERROR GET /2018-06-01/ping failed", "\n".join(self.storm().complaints))

    def test_an_answer_that_smuggles_another_is_found(self) -> None:
        def ping(self: RuntimeApi, call: Call) -> rendering.Answer:
            return rendering.Answer("200 OK", [("Content-Length", "1"), ("X", "\x01")], b"x")

        self.plant(ping)
        self.assertTrue(any(one.kind == "malformed" for one in self.storm().findings))

    def test_an_answer_that_never_comes_is_found(self) -> None:
        released = threading.Event()
        # Last, but before the world closes: its handlers could not be joined.
        self.enterContext(mock.patch.object(play, "PATIENCE", 0.3))
        world_exit = World.__exit__

        def leave(world: World, *error: Any) -> None:
            released.set()
            world_exit(world, *error)

        def ping(self: RuntimeApi, call: Call) -> rendering.Answer:
            released.wait()
            return rendering.answer(200, b"pong")

        self.enterContext(mock.patch.object(World, "__exit__", leave))
        self.plant(ping)
        self.assertTrue(any(one.what == "it hangs" for one in self.storm().findings))

    def assert_complains(self, of: str, kind: str = "unready", *, is_rough: bool = True) -> None:
        with mock.patch("tests.fuzz.world.SETTLE", 0.5):
            complaints = self.storm(kind, is_rough=is_rough).complaints
        self.assertTrue(any(one.startswith(of) for one in complaints), complaints)

    def test_a_file_left_open_is_found(self) -> None:
        left: list[int] = []
        self.addCleanup(lambda: [os.close(one) for one in left])

        def ping(self: RuntimeApi, call: Call) -> rendering.Answer:
            left.append(os.open(os.devnull, os.O_RDONLY))
            return rendering.answer(200, b"pong")

        self.plant(ping)
        for kind, is_rough in (("relaxed", False), ("unready", True)):
            with self.subTest(kind):
                self.assert_complains("leaks files", kind, is_rough=is_rough)

    def test_a_thread_left_running_is_found(self) -> None:
        released = threading.Event()
        left: list[threading.Thread] = []
        self.addCleanup(lambda: [one.join() for one in left])
        self.addCleanup(released.set)

        def ping(self: RuntimeApi, call: Call) -> rendering.Answer:
            left.append(threading.Thread(target=released.wait, name="lambda-sim:left"))
            left[-1].start()
            return rendering.answer(200, b"pong")

        self.plant(ping)
        self.assert_complains("leaks threads: {'lambda-sim:left'")

    def test_memory_that_is_kept_is_found(self) -> None:
        kept: list[bytes] = []

        def ping(self: RuntimeApi, call: Call) -> rendering.Answer:
            kept.append(b"x" * (MEMORY_SLACK // 4))
            return rendering.answer(200, b"pong")

        self.plant(ping)
        self.assert_complains("leaks memory")

    def test_an_invocation_that_is_lost_is_found(self) -> None:
        lost = "1234"
        losing = iter([Invocation({}, request_id=lost)])
        response = RuntimeApi.response

        def ping(self: RuntimeApi, call: Call) -> rendering.Answer:
            for invocation in losing:
                self._environment.enqueue(invocation)
            return rendering.answer(200, b"pong")

        def respond(self: RuntimeApi, call: Call) -> rendering.Answer:
            if call.argument != lost:
                return response(self, call)
            call.body(100)
            return rendering.ACCEPTED

        self.plant(ping)
        self.enterContext(mock.patch.object(RuntimeApi, "response", respond))
        self.assert_complains(f"invocations that never end: ['{lost}']", "relaxed", is_rough=False)

    def test_a_swapped_answer_is_found(self) -> None:
        with World("relaxed", is_rough=False) as world:
            invoke = world.simulator.invoke
            with mock.patch.object(world.simulator, "invoke", return_value=invoke({})):
                world.call(1)
            self.assertEqual([text[:16] for text in world.complaints], ["another's answer"])


class SeedTest(unittest.TestCase):
    def test_a_seed_makes_the_same_cases_again(self) -> None:
        for number in range(50):
            one, other = (case_of(7, number, is_rough=True) for _ in range(2))
            self.assertEqual(one, other)

    def test_no_gentle_case_polls_for_an_event(self) -> None:
        for number in range(500):
            case = case_of(7, number, is_rough=False)
            self.assertFalse(takes_an_event(case.data), case.data)

    def test_a_poll_is_known_however_it_is_written(self) -> None:
        path = b"/2018-06-01/runtime/invocation/next"
        for target in (path, path + b"?x", b"http://x" + path, path[:-1] + b"%74"):
            self.assertTrue(takes_an_event(b"GET %b HTTP/1.1\r\n\r\n" % target))
        self.assertFalse(takes_an_event(b"POST %b HTTP/1.1\r\n\r\n" % path))

    def test_the_variable_sets_the_seed(self) -> None:
        with mock.patch.dict(os.environ, {SEED_VARIABLE: "12"}):
            self.assertEqual(chosen_seed(), 12)


class ShrinkTest(unittest.TestCase):
    def test_what_is_not_needed_is_left_out(self) -> None:
        random = Random(1)
        data = random.randbytes(500) + b"\r\nneedle: 1\r\n" + random.randbytes(500)
        self.assertEqual(shortest(data, lambda part: b"needle" in part), b"needle")

    def test_requests_before_it_are_left_out_whole(self) -> None:
        before = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
        last = b"GET /b HTTP/1.1\r\n\r\n"
        lone = (last, before + last)
        self.assertEqual(shortest(before + last, lambda part: part in lone), last)

    def test_what_belongs_together_stays(self) -> None:
        data = b"a b c d e f g h"
        self.assertEqual(shortest(data, lambda part: b"b" in part and b"g" in part), b"bg")


class AnswersTest(unittest.TestCase):
    def refused(self, data: bytes) -> None:
        with self.assertRaises(Malformed, msg=data):
            answers_in(data)

    def test_answers_are_taken_apart(self) -> None:
        chunked = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
        )
        found = answers_in(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + chunked + OK)
        self.assertEqual([answer.body for answer in found], [b"ok", b"abc", b"ok"])

    def test_what_is_cut_off_is_refused(self) -> None:
        for size in range(1, len(OK)):
            self.refused(OK[:size])

    def test_what_could_be_read_in_two_ways_is_refused(self) -> None:
        self.refused(OK.replace(b"\r\n\r\n", b"\r\nX: a\nY: b\r\n\r\n"))
        self.refused(OK.replace(b"\r\n\r\n", b"\r\ncontent-length: 2\r\n\r\n"))
        self.refused(OK.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"))
        self.refused(OK + b"x")
        self.refused(b"HTTP/1.1 200 OK\r\n\r\n")

    def test_answers_to_head_have_no_body(self) -> None:
        head = OK[:-2]
        self.assertEqual(len(answers_in(head + OK + head, may_lack_bodies=True)), 3)

    def test_answers_to_http_1_0_may_end_with_the_connection(self) -> None:
        found = answers_in(b"HTTP/1.1 200 OK\r\n\r\nabc", may_lack_ends=True)
        self.assertEqual(found[0].body, b"abc")
