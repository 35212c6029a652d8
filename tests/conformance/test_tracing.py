"""Section 1.11 of the contract, and RT-44: traces, and what a runtime tells X-Ray of an error."""

from __future__ import annotations

import json
from typing import Any

from lambda_sim import Invocation
from lambda_sim.lifecycle import causes
from tests.conformance.case import ConformanceTest
from tests.raw import RawRuntime

TRACE_ID = "Lambda-Runtime-Trace-Id"
ROOT = f"1-{'a' * 8}-{'b' * 24}"
PARENT = "c" * 16
LINEAGE = "25:abcd:0"
FULL = f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage={LINEAGE}"
CAUSE_TYPE = "application/vnd.aws.lambda.error.cause+json"
LIMIT = 64 * 1024

EXCEPTION: dict[str, Any] = {
    "message": "it broke",
    "type": "Broken",
    "stack": [{"path": "a.py", "line": 1, "label": "handler"}],
}
CAUSE: dict[str, Any] = {
    "exceptions": [EXCEPTION],
    "working_directory": "/var/task",
    "paths": ["a.py"],
    "message": "it broke",
}


def parts(trace: str) -> dict[str, str]:
    """The keys of a header and what they say, in order."""
    return dict(part.split("=", 1) for part in trace.split(";"))


class TraceTest(ConformanceTest):
    def served(self, trace: str) -> str:
        """The header that the runtime is given for an invocation that came with one."""
        runtime = self.runtime()
        self.request_id = self.simulator.enqueue(Invocation({}, trace_id=trace))
        event = runtime.next()
        runtime.respond(event.id)
        self.park(runtime)
        return event.answer[TRACE_ID]


class SegmentTest(TraceTest):
    def test_rt_100_the_runtimes_parent_is_the_functions_own_segment(self) -> None:
        told = parts(self.served(FULL))
        self.assertRegex(told["Parent"], r"\A[0-9a-f]{16}\Z")
        self.assertNotEqual(told["Parent"], PARENT)

    def test_rt_100_each_invocation_has_a_segment_of_its_own(self) -> None:
        found = {parts(self.served(FULL))["Parent"] for _ in range(3)}
        self.assertEqual(len(found), 3)

    def test_rt_100_root_sampling_and_lineage_are_the_callers(self) -> None:
        told = parts(self.served(FULL))
        self.assertEqual(list(told), ["Root", "Parent", "Sampled", "Lineage"])
        del told["Parent"]
        self.assertEqual(told, {"Root": ROOT, "Sampled": "1", "Lineage": LINEAGE})

    def test_rt_100_no_lineage_is_made_up(self) -> None:
        told = parts(self.served(f"Root={ROOT};Parent={PARENT};Sampled=0"))
        self.assertEqual(list(told), ["Root", "Parent", "Sampled"])
        self.assertEqual(told["Sampled"], "0")

    def test_rt_100_a_trace_without_a_parent_gets_one(self) -> None:
        told = parts(self.served(f"Root={ROOT};Sampled=1"))
        self.assertEqual(list(told), ["Root", "Parent", "Sampled"])
        self.assertRegex(told["Parent"], r"\A[0-9a-f]{16}\Z")

    def test_rt_100_extensions_have_the_callers_header(self) -> None:
        watcher = self.park(self.extension("watcher", "INVOKE"))
        told = self.served(FULL)
        event = watcher.event()
        self.assertEqual(event["tracing"], {"type": "X-Amzn-Trace-Id", "value": FULL})
        self.assertNotEqual(told, FULL)

    def test_rt_100_telemetry_has_the_callers_header(self) -> None:
        self.served(FULL)
        for event_type in ("start", "runtimeDone", "report"):
            with self.subTest(event_type):
                tracing = self.telemetry(f"platform.{event_type}")["tracing"]
                self.assertEqual((tracing["type"], tracing["value"]), ("X-Amzn-Trace-Id", FULL))

    def test_rt_100_the_invocation_keeps_the_callers_header(self) -> None:
        self.served(FULL)
        state = self.complete(self.request_id)
        self.assertEqual(state.invocation.trace_id, FULL)

    def test_rt_100_an_event_that_is_handed_out_again_has_the_same_segment(self) -> None:
        runtime, _ = self.running()
        first = self.runtime().next().answer[TRACE_ID]
        self.assertEqual(self.runtime().next().answer[TRACE_ID], first)
        runtime.close()

    def test_rt_100_every_attempt_has_a_segment_of_its_own(self) -> None:
        found = set()
        for _ in range(2):
            runtime = self.runtime()
            self.simulator.enqueue(Invocation({}, request_id="again", trace_id=FULL))
            event = runtime.next()
            found.add(event.answer[TRACE_ID])
            runtime.respond(event.id)
            self.settle(runtime)
        self.assertEqual(len(found), 2)


