"""A batch of a queue's messages: what fails, or finds no time, is sent again, and nothing else.

    python examples/batch.py

The event source mapping of such a function has ReportBatchItemFailures.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim import ProcessConfig, ProcessRole, Simulator
from lambda_sim.handler import Handler, Invocation
from lambda_sim.handler.batch import BatchResponse, process_batch
from lambda_sim.handler.events import SQSRecord, samples


def book(record: SQSRecord) -> None:
    order = record.json_body
    if order["count"] < 1:
        raise ValueError("nothing was ordered")
    time.sleep(order.get("seconds", 0))
    print("booked", order["id"])


class Bookings(Handler[None, dict[str, Any], BatchResponse]):
    def run(self, shared: None, invocation: Invocation[dict[str, Any]]) -> BatchResponse:
        return process_batch(invocation.event, book, deadline=invocation.deadline)


RUNTIME = ProcessConfig(
    [sys.executable, "-m", "lambda_sim.handler", "batch.Bookings"],
    ProcessRole.RUNTIME,
    cwd=Path(__file__).resolve().parent,
    env={"PYTHONPATH": os.pathsep.join(sys.path)},  # what we can import, it can
    inherit_stdio=False,  # what it prints is in the log
)


def main() -> None:
    with Simulator(runtime=RUNTIME, invocation_timeout=1.5) as simulator:
        faulty = samples.sqs(
            each=[{"id": "a", "count": 1}, {"id": "b", "count": 0}, {"id": "c", "count": 2}]
        )
        bodies = {message["messageId"]: message["body"] for message in faulty["Records"]}
        for failure in simulator.invoke(faulty).response.payload["batchItemFailures"]:
            print("again:", bodies[failure["itemIdentifier"]])

        slow = samples.sqs({"id": "d", "count": 1, "seconds": 0.3}, count=5)
        state = simulator.invoke(slow)
        again = len(state.response.payload["batchItemFailures"])
        print(f"in time: {state.log_tail.count('booked d')}, again: {again}, {state.status.name}")


if __name__ == "__main__":
    main()
