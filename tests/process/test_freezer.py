"""Freezing and thawing trees."""

from __future__ import annotations

import os
import signal
import subprocess
from unittest import mock

import psutil

from lambda_sim.errors import FreezeError
from lambda_sim.process import ManagedProcess
from lambda_sim.process.group import ProcessGroup
from tests.process.case import PATIENCE, SandboxTestCase, is_stopped, program

TREE = "sh -c 'sleep 600 & echo $!; wait' & echo $!; wait"


class FreezerTestCase(SandboxTestCase):
    def tree(self) -> list[int]:
        child = self.shell(TREE)
        return [child.pid, *map(int, self.wait_for_lines(2))]

    def foreign(self, script: str = "exec sleep 600") -> subprocess.Popen[bytes]:
        popen = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE)
        self.addCleanup(popen.__exit__, None, None, None)
        self.addCleanup(popen.kill)
        return popen

    def make_earlier(self, *known: psutil.Process) -> None:
        """As if an earlier process had been known, whose id was then given to this one."""
        for process in known:
            process._ident = (process.pid, process.create_time() - 100)  # type: ignore[attr-defined]

    def assert_stopped(self, *pids: int) -> None:
        self.assertEqual([pid for pid in pids if not is_stopped(pid)], [])

    def wait_until_running(self, *pids: int) -> None:
        self.wait_for(lambda: not any(map(is_stopped, pids)))


class FreezeTest(FreezerTestCase):
    def test_a_freeze_stops_the_whole_tree_before_it_returns(self) -> None:
        pids = self.tree()
        self.assertEqual(self.sandbox.freeze(), 3)
        self.assert_stopped(*pids)

    def test_a_thaw_lets_the_whole_tree_run(self) -> None:
        pids = self.tree()
        self.sandbox.freeze()
        self.sandbox.thaw()
        self.wait_until_running(*pids)

    def test_all_children_are_frozen(self) -> None:
        children = [self.spawn(["/bin/sleep", "600"]) for _ in range(3)]
        self.assertEqual(self.sandbox.freeze(), 3)
        self.assert_stopped(*(child.pid for child in children))

    def test_a_descendant_in_a_session_of_its_own_is_frozen_too(self) -> None:
        child = self.spawn(program("stray"))
        stray = self.wait_for_pid()
        self.assertEqual(self.sandbox.freeze(), 2)
        self.assert_stopped(child.pid, stray)
        self.sandbox.thaw()
        self.wait_until_running(child.pid, stray)

    def test_a_descendant_whose_parent_ended_is_frozen_with_its_group(self) -> None:
        self.shell("(sleep 600 & echo $!); sleep 600")
        orphan = self.wait_for_pid()
        self.sandbox.freeze()
        self.wait_for(lambda: is_stopped(orphan))
        self.sandbox.thaw()
        self.wait_until_running(orphan)

    def test_nothing_to_freeze_is_none_frozen(self) -> None:
        self.assertEqual(self.sandbox.freeze(), 0)
        self.sandbox.thaw()

    def test_those_that_ended_are_not_frozen(self) -> None:
        self.shell("exit 0").wait(PATIENCE)
        self.assertEqual(self.sandbox.freeze(), 0)

    def test_freezing_twice_and_thawing_once_leaves_nothing_stopped(self) -> None:
        pids = self.tree()
        self.assertEqual(self.sandbox.freeze(), 3)
        self.assertEqual(self.sandbox.freeze(), 3)
        self.sandbox.thaw()
        self.wait_until_running(*pids)

    def test_one_that_is_killed_while_frozen_is_seen_to_end(self) -> None:
        child = self.spawn(["/bin/sleep", "600"])
        self.sandbox.freeze()
        os.kill(child.pid, signal.SIGKILL)
        self.assertEqual(child.wait(PATIENCE), -signal.SIGKILL)
        self.sandbox.thaw()

    def test_one_that_may_not_be_stopped_does_not_keep_the_others_running(self) -> None:
        forbidden, other = (self.spawn(["/bin/sleep", "600"]) for _ in range(2))
        real = os.killpg

        def killpg(pid: int, number: int) -> None:
            if pid == forbidden.pid:
                raise PermissionError(1, "Operation not permitted")
            real(pid, number)

        with (
            mock.patch("os.killpg", killpg),
            self.assertRaisesRegex(FreezeError, f"{forbidden.pid}: Operation not permitted"),
        ):
            self.sandbox.freeze()
        self.assert_stopped(other.pid)
        self.sandbox.thaw()
        self.wait_until_running(other.pid)

    def test_one_that_is_being_ended_is_not_frozen(self) -> None:
        child = self.spawn(program("stubborn"))
        self.wait_for_lines(1)
        child.terminate()
        self.assertEqual(self.sandbox.freeze(), 0)
        self.assertFalse(is_stopped(child.pid))

    def test_one_that_is_asked_to_end_just_before_it_is_stopped_hears_it(self) -> None:
        child = self.spawn(program("polite"))
        self.wait_for_lines(1)
        send = ProcessGroup.signal

        def send_late(group: ProcessGroup, number: int | None) -> bool:
            if number == signal.SIGSTOP:
                child.terminate()
            return send(group, number)

        with mock.patch.object(ProcessGroup, "signal", send_late):
            self.assertEqual(self.sandbox.freeze(), 0)
        self.assertEqual(child.wait(PATIENCE), 7)


