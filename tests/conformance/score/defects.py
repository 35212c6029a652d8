"""Section 6.2 of the contract: defects of AWS's emulator, and cases for what no statement says."""

from __future__ import annotations

import json
import time

from tests.conformance.score.stage import PATIENCE, Stage, accepted, holds, same

DEFECTS: dict[str, tuple[str, ...]] = {
    "D1": ("d_01_parallel_invocations_are_all_answered",),
    "D2": ("log_02_start_names_the_request_and_the_version",),
    "D3": ("rt_21_the_trace_is_always_there", "rt_21_the_content_type_is_the_callers"),
    "D4": (
        "rt_42_an_error_is_told_by_a_header",
        "inv_02_the_executed_version_is_told",
        "inv_02_the_log_comes_if_it_is_asked_for",
        "inv_02_the_answer_is_json",
    ),
    "D5": (
        "inv_01_an_event_is_accepted_at_once",
        "inv_01_a_dry_run_runs_nothing",
        "rt_21_the_arn_has_the_qualifier_it_was_invoked_by",
        "log_10_the_tail_ends_with_report",
    ),
    "D6": (
        "lc_01_init_begins_before_anybody_invokes",
        "d_06_the_init_is_measured",
        "d_06_the_timeout_does_not_hold_init",
        "log_11_duration_does_not_hold_init",
    ),
    "D7": ("te_42_runtime_done_tells_the_bytes", "log_04_the_memory_used_is_measured"),
    "D8": ("lc_20_a_timeout_is_an_error_object", "lc_20_a_timeout_is_a_function_error"),
    "D9": (
        "inv_06_a_crash_is_a_function_error",
        "lc_03_a_second_failure_is_the_invokers_answer",
        "lc_02_a_failed_init_is_tried_again",
        "log_03_a_crash_ends_with_end_and_report",
    ),
    "D10": (
        "lc_34_an_exit_after_the_response_leaves_it_to_the_client",
        "x_05_the_invoker_is_answered_before_extensions_are_done",
    ),
    "D11": ("te_51_a_timeout_is_told", "lc_50_a_crash_is_a_failure"),
    "D12": ("lc_01_init_has_ten_seconds",),
    "D13": ("d_13_a_stream_arrives_as_it_is_written", "rt_81_trailers_make_a_stream_an_error"),
    "D14": ("env_06_extensions_do_not_get_the_runtimes_variables",),
    "D15": (
        "d_15_next_may_come_before_any_invocation",
        "rt_36_a_truncated_response_is_answered",
        "rt_36_it_lives_on_after_a_truncated_response",
    ),
    "D16": ("d_16_a_timeout_that_is_no_number_is_said_so",),
    "D17": ("te_02_a_subscription_is_answered_with_ok", "te_20_events_are_posted"),
    "D18": ("d_18_a_wrong_response_mode_leaves_the_runtime_free",),
    "D19": (
        "d_19_a_deadline_is_near",
        "d_19_no_header_is_empty",
        "d_19_the_client_context_is_decoded",
        "d_19_the_response_mode_is_not_the_callers_business",
        "d_19_the_log_has_spaces",
    ),
    "D20": ("rt_10_polls_that_were_closed_lose_no_event",),
}
"""The cases, of all rooms, that an emulator with the defect fails."""

CLIENT_CONTEXT = "eyJjdXN0b20iOnsiayI6InYifX0="
"""``{"custom":{"k":"v"}}``"""


def d_01_parallel_invocations_are_all_answered(stage: Stage) -> None:
    stage.start(actor=["serve"])
    bodies = [b"%d" % number for number in range(8)]
    replies = [stage.soon(body) for body in bodies]
    same([one.result(PATIENCE).body for one in replies], bodies)


