"""Section 4 of the contract, but for logs: inits, timeouts, crashes, resets and the end."""

from __future__ import annotations

import time
from concurrent.futures import Future
from pathlib import Path

from tests.conformance.score.stage import (
    PATIENCE,
    Extension,
    Reply,
    Running,
    Stage,
    accepted,
    holds,
    refused,
    same,
)

UNEXPLAINED = "RequestId: <id> Error: Runtime exited without providing a reason"
STATUS_3 = "RequestId: <id> Error: Runtime exited with error: exit status 3"


def _take(stage: Stage, reply: Future[Reply]) -> Running:
    runtime = stage.runtime()
    return Running(runtime, runtime.next(), reply)


def _with_extension(stage: Stage, *events: str, timeout: int = 60) -> tuple[Running, Extension]:
    """An invocation that its runtime took, and an internal extension in Next."""
    stage.start(timeout=timeout)
    reply = stage.initialising()
    extension = stage.extension("inner", *events)
    extension.ask()
    return _take(stage, reply), extension


# --- Init


def lc_01_init_begins_before_anybody_invokes(stage: Stage) -> None:
    stage.start()
    stage.booted()


def lc_01_init_has_ten_seconds(stage: Stage) -> None:
    stage.start(timeout=60)
    stage.soon()
    form = r"^INIT_REPORT Init Duration: 10\d{3}\.\d\d ms\tPhase: init\tStatus: timeout"
    stage.emulator.wait_for(form, extra=10)


def lc_02_a_failed_init_is_tried_again(stage: Stage) -> None:
    reply = stage.initialising()
    stage.order("exit 1")
    stage.booted(2)
    same(_take(stage, reply).finish(b"7").body, b"7")


def lc_03_a_second_failure_is_the_invokers_answer(stage: Stage) -> None:
    stage.start("exit 3")
    stage.invoke().failed("Runtime.ExitError", STATUS_3)


def lc_06_the_command_runs_where_the_emulator_does(stage: Stage) -> None:
    stage.start("echo here $(pwd); sleep 600")
    stage.soon()
    stage.emulator.wait_for(f"^here {Path.cwd()}$")


def lc_07_what_is_not_there_is_an_invalid_entrypoint(stage: Stage) -> None:
    stage.start(command=["/nowhere/bootstrap"])
    stage.invoke().failed("Runtime.InvalidEntrypoint")


def lc_07_what_cant_be_executed_is_an_invalid_entrypoint(stage: Stage) -> None:
    path = stage.folder / "bootstrap.txt"
    path.write_text("no program")
    path.chmod(0o644)
    stage.start(command=[str(path)])
    stage.invoke().failed("Runtime.InvalidEntrypoint")


# --- Invoke


def lc_10_runtime_and_extension_get_the_same_event(stage: Stage) -> None:
    running, extension = _with_extension(stage, "INVOKE")
    same(extension.event()["requestId"], running.id)


def lc_11_the_answer_comes_with_the_response(stage: Stage) -> None:
    running = stage.running()
    accepted(running.respond(b"7"))
    same(running.reply.result(PATIENCE).body, b"7")


def x_05_the_invoker_is_answered_before_extensions_are_done(stage: Stage) -> None:
    running, extension = _with_extension(stage, "INVOKE")
    extension.event()
    same(running.finish(b"7").body, b"7")


def lc_11_the_report_waits_for_extensions(stage: Stage) -> None:
    running, extension = _with_extension(stage, "INVOKE")
    extension.event()
    accepted(running.respond(b"7"))
    running.runtime.ask()
    holds("REPORT" not in stage.emulator.output)
    extension.ask()
    stage.emulator.wait_for("^REPORT")


# --- Timeouts


def _timed_out(stage: Stage) -> Reply:
    stage.start(timeout=1)
    return stage.running().reply.result(PATIENCE)


def lc_20_a_timeout_is_an_error_object(stage: Stage) -> None:
    text = "RequestId: <id> Error: Task timed out after 1.00 seconds"
    _timed_out(stage).failed("Sandbox.Timedout", text)


def lc_20_a_timeout_is_a_function_error(stage: Stage) -> None:
    _timed_out(stage).unhandled()


def lc_21_a_timeout_ends_the_runtime(stage: Stage) -> None:
    _timed_out(stage)
    stage.soon()
    stage.booted(2)


