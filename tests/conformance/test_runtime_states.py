"""Section 1.7 of the contract: the runtime's state machine, walked state by state."""

from __future__ import annotations

from collections.abc import Callable

from tests.conformance.case import ConformanceTest, runtime_of
from tests.raw import RawAnswer, RawRuntime, error_path, response_path

INVALID_ID = ("InvalidRequestID", "Invalid request ID")


class RuntimeStateTest(ConformanceTest):
    def setUp(self) -> None:
        super().setUp()
        self.moves: dict[str, Callable[[str], RawAnswer]] = {
            "Ready": lambda _: self.runtime().poll(),
            "InvocationResponse": lambda request_id: self.runtime().respond(request_id),
            "InvocationErrorResponse": lambda request_id: self.runtime().fail(request_id),
            "InitError": lambda _: self.runtime().init_error(),
        }

    def assert_refuses(self, state: str, request_id: str, *targets: str) -> None:
        for target in targets:
            with self.subTest(state=state, target=target):
                self.assert_transition(self.moves[target](request_id), state, target)

    def test_rt_70_started_refuses_answers(self) -> None:
        request_id = self.simulator.enqueue_payload({})
        answers = ("InvocationResponse", "InvocationErrorResponse")
        self.assert_refuses("Started", request_id, *answers)
        self.assertEqual(self.runtime().next().id, request_id)

    def test_rt_70_init_error_refuses_next_and_another_init_error(self) -> None:
        self.assert_accepted(self.runtime().init_error())
        self.assert_refuses("InitError", "", "Ready", "InitError")

    def test_rt_70_ready_refuses_an_init_error(self) -> None:
        parked = self.park(self.runtime())
        self.assert_refuses("Ready", "", "InitError")
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(parked.event().id, request_id)

    def test_rt_70_ready_takes_another_next(self) -> None:
        self.park(self.runtime())
        self.park(self.runtime())

    def test_rt_70_running_refuses_an_init_error(self) -> None:
        runtime, request_id = self.running()
        self.assert_refuses("Running", request_id, "InitError")
        self.assert_accepted(runtime.respond(request_id))

    def test_rt_70_an_upload_refuses_everything_else(self) -> None:
        for path, state in (
            (response_path, "InvocationResponse"),
            (error_path, "InvocationErrorResponse"),
        ):
            self.simulate()
            runtime, request_id = self.running()
            self.begin_upload(runtime, path(request_id))
            self.assert_refuses(state, request_id, *self.moves)
            runtime.end_chunks()
            self.assert_accepted(runtime.read_answer())

    def begin_upload(self, runtime: RawRuntime, path: str) -> None:
        headers = {"Transfer-Encoding": "chunked", "Expect": "100-continue"}
        runtime.send_head("POST", path, headers)
        self.assertEqual(runtime.read_answer().status, 100)

    def test_rt_70_an_answered_runtime_takes_next_only(self) -> None:
        for verb in ("respond", "fail"):
            self.simulate()
            runtime, request_id = self.running()
            self.assert_accepted(getattr(runtime, verb)(request_id))
            others = [target for target in self.moves if target != "Ready"]
            self.assert_refuses("RuntimeResponseSentState", request_id, *others)
            self.park(runtime)

    def test_rt_71_the_request_id_is_checked_before_the_state(self) -> None:
        # Started, Ready, Running and answered: the wrong id is what is told in each.
        self.assert_wrong_id("in Started", "wrong")
        runtime = self.park(self.runtime())
        self.assert_wrong_id("with nothing to answer", "wrong")
        request_id = self.simulator.enqueue_payload({})
        runtime.event()
        self.assert_wrong_id("while Running", "wrong")
        runtime.respond(request_id)
        self.assert_wrong_id("when answered", "wrong")
        self.park(runtime)
        self.assert_wrong_id("when stale", request_id)

    def test_rt_71_the_request_id_is_checked_before_the_state_after_an_init_error(self) -> None:
        self.runtime().init_error()
        self.assert_wrong_id("in InitError", "wrong")

    def assert_wrong_id(self, when: str, request_id: str) -> None:
        for path in (response_path, error_path):
            with self.subTest(when=when, path=path("id")):
                answer = self.runtime().request("POST", path(request_id), (), b"{}")
                self.assert_refused(answer, 400, *INVALID_ID)

    def test_rt_71_the_right_id_before_next_is_refused_by_state(self) -> None:
        runtime = self.runtime()
        request_id = self.simulator.enqueue_payload({})
        self.assert_transition(runtime.respond(request_id), "Started", "InvocationResponse")

    def test_rt_72_ids_are_compared_as_they_are(self) -> None:
        runtime, request_id = self.running()
        for other in (request_id.upper(), f"{request_id}%20", request_id[:-1]):
            if other != request_id:
                self.assert_refused(runtime.respond(other), 400, *INVALID_ID)
        self.assert_accepted(runtime.respond(request_id))

    def test_rt_72_a_percent_encoded_id_is_the_same_id(self) -> None:
        runtime, request_id = self.running()
        encoded = request_id.replace("-", "%2D")
        self.assert_accepted(runtime.respond(encoded))

    def test_rt_73_an_earlier_generations_answer_changes_nothing(self) -> None:
        self.simulate(invocation_timeout=0.3, runtime=runtime_of("next", "hang"))
        first = self.simulator.invoke({})
        late = self.runtime()
        self.assert_refused(late.respond(first.request_id), 400, *INVALID_ID)
        second = self.simulator.enqueue_payload({})
        self.wait_for(lambda: self.simulator.get_invocation_state(second).started_at)
        self.assert_refused(late.respond(first.request_id), 400, *INVALID_ID)
        self.assertEqual(self.complete(second).error.error_type, "Sandbox.Timedout")
