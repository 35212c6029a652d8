"""Lambda freezes a function between invocations: its background work stands still.

    python examples/freeze.py

The function counts in a background thread, a hundred times a second (see ticking.py). Left
running, it counts on while nobody invokes it; frozen, as in Lambda, it does not.
"""

import os
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim import FreezeMode, ProcessConfig, ProcessRole, Simulator

HERE = Path(__file__).resolve().parent
RUNTIME = ProcessConfig(
    [sys.executable, "-m", "lambda_sim.handler", "ticking.handler"],
    ProcessRole.RUNTIME,
    cwd=HERE,
    env={"PYTHONPATH": os.pathsep.join(sys.path)},
)
IDLE_SECONDS = 0.2


def ticks_while_idle(mode: FreezeMode) -> int:
    with Simulator(runtime=RUNTIME, freeze_mode=mode) as simulator:
        before = simulator.invoke("start").response.payload
        if mode is FreezeMode.PROCESS:
            simulator.wait_for_frozen()
        time.sleep(IDLE_SECONDS)
        return simulator.invoke("count").response.payload - before


def main() -> None:
    for mode in FreezeMode:
        print(f"{mode.name}: {ticks_while_idle(mode)} ticks in {IDLE_SECONDS} idle seconds")


if __name__ == "__main__":
    main()
