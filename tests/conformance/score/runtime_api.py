"""Section 1 of the contract: what runtimes hear."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable

from tests.conformance.score.stage import (
    ERROR_TYPE,
    PATIENCE,
    Runtime,
    Stage,
    accepted,
    forbidden,
    holds,
    refused,
    same,
)
from tests.raw import INIT_ERROR, NEXT, RawAnswer, error_path, response_path

LIMIT = 6_291_556
MODE = "Lambda-Runtime-Function-Response-Mode"
PING = "/2018-06-01/ping"
TRACE = f"Root=1-{'a' * 8}-{'b' * 24};Parent={'c' * 16};Sampled=1"
RESTORE_NEXT = "/2018-06-01/runtime/restore/next"


# --- Transport


def rt_01_a_connection_serves_many_requests(stage: Stage) -> None:
    link = stage.connect()
    for _ in range(3):
        same(link.request("GET", PING).status, 200)


def rt_01_any_host_is_accepted(stage: Stage) -> None:
    link = stage.connect()
    for host in ("example.com", "169.254.100.1:9001", "[::1]:1"):
        link.send(f"GET {PING} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        same(link.read_answer().status, 200)


def rt_02_header_names_have_no_case(stage: Stage) -> None:
    running = stage.running()
    answer = running.runtime.request("POST", response_path(running.id), {MODE.lower(): "x"}, b"")
    refused(answer, 400, "InvalidFunctionResponseMode")


def rt_02_request_headers_may_be_in_capitals(stage: Stage) -> None:
    running = stage.running()
    answer = running.runtime.request("POST", response_path(running.id), {MODE.upper(): "x"}, b"")
    refused(answer, 400, "InvalidFunctionResponseMode")


def rt_03_a_response_may_come_in_chunks(stage: Stage) -> None:
    running = stage.running()
    path = response_path(running.id)
    accepted(running.runtime.request_chunked("POST", path, (), [b"1", b"2"]))
    same(running.done().body, b"12")


def rt_03_an_error_may_come_in_chunks(stage: Stage) -> None:
    running = stage.running()
    path = error_path(running.id)
    accepted(running.runtime.request_chunked("POST", path, (), [b'{"a"', b":1}"]))
    same(running.done().body, b'{"a":1}')


def rt_03_trailers_may_be_declared_and_not_sent(stage: Stage) -> None:
    running = stage.running()
    declared = {"Trailer": f"Lambda-Runtime-Function-Error-Body,{ERROR_TYPE}"}
    path = response_path(running.id)
    accepted(running.runtime.request_chunked("POST", path, declared, [b"{}"]))
    same(running.done().body, b"{}")


def rt_03_an_init_error_may_come_in_chunks(stage: Stage) -> None:
    stage.initialising_alone()
    accepted(stage.runtime().request_chunked("POST", INIT_ERROR, (), [b"{", b"}"]))


def rt_04_expect_100_continue_is_answered(stage: Stage) -> None:
    running = stage.running()
    expecting = {"Expect": "100-continue", "Content-Length": "2"}
    running.runtime.send_head("POST", response_path(running.id), expecting)
    same(running.runtime.read_answer().status, 100)
    running.runtime.send(b"{}")
    accepted(running.runtime.read_answer())


def rt_05_an_error_is_two_keys_in_order_and_a_newline(stage: Stage) -> None:
    running = stage.running()
    answer = running.runtime.respond("x")
    body = b'{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}\n'
    same((answer.status, answer["Content-Type"], answer.body), (400, "application/json", body))


def rt_05_accept_is_ignored(stage: Stage) -> None:
    answer = stage.running().runtime.respond("x", Accept="application/xml")
    same(answer["Content-Type"], "application/json")


def rt_06_an_unknown_path_is_not_found(stage: Stage) -> None:
    link = stage.connect()
    for path in ("/", "/2018-06-01", "/2018-06-02/runtime/invocation/next", f"{PING}/x"):
        _not_found(link.request("GET", path))


def rt_06_a_trailing_slash_is_an_unknown_path(stage: Stage) -> None:
    link = stage.connect()
    for method, path in (("GET", NEXT), ("POST", response_path("x")), ("POST", INIT_ERROR)):
        _not_found(link.request(method, f"{path}/", (), b""))


def _not_found(answer: RawAnswer) -> None:
    same((answer.status, answer.body), (404, b"404 page not found\n"))
    same(answer["Content-Type"], "text/plain; charset=utf-8")
    same(answer["X-Content-Type-Options"], "nosniff")


def rt_07_a_wrong_method_is_told_the_right_one(stage: Stage) -> None:
    link = stage.connect()
    for method, path, allowed in (
        ("POST", NEXT, "GET"),
        ("GET", response_path("x"), "POST"),
        ("PUT", error_path("x"), "POST"),
        ("GET", INIT_ERROR, "POST"),
    ):
        answer = link.request(method, path)
        same((answer.status, answer.body, answer["Allow"]), (405, b"", allowed))


def rt_07_next_has_no_head(stage: Stage) -> None:
    same(stage.connect().request("HEAD", NEXT).status, 405)


def rt_08_ping_answers_pong(stage: Stage) -> None:
    answer = stage.connect().request("GET", PING)
    same((answer.status, answer.body), (200, b"pong"))
    holds(answer["Content-Type"].startswith("text/plain"))


def _after_dead_polls(stage: Stage, end: Callable[[Runtime], None]) -> None:
    """Again and again a poll ends while it waits; the event is for the one that comes next."""
    running = stage.running()
    same(running.finish().status, 200)
    runtime = running.runtime
    for number in range(8):
        end(runtime)
        same(stage.connect().request("GET", PING).status, 200)  # it had time to notice
        runtime = stage.runtime()
        runtime.ask()
        reply = stage.soon(b"%d" % number)
        accepted(runtime.respond(runtime.event().id, b"heard"))
        runtime.ask()
        same(reply.result(PATIENCE).body, b"heard")


def rt_10_polls_that_were_closed_lose_no_event(stage: Stage) -> None:
    _after_dead_polls(stage, Runtime.close)


def rt_10_polls_that_were_reset_lose_no_event(stage: Stage) -> None:
    _after_dead_polls(stage, Runtime.abort)


# --- Next


def rt_20_next_waits_for_an_invocation(stage: Stage) -> None:
    running = stage.running()
    same(running.finish().status, 200)
    holds(running.runtime.is_silent())
    same(stage.again(running, b"2").event.body, b"2")


def rt_21_the_request_id_is_a_uuid(stage: Stage) -> None:
    request_id = stage.running().id
    same(str(uuid.UUID(request_id)), request_id)


def rt_21_the_deadline_is_whole_milliseconds(stage: Stage) -> None:
    told = stage.running().event.answer["Lambda-Runtime-Deadline-Ms"]
    holds(re.fullmatch(r"\d{13}", told), told)


def rt_21_the_arn_names_the_function(stage: Stage) -> None:
    stage.start(environ={"AWS_LAMBDA_FUNCTION_NAME": "greeter"})
    arn = stage.running().event.answer["Lambda-Runtime-Invoked-Function-Arn"]
    holds(re.fullmatch(r"arn:aws:lambda:us-east-1:\d{12}:function:greeter", arn), arn)


def rt_21_the_arn_has_the_qualifier_it_was_invoked_by(stage: Stage) -> None:
    stage.start()
    stage.soon(b"{}", "/2015-03-31/functions/function/invocations?Qualifier=$LATEST")
    stage.booted()
    arn = stage.runtime().next().answer["Lambda-Runtime-Invoked-Function-Arn"]
    holds(arn.endswith(":$LATEST"), arn)


def rt_21_the_trace_is_always_there(stage: Stage) -> None:
    answer = stage.running().event.answer
    holds(answer.has("Lambda-Runtime-Trace-Id"), answer.headers)
    form = r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01]"
    told = answer["Lambda-Runtime-Trace-Id"]
    holds(re.fullmatch(form, told), told)


def rt_21_the_content_type_is_json_by_default(stage: Stage) -> None:
    same(stage.running().event.answer["Content-Type"], "application/json")


def rt_21_the_content_type_is_the_callers(stage: Stage) -> None:
    running = stage.running(b"png", Content_Type="image/png")
    same(running.event.answer["Content-Type"], "image/png")


def rt_21_the_client_context_is_decoded(stage: Stage) -> None:
    # {"custom":{"k":"v"}}
    running = stage.running(X_Amz_Client_Context="eyJjdXN0b20iOnsiayI6InYifX0=")
    told = running.event.answer["Lambda-Runtime-Client-Context"]
    same(json.loads(told), {"custom": {"k": "v"}})


def rt_21_the_tenant_is_named(stage: Stage) -> None:
    running = stage.running(X_Amz_Tenant_Id="blue")
    same(running.event.answer["Lambda-Runtime-Aws-Tenant-Id"], "blue")


def rt_22_what_is_not_there_has_no_header(stage: Stage) -> None:
    answer = stage.running().event.answer
    for name in ("Client-Context", "Cognito-Identity", "Aws-Tenant-Id"):
        holds(not answer.has(f"Lambda-Runtime-{name}"), name)


def rt_23_the_payload_goes_through_as_it_is(stage: Stage) -> None:
    body = b'{ "b" :1.0,\n"a": "\xc3\xa9" }\n'
    same(stage.running(body).event.body, body)


def rt_23_bytes_go_through_as_they_are(stage: Stage) -> None:
    body = bytes(range(256)) * 40
    same(stage.running(body).event.body, body)


def rt_23_a_payload_of_the_limit_goes_through(stage: Stage) -> None:
    holds(stage.running(b"x" * LIMIT).event.body == b"x" * LIMIT)


def rt_23_a_payload_beyond_the_limit_is_refused_at_the_door(stage: Stage) -> None:
    stage.start(timeout=2)
    same(stage.invoke(b"x" * (LIMIT + 1)).status, 413)


def rt_24_next_while_running_returns_the_same_event(stage: Stage) -> None:
    running = stage.running(b'{"a":1}')
    again = running.runtime.next()
    same((again.id, again.body), (running.id, b'{"a":1}'))


def rt_25_next_after_an_init_error_is_refused(stage: Stage) -> None:
    stage.initialising_alone()
    runtime = stage.runtime()
    accepted(runtime.init_error())
    forbidden(runtime.poll(), "InitError", "Ready")


def rt_26_next_during_an_upload_is_refused(stage: Stage) -> None:
    running = stage.running()
    headers = {"Transfer-Encoding": "chunked", "Expect": "100-continue"}
    running.runtime.send_head("POST", response_path(running.id), headers)
    same(running.runtime.read_answer().status, 100)
    running.runtime.send_chunk(b"{")
    forbidden(stage.runtime().poll(), "InvocationResponse", "Ready")
    running.runtime.end_chunks()
    accepted(running.runtime.read_answer())


def rt_27_the_deadline_is_the_timeout_from_now(stage: Stage) -> None:
    stage.start(timeout=30)
    before = time.time()
    told = int(stage.running().event.answer["Lambda-Runtime-Deadline-Ms"]) / 1000
    holds(before + 29.9 <= told <= time.time() + 30.1, told - before)


# --- Responses


def rt_30_a_response_is_accepted(stage: Stage) -> None:
    answer = stage.running().respond(b'{"a":1}')
    accepted(answer)
    same((answer.reason, answer["Content-Type"]), ("Accepted", "application/json"))


def rt_31_a_response_may_be_any_bytes(stage: Stage) -> None:
    body = b"\x00\xff\xfe not json \xc3("
    same(stage.running().finish(body, Content_Type="application/unknown").body, body)


def rt_31_a_response_may_be_empty(stage: Stage) -> None:
    reply = stage.running().finish(b"")
    same((reply.status, reply.body), (200, b""))


def rt_32_a_response_needs_no_content_type(stage: Stage) -> None:
    running = stage.running()
    answer = running.runtime.request("POST", response_path(running.id), (), b"7")
    accepted(answer)
    same(running.done().body, b"7")


def rt_33_a_response_of_the_limit_is_accepted(stage: Stage) -> None:
    same(len(stage.running().finish(b"x" * LIMIT).body), LIMIT)


def rt_33_one_byte_more_is_refused(stage: Stage) -> None:
    running = stage.running()
    text = f"Exceeded maximum allowed payload size ({LIMIT} bytes)."
    refused(running.respond(b"x" * (LIMIT + 1)), 413, "RequestEntityTooLarge", text)


def rt_33_a_response_too_large_is_a_function_error(stage: Stage) -> None:
    running = stage.running()
    running.respond(b"x" * (LIMIT + 1))
    stage.runtime().ask()
    text = f"Response payload size exceeded maximum allowed payload size ({LIMIT} bytes)."
    running.reply.result(PATIENCE).failed("Function.ResponseSizeTooLarge", text)


def rt_33_the_runtime_goes_on_after_a_response_too_large(stage: Stage) -> None:
    running = stage.running()
    same(running.respond(b"x" * (LIMIT + 1)).status, 413)
    runtime = stage.runtime()
    runtime.ask()
    running.reply.result(PATIENCE)
    reply = stage.soon(b"2")
    accepted(runtime.respond(runtime.event().id, b"22"))
    runtime.ask()
    same(reply.result(PATIENCE).body, b"22")


def rt_34_streaming_is_a_response_mode(stage: Stage) -> None:
    running = stage.running()
    same(running.finish(b"7", Lambda_Runtime_Function_Response_Mode="streaming").body, b"7")


def rt_34_any_other_response_mode_is_refused(stage: Stage) -> None:
    answer = stage.running().respond(Lambda_Runtime_Function_Response_Mode="Streaming")
    text = "Invalid function response mode"
    refused(answer, 400, "InvalidFunctionResponseMode", text)


def rt_34_a_wrong_response_mode_is_a_function_error(stage: Stage) -> None:
    stage.start(timeout=3)
    running = stage.running()
    running.respond(Lambda_Runtime_Function_Response_Mode="buffered")
    running.done().failed("Runtime.InvalidResponseModeHeader")


def rt_35_headers_are_judged_before_the_body_comes(stage: Stage) -> None:
    running = stage.running()
    running.runtime.send_head("POST", response_path("x"), {"Content-Length": "1000000"})
    refused(running.runtime.read_answer(), 400, "InvalidRequestID")


def rt_36_a_truncated_response_fails_the_invocation(stage: Stage) -> None:
    running = stage.running()
    running.runtime.send_head("POST", response_path(running.id), {"Content-Length": "100"})
    running.runtime.send(b"short")
    running.runtime.half_close()
    running.reply.result(PATIENCE).failed("Runtime.TruncatedResponse")


def rt_36_a_truncated_response_is_answered(stage: Stage) -> None:
    running = stage.running()
    running.runtime.send_head("POST", response_path(running.id), {"Content-Length": "100"})
    running.runtime.send(b"short")
    running.runtime.half_close()
    refused(running.runtime.read_answer(), 400, "TruncatedHTTPRequest")


def rt_36_it_lives_on_after_a_truncated_response(stage: Stage) -> None:
    running = stage.running()
    running.runtime.send_head("POST", response_path(running.id), {"Content-Length": "100"})
    running.runtime.send(b"short")
    running.runtime.close()
    running.reply.result(PATIENCE)
    reply = stage.soon(b"2")
    runtime = stage.runtime()
    accepted(runtime.respond(runtime.next().id, b"22"))
    runtime.ask()
    same(reply.result(PATIENCE).body, b"22")


def rt_37_a_second_response_is_refused_by_its_state(stage: Stage) -> None:
    # An extension at work keeps the invocation from being over.
    reply = stage.initialising()
    extension = stage.extension("inner", "INVOKE")
    runtime = stage.runtime()
    runtime.ask()
    extension.next()
    event = runtime.event()
    accepted(runtime.respond(event.id, b"1"))
    answer = runtime.respond(event.id, b"2")
    forbidden(answer, "RuntimeResponseSentState", "InvocationResponse")
    runtime.ask()
    extension.ask()
    same(reply.result(PATIENCE).body, b"1")


def rt_37_a_response_after_the_end_has_an_unknown_id(stage: Stage) -> None:
    running = stage.running()
    same(running.finish().status, 200)
    stage.emulator.wait_for("^REPORT")
    refused(stage.runtime().respond(running.id), 400, "InvalidRequestID")


# --- Errors


def rt_40_an_error_report_is_accepted_whatever_its_body(stage: Stage) -> None:
    running = stage.running()
    accepted(running.runtime.fail(running.id, b"\x00 no json", Content_Type="x/y"))
    same(running.done().body, b"\x00 no json")


def rt_40_an_error_report_may_be_empty(stage: Stage) -> None:
    running = stage.running()
    accepted(running.runtime.fail(running.id, b""))
    same(running.done().body, b"")


def rt_41_the_payload_is_not_touched_by_the_error_type(stage: Stage) -> None:
    running = stage.running()
    accepted(running.runtime.request("POST", error_path(running.id), {ERROR_TYPE: "?"}, b"[]"))
    same(running.done().body, b"[]")


def rt_42_an_error_is_handed_on_as_it_is(stage: Stage) -> None:
    running = stage.running()
    body = b'{ "errorType": "Sad",  "errorMessage": "no", "z": 1, "a": [] }'
    accepted(running.runtime.fail(running.id, body))
    reply = running.done()
    same((reply.status, reply.body), (200, body))


def rt_42_an_error_is_told_by_a_header(stage: Stage) -> None:
    running = stage.running()
    accepted(running.runtime.fail(running.id, b"{}"))
    running.done().unhandled()


CAUSE = "application/vnd.aws.lambda.error.cause+json"


def rt_43_a_cause_is_taken_out_of_the_body(stage: Stage) -> None:
    running = stage.running()
    told = {"errorMessage": "m", "errorType": "T", "stackTrace": ["s"]}
    body = json.dumps({**told, "errorCause": {"message": "deep"}}).encode()
    accepted(running.runtime.fail(running.id, body, Content_Type=CAUSE))
    same(running.done().json, told)


def rt_43_a_cause_that_cant_be_read_is_said_so(stage: Stage) -> None:
    running = stage.running()
    accepted(running.runtime.fail(running.id, b"{no", Content_Type=CAUSE))
    same(running.done().body, b'"Invalid error body"')


def rt_44_an_x_ray_cause_is_never_refused(stage: Stage) -> None:
    running = stage.running()
    headers = {"Lambda-Runtime-Function-XRay-Error-Cause": "{no json"}
    accepted(running.runtime.request("POST", error_path(running.id), headers, b"{}"))


def rt_45_headers_beyond_ascii_are_accepted(stage: Stage) -> None:
    running = stage.running()
    headers = {"Lambda-Runtime-Function-XRay-Error-Cause": '{"message":"é"}'}
    accepted(running.runtime.request("POST", error_path(running.id), headers, b"{}"))


# --- Init errors


def rt_50_an_init_error_is_accepted_before_next(stage: Stage) -> None:
    stage.initialising_alone()
    accepted(stage.runtime().init_error(b'{"errorType":"Sad"}'))


def rt_50_an_init_error_after_next_is_refused(stage: Stage) -> None:
    forbidden(stage.running().runtime.init_error(), "Running", "InitError")


SAD = b'{"errorMessage":"no start","errorType":"Sad"}'
"""What the actor reports for its init."""


def rt_52_the_invoker_gets_the_init_errors_body(stage: Stage) -> None:
    stage.start(actor=["init-error", "exit:1"])
    reply = stage.invoke()
    same(reply.body, SAD)


def rt_52_the_init_error_is_a_function_error(stage: Stage) -> None:
    stage.start(actor=["init-error", "exit:1"])
    stage.invoke().unhandled()


def rt_54_an_init_error_is_answered_202(stage: Stage) -> None:
    stage.initialising_alone()
    same(stage.runtime().init_error().status, 202)


def rt_60_without_snap_start_there_is_no_restore(stage: Stage) -> None:
    stage.initialising()
    same(stage.runtime().request("GET", RESTORE_NEXT).status, 404)


# --- States


def rt_70_a_response_before_next_is_refused(stage: Stage) -> None:
    reply = stage.initialising()
    same(stage.runtime().respond("x").status, 400)
    holds(not reply.done())


def rt_70_an_error_after_a_response_is_refused(stage: Stage) -> None:
    stage.initialising()
    extension = stage.extension("inner", "INVOKE")
    runtime = stage.runtime()
    runtime.ask()
    extension.next()
    event = runtime.event()
    accepted(runtime.respond(event.id))
    forbidden(runtime.fail(event.id), "RuntimeResponseSentState", "InvocationErrorResponse")


def rt_70_a_second_init_error_is_refused(stage: Stage) -> None:
    stage.initialising_alone()
    runtime = stage.runtime()
    accepted(runtime.init_error())
    forbidden(runtime.init_error(), "InitError", "InitError")


def rt_70_a_refused_move_changes_nothing(stage: Stage) -> None:
    running = stage.running()
    same(running.runtime.init_error().status, 403)
    same(running.finish(b"7").body, b"7")


def rt_71_a_wrong_id_is_refused(stage: Stage) -> None:
    running = stage.running()
    refused(
        running.runtime.respond(str(uuid.uuid4())), 400, "InvalidRequestID", "Invalid request ID"
    )
    same(running.finish(b"7").body, b"7")


def rt_72_ids_are_compared_as_they_are(stage: Stage) -> None:
    running = stage.running()
    refused(running.runtime.respond(running.id.upper()), 400, "InvalidRequestID")


# --- Streams


def rt_80_a_stream_is_accepted_when_all_of_it_came(stage: Stage) -> None:
    running = stage.running()
    headers = {MODE: "streaming", "Trailer": ERROR_TYPE}
    path = response_path(running.id)
    accepted(running.runtime.request_chunked("POST", path, headers, [b"a", b"b"]))
    same(running.done().body, b"ab")


def rt_81_trailers_make_a_stream_an_error(stage: Stage) -> None:
    running = stage.running()
    body = "Lambda-Runtime-Function-Error-Body"
    headers = [(MODE, "streaming"), ("Trailer", ERROR_TYPE), ("Trailer", body)]
    trailers = [(ERROR_TYPE, "Function.Sad"), (body, "eyJlcnJvclR5cGUiOiJTYWQifQ==")]
    path = response_path(running.id)
    accepted(running.runtime.request_chunked("POST", path, headers, [b"a"], trailers))
    same(running.done().headers["X-Amz-Function-Error"], "Unhandled")


def rt_90_request_and_invocation_id_are_told(stage: Stage) -> None:
    answer = stage.running().event.answer
    holds(answer.has("Lambda-Runtime-Invocation-Id"), answer.headers)


def rt_90_an_invocation_id_does_not_come_twice(stage: Stage) -> None:
    name = "Lambda-Runtime-Invocation-Id"
    first = stage.running()
    holds(first.event.answer.has(name), first.event.answer.headers)
    first.finish()
    second = stage.again(first)
    holds(first.event.answer[name] != second.event.answer[name])


def rt_91_an_echoed_invocation_id_is_accepted(stage: Stage) -> None:
    running = stage.running()
    name = "Lambda-Runtime-Invocation-Id"
    headers = {name.lower(): dict(running.event.answer.headers).get(name, "")}
    holds(headers[name.lower()], "it was not told")
    accepted(running.runtime.request("POST", response_path(running.id), headers, b"{}"))


def rt_92_a_wrong_invocation_id_is_gone(stage: Stage) -> None:
    running = stage.running()
    same(running.respond(Lambda_Runtime_Invocation_Id=str(uuid.uuid4())).status, 410)


def rt_94_an_answer_without_the_invocation_id_is_accepted(stage: Stage) -> None:
    same(stage.running().finish(b"7").body, b"7")


def rt_100_the_trace_keeps_its_root_and_sampling(stage: Stage) -> None:
    running = stage.running(X_Amzn_Trace_Id=TRACE)
    told = running.event.answer["Lambda-Runtime-Trace-Id"].split(";")
    same((told[0], told[-1]), (TRACE.split(";", maxsplit=1)[0], "Sampled=1"))


def rt_100_extensions_get_the_callers_trace(stage: Stage) -> None:
    stage.initialising(X_Amzn_Trace_Id=TRACE)
    extension = stage.extension("inner", "INVOKE")
    stage.runtime().ask()
    same(extension.next()["tracing"], {"type": "X-Amzn-Trace-Id", "value": TRACE})


def rt_100_the_runtimes_parent_is_the_functions_segment(stage: Stage) -> None:
    told = stage.running(X_Amzn_Trace_Id=TRACE).event.answer["Lambda-Runtime-Trace-Id"]
    found = re.search("Parent=([0-9a-f]{16})", told)
    holds(found and found[1] != "c" * 16, told)
