"""Section 4.7 of the contract: what whoever invokes gets."""

from __future__ import annotations

import json
import uuid

from tests.conformance.score.stage import INVOKE, PATIENCE, STREAM, Stage, accepted, holds, same

LIMIT = 6_291_556


def inv_01_an_event_is_accepted_at_once(stage: Stage) -> None:
    reply = stage.soon(X_Amz_Invocation_Type="Event").result(PATIENCE)
    same((reply.status, reply.body), (202, b""))


def inv_01_an_event_runs(stage: Stage) -> None:
    stage.soon(b'"later"', X_Amz_Invocation_Type="Event")
    stage.booted()
    same(stage.runtime().next().body, b'"later"')


def inv_01_a_dry_run_runs_nothing(stage: Stage) -> None:
    reply = stage.soon(X_Amz_Invocation_Type="DryRun").result(PATIENCE)
    same((reply.status, reply.body), (204, b""))


def inv_01_the_caller_may_name_the_request(stage: Stage) -> None:
    request_id = str(uuid.uuid4())
    same(stage.running(x_amzn_RequestId=request_id).id, request_id)


def inv_01_the_function_has_its_name_in_the_path(stage: Stage) -> None:
    stage.start(environ={"AWS_LAMBDA_FUNCTION_NAME": "greeter"})
    stage.soon(b'"x"', "/2015-03-31/functions/greeter/invocations")
    stage.booted()
    same(stage.runtime().next().body, b'"x"')


def inv_01_a_client_context_that_is_none_is_refused(stage: Stage) -> None:
    stage.start(timeout=1)
    reply = stage.invoke(X_Amz_Client_Context="not base64")
    same(reply.status, 400)
    holds("InvalidRequestContentException" in reply.headers["x-amzn-ErrorType"])


def inv_02_the_executed_version_is_told(stage: Stage) -> None:
    stage.start(environ={"AWS_LAMBDA_FUNCTION_VERSION": "7"})
    same(stage.running().finish().headers["X-Amz-Executed-Version"], "7")


def inv_02_the_request_id_is_told(stage: Stage) -> None:
    running = stage.running()
    same(running.finish().headers["x-amzn-RequestId"], running.id)


def inv_02_success_has_no_error_header(stage: Stage) -> None:
    same(stage.running().finish().headers["X-Amz-Function-Error"], None)


def inv_02_the_answer_is_json(stage: Stage) -> None:
    same(stage.running().finish(b"{}").headers["Content-Type"], "application/json")


def inv_02_the_log_comes_if_it_is_asked_for(stage: Stage) -> None:
    running = stage.running(X_Amz_Log_Type="Tail")
    tail = running.finish().tail
    holds(f"START RequestId: {running.id}" in tail, tail)


def inv_02_the_trace_is_told(stage: Stage) -> None:
    told = stage.running().finish().headers["X-Amzn-Trace-Id"]
    holds(told is not None and told.startswith("Root=1-"), told)


def inv_03_null_is_null(stage: Stage) -> None:
    same(stage.running().finish(b"null").body, b"null")


def inv_05_an_unknown_function_is_not_found(stage: Stage) -> None:
    stage.start(timeout=1)
    reply = stage.invoke(b"{}", "/2015-03-31/functions/nobody/invocations")
    same(reply.status, 404)
    same(reply.headers["x-amzn-ErrorType"], "ResourceNotFoundException")


def inv_05_a_payload_too_large_is_said_so(stage: Stage) -> None:
    stage.start(timeout=2)
    reply = stage.invoke(b"x" * (LIMIT + 1))
    same((reply.status, reply.headers["x-amzn-ErrorType"]), (413, "RequestTooLargeException"))


def inv_05_a_payload_that_is_no_json_is_refused(stage: Stage) -> None:
    stage.start(timeout=2)
    reply = stage.invoke(b"{no json")
    same(reply.headers["x-amzn-ErrorType"], "InvalidRequestContentException")


def inv_01_other_methods_are_refused(stage: Stage) -> None:
    stage.start(timeout=1)
    holds(stage.invoke(b"", INVOKE, "GET").status in (403, 404, 405))


def inv_06_a_function_error_is_status_200(stage: Stage) -> None:
    running = stage.running()
    accepted(running.runtime.fail(running.id, b"{}"))
    same(running.done().status, 200)


# --- Streams to whoever asks for one


def rt_85_a_whole_response_is_streamed_in_one_piece(stage: Stage) -> None:
    reply = stage.soon(b"1", STREAM)
    stage.booted()
    runtime = stage.runtime()
    accepted(runtime.respond(runtime.next().id, b'"whole"'))
    runtime.ask()
    body = reply.result(PATIENCE).body
    same((body.count(b"PayloadChunk"), body.count(b'"whole"')), (1, 1))


def rt_87_a_stream_ends_with_invoke_complete(stage: Stage) -> None:
    reply = stage.soon(b"1", STREAM)
    stage.booted()
    runtime = stage.runtime()
    accepted(runtime.respond(runtime.next().id, b'"whole"'))
    runtime.ask()
    told = reply.result(PATIENCE)
    same(told.headers["Content-Type"], "application/vnd.amazon.eventstream")
    holds(b"InvokeComplete" in told.body, told.body)


def rt_87_an_error_is_told_at_the_end_of_a_stream(stage: Stage) -> None:
    reply = stage.soon(b"1", STREAM)
    stage.booted()
    runtime = stage.runtime()
    accepted(runtime.fail(runtime.next().id, json.dumps({"errorType": "Sad"}).encode()))
    runtime.ask()
    holds(b'"ErrorCode": "Unhandled"' in reply.result(PATIENCE).body)


def rt_88_a_caller_who_hangs_up_cancels_nothing(stage: Stage) -> None:
    caller = stage.connect(stage.emulator.front)
    caller.send_head("POST", INVOKE, {"Content-Length": "1"})
    caller.send(b"1")
    stage.booted()
    runtime = stage.runtime()
    event = runtime.next()
    caller.close()
    accepted(runtime.respond(event.id))
    runtime.ask()
    stage.emulator.wait_for("^REPORT")