def d_06_the_init_is_measured(stage: Stage) -> None:
    stage.initialising()
    stage.order("sleep 0.2; echo slept")
    stage.emulator.wait_for("^slept$")
    runtime = stage.runtime()
    accepted(runtime.respond(runtime.next().id))
    runtime.ask()
    told = stage.emulator.wait_for(r"^REPORT.*Init Duration: ([\d.]+) ms")[0][1]
    holds(float(told) >= 200, told)


def d_06_the_timeout_does_not_hold_init(stage: Stage) -> None:
    stage.start(timeout=1)
    reply = stage.initialising()
    stage.order("sleep 1.2; echo slept")
    stage.emulator.wait_for("^slept$")
    runtime = stage.runtime()
    accepted(runtime.respond(runtime.next().id, b"7"))
    runtime.ask()
    same(reply.result(PATIENCE).body, b"7")


def d_13_a_stream_arrives_as_it_is_written(stage: Stage) -> None:
    caller = stage.connect(stage.emulator.front)
    path = "/2021-11-15/functions/function/response-streaming-invocations"
    caller.send_head("POST", path, {"Content-Length": "1"})
    caller.send(b"1")
    stage.booted()
    runtime = stage.runtime()
    event = runtime.next()
    headers = {
        "Lambda-Runtime-Function-Response-Mode": "streaming",
        "Transfer-Encoding": "chunked",
    }
    response = f"/2018-06-01/runtime/invocation/{event.id}/response"
    runtime.send_head("POST", response, headers)
    runtime.send_chunk(b"first")
    caller.read_until(b"first")
    runtime.end_chunks()
    accepted(runtime.read_answer())


def d_15_next_may_come_before_any_invocation(stage: Stage) -> None:
    stage.start()
    runtime = stage.runtime()
    runtime.ask()
    stage.soon(b"1")
    same(runtime.event().body, b"1")


def d_16_a_timeout_that_is_no_number_is_said_so(stage: Stage) -> None:
    try:
        stage.start(environ={"AWS_LAMBDA_FUNCTION_TIMEOUT": "soon"})
    except TimeoutError:
        holds("AWS_LAMBDA_FUNCTION_TIMEOUT" in stage.emulator.output, stage.emulator.output)
        return
    same(stage.running().finish(b"7").body, b"7")


def d_18_a_wrong_response_mode_leaves_the_runtime_free(stage: Stage) -> None:
    running = stage.running()
    same(running.respond(Lambda_Runtime_Function_Response_Mode="x").status, 400)
    running.runtime.ask()
    running.reply.result(PATIENCE)
    same(stage.again(running, b"2").finish(b"22").body, b"22")


# --- The emulator's other mode, for managed instances

MANAGED = {"AWS_LAMBDA_MAX_CONCURRENCY": "2"}


def d_19_a_deadline_is_near(stage: Stage) -> None:
    stage.start(timeout=30, environ=MANAGED)
    told = int(stage.running().event.answer["Lambda-Runtime-Deadline-Ms"]) / 1000
    holds(0 < told - time.time() < 31, told)


def d_19_no_header_is_empty(stage: Stage) -> None:
    stage.start(environ=MANAGED)
    headers = stage.running().event.answer.headers
    same([name for name, value in headers if not value], [])


def d_19_the_client_context_is_decoded(stage: Stage) -> None:
    stage.start(environ=MANAGED)
    answer = stage.running(X_Amz_Client_Context=CLIENT_CONTEXT).event.answer
    same(json.loads(answer["Lambda-Runtime-Client-Context"]), {"custom": {"k": "v"}})


def d_19_the_response_mode_is_not_the_callers_business(stage: Stage) -> None:
    stage.start(environ=MANAGED)
    reply = stage.running().finish()
    holds("lambda-runtime-function-response-mode" not in reply.headers, reply.headers)


def d_19_the_log_has_spaces(stage: Stage) -> None:
    stage.start(environ={**MANAGED, "AWS_LAMBDA_LOG_FORMAT": "Text"})
    stage.running().finish()
    stage.emulator.wait_for("^(START|END) RequestId: ")