def lc_21_a_timeout_is_told_to_external_extensions(stage: Stage) -> None:
    stage.start(timeout=1, extensions=["outer"])
    reply = stage.soon()
    extension = stage.external("outer", "SHUTDOWN")
    stage.booted()
    extension.ask()
    _take(stage, reply)
    same(extension.event()["eventType"], "SHUTDOWN")


def x_04_the_reason_of_a_timeout_is_lower_case(stage: Stage) -> None:
    stage.start(timeout=1, extensions=["outer"])
    reply = stage.soon()
    extension = stage.external("outer", "SHUTDOWN")
    stage.booted()
    extension.ask()
    _take(stage, reply)
    same(extension.event()["shutdownReason"], "timeout")


def lc_22_a_late_answer_is_refused(stage: Stage) -> None:
    stage.start(timeout=1)
    running = stage.running()
    running.reply.result(PATIENCE)
    stage.soon()
    stage.booted(2)
    stage.runtime().next()
    refused(stage.runtime().respond(running.id), 400, "InvalidRequestID")


def lc_23_after_a_timeout_the_next_invocation_is_served(stage: Stage) -> None:
    _timed_out(stage)
    reply = stage.soon(b"2")
    stage.booted(2)
    same(_take(stage, reply).finish(b"22").body, b"22")


def lc_23_init_within_an_invocation_is_not_told(stage: Stage) -> None:
    _timed_out(stage)
    reply = stage.soon(b"2")
    stage.booted(2)
    _take(stage, reply).finish()
    line = stage.emulator.wait_for("^REPORT.*$", 2)[1][0]
    holds("Init Duration" not in line, line)


# --- Exits of the runtime


def _exited(stage: Stage, how: str) -> Reply:
    running = stage.running()
    stage.order(how)
    return running.reply.result(PATIENCE)


def lc_30_an_exit_with_a_status(stage: Stage) -> None:
    _exited(stage, "exit 3").failed("Runtime.ExitError", STATUS_3)


def lc_30_an_exit_with_0_has_no_reason(stage: Stage) -> None:
    _exited(stage, "exit 0").failed("Runtime.ExitError", UNEXPLAINED)


def lc_30_a_signal_is_named(stage: Stage) -> None:
    text = "RequestId: <id> Error: Runtime exited with error: signal: killed"
    _exited(stage, "kill -9 $$").failed("Runtime.ExitError", text)


def inv_06_a_crash_is_a_function_error(stage: Stage) -> None:
    _exited(stage, "exit 3").unhandled()


def lc_31_signals_have_gos_names(stage: Stage) -> None:
    for_user = "RequestId: <id> Error: Runtime exited with error: signal: user defined signal 1"
    _exited(stage, "kill -USR1 $$").failed("Runtime.ExitError", for_user)


def lc_32_an_exit_in_init_has_no_reason_either(stage: Stage) -> None:
    stage.start("exit 0")
    stage.invoke().failed("Runtime.ExitError", UNEXPLAINED)


def lc_34_an_exit_after_the_response_leaves_it_to_the_client(stage: Stage) -> None:
    running = stage.running()
    accepted(running.respond(b"7"))
    stage.order("exit 3")
    reply = running.reply.result(PATIENCE)
    same((reply.status, reply.headers["X-Amz-Function-Error"], reply.body), (200, None, b"7"))


def lc_34_the_report_of_it_is_an_error(stage: Stage) -> None:
    running = stage.running()
    accepted(running.respond(b"7"))
    stage.order("exit 3")
    stage.emulator.wait_for(r"^REPORT.*\tStatus: error\tError Type: Runtime.ExitError")


def lc_36_an_error_that_was_reported_wins_over_the_exit(stage: Stage) -> None:
    running = stage.running()
    accepted(running.runtime.fail(running.id, b'{"errorType":"Sad"}'))
    stage.order("exit 3")
    reply = running.reply.result(PATIENCE)
    same(reply.body, b'{"errorType":"Sad"}')


def lc_30_after_an_exit_the_next_invocation_is_served(stage: Stage) -> None:
    _exited(stage, "exit 3")
    reply = stage.soon(b"2")
    stage.booted(2)
    same(_take(stage, reply).finish(b"22").body, b"22")


# --- Exits of extensions


def _with_external(stage: Stage, *events: str) -> tuple[Running, Extension]:
    stage.start(extensions=["outer"])
    reply = stage.soon()
    extension = stage.external("outer", *events)
    stage.booted()
    extension.ask()
    return _take(stage, reply), extension


