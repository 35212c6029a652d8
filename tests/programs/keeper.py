"""A simulator's process that is going to be killed: holds processes in a sandbox, and says which.

keeper.py tree              a child and a grandchild
keeper.py daemon            a child, and who left its group and lost its parent
keeper.py unguarded         a child of which the guard is not told
keeper.py foreign <pid>     a process that is not its child, stopped
freeze                      everyone is frozen
copy                        a copy of this process lives on; its id comes last
"""

import os
import sys
import time
from pathlib import Path
from queue import SimpleQueue

from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process import LocalSandbox
from lambda_sim.process.guard import Guard

DAEMON = [sys.executable, str(Path(__file__).parent / "daemon.py")]
TREE = ["/bin/sh", "-c", "sleep 600 & echo $!; wait"]


def main() -> None:
    kind = sys.argv[1]
    lines: SimpleQueue[str] = SimpleQueue()
    sandbox = LocalSandbox(on_line=lambda child, line: lines.put(line), on_exit=lambda child: None)
    if kind == "foreign":
        pids = [int(sys.argv[2])]
        sandbox.register_pid(pids[0])
    else:
        if kind == "unguarded":
            Guard.watch = lambda guard, group: None  # type: ignore[method-assign]
        command = DAEMON if kind == "daemon" else TREE
        config = ProcessConfig(command, ProcessRole.RUNTIME, inherit_stdio=False)
        child = sandbox.spawn(config, {})
        pids = [child.pid, int(lines.get())]
    if "freeze" in sys.argv:
        sandbox.freeze()
    if "copy" in sys.argv:
        copy = os.fork()
        if not copy:
            time.sleep(600)
        pids.append(copy)
    print(*pids, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
