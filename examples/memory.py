"""Memory that is nearly full: a warning, then an error, before the kernel ends the process.

    python examples/memory.py

The handler has 128 MB and takes one megabyte after the other. The same watch works in a plain
script: ``with MemoryWatch(limit_bytes) as memory: ...``.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim import ProcessConfig, ProcessRole, Simulator
from lambda_sim.handler import Handler, Invocation


class Import(Handler[None, dict[str, Any], int]):
    def run(self, shared: None, invocation: Invocation[dict[str, Any]]) -> int:
        rows = []
        for _ in range(invocation.event["megabytes"]):
            rows.append(read_megabyte())
        return len(rows)


def read_megabyte() -> bytes:
    time.sleep(0.005)
    return os.urandom(1024 * 1024)


RUNTIME = ProcessConfig(
    [sys.executable, "-m", "lambda_sim.handler", "memory.Import"],
    ProcessRole.RUNTIME,
    cwd=Path(__file__).resolve().parent,
    env={"PYTHONPATH": os.pathsep.join(sys.path)},  # what we can import, it can
    inherit_stdio=False,  # what it prints is in the log
)


def main() -> None:
    with Simulator(runtime=RUNTIME, memory_size_mb=128, invocation_timeout=30) as simulator:
        for megabytes in (20, 500, 20):
            state = simulator.invoke({"megabytes": megabytes})
            if state.error is None:
                print(f"{megabytes} MB: {state.response.payload} rows")
            else:
                print(f"{megabytes} MB: {state.error.error_type}: {state.error.error_message}")
        for record in simulator.logs:
            if "[WARNING]" in record.message:
                print("log:", record.message)


if __name__ == "__main__":
    main()
