"""Warm invocations: ours in process, ours over HTTP, and RIE, in turn, A B C A B C."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import rie
from benchmarks.client import Caller
from lambda_sim import Invocation, ProcessConfig, ProcessRole, Simulator
from lambda_sim.wire.application import Application
from lambda_sim.wire.invoke_api import InvokeApi
from lambda_sim.wire.server import WireServer

ROOT = Path(__file__).resolve().parent.parent
MINIMAL = [sys.executable, "-S", str(ROOT / "benchmarks" / "runtime.py")]
SIZES = {"100 B": (100, 400), "100 KB": (100_000, 200), "5 MB": (5_000_000, 10)}

Invoke = Callable[[bytes], object]


@contextmanager
def ours_in_process() -> Iterator[Invoke]:
    runtime = ProcessConfig(MINIMAL, ProcessRole.RUNTIME, inherit_stdio=False)
    with Simulator(runtime=runtime, invocation_timeout=60) as simulator:
        yield lambda payload: simulator.invoke(Invocation.from_bytes(payload))


@contextmanager
def ours_over_http() -> Iterator[Invoke]:
    runtime = ProcessConfig(MINIMAL, ProcessRole.RUNTIME, inherit_stdio=False)
    with ExitStack() as undo:
        simulator = undo.enter_context(Simulator(runtime=runtime, invocation_timeout=60))
        front = WireServer(Application(InvokeApi(simulator).routes()), name="invoke")
        undo.enter_context(front)
        caller = Caller(front.address[1])
        undo.callback(caller.close)
        yield caller.invoke


@contextmanager
def theirs() -> Iterator[Invoke]:
    with rie.running([*MINIMAL, "handler"], {}) as port:
        caller = Caller(port)
        try:
            yield caller.invoke
        finally:
            caller.close()


CASES = {"in process": ours_in_process, "over HTTP": ours_over_http, "RIE": theirs}


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Microseconds of one invocation: by payload, by case, a median for each round."""
    found: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as undo:
        invokes = {name: undo.enter_context(case()) for name, case in CASES.items()}
        for label, (size, count) in SIZES.items():
            payload = b'"' + b"x" * (size - 2) + b'"'
            found[label] = {name: [] for name in invokes}
            for number in range(rounds + 1):
                for name, invoke in invokes.items():
                    median = statistics.median(timed(invoke, payload) for _ in range(count))
                    if number:  # the first round warms up
                        found[label][name].append(median * 1e6)
    return found


def timed(invoke: Invoke, payload: bytes) -> float:
    begin = time.perf_counter()
    invoke(payload)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    found = measure(options.rounds)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'warm invocation':18}{'case':12}{'median µs':>12}{'of RIE':>10}{'spread':>16}")
    for label, cases in found.items():
        theirs = statistics.median(cases["RIE"])
        for name, rounds in cases.items():
            median = statistics.median(rounds)
            spread = f"{min(rounds):.0f}..{max(rounds):.0f}"
            print(f"{label:18}{name:12}{median:12.0f}{median / theirs:10.2f}{spread:>16}")


if __name__ == "__main__":
    main()