class RegisterTest(FreezerTestCase):
    def test_a_registered_process_is_frozen_with_its_descendants(self) -> None:
        popen = self.foreign("sleep 600 & echo $!; wait")
        assert popen.stdout is not None
        below = int(popen.stdout.readline())
        self.sandbox.register_pid(popen.pid)
        self.assertEqual(self.sandbox.freeze(), 2)
        self.assert_stopped(popen.pid, below)
        self.sandbox.thaw()
        self.wait_until_running(popen.pid, below)
        os.kill(below, signal.SIGKILL)

    def test_a_child_that_is_registered_too_is_counted_once(self) -> None:
        child = self.spawn(["/bin/sleep", "600"])
        self.sandbox.register_pid(child.pid)
        self.assertEqual(self.sandbox.freeze(), 1)

    def test_a_close_wakes_what_is_registered_and_freezes_nothing_later(self) -> None:
        popen = self.foreign()
        self.sandbox.register_pid(popen.pid)
        self.sandbox.freeze()
        self.sandbox.close()
        self.wait_until_running(popen.pid)
        self.assertEqual(self.sandbox.freeze(), 0)
        self.assertIsNone(popen.poll())

    def test_ids_that_are_none_are_refused(self) -> None:
        for pid in (0, -1):
            with self.assertRaisesRegex(FreezeError, f"{pid} is not a process id"):
                self.sandbox.register_pid(pid)

    def test_our_own_process_is_refused(self) -> None:
        with self.assertRaisesRegex(FreezeError, "itself"):
            self.sandbox.register_pid(os.getpid())

    def test_our_ancestors_are_refused(self) -> None:
        with self.assertRaisesRegex(FreezeError, "ancestor"):
            self.sandbox.register_pid(os.getppid())

    def test_a_process_that_is_not_there_is_refused(self) -> None:
        popen = self.foreign()
        popen.kill()
        popen.wait()
        with self.assertRaisesRegex(FreezeError, f"no process {popen.pid}"):
            self.sandbox.register_pid(popen.pid)

    def test_one_that_died_is_forgotten(self) -> None:
        popen = self.foreign()
        self.sandbox.register_pid(popen.pid)
        popen.kill()
        popen.wait()
        self.assertEqual(self.sandbox.freeze(), 0)
        self.sandbox.thaw()

    def test_a_later_process_of_the_same_id_is_not_touched(self) -> None:
        popen = self.foreign()
        self.sandbox.register_pid(popen.pid)
        self.make_earlier(*self.sandbox._freezer._foreign.values())
        self.assertEqual(self.sandbox.freeze(), 0)
        self.assertFalse(is_stopped(popen.pid))

    def test_a_later_process_of_the_same_id_is_not_woken(self) -> None:
        popen = self.foreign()
        self.sandbox.register_pid(popen.pid)
        self.sandbox.freeze()
        self.make_earlier(*self.sandbox._freezer._others)
        self.sandbox.thaw()
        self.assert_stopped(popen.pid)

    def test_all_that_could_not_be_frozen_are_named_together(self) -> None:
        first, second, good = (self.foreign() for _ in range(3))
        for popen in (first, second, good):
            self.sandbox.register_pid(popen.pid)
        real = psutil.Process.suspend

        def suspend(process: psutil.Process) -> None:
            if process.pid != good.pid:
                raise psutil.AccessDenied(process.pid)
            real(process)

        with (
            mock.patch.object(psutil.Process, "suspend", suspend),
            self.assertRaisesRegex(FreezeError, f"2 of .*{first.pid}.*{second.pid}"),
        ):
            self.sandbox.freeze()
        self.assert_stopped(good.pid)

    def test_a_late_child_is_frozen_by_the_next_freeze(self) -> None:
        self.tree()
        self.sandbox.freeze()
        self.sandbox.thaw()
        late: ManagedProcess = self.spawn(["/bin/sleep", "600"])
        self.assertEqual(self.sandbox.freeze(), 4)
        self.assert_stopped(late.pid)
