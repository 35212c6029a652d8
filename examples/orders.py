"""A handler with declared types: what is no order is refused before run() is called.

    python examples/orders.py

The same file runs in Lambda: orders.handler is an entry point for AWS's Python runtime, and
``python -m lambda_sim.handler orders.Orders`` is a custom runtime.
"""

import os
import sys
from pathlib import Path

import attrs

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim import ProcessConfig, ProcessRole, Simulator
from lambda_sim.handler import Handler, Invocation, as_entrypoint


@attrs.frozen
class Line:
    sku: str
    count: int = 1


@attrs.frozen
class Order:
    id: str
    lines: list[Line]


@attrs.frozen
class Receipt:
    order: str
    total: float


class Orders(Handler[dict[str, float], Order, Receipt]):
    def setup(self) -> dict[str, float]:
        """Once for each environment, not for each event."""
        print("reading the price list")
        return {"tea": 2.5, "cup": 7.0}

    def run(self, shared: dict[str, float], invocation: Invocation[Order]) -> Receipt:
        order = invocation.event
        total = sum(shared[line.sku] * line.count for line in order.lines)
        return Receipt(order.id, total)


handler = as_entrypoint(Orders())

RUNTIME = ProcessConfig(
    [sys.executable, "-m", "lambda_sim.handler", "orders.Orders"],
    ProcessRole.RUNTIME,
    cwd=Path(__file__).resolve().parent,
    env={"PYTHONPATH": os.pathsep.join(sys.path)},  # what we can import, it can
    inherit_stdio=False,  # what it prints is in the log
)


def main() -> None:
    with Simulator(runtime=RUNTIME) as simulator:
        tea = simulator.invoke({"id": "17", "lines": [{"sku": "tea", "count": 2}]})
        print("receipt:", tea.response.payload)
        wrong = simulator.invoke({"id": "18", "lines": [{"sku": "tea", "count": "two"}]})
        print("refused:", wrong.error.error_type, "-", wrong.error.error_message)
        unknown = simulator.invoke({"id": "19", "lines": [{"sku": "milk"}]})
        print("failed: ", unknown.error.error_type, "-", unknown.error.error_message)
        read = [record for record in simulator.logs if "price list" in record.message]
        print("price list read:", len(read), "time")


if __name__ == "__main__":
    main()
