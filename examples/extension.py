"""A real extension in a process of its own, through a whole life: init, invocations, shutdown.

    python examples/extension.py

It gathers notes and flushes every other one; what is left must not be lost when the environment
ends. The function is a callable in this process, as it is not what is being tried here.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim import ProcessConfig, ProcessRole, Simulator
from lambda_sim.testing import ScriptedRuntime

HERE = Path(__file__).resolve().parent
EXTENSION = ProcessConfig(
    [sys.executable, str(HERE / "flushing_extension.py")],
    ProcessRole.EXTENSION,
    name="flushing_extension.py",  # by this name Lambda knows an external extension
    inherit_stdio=False,
)


def main() -> None:
    with Simulator(extensions=[EXTENSION]) as simulator:
        simulator.wait_for_extensions(1)
        with ScriptedRuntime(simulator, lambda event, context: "done"):
            for number in range(3):
                state = simulator.invoke({"number": number})
                print("invoked ", state.request_id[:8], state.status.name)
            simulator.graceful_shutdown()

    for line in simulator.logs:
        if line.source == "extension":
            print(line.name, line.message)


if __name__ == "__main__":
    main()
