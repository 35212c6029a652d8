"""Section 4.8 of the contract: the lines of the log, on standard output or standard error."""

from __future__ import annotations

import re

from tests.conformance.score.stage import (
    ERROR_TYPE,
    PATIENCE,
    Stage,
    accepted,
    holds,
    same,
)
from tests.raw import INIT_ERROR


def _report(stage: Stage, number: int = 1) -> str:
    """A REPORT line, with its tabs."""
    return stage.emulator.wait_for("^REPORT.*$", number)[number - 1][0]


def _finished(stage: Stage) -> str:
    stage.running().finish()
    return _report(stage)


def log_01_init_start_names_the_runtimes_version(stage: Stage) -> None:
    stage.initialising()
    stage.emulator.wait_for(r"^INIT_START Runtime Version: \S+\tRuntime Version ARN: \S+$")


def log_02_start_names_the_request_and_the_version(stage: Stage) -> None:
    stage.start(environ={"AWS_LAMBDA_FUNCTION_VERSION": "7"})
    running = stage.running()
    stage.emulator.wait_for(f"^START RequestId: {running.id} Version: 7$")


def log_02_start_comes_after_init(stage: Stage) -> None:
    stage.initialising()
    holds("START RequestId" not in stage.emulator.output, stage.emulator.output)
    stage.runtime().next()
    stage.emulator.wait_for("^START RequestId")


def log_03_end_names_the_request(stage: Stage) -> None:
    running = stage.running()
    running.finish()
    stage.emulator.wait_for(f"^END RequestId: {running.id}$")


def log_03_a_crash_ends_with_end_and_report(stage: Stage) -> None:
    running = stage.running()
    stage.order("exit 3")
    stage.emulator.wait_for(f"^END RequestId: {running.id}$")
    stage.emulator.wait_for(f"^REPORT RequestId: {running.id}")


def log_03_a_timeout_ends_with_end_and_report(stage: Stage) -> None:
    stage.start(timeout=1)
    running = stage.running()
    running.reply.result(PATIENCE)
    stage.emulator.wait_for(f"^END RequestId: {running.id}$")
    stage.emulator.wait_for(f"^REPORT RequestId: {running.id}")


def log_04_report_has_its_fields_in_order(stage: Stage) -> None:
    stage.start(environ={"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"})
    running = stage.running()
    running.finish()
    form = rf"REPORT RequestId: {running.id}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\t"
    form += r"Memory Size: 256 MB\tMax Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t"
    line = _report(stage)
    holds(re.fullmatch(form, line), line)


def log_04_a_warm_report_tells_no_init(stage: Stage) -> None:
    first = stage.running()
    first.finish()
    _report(stage)
    stage.again(first).finish()
    holds("Init Duration" not in _report(stage, 2), _report(stage, 2))


def log_04_the_memory_used_is_measured(stage: Stage) -> None:
    stage.start(environ={"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"})
    line = _finished(stage)
    found = re.search(r"Max Memory Used: (\d+) MB", line)
    holds(found and int(found[1]) < 512, line)


def log_04_a_timeout_is_told(stage: Stage) -> None:
    stage.start(timeout=1)
    stage.running()
    stage.emulator.wait_for(r"^REPORT.*\tStatus: timeout")


def log_04_a_crash_is_told(stage: Stage) -> None:
    stage.running()
    stage.order("exit 3")
    stage.emulator.wait_for(r"^REPORT.*\tStatus: error\tError Type: Runtime.ExitError")


def log_05_a_failed_init_has_its_line(stage: Stage) -> None:
    stage.initialising()
    stage.order("exit 3")
    form = r"^INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\t"
    stage.emulator.wait_for(form + r"Status: error\tError Type: Runtime.ExitError")


def log_05_a_successful_init_has_none(stage: Stage) -> None:
    _finished(stage)
    holds("INIT_REPORT" not in stage.emulator.output)


def log_05_the_type_is_the_runtimes_own(stage: Stage) -> None:
    same(_reported(stage, "Runtime.Sad"), "Runtime.Sad")


def log_05_a_type_that_is_none_is_unknown(stage: Stage) -> None:
    same(_reported(stage, "unhandled"), "Runtime.Unknown")


def log_05_a_functions_strange_type_is_unknown(stage: Stage) -> None:
    same(_reported(stage, "Function.sad"), "Function.Unknown")


def _reported(stage: Stage, given: str) -> str:
    """What INIT_REPORT calls an init error of this type."""
    stage.initialising()
    accepted(stage.runtime().request("POST", INIT_ERROR, {ERROR_TYPE: given}, b"{}"))
    stage.order("exit 1")
    return stage.emulator.wait_for(r"^INIT_REPORT.*Error Type: (\S+)")[0][1]


def log_10_the_tail_ends_with_report(stage: Stage) -> None:
    tail = stage.running(X_Amz_Log_Type="Tail").finish().tail
    lines = [line.split(" ")[0] for line in tail.splitlines()]
    same((lines[0], lines[-1]), ("START", "REPORT"))


def log_10_the_tail_has_what_the_function_printed(stage: Stage) -> None:
    running = stage.running(X_Amz_Log_Type="Tail")
    stage.order("echo hello")
    stage.emulator.wait_for("^hello$")
    holds("\nhello\n" in running.finish().tail)


def log_10_the_tail_is_the_last_4_kb(stage: Stage) -> None:
    running = stage.running(X_Amz_Log_Type="Tail")
    stage.order("i=0; while [ $i -lt 600 ]; do echo line number $i; i=$((i+1)); done")
    stage.emulator.wait_for("^line number 599$")
    tail = running.finish().tail
    same(len(tail), 4096)
    holds("line number 599\n" in tail)


def x_08_init_is_billed(stage: Stage) -> None:
    fields = dict(re.findall(r"\t([A-Z][A-Za-z ]+): ([\d.]+)", _finished(stage)))
    holds(float(fields["Init Duration"]) > 1, fields)  # a shell takes that long to start
    holds(float(fields["Billed Duration"]) >= float(fields["Init Duration"]), fields)


def log_11_billed_is_duration_and_init_rounded_up(stage: Stage) -> None:
    line = _finished(stage)
    fields = dict(re.findall(r"\t([A-Z][A-Za-z ]+): ([\d.]+)", line))
    total = float(fields["Duration"]) + float(fields["Init Duration"])
    holds(total <= float(fields["Billed Duration"]) <= total + 1.01, line)


def log_11_duration_does_not_hold_init(stage: Stage) -> None:
    stage.initialising()
    stage.order("sleep 0.3; echo slept")
    stage.emulator.wait_for("^slept$")
    begun = stage.runtime()
    event = begun.next()
    accepted(begun.respond(event.id))
    begun.ask()
    line = _report(stage)
    fields = dict(re.findall(r"\t([A-Z][A-Za-z ]+): ([\d.]+)", line))
    holds(float(fields["Init Duration"]) >= 300 > float(fields["Duration"]), line)


def log_20_the_json_log_has_events(stage: Stage) -> None:
    stage.start(environ={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
    stage.running()
    stage.emulator.wait_for(r'^\{"time": ?".*", ?"type": ?"platform.start"')
