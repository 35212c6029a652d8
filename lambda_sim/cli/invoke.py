"""``lambda-sim invoke``: one call of a function."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from contextlib import suppress
from typing import Any

from lambda_sim.cli import values
from lambda_sim.cli.output import for_machines, for_people, write_out
from lambda_sim.cli.session import Bell, running
from lambda_sim.cli.settings import LOG_VARIABLES, simulator_config
from lambda_sim.errors import ConfigurationError, WaitTimeout
from lambda_sim.model.invocation import Invocation, InvocationState
from lambda_sim.simulator import Simulator
from lambda_sim.sync import Worker

__all__ = ["run"]

FUNCTION_FAILED = 1

HISTORY = 1_000_000
"""Lines kept until they are printed: more than a function writes faster than a terminal shows."""

REPORT_SLACK = 5.0
"""Seconds beyond the function's own that its report may take."""


def run(options: Namespace) -> int:
    """Call the function, print what it answers, and say by the exit status how it went."""
    invocation = _invocation(options)
    config = simulator_config(options, LOG_VARIABLES, os.environ, history_limit=HISTORY)
    with Bell() as bell:
        with running(config) as simulator:
            call = _Call(simulator, invocation, bell)
            number = bell.wait()
        call.worker.join()
    # Last of all, when the whole log is printed.
    if call.state is not None:
        write_out(_printed(simulator, call.state, options.output))
    if number:
        return 128 + number
    if call.worker.failure is not None:
        raise call.worker.failure
    assert call.state is not None
    return 0 if call.state.error is None else FUNCTION_FAILED


def _printed(simulator: Simulator, state: InvocationState, output: str) -> bytes:
    if output == "json":
        return json.dumps(_summary(simulator, state)).encode() + b"\n"
    return for_people(_payload(state))


class _Call:
    """The invocation, on a worker of its own, so that the main thread hears signals."""

    def __init__(self, simulator: Simulator, invocation: Invocation, bell: Bell) -> None:
        self.state: InvocationState | None = None
        self._simulator = simulator
        self._invocation = invocation
        self._bell = bell
        self.worker = Worker("invoke", self._run).start()

    def _run(self) -> None:
        try:
            self.state = self._simulator.invoke(self._invocation)
            # Extensions may still be at work; Lambda, too, lets them finish before it ends them.
            patience = self._simulator.config.invocation_timeout + REPORT_SLACK
            with suppress(WaitTimeout):
                self._simulator.wait_for_telemetry("platform.report", timeout=patience)
        finally:
            self._bell.ring()


def _invocation(options: Namespace) -> Invocation:
    body = values.event_bytes(options.event)
    try:
        return Invocation.from_bytes(body, client_context=options.client_context)
    except ConfigurationError as error:
        option = {"client_context": "--client-context"}.get(error.field, "--event")
        raise ConfigurationError(option, error.value, error.allowed) from error


def _payload(state: InvocationState) -> bytes:
    if state.error is not None:
        return state.error.body
    return b"" if state.response is None else state.response.body


def _summary(simulator: Simulator, state: InvocationState) -> dict[str, Any]:
    """All that is known of the invocation, for machines."""
    reports = simulator.get_telemetry_events_by_type("platform.report")
    record = reports[-1].record if reports else {}
    metrics: dict[str, Any] = record.get("metrics", {}) if isinstance(record, dict) else {}
    return {
        "status": state.status.value,
        "statusCode": 200,
        "functionError": None if state.error is None else "Unhandled",
        "executedVersion": simulator.config.function_version,
        "requestId": state.request_id,
        **for_machines(_payload(state)),
        "durationMs": metrics.get("durationMs"),
        "billedDurationMs": metrics.get("billedDurationMs"),
        "initDurationMs": metrics.get("initDurationMs"),
        "memorySizeMB": metrics.get("memorySizeMB"),
        "maxMemoryUsedMB": metrics.get("maxMemoryUsedMB"),
        "logs": [
            {
                "time": line.time.isoformat(),
                "source": line.source,
                "name": line.name,
                "message": line.message,
            }
            for line in simulator.logs
        ],
    }
