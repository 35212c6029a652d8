"""One child's process group: signalled, seen to its end, reaped, and its id never used after."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import psutil

from lambda_sim.errors import WaitTimeout
from lambda_sim.process import tree
from lambda_sim.process.mark import Birth, kill_bearers
from lambda_sim.process.memory import TreeMemory, Usage
from lambda_sim.sync import Deadline, Monitor

__all__ = ["ProcessGroup"]

T = TypeVar("T")

CLAIM_SECONDS = 0.1
CLAIMS = "claims"
END = "end"

STATUS_UNKNOWN = 255
"""What stands for a status that somebody else's ``wait`` took away; asyncio says the same."""

# Windows has no such signals: there is one way to end a process, and psutil to suspend it.
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
STOP = getattr(signal, "SIGSTOP", None)
CONTINUE = getattr(signal, "SIGCONT", None)


class ProcessGroup:
    """A child that leads a process group of its own, and those of its tree who left the group.

    The id of a group can't be given to another while it has a member, and a leader that ended
    stays one until it is reaped. So a signaller claims the id, and the reaper waits for claims:
    a signal never goes to a stranger, and our lock is not held while it is sent.

    Any thread may call.

    :param mark: what its environment, and that of its tree, is marked with.
    :param birth: when it was started.
    """

    def __init__(self, popen: subprocess.Popen[bytes], mark: str, birth: Birth) -> None:
        self.pid = popen.pid
        self._mark = mark
        self._birth = birth
        self._popen = popen
        self._memory = TreeMemory(popen.pid)
        self._monitor = Monitor()
        # Guarded by _monitor, all of it:
        self._claims = 0
        self._is_reaped = False
        self._is_ending = False
        self._is_leader_starved = False
        self._are_others_starved = False
        self._returncode: int | None = None
        self._is_told = False
        self._dumped_core = False
        self._ran_out_of_memory = False
        self._strays: dict[int, psutil.Process] = {}

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None before the end is known."""
        with self._monitor:
            return self._returncode

    @property
    def dumped_core(self) -> bool:
        """Whether the signal that ended it left a core file."""
        with self._monitor:
            return self._dumped_core

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether it ended because one of its tree was killed for want of memory."""
        with self._monitor:
            return self._ran_out_of_memory

    @property
    def is_told(self) -> bool:
        """Whether all who are told of the end have been; the exit status is known before."""
        with self._monitor:
            return self._is_told

    def wait(self, deadline: Deadline, what: str) -> int:
        """Block until the exit status is known, and whoever is told of it has been."""
        with (monitor := self._monitor):
            return monitor.wait_until(
                END, lambda: self._returncode if self._is_told else None, deadline, what=what
            )

    # Signals

    def signal(self, number: int | None) -> bool:
        """Send to all members; False when the leader is reaped already.

        :raises PermissionError: none of them may be signalled by us.
        """
        return self._claiming(lambda is_ours: is_ours and self._send(number))

    def _send(self, number: int | None) -> bool:
        with suppress(ProcessLookupError):
            if number is not None:
                (os.killpg if hasattr(os, "killpg") else os.kill)(self.pid, number)
        return True

    def end(self) -> None:
        """Note that it is being ended, so that nobody freezes it any more."""
        with self._monitor:
            self._is_ending = True

    def stop(self) -> bool:
        """Stop all members; False when there is nothing to stop, or it is being ended."""
        if self._is_being_ended() or not self.signal(STOP):
            return False
        if self._is_being_ended():  # it may have been woken before it was stopped
            self.resume()
            return False
        return True

    def resume(self) -> None:
        """Let the members run again."""
        self.signal(CONTINUE)

    def release(self) -> None:
        """Let run whatever of the tree is stopped, whoever stopped it."""
        with suppress(PermissionError):
            self.resume()
        for stray in self.strays():
            with suppress(*tree.UNSEEN):
                stray.resume()

    def terminate(self) -> None:
        """Ask the members to end, and wake them to hear it."""
        with suppress(PermissionError):
            self.signal(signal.SIGTERM)
            self.resume()

    def kill(self) -> None:
        """Kill all of the tree that can be found, stopped or not."""
        strays = self.strays()
        with suppress(PermissionError):
            self.signal(KILL)
        for stray in strays:
            with suppress(*tree.UNSEEN):
                stray.kill()

    def kill_rest(self) -> list[psutil.Process]:
        """Kill all that the leader left behind, and also who lost its parents outside the group.

        :returns: everyone that was found; they may not have ended yet.
        """
        left = [known for pid in self.descendants() if (known := tree.process(pid))]
        self.kill()
        return left + kill_bearers(self._mark, self._birth)

    def starve(self, pid: int) -> psutil.Process | None:
        """Kill one process of the tree for want of memory, stopped or not; None if it is gone."""
        return self._claiming(lambda is_ours: self._starve(pid) if is_ours else None)

    def _starve(self, pid: int) -> psutil.Process | None:
        # Known before it is looked for in the tree: what is found there is what was known.
        known = tree.process(pid)
        if known is None or not (pid == self.pid or pid in self.descendants()):
            return None
        with self._monitor:  # before it can be seen to end
            if pid == self.pid:
                self._is_leader_starved = True
            else:
                self._are_others_starved = True
        try:
            known.kill()
        except tree.UNSEEN:
            return None
        return known

    # Relatives

    def members(self) -> list[int]:
        """The leader, and its descendants that are in the group."""
        return [self.pid, *(pid for pid in self.descendants() if _group_of(pid) == self.pid)]

    def descendants(self) -> list[int]:
        """Everyone below the leader now, and the strays with everyone below them."""
        return self._look()[0]

    def strays(self) -> list[psutil.Process]:
        """Descendants outside the group, looked for anew; once found they stay known as such.

        One that left the group and lost its parent before the first look is found by
        :meth:`kill_rest` alone.
        """
        pids, known = self._look()
        outside = [pid for pid in pids if pid not in known and _group_of(pid) != self.pid]
        new = {pid: stray for pid in outside if (stray := tree.process(pid))}
        with self._monitor:
            self._strays |= new
        return [*known.values(), *new.values()]

    def _look(self) -> tuple[list[int], dict[int, psutil.Process]]:
        """All descendants, and those of them that are known as strays."""
        with self._monitor:
            known = dict(self._strays)
        ended = [pid for pid, stray in known.items() if not tree.is_alive(stray)]
        with self._monitor:
            for pid in ended:  # before the walk: their ids may be strangers' by now
                self._strays.pop(pid, None)
                del known[pid]
        below = self._claiming(
            lambda is_ours: tree.descendants([self.pid, *known] if is_ours else known)
        )
        return [*known, *below], known

    def memory(self) -> list[Usage]:
        """What each process of the tree uses now; strays that lost their parents are not asked."""
        return self._claiming(lambda is_ours: self._memory.look() if is_ours else [])

    def peak_bytes(self, max_age: float) -> int:
        """The greatest memory that the tree was seen to have, by now or so many seconds ago."""
        if not self._memory.was_seen_within(max_age):
            self.memory()
        return self._memory.peak

    # The end, all of it called by the one worker that watches this child

    def await_end(self) -> None:
        """Block until the leader ended, and leave it unreaped where the system can."""
        try:
            if hasattr(os, "waitid"):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
                return
            self._popen.wait()
        except ChildProcessError:
            pass  # somebody else reaped it
        self._close_claims()

    def reap(self) -> None:
        """Take the leader's status away."""
        self._close_claims()
        code = self._take_status()
        self._memory.close()
        with self._monitor:
            self._returncode = code
            # A shell says 128 more than the signal that ended its child.
            is_passed_on = self._are_others_starved and not self._is_ending
            self._ran_out_of_memory = (self._is_leader_starved and code == -KILL) or (
                is_passed_on and code in (-KILL, 128 + KILL)
            )

    def announce(self) -> None:
        """Wake those who wait for the end."""
        with (monitor := self._monitor):
            self._is_told = True
            monitor.changed(END)

    def abandon(self) -> None:
        """End the waits for a child that would not even be killed."""
        with (monitor := self._monitor):
            monitor.close()

    def _take_status(self) -> int:
        if not hasattr(os, "wait4") or self._popen.returncode is not None:
            return self._popen.wait()
        try:
            _, status, usage = os.wait4(self.pid, 0)
        except ChildProcessError:
            code = STATUS_UNKNOWN
        else:
            self._memory.account(usage.ru_maxrss)
            code = os.waitstatus_to_exitcode(status)
            with self._monitor:
                self._dumped_core = os.WCOREDUMP(status)
        self._popen.returncode = code  # else it warns of a child left running
        return code

    def _is_being_ended(self) -> bool:
        with self._monitor:
            return self._is_ending

    def _close_claims(self) -> None:
        with (monitor := self._monitor):
            self._is_reaped = True
            # Never long: a claim is held for a signal or a look into /proc. Looked at again and
            # again, as Ctrl-C may keep who lets go of one from saying so.
            while self._claims:
                with suppress(WaitTimeout):
                    monitor.wait_until(
                        CLAIMS,
                        lambda: None if self._claims else True,
                        Deadline.after(CLAIM_SECONDS),
                        what="signals under way",
                    )

    def _claiming(self, work: Callable[[bool], T]) -> T:
        """Work that is told whether the id is the child's, which then stays so meanwhile."""
        is_ours = False
        try:  # no context manager of Python's, which Ctrl-C would leave in the middle
            with self._monitor:
                is_ours = not self._is_reaped
                self._claims += is_ours
            return work(is_ours)
        finally:
            if is_ours:
                with (monitor := self._monitor):
                    self._claims -= 1
                    monitor.changed(CLAIMS)


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid) if hasattr(os, "getpgid") else None
    except ProcessLookupError:
        return None
