"""A function is invoked: its result, and the line that Lambda bills by.

    python examples/hello.py

The function lies in app.py. It runs in a process of its own, as in Lambda, under the runtime
that comes with lambda_sim; any other runtime is started the same way.
"""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim import ProcessConfig, ProcessRole, Simulator

HERE = Path(__file__).resolve().parent
RUNTIME = ProcessConfig(
    [sys.executable, "-m", "lambda_sim.handler", "app.handler"],
    ProcessRole.RUNTIME,
    cwd=HERE,
    env={"PYTHONPATH": os.pathsep.join(sys.path)},  # what we can import, it can
    inherit_stdio=False,  # what it prints is in the log
)


def main() -> None:
    with Simulator(function_name="greeter", runtime=RUNTIME) as simulator:
        state = simulator.invoke({"name": "Ada"})

    print("status: ", state.status.name)
    print("result: ", state.response.payload)
    for line in state.log_tail.splitlines():
        print("log:    ", line)


if __name__ == "__main__":
    main()
