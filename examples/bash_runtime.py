"""A custom runtime, written in bash with curl (see bootstrap), takes three invocations.

    python examples/bash_runtime.py

Any program that speaks the Runtime API is a runtime, and is started and watched the same way.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim import ProcessConfig, ProcessRole, Simulator

HERE = Path(__file__).resolve().parent
RUNTIME = ProcessConfig("./bootstrap", ProcessRole.RUNTIME, cwd=HERE, inherit_stdio=False)


def main() -> None:
    with Simulator(runtime=RUNTIME) as simulator:
        for word in ("one", "two", "three"):
            print("answer:", simulator.invoke(word).response.payload)
        for line in simulator.logs:
            if line.source == "function":
                print("log:   ", line.message)


if __name__ == "__main__":
    main()
