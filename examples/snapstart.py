"""SnapStart: a function is initialised, waits as a snapshot, and is restored before it serves.

    python examples/snapstart.py

The runtime lies in restoring.py. An invocation restores the environment by itself; restore() does
it beforehand.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim import ProcessConfig, ProcessRole, Simulator

RUNTIME = ProcessConfig(
    [sys.executable, Path(__file__).with_name("restoring.py")],
    ProcessRole.RUNTIME,
    inherit_stdio=False,
)


def main() -> None:
    with Simulator(initialization_type="snap-start", runtime=RUNTIME) as simulator:
        simulator.wait_for_parked(1)  # the runtime waits to be restored
        print(
            "snapshot:",
            [record.message for record in simulator.logs if record.source != "platform"],
        )
        simulator.restore()
        print("result:  ", simulator.invoke({"n": 12}).response.payload)
        simulator.wait_for_telemetry("platform.report")
        for record in simulator.logs:
            print("log:     ", record.message)


if __name__ == "__main__":
    main()