class ParsingTest(TraceTest):
    def test_rt_102_keys_may_stand_in_any_order(self) -> None:
        told = parts(self.served(f"Sampled=1;Lineage={LINEAGE};Parent={PARENT};Root={ROOT}"))
        self.assertEqual(list(told), ["Root", "Parent", "Sampled", "Lineage"])
        self.assertEqual(told["Root"], ROOT)

    def test_rt_102_unknown_keys_do_no_harm(self) -> None:
        told = parts(self.served(f"Self=1-x-y;Root={ROOT};Sampled=1;Foo=bar;junk;=;;"))
        self.assertEqual(list(told), ["Root", "Parent", "Sampled"])

    def test_rt_102_no_sampling_is_none(self) -> None:
        told = parts(self.served(f"Root={ROOT};Parent={PARENT}"))
        self.assertEqual(list(told), ["Root", "Parent"])

    def test_rt_102_spaces_between_the_parts_do_no_harm(self) -> None:
        told = parts(self.served(f" Root={ROOT} ; Parent={PARENT} ; Sampled=1 "))
        self.assertEqual((told["Root"], told["Sampled"]), (ROOT, "1"))

    def test_rt_102_a_header_without_a_root_stays_as_it_is(self) -> None:
        for trace in ("nonsense", f"Parent={PARENT};Sampled=1", "Root=;Sampled=1", "=", "root=1"):
            with self.subTest(trace):
                self.simulate()
                self.assertEqual(self.served(trace), trace)


class CauseTest(ConformanceTest):
    """RT-44"""

    def failed(self, cause: str, body: bytes = b"{}", **headers: str) -> Any:
        """The error of an invocation whose runtime reports a cause for it."""
        runtime, request_id = self.running()
        told = {"Lambda_Runtime_Function_XRay_Error_Cause": cause} if cause else {}
        self.assert_accepted(runtime.fail(request_id, body, **told, **headers))
        self.settle(runtime)
        return self.complete(request_id).error

    def cause_of(self, told: Any) -> Any:
        return self.failed(told if isinstance(told, str) else json.dumps(told)).cause

    def test_rt_44_a_cause_is_kept_with_the_error(self) -> None:
        self.assertEqual(self.cause_of(CAUSE), CAUSE)

    def test_rt_44_one_part_of_the_four_will_do(self) -> None:
        for name, value in CAUSE.items():
            with self.subTest(name):
                self.assertEqual(self.cause_of({name: value}), {name: value})

    def test_rt_44_empty_parts_are_none(self) -> None:
        empty = {"exceptions": [], "working_directory": "", "paths": [], "message": ""}
        self.assertIsNone(self.cause_of(empty))
        self.assertEqual(self.cause_of({**empty, "message": "x"})["message"], "x")

    def test_rt_44_what_is_no_cause_is_none_and_no_error(self) -> None:
        for told in ("{", "[]", "{}", '"text"', "null", '{"other":1}', "x" * 1000, "[" * 5000):
            with self.subTest(told[:10]):
                self.assertIsNone(self.cause_of(told))

    def test_rt_44_no_header_is_no_cause(self) -> None:
        self.assertIsNone(self.failed("").cause)

    def test_rt_44_the_payload_is_not_touched(self) -> None:
        body = b'{ "errorMessage":"m", "x":1 }'
        self.assertEqual(self.failed(json.dumps(CAUSE), body).body, body)

    def test_rt_44_a_body_of_the_other_content_type_brings_it_along(self) -> None:
        body = json.dumps({"errorMessage": "m", "errorType": "E", "errorCause": CAUSE}).encode()
        error = self.failed("", body, Content_Type=CAUSE_TYPE)
        self.assertEqual(error.cause, CAUSE)
        self.assertEqual(error.payload, {"errorMessage": "m", "errorType": "E"})

    def test_rt_44_a_response_and_lambdas_own_errors_have_none(self) -> None:
        runtime, request_id = self.running()
        answer = runtime.respond(
            request_id,
            Lambda_Runtime_Function_Response_Mode="buffered",
            Lambda_Runtime_Function_XRay_Error_Cause=json.dumps(CAUSE),
        )
        self.assertEqual(answer.status, 400)
        self.assertIsNone(self.complete(request_id).error.cause)

    def test_rt_44_non_ascii_is_kept(self) -> None:
        raw = json.dumps({"message": "é漢"}, ensure_ascii=False)
        self.assertEqual(self.cause_of(raw), {"message": "é漢"})

    def test_rt_44_one_of_64_kib_is_whole(self) -> None:
        cause = {"message": "m" * (LIMIT - len(json.dumps({"message": ""}, separators=(",", ":"))))}
        text = json.dumps(cause, separators=(",", ":"))
        self.assertEqual(len(text), LIMIT)
        self.assertEqual(self.cause_of(text), cause)

    def test_rt_44_a_larger_one_is_cropped_over_the_wire_too(self) -> None:
        paths = [f"{number:04}" + "p" * 96 for number in range(1000)]
        cropped = self.cause_of({"message": "m", "paths": paths})
        self.assertEqual(cropped, {"message": "m", "paths": paths[:600]})


