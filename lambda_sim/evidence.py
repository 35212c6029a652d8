"""What a wait that failed says of its surroundings: phase, who is parked, processes, last lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lambda_sim.lifecycle.machine import Life, Machine
from lambda_sim.model.telemetry import LogRecord
from lambda_sim.process.child import ManagedProcess


def of_machine(machine: Machine) -> list[str]:
    """The state of the environment, a line for each part of it. The lock is held."""
    notes = [
        f"phase {machine.phase.name}, generation {machine.generation} is {machine.life.value}, "
        f"the runtime is {machine.runtime.stage.value}, {machine.parked} parked in Next",
    ]
    if machine.config.runtime is None and machine.life is not Life.RUNNING and not machine.parked:
        notes.append("no runtime was declared (runtime=...), and none that was attached is in Next")
    if machine.init_error is not None:
        notes.append(f"last init error: {machine.init_error}")
    for extension in machine.registry:
        events = ", ".join(sorted(event.value for event in extension.registered.events))
        kind = "external" if extension.is_external else "internal"
        notes.append(f"{kind} extension {extension.name}: {extension.stage.value}, [{events}]")
    if machine.life is not Life.RUNNING and machine.missing_extensions:
        names = ", ".join(machine.missing_extensions)
        notes.append(
            f"not registered: {names}; an external extension registers under its process's name "
            "(ProcessConfig.name, else the program's file name)"
        )
    for record in [*machine.ledger.open.values(), *machine.ledger.pending]:
        awaited = len(record.readiness.awaited)
        notes.append(
            f"invocation {record.request_id}: {record.status.name}, runtime {record.stage.value}, "
            f"{awaited} extensions at work"
        )
    return notes


def of_processes(processes: Iterable[ManagedProcess]) -> list[str]:
    """The processes, and how they ended."""
    notes = []
    for process in processes:
        ended = "runs" if process.returncode is None else f"exited with {process.returncode}"
        notes.append(f"{process.role.value} {process.name} (pid {process.pid}) {ended}")
    return notes


def of_log(lines: Sequence[LogRecord]) -> list[str]:
    """Lines of the log, each with its source."""
    return [f"log: [{line.source}] {line.message}" for line in lines]
