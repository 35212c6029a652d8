"""A simulator's process that is going to be killed: holds a child and a grandchild in a sandbox."""

import sys
import threading

from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process import LocalSandbox


def main() -> None:
    sandbox = LocalSandbox(
        on_line=lambda child, line: print(child.pid, line, end="", flush=True),
        on_exit=lambda child: None,
    )
    # The shell prints its own child's id; what reads us sees both.
    command = ["/bin/sh", "-c", "sleep 600 & echo $!; wait"]
    sandbox.spawn(ProcessConfig(command, ProcessRole.RUNTIME, inherit_stdio=False), {})
    if "freeze" in sys.argv:
        sandbox.freeze()
    if "exit" not in sys.argv:
        threading.Event().wait()
    sys.stdin.readline()


if __name__ == "__main__":
    main()