class CompactionTest(ConformanceTest):
    """RT-44: by the factors 0.8, 0.6, 0.4 and 0.2, and then the texts alone."""

    def with_stack(self, size: int) -> dict[str, Any]:
        """A cause of about so many bytes, all of it in a stack of 100 frames."""
        frame = {"path": "p" * (size // 100), "line": 1, "label": "l"}
        return {"exceptions": [{**EXCEPTION, "stack": [frame] * 100}], "message": "m"}

    def test_rt_44_stacks_and_paths_are_cropped_as_little_as_will_do(self) -> None:
        for size, kept in ((70_000, 80), (95_000, 60), (140_000, 40), (250_000, 20)):
            with self.subTest(size=size):
                cropped = causes.checked(self.with_stack(size))
                assert cropped is not None
                self.assertEqual(len(cropped["exceptions"][0]["stack"]), kept)
                self.assertEqual(cropped["message"], "m")
                self.assertLessEqual(len(json.dumps(cropped, separators=(",", ":"))), LIMIT)

    def test_rt_44_every_stack_is_cropped_and_the_first_frames_stay(self) -> None:
        frames = [{"path": f"{number}" + "p" * 400, "line": number} for number in range(100)]
        given: dict[str, Any] = {
            "exceptions": [{**EXCEPTION, "stack": frames}] * 2,
            "paths": [f"path {number}" for number in range(10)],
        }
        cropped = causes.checked(given)
        assert cropped is not None
        for one in cropped["exceptions"]:
            self.assertEqual(one["stack"], frames[:60])
        self.assertEqual(cropped["paths"], given["paths"][:6])

    def test_rt_44_then_only_the_texts_are_left(self) -> None:
        given = {
            "exceptions": [{**EXCEPTION, "message": "x" * 100_000}],
            "paths": ["p"],
            "message": "it broke",
            "working_directory": "/var/task",
        }
        expected = {"message": "it broke", "working_directory": "/var/task"}
        self.assertEqual(causes.checked(given), expected)

    def test_rt_44_and_these_no_longer_than_half_of_the_limit_each(self) -> None:
        half = (LIMIT - 4096) // 2
        cropped = causes.checked({"message": "m" * LIMIT, "working_directory": "w" * LIMIT})
        assert cropped is not None
        for name in ("message", "working_directory"):
            self.assertTrue(cropped[name].endswith("..."))
            self.assertLessEqual(len(cropped[name]), half)
        self.assertLessEqual(len(json.dumps(cropped)), LIMIT)

    def test_rt_44_a_cropped_text_is_not_much_shorter_than_it_may_be(self) -> None:
        # Is cut by a tenth more than need be.
        half = (LIMIT - 4096) // 2
        cropped = causes.checked({"message": "m" * LIMIT, "exceptions": ["x" * LIMIT]})
        assert cropped is not None
        self.assertGreaterEqual(len(cropped["message"]), half - 8)

    def test_rt_44_the_smallest_form_fits_whatever_it_is_made_of(self) -> None:
        for letter in ("a", "é", "漢", "\U0001f600", "\x00", '"', "\ud800"):
            with self.subTest(repr(letter)):
                text = letter * LIMIT
                cropped = causes.checked({"message": text, "working_directory": text})
                assert cropped is not None
                size = len(json.dumps(cropped, ensure_ascii=False).encode("utf-8", "replace"))
                self.assertLessEqual(size, LIMIT)

    def test_rt_44_a_cause_that_fits_is_not_touched(self) -> None:
        self.assertEqual(causes.checked(CAUSE), CAUSE)

    def test_rt_44_strange_parts_do_no_harm(self) -> None:
        for told in (
            {"exceptions": ["text", 5, None, {"stack": "none"}] * 10_000},
            {"paths": [{"deep": ["x" * 100]}] * 1000},
            {"message": 5, "paths": "text", "exceptions": {}, "working_directory": []},
        ):
            causes.checked(told)

    def test_rt_44_nothing_remains_is_nothing(self) -> None:
        """Where all there is are exceptions, and they are dropped."""
        self.assertIsNone(causes.checked({"exceptions": [{"message": "x" * LIMIT}]}))


class WiredTest(TraceTest):
    def test_rt_101_the_header_is_there_before_the_runtime_needs_it(self) -> None:
        """For runtimes to copy it into _X_AMZN_TRACE_ID, which Lambda does not set itself."""
        runtime: RawRuntime = self.runtime()
        self.simulator.enqueue_payload({})
        self.assertTrue(runtime.next().answer.has(TRACE_ID))
        self.assertNotIn("_X_AMZN_TRACE_ID", self.simulator.lambda_env_vars())
