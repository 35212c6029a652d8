"""A simulator's process that is going to be killed: holds a child and a grandchild in a sandbox."""

import sys
from queue import SimpleQueue

from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process import LocalSandbox


def main() -> None:
    lines: SimpleQueue[str] = SimpleQueue()
    sandbox = LocalSandbox(on_line=lambda child, line: lines.put(line), on_exit=lambda child: None)
    command = ["/bin/sh", "-c", "sleep 600 & echo $!; wait"]
    config = ProcessConfig(command, ProcessRole.RUNTIME, inherit_stdio=False)
    child = sandbox.spawn(config, {})
    grandchild = lines.get().strip()
    if "freeze" in sys.argv:
        sandbox.freeze()
    print(child.pid, grandchild, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
