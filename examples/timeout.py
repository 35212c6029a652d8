"""A timeout caught in time: the caller gets an error, and learns where the code was stuck.

    python examples/timeout.py

A function that Lambda ends for its time posts nothing. Here the guard fails it before that: what
can be interrupted is, and its process serves on. What swallows that is reported from outside, its
process ends, and the next event finds a new one.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim import Invocation as Event
from lambda_sim import ProcessConfig, ProcessRole, Simulator
from lambda_sim.handler import Handler, Invocation


class Report(Handler[None, dict[str, Any], str]):
    margin = 0.5  # seconds; 0.1 unless said otherwise

    def run(self, shared: None, invocation: Invocation[dict[str, Any]]) -> str:
        match invocation.event["server"]:
            case "slow":
                wait_for_the_server()
            case "hopeless":
                try_for_ever()
        return f"served by process {os.getpid()}"


def wait_for_the_server() -> None:
    time.sleep(60)


def try_for_ever() -> None:
    while True:
        try:
            wait_for_the_server()
        except:  # noqa: E722 - it swallows any error, this one too
            print("trying again")


RUNTIME = ProcessConfig(
    [sys.executable, "-m", "lambda_sim.handler", "timeout.Report"],
    ProcessRole.RUNTIME,
    cwd=Path(__file__).resolve().parent,
    env={"PYTHONPATH": os.pathsep.join(sys.path)},  # what we can import, it can
    inherit_stdio=False,  # what it prints is in the log
)


PLAN = (("fast", 30), ("slow", 1.5), ("fast", 30), ("hopeless", 1.5), ("fast", 30))


def main() -> None:
    with Simulator(runtime=RUNTIME) as simulator:
        # The fast ones have time for a process to start, however busy this machine is.
        for server, limit in PLAN:
            state = simulator.invoke(Event({"server": server}, timeout=limit))
            if state.error is None:
                print(f"{server}: {state.response.payload}")
                continue
            took = (state.completed_at - state.started_at).total_seconds()
            print(f"{server}: {state.error.error_type} after {took:.1f} of {limit} seconds, in")
            print("".join(state.error.stack_trace), end="")


if __name__ == "__main__":
    main()
