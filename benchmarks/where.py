"""Where the time of one warm invocation goes: ``python -m benchmarks.where``.

Each part is timed in a run of its own, beside one in which nothing is, so that the clock's reading
disturbs little. What is timed is the processor time of the caller's thread, which does all of it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from benchmarks.environments import MINIMAL, SMALL, in_process
from lambda_sim import Invocation, Simulator
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.machine import Machine
from lambda_sim.wire import attendance
from lambda_sim.wire.application import Application
from lambda_sim.wire.bell import Bell
from lambda_sim.wire.connection import Connection
from lambda_sim.wire.incoming import Incoming

COUNT = 1_000

PARTS: dict[str, tuple[Any, str]] = {
    "invoke, all of it": (Simulator, "invoke"),
    "the invocation is made": (Invocation, "from_bytes"),
    "enqueue: lock, transition, loan": (ExecutionEnvironment, "enqueue_and_borrow"),
    "Next's headers": (attendance, "invocation_lines"),
    "sending (2)": (Connection, "send"),
    "waiting for the socket (2)": (Bell, "wait"),
    "receiving (2)": (Incoming, "head"),
    "routing and endpoints (2)": (Application, "__call__"),
    "· response: lock, transition": (ExecutionEnvironment, "respond"),
    "· Next: what was printed": (ExecutionEnvironment, "_hear"),
    "· Next: runtimeDone, report, park": (Machine, "runtime_asks"),
    "memory, looked at afterwards": (ExecutionEnvironment, "measure_soon"),
    "the state that is returned": (Simulator, "_state"),
}


class Part:
    """The processor time that one function of ours takes, callees included."""

    def __init__(self) -> None:
        self.ns = 0

    @contextmanager
    def timing(self, owner: Any, name: str) -> Iterator[None]:
        original: Callable[..., Any] = getattr(owner, name)
        clock = time.thread_time_ns

        def timed(*arguments: Any, **named: Any) -> Any:
            begin = clock()
            try:
                return original(*arguments, **named)
            finally:
                self.ns += clock() - begin

        with mock.patch.object(owner, name, timed):
            yield


def measured(owner: Any, name: str) -> float:
    """Microseconds of each invocation."""
    part = Part()
    with part.timing(owner, name), in_process(MINIMAL) as invoke:
        for _ in range(COUNT // 5):
            invoke(SMALL)
        part.ns = 0
        for _ in range(COUNT):
            invoke(SMALL)
    return part.ns / COUNT / 1_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.where", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found: dict[str, list[float]] = {label: [] for label in PARTS}
    for _ in range(options.rounds):
        for label, (owner, name) in PARTS.items():
            found[label].append(measured(owner, name))
    for label, figures in found.items():
        print(f"{label:36}{statistics.median(figures):8.1f} µs")


if __name__ == "__main__":
    main()
