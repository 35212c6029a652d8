"""What becomes of children when the simulator is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil

from tests.process.case import (
    PATIENCE,
    PROGRAMS,
    ProcessTestCase,
    SandboxTestCase,
    is_stopped,
)

ROOT = PROGRAMS.parent.parent


class KilledTest(ProcessTestCase):
    def keeper(self, *words: str) -> tuple[subprocess.Popen[str], int, int]:
        """A simulator in another process; the ids of its child and its grandchild."""
        popen = subprocess.Popen(
            [sys.executable, "-m", "tests.programs.keeper", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(popen.__exit__, None, None, None)
        self.addCleanup(popen.kill)
        assert popen.stdout is not None
        child, grandchild = map(int, popen.stdout.readline().split())
        return popen, child, grandchild

    def guards(self, popen: subprocess.Popen[str]) -> list[int]:
        below = psutil.Process(popen.pid).children()
        return [process.pid for process in below if "lambda-sim-guard" in process.cmdline()]

    def test_a_killed_simulator_leaves_no_child_grandchild_or_guard(self) -> None:
        popen, *pids = self.keeper()
        guards = self.guards(popen)
        self.assertEqual(len(guards), 1)
        popen.kill()
        popen.wait(PATIENCE)
        self.wait_until_gone(*pids, *guards)

    def test_frozen_ones_are_not_left_either(self) -> None:
        popen, *pids = self.keeper("freeze")
        self.wait_for(lambda: all(map(is_stopped, pids)))
        popen.kill()
        popen.wait(PATIENCE)
        self.wait_until_gone(*pids)

    def test_a_simulator_that_ends_without_a_close_leaves_nothing(self) -> None:
        popen, *pids = self.keeper()
        popen.communicate("\n", PATIENCE)
        self.assertEqual(popen.returncode, 0)
        self.wait_until_gone(*pids)

    def test_the_guard_stays_through_signals_that_end_others(self) -> None:
        popen, *pids = self.keeper()
        (guard,) = self.guards(popen)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(guard, number)
        popen.kill()
        popen.wait(PATIENCE)
        self.wait_until_gone(*pids)


class GuardTest(SandboxTestCase):
    def guard(self) -> psutil.Process:
        (found,) = (p for p in psutil.Process().children() if "lambda-sim-guard" in p.cmdline())
        return found

    def test_it_is_not_frozen_with_the_children(self) -> None:
        self.spawn(["/bin/sleep", "600"])
        self.assertEqual(self.sandbox.freeze(), 1)
        self.assertFalse(is_stopped(self.guard().pid))

    def test_its_pipe_is_not_in_the_hands_of_children(self) -> None:
        child = self.spawn(["/bin/sleep", "600"])
        self.spawn(["/bin/sleep", "600"])
        self.assertEqual(sorted(os.listdir(f"/proc/{child.pid}/fd")), ["0", "1", "2"])

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
        guard = self.guard()
        guard.kill()
        self.wait_for(lambda: guard.status() == psutil.STATUS_ZOMBIE)
        self.spawn(["/bin/sleep", "600"]).close()
