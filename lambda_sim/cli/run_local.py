"""``lambda-sim run-local``: a handler, run in this process with the events of a file."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from typing import Any, TextIO

import attrs

from lambda_sim.cli import SIMULATOR_FAILED, values
from lambda_sim.cli.output import for_machines, for_people, say, write_out
from lambda_sim.errors import ConfigurationError, LambdaSimError
from lambda_sim.handler.loading import add_function_folders
from lambda_sim.handler.local import DEFAULT_MEMORY, Onlooker, run_local
from lambda_sim.handler.local_report import InvocationReport
from lambda_sim.handler.testdata import TestData
from lambda_sim.model import telemetry
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.identifiers import RequestId
from lambda_sim.sync import SYSTEM_CLOCK
from lambda_sim.telemetry.notation import billed_ms, ms
from lambda_sim.telemetry.text import log_records

__all__ = ["run"]

FUNCTION_FAILED = 1
_MEGABYTE = 1024 * 1024


def run(options: Namespace) -> int:
    """Run the events, print what becomes of each, and say by the exit status how it went."""
    if options.command:
        raise ConfigurationError("--", options.command, "nothing: run-local runs a Python handler")
    data = _test_data(options)
    printer = _Printer(data, options.output)
    handler = options.handler or data.handler
    if not handler:
        raise ConfigurationError("--handler", None, "module.name, here or as handler in the file")
    _find_modules(options.file)
    found = run_local(handler, data, stop_on_error=not options.keep_going, onlooker=printer)
    printer.finish(found.left)
    return 0 if found.is_success else FUNCTION_FAILED


class _Printer(Onlooker):
    """Results go to standard output and the log to standard error, as they come.

    While the function runs, ``sys.stdout`` and ``sys.stderr`` are not these. Either may be closed.
    """

    def __init__(self, data: TestData, output: str) -> None:
        self._data = data
        self._is_json = output == "json"
        self._config = SimulatorConfig(
            function_name=data.function.name, function_version=data.function.version
        )
        self._out: TextIO | None = sys.stdout
        self._err: TextIO | None = sys.stderr
        self._reports: list[InvocationReport] = []

    def said(self, line: str) -> None:
        say(line, self._err)

    def began(self, request_id: str) -> None:
        self._say(
            telemetry.Start(
                **_about(request_id), version=self._data.function.version, function_arn=""
            )
        )

    def ended(self, report: InvocationReport) -> None:
        self._reports.append(report)
        self._say(self._fact(report))
        if not report.is_success:
            self.said(f"lambda-sim: {report}")
        if not self._is_json:
            self._write(for_people(report.payload, self._out))

    def is_stuck(self, report: InvocationReport) -> None:
        """What can't be interrupted is never to be waited for: it goes with the process."""
        status = SIMULATOR_FAILED
        try:
            self.ended(report)
            self.finish(len(self._data.invocations) - len(self._reports))
            status = FUNCTION_FAILED
        except LambdaSimError as error:
            self.said(f"lambda-sim: {error}")
        finally:
            os._exit(status)

    def finish(self, left: int) -> None:
        """Print what is to be printed last."""
        if left:
            self.said(f"lambda-sim: not run: {left}")
        if self._is_json:
            told = {
                "success": not left and all(one.is_success for one in self._reports),
                "invocations": [_summary(report) for report in self._reports],
                "notRun": left,
            }
            self._write(json.dumps(told).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        if self._out is not None:  # else it was closed, and what is in its place is the log
            write_out(data, self._out)

    def _say(self, fact: telemetry.InvocationFact) -> None:
        for record in log_records(fact, self._config):
            self.said(record.message)

    def _fact(self, report: InvocationReport) -> telemetry.Report:
        invocation = self._data.invocations[report.number]
        memory_mb = invocation.memory or self._data.function.memory or DEFAULT_MEMORY
        init_ms = None if report.init_duration is None else report.init_duration * 1000
        peak_mb = memory_mb if report.peak_bytes is None else round(report.peak_bytes / _MEGABYTE)
        return telemetry.Report(
            **_about(report.request_id),
            status=telemetry.Status.SUCCESS if report.error is None else telemetry.Status.ERROR,
            duration_ms=report.duration * 1000,
            billed_duration_ms=billed_ms(report.duration * 1000 + (init_ms or 0.0)),
            memory_size_mb=memory_mb,
            max_memory_used_mb=peak_mb,
            init_duration_ms=init_ms,
            by_runtime=True,
        )


def _test_data(options: Namespace) -> TestData:
    if options.file == "-":
        data = TestData.from_json(values.standard_input("FILE"))
    else:
        data = TestData.load(options.file)
    env = values.variables(options.env, options.env_file)
    try:
        return attrs.evolve(data, env={**data.env, **env})
    except ConfigurationError as error:
        raise ConfigurationError("--env", error.value, error.allowed) from error


def _find_modules(file: str) -> None:
    """The function's folders are the current one, then that of its test data."""
    if file != "-":
        sys.path.insert(0, os.path.dirname(os.path.abspath(file)))
    add_function_folders(os.environ)


def _about(request_id: str) -> dict[str, Any]:
    return {"time": SYSTEM_CLOCK.time(), "request_id": RequestId(request_id), "trace_id": ""}


def _summary(report: InvocationReport) -> dict[str, Any]:
    """All that is known of an invocation, under the names that ``invoke`` has for it."""
    return {
        "success": report.is_success,
        "complaint": report.complaint,
        "functionError": None if report.error is None else "Unhandled",
        "requestId": report.request_id,
        **for_machines(report.payload),
        "isCold": report.is_cold,
        "durationMs": _ms(report.duration),
        "initDurationMs": _ms(report.init_duration),
        "peakMemoryBytes": report.peak_bytes,
        "logs": list(report.logs),
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else ms(seconds * 1000)
