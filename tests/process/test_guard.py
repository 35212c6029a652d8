"""What becomes of children when the simulator is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil

from lambda_sim.process import tree
from tests.process.case import (
    PATIENCE,
    ProcessTestCase,
    SandboxTestCase,
    is_gone,
    is_stopped,
)
from tests.support import CHILDREN_PATH, ROOT


def ignores(pid: int, number: int) -> bool:
    """Whether a process ignores a signal; nobody who is gone does."""
    lines = tree.read(f"/proc/{pid}/status").decode().splitlines()
    (mask,) = (line.split()[1] for line in lines if line.startswith("SigIgn:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


class KilledTest(ProcessTestCase):
    def keeper(self, *words: str) -> tuple[subprocess.Popen[str], list[int]]:
        """A simulator in another process, and the processes that are its own."""
        popen = subprocess.Popen(
            [sys.executable, "-m", "tests.programs.keeper", *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": CHILDREN_PATH},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(popen.__exit__, None, None, None)
        self.addCleanup(popen.kill)
        assert popen.stdout is not None
        return popen, list(map(int, popen.stdout.readline().split()))

    def kill(self, popen: subprocess.Popen[str]) -> None:
        popen.kill()
        popen.wait(PATIENCE)

    def guard(self, popen: subprocess.Popen[str]) -> int:
        guard = self.guard_of(popen.pid)
        self.wait_for(lambda: ignores(guard, signal.SIGHUP))  # the last that its script traps
        return guard

    def test_a_killed_simulator_leaves_no_child_grandchild_or_guard(self) -> None:
        popen, pids = self.keeper("tree")
        guard = self.guard(popen)
        self.kill(popen)
        self.wait_until_gone(*pids, guard)

    def test_frozen_ones_are_not_left_either(self) -> None:
        popen, pids = self.keeper("tree", "freeze")
        self.wait_for(lambda: all(map(is_stopped, pids)))
        self.kill(popen)
        self.wait_until_gone(*pids)

    def test_nor_is_one_that_left_its_group_and_its_parents(self) -> None:
        popen, pids = self.keeper("daemon")
        self.kill(popen)
        self.wait_until_gone(*pids)

    def test_nor_are_those_that_the_guard_was_yet_to_be_told_of(self) -> None:
        popen, pids = self.keeper("unguarded")
        self.kill(popen)
        self.wait_until_gone(*pids)

    def test_a_foreign_process_that_was_frozen_is_woken_and_lives_on(self) -> None:
        foreign = subprocess.Popen(["/bin/sleep", "600"])
        self.addCleanup(foreign.wait)
        self.addCleanup(foreign.kill)
        popen, _ = self.keeper("foreign", str(foreign.pid), "freeze")
        self.assertTrue(is_stopped(foreign.pid))
        guard = self.guard(popen)
        self.kill(popen)
        self.wait_for(lambda: not is_stopped(foreign.pid))
        self.wait_until_gone(guard)
        self.assertIsNone(foreign.poll())

    def test_a_copy_of_the_simulator_does_not_keep_its_children_alive(self) -> None:
        popen, (*pids, copy) = self.keeper("tree", "copy")
        self.addCleanup(os.kill, copy, signal.SIGKILL)
        self.kill(popen)
        self.wait_until_gone(*pids)
        self.assertFalse(is_gone(copy))

    def test_a_simulator_that_ends_without_a_close_leaves_nothing(self) -> None:
        popen, pids = self.keeper("tree")
        popen.communicate("\n", PATIENCE)
        self.assertEqual(popen.returncode, 0)
        self.wait_until_gone(*pids)

    def test_the_guard_stays_through_signals_that_end_others(self) -> None:
        popen, pids = self.keeper("tree")
        guard = self.guard(popen)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(guard, number)
        self.kill(popen)
        self.wait_until_gone(*pids)


class GuardTest(SandboxTestCase):
    def test_it_is_not_frozen_with_the_children(self) -> None:
        self.spawn(["/bin/sleep", "600"])
        self.assertEqual(self.sandbox.freeze(), 1)
        self.assertFalse(is_stopped(self.guard_of(os.getpid())))

    def test_its_pipe_is_not_in_the_hands_of_children(self) -> None:
        child = self.spawn(["/bin/sleep", "600"])
        self.spawn(["/bin/sleep", "600"])
        # It may have its libraries open yet; a pipe of ours would stay.
        self.wait_for(lambda: sorted(os.listdir(f"/proc/{child.pid}/fd")) == ["0", "1", "2"])

    def test_a_group_that_ended_is_forgotten_and_the_others_are_not(self) -> None:
        first, second = (self.spawn(["/bin/sleep", "600"]) for _ in range(2))
        first.close()
        staff = self.sandbox._staff
        assert staff is not None
        assert staff.guard is not None
        bystander = subprocess.Popen(["/bin/sleep", "600"], process_group=0)
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        staff.guard.watch(bystander.pid)
        staff.guard.forget(bystander.pid)
        staff.guard._shell.stdin.close()  # type: ignore[union-attr]  # as if we had died
        staff.guard._shell.wait(PATIENCE)
        self.assertEqual(second.wait(PATIENCE), -signal.SIGKILL)
        self.assertIsNone(bystander.poll())

    def test_without_its_guard_all_goes_on(self) -> None:
        self.spawn(["/bin/sleep", "600"])
        guard = psutil.Process(self.guard_of(os.getpid()))
        guard.kill()
        self.wait_for(lambda: guard.status() == psutil.STATUS_ZOMBIE)
        self.spawn(["/bin/sleep", "600"]).close()
