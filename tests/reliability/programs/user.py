"""A user's script: says how far it has got, and ends there as it is told.

user.py <point> <ending>

points      initialized, invoking, frozen, closing; churning starts, freezes and ends for ever
endings     stay, raise, exit:5, leave:6 (os._exit), forget (no close)
"""

import os
import select
import sys
from pathlib import Path

from lambda_sim import FreezeMode, ProcessConfig, ProcessRole, Simulator

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "programs"
RUNTIME = ProcessConfig(
    [sys.executable, "-m", "lambda_sim.handler", "functions.work"],
    ProcessRole.RUNTIME,
    cwd=HERE,
    env={"PYTHONPATH": os.environ["PYTHONPATH"]},
)
EXTENSION = ProcessConfig(
    [sys.executable, str(SHARED / "extension.py"), "keen", "600"],
    ProcessRole.EXTENSION,
    name="keen",
)


def main() -> None:
    point, ending = sys.argv[1:]
    simulator = Simulator(
        runtime=RUNTIME,
        extensions=[EXTENSION],
        freeze_mode=FreezeMode.PROCESS,
        invocation_timeout=600,
        shutdown_timeout=600,
    )
    if ending == "forget":
        simulator.start()
        go(simulator, point)
        say(point)
        return
    with simulator:
        if point == "churning":
            churn(simulator)
        go(simulator, point)
        say(point)
        end(*ending.split(":"))


def go(simulator: Simulator, point: str) -> None:
    """Those points which are left only by ending are told by others."""
    simulator.invoke("go")
    if point == "frozen":
        simulator.wait_for_frozen(60)
    elif point == "invoking":
        simulator.invoke("hang")
    elif point == "closing":
        simulator.graceful_shutdown()


def churn(simulator: Simulator) -> None:
    """At any moment somebody is being started, stopped, woken or ended."""
    simulator.invoke("go")
    say("churning")
    while True:
        sleeper = ProcessConfig(["/bin/sleep", "600"], ProcessRole.EXTENSION)
        with simulator.spawn_process_with_config(sleeper):
            simulator.invoke("go")
            simulator.wait_for_frozen(60)


def end(ending: str, status: str = "0") -> None:
    if ending == "raise":
        raise RuntimeError("as told")
    if ending == "exit":
        sys.exit(int(status))
    if ending == "leave":
        os._exit(int(status))
    while not select.select([sys.stdin], [], [], 1)[0]:
        pass  # Python overlooks a signal that comes just before a sleep, until that is over


def say(point: str) -> None:
    print("at", point, flush=True)


if __name__ == "__main__":
    main()
