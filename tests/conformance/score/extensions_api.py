"""Section 2 of the contract: what extensions hear, and when they matter."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tests.conformance.score.stage import (
    PATIENCE,
    Extension,
    Running,
    Stage,
    accepted,
    holds,
    refused,
    same,
)
from tests.raw import EVENT_NEXT, EXTENSION, RawAnswer

IDENTIFIER = "Lambda-Extension-Identifier"


def _forbidden(answer: RawAnswer, error_type: str, message: str | None = None) -> None:
    refused(answer, 403, f"Extension.{error_type}", message)


def _registering(stage: Stage) -> Extension:
    """An extension that has yet to register, while init goes on."""
    stage.initialising()
    return stage.extension()


def _at_work(stage: Stage) -> tuple[Running, Extension, Any]:
    """An invocation that a runtime and an internal extension have taken, and the event."""
    reply = stage.initialising()
    extension = stage.extension("inner", "INVOKE")
    runtime = stage.runtime()
    runtime.ask()
    event = extension.next()
    return Running(runtime, runtime.event(), reply), extension, event


# --- Registration


def ex_01_a_name_is_required(stage: Stage) -> None:
    answer = _registering(stage).ask_to_register(None)
    _forbidden(answer, "InvalidExtensionName", "Empty extension name")


def ex_02_events_are_optional(stage: Stage) -> None:
    stage.initialising()
    for number, body in enumerate((b"{}", b'{"events":null}', b'{"events":[]}')):
        same(stage.extension().ask_to_register(f"inner-{number}", body).status, 200)


def ex_02_events_may_come_twice(stage: Stage) -> None:
    body = b'{"events":["INVOKE","INVOKE"]}'
    same(_registering(stage).ask_to_register("inner", body).status, 200)


def ex_03_a_body_that_is_no_json_is_refused(stage: Stage) -> None:
    extension = _registering(stage)
    for body in (b"", b"{no"):
        refused(extension.ask_to_register("inner", body), 403, "InvalidRequestFormat")


def ex_04_configuration_keys_are_refused(stage: Stage) -> None:
    answer = _registering(stage).ask_to_register("inner", b'{"configurationKeys":["a"]}')
    text = "configurationKeys are deprecated; use environment variables instead"
    refused(answer, 403, "InvalidRequestFormat", text)


def ex_05_unknown_events_are_refused(stage: Stage) -> None:
    answer = _registering(stage).ask_to_register("inner", b'{"events":["FOO"]}')
    _forbidden(answer, "InvalidEventType", "FOO: ErrorInvalidEventType")


def ex_05_events_have_a_case(stage: Stage) -> None:
    answer = _registering(stage).ask_to_register("inner", b'{"events":["invoke"]}')
    _forbidden(answer, "InvalidEventType")


def ex_06_an_internal_extension_gets_no_shutdown(stage: Stage) -> None:
    answer = _registering(stage).ask_to_register("inner", b'{"events":["SHUTDOWN"]}')
    text = "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"
    _forbidden(answer, "InvalidEventType", text)


def ex_07_a_name_in_the_directory_is_external(stage: Stage) -> None:
    stage.start(extensions=["outer.sh"])
    stage.soon()
    holds(stage.external("outer.sh", "SHUTDOWN").id)


def ex_07_a_name_without_its_suffix_is_internal(stage: Stage) -> None:
    stage.start(extensions=["outer.sh"])
    stage.soon()
    stage.external("outer.sh")
    stage.booted()
    answer = stage.extension().ask_to_register("outer", b'{"events":["SHUTDOWN"]}')
    _forbidden(answer, "InvalidEventType")


def ex_08_an_internal_name_is_taken_once(stage: Stage) -> None:
    stage.initialising()
    stage.extension("inner")
    answer = stage.extension().ask_to_register("inner")
    _forbidden(answer, "InvalidExtensionState", "Extension with this name already registered")


def ex_08_an_external_extension_registers_once(stage: Stage) -> None:
    stage.start(extensions=["outer"])
    stage.soon()
    stage.external("outer")
    answer = stage.extension().ask_to_register("outer")
    text = "State transition from Registered to Registered failed for extension outer. "
    text += "Error: State transition is not allowed"
    _forbidden(answer, "InvalidExtensionState", text)


def ex_09_the_eleventh_extension_is_one_too_many(stage: Stage) -> None:
    stage.initialising()
    for number in range(10):
        stage.extension(f"inner-{number}")
    answer = stage.extension().ask_to_register("inner-10")
    _forbidden(answer, "TooManyExtensions", "Extension limit (10) reached")


def ex_10_registration_closes_with_the_first_next(stage: Stage) -> None:
    stage.running()
    answer = stage.extension().ask_to_register("late")
    _forbidden(answer, "RegistrationClosed", "Extension registration closed already")


def ex_11_a_refused_registration_leaves_no_trace(stage: Stage) -> None:
    extension = _registering(stage)
    same(extension.ask_to_register("inner", b'{"events":["FOO"]}').status, 403)
    same(extension.ask_to_register("inner", b'{"events":["INVOKE"]}').status, 200)


def ex_12_a_registration_is_answered(stage: Stage) -> None:
    names = {"AWS_LAMBDA_FUNCTION_NAME": "greeter", "AWS_LAMBDA_FUNCTION_VERSION": "7"}
    stage.start(environ={**names, "_HANDLER": "app.handler"})
    answer = _registering(stage).ask_to_register("inner")
    same((answer.status, answer["Content-Type"]), (200, "application/json"))
    same(uuid.UUID(answer[IDENTIFIER]).version, 4)
    expected = {"functionName": "greeter", "functionVersion": "7", "handler": "app.handler"}
    same(answer.json, expected)


def ex_13_the_account_is_told_to_who_can_take_it(stage: Stage) -> None:
    headers = {"Lambda_Extension_Accept_Feature": " x ,accountId"}
    answer = _registering(stage).ask_to_register("inner", b"{}", **headers)
    holds(answer.json.get("accountId", "").isdecimal(), answer.body)


def ex_13_the_account_is_not_told_to_others(stage: Stage) -> None:
    holds("accountId" not in _registering(stage).ask_to_register("inner").json)


def ex_14_a_second_init_takes_registrations_anew(stage: Stage) -> None:
    stage.start(timeout=1)
    stage.initialising()
    first = stage.extension("inner")
    first.ask()
    runtime = stage.runtime()
    runtime.next()
    stage.emulator.wait_for("^END|^REPORT|Task timed out|^bootstrapped$", 2)
    stage.soon()
    stage.booted(2)
    holds(stage.extension("inner").id != first.id)


# --- Next


def ex_20_the_identifier_is_required(stage: Stage) -> None:
    stage.initialising()
    answer = stage.connect().request("GET", EVENT_NEXT)
    text = "Missing Lambda-Extension-Identifier header"
    _forbidden(answer, "MissingExtensionIdentifier", text)


def ex_20_the_identifier_is_a_uuid(stage: Stage) -> None:
    stage.initialising()
    answer = stage.connect().request("GET", EVENT_NEXT, {IDENTIFIER: "me"})
    _forbidden(answer, "InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")


def ex_20_the_identifier_is_known(stage: Stage) -> None:
    stage.initialising()
    unknown = str(uuid.uuid4())
    answer = stage.connect().request("GET", EVENT_NEXT, {IDENTIFIER: unknown})
    _forbidden(answer, "UnknownExtensionIdentifier", f"Unknown extension {unknown}")


def ex_21_init_waits_for_the_first_next(stage: Stage) -> None:
    stage.initialising()
    extension = stage.extension("inner")
    runtime = stage.runtime()
    runtime.ask()
    same(stage.connect().request("GET", "/2018-06-01/ping").status, 200)
    holds(runtime.is_silent())
    extension.ask()
    holds(runtime.event().id)


def ex_22_a_second_next_meanwhile_is_refused(stage: Stage) -> None:
    stage.initialising()
    extension = stage.extension("inner")
    runtime = stage.runtime()
    runtime.ask()
    extension.ask()
    runtime.event()  # so the first one was there before
    answer = stage.connect().request("GET", EVENT_NEXT, extension.headers)
    text = f"State transition from Ready to Ready failed for extension {extension.id}. "
    text += "Error: State transition is not allowed"
    _forbidden(answer, "InvalidExtensionState", text)


def ex_23_the_invoke_event(stage: Stage) -> None:
    running, _, event = _at_work(stage)
    answer = running.event.answer
    same(event["eventType"], "INVOKE")
    same(event["requestId"], running.id)
    same(event["deadlineMs"], int(answer["Lambda-Runtime-Deadline-Ms"]))
    same(event["invokedFunctionArn"], answer["Lambda-Runtime-Invoked-Function-Arn"])


def ex_23_the_invoke_event_has_a_trace(stage: Stage) -> None:
    _, _, event = _at_work(stage)
    same(event.get("tracing", {}).get("type"), "X-Amzn-Trace-Id")


def ex_23_each_event_has_an_id(stage: Stage) -> None:
    stage.initialising()
    extension = stage.extension("inner", "INVOKE")
    stage.runtime().ask()
    answer = extension.poll()
    same(answer["Content-Type"], "application/json")
    holds(uuid.UUID(answer["Lambda-Extension-Event-Identifier"]))


def ex_23_the_identifier_comes_back_with_the_event(stage: Stage) -> None:
    stage.initialising()
    extension = stage.extension("inner", "INVOKE")
    stage.runtime().ask()
    answer = extension.poll()
    same(dict(answer.headers).get(IDENTIFIER), extension.id)


def _shutdown(stage: Stage) -> RawAnswer:
    """The SHUTDOWN of an emulator that is asked to end."""
    stage.start(extensions=["outer"])
    reply = stage.soon()
    extension = stage.external("outer", "SHUTDOWN")
    stage.booted()
    extension.ask()
    running = _taken(stage, reply)
    running.finish()
    stage.emulator.terminate()
    return extension.read_answer()


def _taken(stage: Stage, reply: Any) -> Running:
    runtime = stage.runtime()
    return Running(runtime, runtime.next(), reply)


def ex_24_shutdown_has_a_reason_and_a_deadline(stage: Stage) -> None:
    event = _shutdown(stage).json
    same(set(event), {"eventType", "deadlineMs", "shutdownReason"})
    same(event["eventType"], "SHUTDOWN")


def ex_24_shutdown_of_the_idle_is_spindown(stage: Stage) -> None:
    same(_shutdown(stage).json["shutdownReason"], "spindown")


def ex_25_who_did_not_subscribe_is_not_woken_nor_waited_for(stage: Stage) -> None:
    reply = stage.initialising()
    extension = stage.extension("inner")
    extension.ask()
    running = _taken(stage, reply)
    same(running.finish(b"7").body, b"7")
    holds(extension.is_silent())


def ex_27_the_next_after_invoke_ends_the_invocation(stage: Stage) -> None:
    running, extension, _ = _at_work(stage)
    accepted(running.respond())
    running.runtime.ask()
    extension.ask()
    stage.emulator.wait_for("^REPORT")
    again = stage.soon(b"2")
    same(running.runtime.event().body, b"2")
    same(extension.event()["eventType"], "INVOKE")
    holds(not again.done())


def ex_28_a_late_next_still_gets_its_event(stage: Stage) -> None:
    running, extension, _ = _at_work(stage)
    accepted(running.respond())
    running.runtime.ask()
    extension.ask()
    stage.emulator.wait_for("^REPORT")
    for number in (2, 3):
        stage.soon(b"%d" % number)
        event = running.runtime.event()
        same(extension.event()["requestId"], event.id)
        accepted(running.runtime.respond(event.id))
        running.runtime.ask()
        extension.ask()
        stage.emulator.wait_for("^REPORT", number)


# --- Reports of errors


def _report(stage: Stage, kind: str, headers: dict[str, str]) -> RawAnswer:
    return stage.connect().request("POST", f"{EXTENSION}/{kind}/error", headers, b"{}")


TYPED = {"Lambda-Extension-Function-Error-Type": "Extension.Sad"}


def ex_30_error_reports_need_a_known_identifier(stage: Stage) -> None:
    stage.initialising()
    for kind in ("init", "exit"):
        _forbidden(_report(stage, kind, TYPED), "MissingExtensionIdentifier")
        _forbidden(_report(stage, kind, {**TYPED, IDENTIFIER: "me"}), "InvalidExtensionIdentifier")
        unknown = {**TYPED, IDENTIFIER: str(uuid.uuid4())}
        text = "Unknown Lambda-Extension-Identifier"
        _forbidden(_report(stage, kind, unknown), "UnknownExtensionIdentifier", text)


def ex_31_an_error_type_is_required_even_of_the_unknown(stage: Stage) -> None:
    stage.initialising()
    for kind in ("init", "exit"):
        answer = _report(stage, kind, {IDENTIFIER: str(uuid.uuid4())})
        text = "Lambda-Extension-Function-Error-Type not found"
        _forbidden(answer, "MissingHeader", text)


def ex_32_an_init_error_is_accepted(stage: Stage) -> None:
    stage.initialising_alone()
    accepted(stage.extension("inner").report("init", "Extension.Sad", b"no json"))


def ex_32_an_exit_error_is_accepted(stage: Stage) -> None:
    stage.initialising_alone()
    accepted(stage.extension("inner").report("exit", "Extension.Sad", b"no json"))


def ex_33_an_init_error_after_next_is_refused(stage: Stage) -> None:
    _, extension, _ = _at_work(stage)
    answer = extension.report("init", "Extension.Sad")
    text = f"State transition from Running to InitError failed for extension {extension.id}. "
    text += "Error: State transition is not allowed"
    _forbidden(answer, "InvalidExtensionState", text)


def ex_33_an_exit_error_at_work_is_accepted(stage: Stage) -> None:
    _, extension, _ = _at_work(stage)
    accepted(extension.report("exit", "Extension.Sad"))


def ex_34_next_after_a_report_is_refused(stage: Stage) -> None:
    stage.initialising_alone()
    extension = stage.extension("inner")
    accepted(extension.report("init", "Extension.Sad"))
    same(extension.poll().status, 403)


# --- External extensions as processes


def ex_40_all_files_are_started(stage: Stage) -> None:
    stage.start(extensions=["b-first", "a-second"])
    stage.soon()
    stage.external("a-second")
    stage.external("b-first")


def ex_40_a_file_that_is_not_executable_fails_the_init(stage: Stage) -> None:
    stage.start(extensions=["outer"], mode=0o644)
    stage.invoke().failed("Extension.LaunchError")


def ex_42_the_runtime_waits_for_registrations(stage: Stage) -> None:
    stage.start(extensions=["outer"])
    stage.soon()
    stage.emulator.wait_for("^outer is up$")
    same(stage.connect().request("GET", "/2018-06-01/ping").status, 200)
    holds("bootstrapped" not in stage.emulator.output)
    stage.extension("outer")
    stage.booted()


def ex_44_an_exit_while_the_function_runs_is_fatal(stage: Stage) -> None:
    running = _with_external(stage)
    stage.order("exit 5", "outer")
    running.reply.result(PATIENCE).failed("Extension.Crash", "RequestId: <id> Error: exit status 5")


def ex_44_an_exit_with_0_is_fatal_too(stage: Stage) -> None:
    running = _with_external(stage)
    stage.order("exit 0", "outer")
    running.reply.result(PATIENCE).failed("Extension.Crash")


def _with_external(stage: Stage) -> Running:
    """An invocation that its runtime has taken; an external extension waits in Next."""
    stage.start(extensions=["outer"])
    reply = stage.soon()
    extension = stage.external("outer", "SHUTDOWN")
    stage.booted()
    extension.ask()
    return _taken(stage, reply)


def ex_45_after_a_crash_everything_is_started_again(stage: Stage) -> None:
    running = _with_external(stage)
    stage.order("exit 5", "outer")
    running.reply.result(PATIENCE)
    reply = stage.soon(b"2")
    stage.emulator.wait_for("^outer is up$", 2)
    extension = stage.extension("outer", "SHUTDOWN")
    stage.booted(2)
    extension.ask()
    same(_taken(stage, reply).finish(b"22").body, b"22")


def ex_46_the_runtime_is_asked_to_end_if_there_are_extensions(stage: Stage) -> None:
    running = _with_external(stage)
    stage.order("trap 'echo asked; exit 0' TERM; echo ready; sleep 600 & wait")
    stage.emulator.wait_for("^ready$")
    running.finish()
    stage.emulator.terminate()
    stage.emulator.wait_for("^asked$")


def ex_47_each_extension_is_told_of_when_init_ends(stage: Stage) -> None:
    stage.initialising()
    extension = stage.extension("inner", "INVOKE")
    extension.ask()
    stage.runtime().ask()
    stage.emulator.wait_for(r"^EXTENSION\tName: inner\tState: Ready\tEvents: \[INVOKE\]$")


def ex_12_the_answer_is_json(stage: Stage) -> None:
    holds(json.loads(_registering(stage).ask_to_register("inner").body))
