"""A handler run in this process, as Lambda would run it: for tests, and for a look at it.

    python examples/run_local.py

The same on the command line: cd examples; lambda-sim run-local orders.json
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from orders import Line, Order, Orders

from lambda_sim.handler import LocalInvocation, TestData, run_local

HERE = Path(__file__).resolve().parent


def main() -> None:
    # From a file, with what is expected. check() fails, with the story, if it went otherwise.
    print(run_local(Orders(), TestData.load(HERE / "orders.json")).check())

    # And written here. An event may be what the handler declares.
    tea = Order("21", [Line("tea", 3)])
    milk = LocalInvocation(Order("22", [Line("milk")]), timeout=0.5)
    run = run_local(Orders(), TestData([tea, milk, tea]))
    print("results:", run.results)
    print("log:    ", run.reports[0].logs[0])
    print("failed: ", run.reports[1].error_report.error_type)
    print("not run:", run.left)


if __name__ == "__main__":
    main()
