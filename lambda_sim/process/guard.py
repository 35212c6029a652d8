"""A small process that outlives us for a moment: if we are killed, it kills our children."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from functools import cache
from weakref import WeakSet

from lambda_sim.process.mark import VARIABLE, Birth, forks_so_far

__all__ = ["Guard"]

# What the shell has built in, grep and sleep. Lines come: +<group> and -<group>, and =<process> and
# . for those that are stopped; then we are gone. Some who were started at the last moment were not
# told of, some have left their group, some start others while they are killed, and who is just
# being started shows no environment yet: so the last two looks, each after a pause, find nobody.
SCRIPT = """
trap '' INT TERM HUP
groups=' ' stopped=
while read -r order; do
    id=${order#?}
    case $order in
        +*) groups="$groups$id " ;;
        -*) groups="${groups%%" $id "*} ${groups#*" $id "}" ;;
        =*) stopped="$stopped $id" ;;
        .) stopped= ;;
    esac
done
for id in $groups; do kill -s KILL -- "-$id"; done
for id in $stopped; do kill -s CONT "$id"; done
looks=0 calm=0
while [ $calm -lt 3 ] && [ $looks -lt 50 ]; do
    [ $calm = 0 ] || sleep 0.1
    looks=$((looks + 1)) calm=$((calm + 1))
    for file in $(grep -lsF -- "$1" /proc/[0-9]*/environ); do
        calm=0 id=${file#/proc/}
        kill -s KILL "${id%/environ}"
    done
done
"""


class Guard:
    """A shell that knows which processes are ours, and waits for our end of a pipe to close.

    The kernel closes it whichever way we end, SIGKILL included. Then the groups it knows are
    killed, and everyone whose environment bears the sandbox's mark: who was started at this very
    moment, and who left its group. Foreign processes that we have stopped are woken.

    Any thread may call.

    :param mark: what the marks of all children begin with.
    """

    def __init__(self, mark: str) -> None:
        forks = forks_so_far()
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", SCRIPT, "lambda-sim-guard", f"{VARIABLE}={mark}"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": os.defpath},
            start_new_session=True,  # out of reach of Ctrl-C and of our own group's end
        )
        assert self._shell.stdin is not None
        self._pipe = self._shell.stdin
        os.set_blocking(self._pipe.fileno(), False)
        self.birth = Birth(self._shell.pid, forks)
        _all_guards().add(self)

    def watch(self, group: int) -> None:
        """Kill this process group if we die."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The group is dead and its id about to be free for others."""
        self._tell(f"-{group}\n")

    def stopping(self, pid: int) -> None:
        """Wake this process if we die before :meth:`woken`."""
        self._tell(f"={pid}\n")

    def woken(self) -> None:
        """None of those that were stopped is so any more."""
        self._tell(".\n")

    def close(self) -> None:
        """End the guard; no child is left to be guarded."""
        _all_guards().discard(self)
        with self._shell as shell:  # closes the pipe and reaps
            shell.kill()

    def leave(self) -> None:
        """Let go of the pipe: this process is a copy of us, and may live longer."""
        with suppress(OSError):
            self._pipe.close()

    def _tell(self, order: str) -> None:
        # Shorter than a pipe takes at once, so lines of several threads don't mix. A guard that
        # somebody killed or stopped is no reason to fail: only its protection is lost.
        with suppress(OSError, ValueError):
            os.write(self._pipe.fileno(), order.encode())


@cache
def _all_guards() -> WeakSet[Guard]:
    """Those whose pipes a copy of us, made by ``os.fork`` without exec, must not keep open."""
    guards: WeakSet[Guard] = WeakSet()

    def leave_all() -> None:
        for guard in guards:
            guard.leave()

    os.register_at_fork(after_in_child=leave_all)
    return guards