def lc_40_a_signal_that_ended_an_extension_is_named(stage: Stage) -> None:
    running, _ = _with_external(stage)
    stage.order("kill -9 $$", "outer")
    text = "RequestId: <id> Error: signal: killed"
    running.reply.result(PATIENCE).failed("Extension.Crash", text)


def lc_41_the_first_fatal_error_wins(stage: Stage) -> None:
    running, _ = _with_external(stage)
    stage.order("exit 5", "outer")
    reply = running.reply.result(PATIENCE)
    reply.failed("Extension.Crash")


def lc_42_an_init_that_an_extension_failed_has_its_line(stage: Stage) -> None:
    stage.start(extensions=["outer"])
    stage.soon()
    stage.emulator.wait_for("^outer is up$")
    stage.order("exit 5", "outer")
    stage.emulator.wait_for(r"^INIT_REPORT.*\tStatus: error\tError Type: Extension.Crash")


def lc_43_a_crash_after_the_answer_marks_the_report(stage: Stage) -> None:
    running, _ = _with_external(stage, "INVOKE")
    accepted(running.respond(b"7"))
    running.runtime.ask()
    stage.order("exit 5", "outer")
    stage.emulator.wait_for(r"^REPORT.*\tStatus: error\tError Type: Extension.Crash")


# --- The end


def lc_50_a_crash_is_a_failure(stage: Stage) -> None:
    _, extension = _with_external(stage, "SHUTDOWN")
    stage.order("exit 3")
    same(extension.event()["shutdownReason"], "failure")


def lc_51_without_extensions_the_runtime_is_not_asked(stage: Stage) -> None:
    running = stage.running()
    stage.order("trap 'echo asked; exit 0' TERM; echo ready; sleep 600 & wait")
    stage.emulator.wait_for("^ready$")
    running.finish()
    stage.emulator.terminate()
    stage.emulator.wait()
    holds("asked" not in stage.emulator.output)


def lc_52_internal_extensions_have_the_runtime_asked(stage: Stage) -> None:
    running, _ = _with_extension(stage)
    stage.order("trap 'echo asked; exit 0' TERM; echo ready; sleep 600 & wait")
    stage.emulator.wait_for("^ready$")
    running.finish()
    stage.emulator.terminate()
    stage.emulator.wait_for("^asked$")


def lc_53_a_deaf_runtime_is_killed_before_extensions_are_told(stage: Stage) -> None:
    running, extension = _with_external(stage, "SHUTDOWN")
    stage.order("trap '' TERM; echo ready; sleep 600 & wait")
    stage.emulator.wait_for("^ready$")
    running.finish()
    stage.emulator.terminate()
    same(extension.event()["eventType"], "SHUTDOWN")


def lc_54_the_runtime_has_ended_when_extensions_are_told(stage: Stage) -> None:
    running, extension = _with_external(stage, "SHUTDOWN")
    stage.order("trap 'echo asked; exit 0' TERM; echo ready; sleep 600 & wait")
    stage.emulator.wait_for("^ready$")
    running.finish()
    stage.emulator.terminate()
    same(extension.event()["eventType"], "SHUTDOWN")
    stage.emulator.wait_for("^asked$")


def lc_56_what_ends_early_is_not_waited_for(stage: Stage) -> None:
    running, extension = _with_external(stage, "SHUTDOWN")
    running.finish()
    stage.emulator.terminate()
    deadline = extension.event()["deadlineMs"] / 1000
    stage.order("exit 0", "outer")
    stage.emulator.wait()
    holds(time.time() < deadline)


def lc_57_how_an_extension_exits_at_the_end_does_not_matter(stage: Stage) -> None:
    running, extension = _with_external(stage, "SHUTDOWN")
    running.finish()
    stage.emulator.terminate()
    same(extension.event()["eventType"], "SHUTDOWN")
    stage.order("exit 9", "outer")
    same(stage.emulator.wait(), 0)


def lc_58_an_extension_at_work_is_told_when_it_asks(stage: Stage) -> None:
    running, extension = _with_external(stage, "INVOKE", "SHUTDOWN")
    same(extension.event()["eventType"], "INVOKE")
    stage.order("exit 3")
    same(extension.next()["eventType"], "SHUTDOWN")
    holds(running.id)
