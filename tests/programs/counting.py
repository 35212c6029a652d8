"""Counts what a warm invocation calls, and prints it as JSON: medians of many.

    counting.py RUNTIME...

In a process of its own, as it is watched by a profile function from start to end.
"""

from __future__ import annotations

import json
import sys
import threading
from statistics import median
from types import FrameType
from typing import Any

from lambda_sim import Invocation, ProcessConfig, ProcessRole, Simulator

WARM_UP = 60
COUNTED = 200
# Memory is looked at now and then, as time passes, and so is not among them.
SYSTEM_CALLS = ("recv", "sendall", "ioctl", "setsockopt", "getsockopt", "urandom")
ON_THEIR_OWN = ("lambda-sim:memory", "lambda-sim:output")
"""Threads that only watch as time passes."""


class Calls:
    """Calls so far: of Python functions in this thread and in others, and of the kernel."""

    def __init__(self) -> None:
        self.caller = self.others = self.system = 0
        self._caller = threading.current_thread()

    def count(self, frame: FrameType, event: str, argument: Any) -> None:
        thread = threading.current_thread()
        if thread.name in ON_THEIR_OWN:
            return
        if event == "c_call":
            self.system += argument.__name__ in SYSTEM_CALLS
        elif event == "call":
            if thread is self._caller:
                self.caller += 1
            else:
                self.others += 1

    def so_far(self) -> tuple[int, int, int]:
        return self.caller, self.others, self.system


def main(command: list[str]) -> None:
    calls = Calls()
    threading.setprofile(calls.count)
    sys.setprofile(calls.count)
    each = []
    runtime = ProcessConfig(command, ProcessRole.RUNTIME, inherit_stdio=False)
    with Simulator(runtime=runtime) as simulator:
        for number in range(WARM_UP + COUNTED):
            before = calls.so_far()
            simulator.invoke(Invocation.from_bytes(b"{}"))
            if number >= WARM_UP:
                pairs = zip(calls.so_far(), before, strict=True)
                each.append([now - then for now, then in pairs])
    sys.setprofile(None)
    # The median, as a machine that stands still for a tenth of a second takes the other way.
    names = ("caller", "others", "system")
    columns = zip(*each, strict=True)
    print(json.dumps({name: median(found) for name, found in zip(names, columns, strict=True)}))


if __name__ == "__main__":
    main(sys.argv[1:])
