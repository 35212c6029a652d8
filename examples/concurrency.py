"""Managed instances: one environment takes several invocations at once.

    python examples/concurrency.py

The runtime lies in polling.py; it learns from AWS_LAMBDA_MAX_CONCURRENCY how many it may take.
"""

import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim import ProcessConfig, ProcessRole, Simulator

AT_ONCE = 4
SECONDS = 0.2
RUNTIME = ProcessConfig(
    [sys.executable, Path(__file__).with_name("polling.py")], ProcessRole.RUNTIME
)


def main() -> None:
    with Simulator(max_concurrency=AT_ONCE, runtime=RUNTIME) as simulator:
        simulator.wait_for_parked(AT_ONCE)
        begin = time.monotonic()
        ids = [simulator.enqueue_payload(SECONDS) for _ in range(AT_ONCE)]
        for request_id in ids:
            state = simulator.wait_for_invocation_complete(request_id)
            print("answer:", state.response.payload)
        took = time.monotonic() - begin
        print(f"{AT_ONCE} invocations of {SECONDS} s each took {took / SECONDS:.1f} times that")


if __name__ == "__main__":
    main()
