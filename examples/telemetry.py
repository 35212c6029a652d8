"""What an environment tells of itself: captured by the simulator, and sent to a subscriber.

    python examples/telemetry.py

Capture is always on and needs no extension. The subscriber gets the same events over HTTP, from
the environment's first moment on, as an extension of Lambda does.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim import Simulator
from lambda_sim.testing import ScriptedExtension, ScriptedRuntime, TelemetryReceiver


def main() -> None:
    with (
        Simulator() as simulator,
        TelemetryReceiver() as receiver,
        ScriptedExtension(simulator, "collector") as collector,
    ):
        collector.subscribe(receiver, types=["platform"])
        with ScriptedRuntime(simulator, lambda event, context: event):
            simulator.invoke({"answer": 42})
            [report] = simulator.wait_for_telemetry("platform.report")
            receiver.wait_for("platform.report")

    for event in simulator.telemetry_events:
        print("captured:", event.time.strftime("%H:%M:%S.%f"), event.type)
    print("received:", len(receiver.events), "events in", len(receiver.batches), "batches")
    for name, value in report.record["metrics"].items():
        print(f"report:   {name} = {value}")


if __name__ == "__main__":
    main()
