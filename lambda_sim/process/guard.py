"""A small process that outlives us for a moment: if we are killed, it kills our children."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

__all__ = ["Guard"]

# Only what the shell has built in. Lines come by +<group> and -<group>; then we are gone.
SCRIPT = """
trap '' INT TERM HUP
groups=' '
while read -r order; do
    group=${order#?}
    case $order in
        +*) groups="$groups$group " ;;
        -*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
"""


class Guard:
    """A shell that knows which process groups live, and waits for our end of a pipe to close.

    The kernel closes it whichever way we end, SIGKILL included. A child is unguarded between its
    exec and the line that follows at once; a process that left its group is unguarded. A copy
    of us, made by ``os.fork`` without exec, holds the pipe too, so the guard waits for it as well.

    Any thread may call ``watch`` and ``forget``.
    """

    def __init__(self) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", SCRIPT, "lambda-sim-guard"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,  # out of reach of Ctrl-C and of our own group's end
        )
        assert self._shell.stdin is not None
        self._orders = self._shell.stdin.fileno()
        os.set_blocking(self._orders, False)

    def watch(self, group: int) -> None:
        """Kill this process group if we die."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The group is dead and its id about to be free for others."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the guard; no child is left to be guarded."""
        with self._shell as shell:  # closes the pipe and reaps
            shell.kill()

    def _tell(self, order: str) -> None:
        # Shorter than a pipe takes at once, so lines of several threads don't mix. A guard that
        # somebody killed or stopped is no reason to fail: only its protection is lost.
        with suppress(OSError):
            os.write(self._orders, order.encode())
