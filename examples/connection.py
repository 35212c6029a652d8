"""A database connection that all invocations of an environment share, closed at its end.

    python examples/connection.py

setup() opens it during Init, run() finds it, and teardown() closes it when Lambda ends the
environment. Lambda says so only where an extension is registered; the runtime registers one for
handlers that have a teardown().
"""

import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim import ProcessConfig, ProcessRole, Simulator
from lambda_sim.handler import Handler, Invocation


class Counter(Handler[sqlite3.Connection, dict[str, Any], dict[str, int]]):
    def setup(self) -> sqlite3.Connection:
        print("connected")
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE visits (name TEXT)")
        return connection

    def run(
        self, shared: sqlite3.Connection, invocation: Invocation[dict[str, Any]]
    ) -> dict[str, int]:
        # Not to be torn apart, should the time run out just here.
        with invocation.deadline.shield(), shared:
            shared.execute("INSERT INTO visits VALUES (?)", [invocation.event["name"]])
        [found] = shared.execute("SELECT count(*) FROM visits")
        return {"visits": found[0]}

    def teardown(self, shared: sqlite3.Connection) -> None:
        shared.close()
        print("disconnected")


RUNTIME = ProcessConfig(
    [sys.executable, "-m", "lambda_sim.handler", "connection.Counter"],
    ProcessRole.RUNTIME,
    cwd=Path(__file__).resolve().parent,
    env={"PYTHONPATH": os.pathsep.join(sys.path)},  # what we can import, it can
    inherit_stdio=False,  # what it prints is in the log
)


def main() -> None:
    with Simulator(runtime=RUNTIME) as simulator:
        for name in ("Ada", "Grace", "Barbara"):
            print(f"{name}:", simulator.invoke({"name": name}).response.payload)
        simulator.graceful_shutdown()
        for record in simulator.logs:
            if record.source == "function":
                print("log:", record.message)


if __name__ == "__main__":
    main()
