"""A sandbox as a whole: ending processes, and being closed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest import mock

import psutil

from lambda_sim.errors import ShuttingDown, SpawnFailed
from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process import LocalSandbox, ManagedProcess, sandbox
from lambda_sim.process.launch import launch as launch_now
from lambda_sim.process.staff import Staff
from lambda_sim.sync import Worker
from tests.process.case import PATIENCE, ProcessTestCase, SandboxTestCase, is_gone, program

SLEEP = ["/bin/sleep", "600"]
TREE = "sleep 600 & echo $!; wait"
SHELL = ProcessConfig(["/bin/sh", "-c", TREE], ProcessRole.RUNTIME, inherit_stdio=False)


class ListTest(SandboxTestCase):
    def test_live_ones_are_told_by_role(self) -> None:
        runtime = self.spawn(SLEEP)
        extension = self.spawn(SLEEP, ProcessRole.EXTENSION)
        self.assertEqual(self.sandbox.live(), [runtime, extension])
        self.assertEqual(self.sandbox.live(ProcessRole.EXTENSION), [extension])
        runtime.close()
        self.assertEqual(self.sandbox.live(), [extension])
        self.assertEqual(self.sandbox.processes, [runtime, extension])

    def test_of_those_that_ended_only_the_last_are_kept(self) -> None:
        staying = self.spawn(SLEEP)
        ended = []
        for _ in range(sandbox.ENDED_KEPT + 5):
            ended.append(self.spawn(["/bin/true"]))
            ended[-1].wait(PATIENCE)
        last = self.spawn(SLEEP)
        self.assertEqual(self.sandbox.processes, [staying, *ended[-sandbox.ENDED_KEPT :], last])

    def test_a_child_keeps_the_generation_it_was_started_in(self) -> None:
        child = self.sandbox.spawn(ProcessConfig(SLEEP, ProcessRole.RUNTIME), {}, generation=3)
        self.assertEqual(child.generation, 3)


class StopTest(SandboxTestCase):
    def test_all_are_asked_together_and_may_clean_up(self) -> None:
        children = [self.spawn(program("polite")) for _ in range(3)]
        self.wait_for_lines(3)
        self.sandbox.stop(children, PATIENCE)
        self.assertEqual([child.returncode for child in children], [7, 7, 7])
        self.assertEqual(self.lines.count("cleaned up\n"), 3)

    def test_one_that_ignores_sigterm_is_killed_after_the_grace(self) -> None:
        stubborn, polite = self.spawn(program("stubborn")), self.spawn(program("polite"))
        self.wait_for_lines(2)
        began = time.monotonic()
        self.sandbox.stop([stubborn, polite], 0.2)
        self.assertGreaterEqual(time.monotonic() - began, 0.2)
        self.assertEqual((stubborn.returncode, polite.returncode), (-signal.SIGKILL, 7))

    def test_without_grace_it_is_killed_at_once(self) -> None:
        child = self.spawn(program("polite"))
        self.wait_for_lines(1)
        self.sandbox.stop([child], 0)
        self.assertEqual(child.returncode, -signal.SIGKILL)

    def test_a_frozen_one_is_woken_to_clean_up(self) -> None:
        child = self.spawn(program("polite"))
        self.wait_for_lines(1)
        self.sandbox.freeze()
        self.sandbox.stop([child], PATIENCE)
        self.assertEqual(child.returncode, 7)

    def test_one_stopped_by_others_is_woken_to_clean_up(self) -> None:
        child = self.spawn(program("polite"))
        self.wait_for_lines(1)
        child._group.signal(signal.SIGSTOP)
        child.close(PATIENCE)
        self.assertEqual(child.returncode, 7)

    def test_the_others_go_on_and_stay_frozen(self) -> None:
        one, other = self.spawn(SLEEP), self.spawn(SLEEP)
        self.sandbox.freeze()
        one.close()
        self.assertTrue(other.is_running)
        self.assertEqual(self.sandbox.freeze(), 1)

    def test_grandchildren_are_gone_when_it_returns(self) -> None:
        child = self.shell(TREE)
        grandchild = self.wait_for_pid()
        self.sandbox.stop([child], 0)
        self.assertTrue(is_gone(grandchild))

    def test_a_grandchild_that_ignores_sigterm_does_not_outlive_its_parent(self) -> None:
        child = self.shell(f"{' '.join(program('stubborn'))} & echo $!; wait")
        self.wait_for_lines(2)
        grandchild = int(next(line for line in self.lines if line != "ready\n"))
        child.close(PATIENCE)
        self.assertTrue(is_gone(grandchild))

    def test_frozen_grandchildren_are_gone_too(self) -> None:
        child = self.shell(TREE)
        grandchild = self.wait_for_pid()
        self.sandbox.freeze()
        child.close()
        self.assertTrue(is_gone(grandchild))

    def test_grandchildren_in_sessions_of_their_own_are_gone_too(self) -> None:
        for freeze in (False, True):
            with self.subTest(freeze=freeze):
                self.heard.clear()
                child = self.spawn(program("stray"))
                stray = self.wait_for_pid()
                if freeze:
                    self.sandbox.freeze()
                child.close()
                self.assertTrue(is_gone(stray))

    def test_a_stray_that_was_seen_does_not_outlive_a_leader_that_crashed(self) -> None:
        child = self.spawn(program("stray"))
        stray = self.wait_for_pid()
        self.sandbox.freeze()
        child._group.signal(signal.SIGKILL)
        child.wait(PATIENCE)
        self.wait_until_gone(stray)

    def test_nor_does_one_that_left_its_group_and_lost_its_parent(self) -> None:
        for ending in ("end", "stay"):
            with self.subTest(ending):
                self.heard.clear()
                child = self.spawn(program("daemon", ending))
                daemon = self.wait_for_pid()
                if ending == "stay":
                    child.close()
                child.wait(PATIENCE)
                self.assertTrue(is_gone(daemon))

    def test_nor_does_one_whose_start_was_interrupted(self) -> None:
        started: list[subprocess.Popen[bytes]] = []
        popen = subprocess.Popen

        def interrupted(words: list[str], **how: Any) -> None:
            started.append(popen(words, **how))
            raise KeyboardInterrupt

        self.shell("exit").wait(PATIENCE)
        with (
            mock.patch("subprocess.Popen", interrupted),
            self.assertRaises(KeyboardInterrupt),
        ):
            self.spawn(["/bin/sleep", "600"])
        self.sandbox.close()
        self.assertEqual([], psutil.Process().children())  # nor does it lie unreaped
        for one in started:
            with one:
                one.wait(PATIENCE)

    def test_frozen_grandchildren_do_not_outlive_a_leader_that_was_killed(self) -> None:
        child = self.shell(TREE)
        grandchild = self.wait_for_pid()
        self.sandbox.freeze()
        child.kill()
        child.wait(PATIENCE)
        self.wait_until_gone(grandchild)

    def test_those_that_ended_and_those_of_others_are_left(self) -> None:
        child = self.shell("exit 5")
        child.wait(PATIENCE)
        self.sandbox.stop([child, object()], 0)
        self.assertEqual(child.returncode, 5)


class FailedSpawnTest(SandboxTestCase):
    def test_without_threads_nothing_is_started(self) -> None:
        with self.no_thread_for("output"):
            self.assert_refused()

    def test_without_a_thread_that_waits_for_its_end_it_is_killed_and_reaped(self) -> None:
        older = self.spawn(SLEEP)
        launched: list[int] = []

        def launch(*arguments: Any, **named: Any) -> subprocess.Popen[bytes]:
            popen = launch_now(*arguments, **named)
            launched.append(popen.pid)
            return popen

        files = len(os.listdir("/proc/self/fd"))
        with self.no_thread_for("exit-"), mock.patch.object(sandbox, "launch", launch):
            self.assert_refused()
        self.assertFalse(os.path.exists(f"/proc/{launched[0]}"))
        self.assertEqual(len(os.listdir("/proc/self/fd")), files)
        self.assertEqual(self.sandbox.processes, [older])
        self.assertTrue(older.is_running)

    def assert_refused(self) -> None:
        config = ProcessConfig(SLEEP, ProcessRole.RUNTIME)
        with self.assertRaisesRegex(SpawnFailed, "can't start new thread"):
            self.sandbox.spawn(config, {}, has_log_frames=True, has_log_door=True)
        self.assertEqual(self.exits, [])

    @contextmanager
    def no_thread_for(self, work: str) -> Iterator[None]:
        start = threading.Thread.start

        def refuse(thread: threading.Thread) -> None:
            if thread.name.startswith(f"lambda-sim:{work}"):
                raise RuntimeError("can't start new thread")
            start(thread)

        with mock.patch.object(threading.Thread, "start", refuse):
            yield


class CloseTest(SandboxTestCase):
    def test_closing_twice_is_fine_and_readings_still_work(self) -> None:
        child = self.spawn(SLEEP)
        self.sandbox.close(PATIENCE)
        self.sandbox.close()
        self.assertEqual(child.wait(0), -signal.SIGTERM)
        self.assertEqual((self.sandbox.processes, self.sandbox.live()), ([child], []))
        self.assertIsNotNone(self.sandbox.peak_memory_bytes())

    def test_a_closed_sandbox_starts_nothing(self) -> None:
        self.sandbox.close()
        with self.assertRaises(ShuttingDown):
            self.spawn(SLEEP)

    def test_every_exit_was_told_when_it_returns(self) -> None:
        children = {self.spawn(SLEEP) for _ in range(5)}
        self.sandbox.close()
        self.assertEqual(set(self.exits), children)

    def test_what_an_exit_callback_raises_is_shown_and_stops_nothing(self) -> None:
        def refuse(child: ManagedProcess) -> None:
            raise RuntimeError("no such child")

        self.on_exit = refuse
        children = [self.spawn(SLEEP) for _ in range(2)]
        with self.assertRaisesRegex(RuntimeError, "no such child"):
            self.sandbox.close()
        self.assertTrue(all(is_gone(child.pid) for child in children))

    def test_an_exit_callback_may_close_the_sandbox(self) -> None:
        done = threading.Event()

        def end(child: ManagedProcess) -> None:
            self.sandbox.close()
            done.set()

        self.on_exit = end
        self.spawn(SLEEP)
        self.spawn(["/bin/true"])
        self.assertTrue(done.wait(PATIENCE))

    def test_those_who_wait_are_woken_by_the_close(self) -> None:
        child = self.spawn(SLEEP)
        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(child.wait, PATIENCE)
            self.sandbox.close()
            self.assertEqual(waiting.result(PATIENCE), -signal.SIGKILL)


class InterruptedCloseTest(SandboxTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.is_starting, self.may_start = threading.Event(), threading.Event()
        self.threads = self.enterContext(ThreadPoolExecutor())
        self.addCleanup(self.may_start.set)

    def test_who_was_just_being_started_is_ended_by_who_starts_it(self) -> None:
        child = self.spawn(SLEEP)
        self.delay(sandbox, "launch")
        self.assert_late_one_is_ended()
        self.assertEqual(self.exits, [child])

    def test_so_are_those_who_were_just_called_to_listen_to_it(self) -> None:
        self.delay(Staff, "hire")
        self.assert_late_one_is_ended()

    def test_so_is_who_takes_longer_to_start_than_a_close_may(self) -> None:
        self.delay(sandbox, "launch")
        late = self.submit_late()
        with mock.patch.object(sandbox, "SPAWN_TIME", 0.01):
            self.assert_closes()
        self.assert_is_ended(late)

    def test_the_next_close_goes_on_wherever_it_was(self) -> None:
        child = self.spawn(SLEEP)
        with (
            mock.patch.object(sandbox, "each", side_effect=KeyboardInterrupt),
            self.assertRaises(KeyboardInterrupt),
        ):
            self.sandbox.close()
        self.assert_closes()
        self.assertEqual(self.exits, [child])

    def assert_late_one_is_ended(self) -> None:
        late = self.submit_late()
        with (
            mock.patch.object(self.sandbox._monitor, "wait_until", side_effect=KeyboardInterrupt),
            self.assertRaises(KeyboardInterrupt),
        ):
            self.sandbox.close()
        self.assert_closes()
        self.assert_is_ended(late)

    def submit_late(self) -> Future[ManagedProcess]:
        """One that is being started, and comes to the step that is delayed."""
        late = self.threads.submit(self.spawn, SLEEP)
        self.assertTrue(self.is_starting.wait(PATIENCE))
        return late

    def assert_is_ended(self, late: Future[ManagedProcess]) -> None:
        self.may_start.set()
        self.assertIsInstance(late.exception(PATIENCE), ShuttingDown)
        self.assert_nothing_left()

    def assert_closes(self) -> None:
        closing = Worker("closing", self.sandbox.close).start()
        self.assertTrue(closing.join(PATIENCE))
        self.assertIsNone(closing.failure)
        self.assertEqual(psutil.Process().children(), [])

    def delay(self, owner: Any, name: str) -> None:
        """It comes to this step and waits, until it may take it."""
        go_on = getattr(owner, name)

        def wait(*arguments: Any, **named: Any) -> Any:
            self.is_starting.set()
            self.may_start.wait(PATIENCE)
            return go_on(*arguments, **named)

        self.enterContext(mock.patch.object(owner, name, wait))


class RepeatTest(ProcessTestCase):
    def test_fifty_sandboxes_leave_nothing(self) -> None:
        for _ in range(50):
            mine = LocalSandbox(on_line=lambda child, line: None, on_exit=lambda child: None)
            mine.spawn(SHELL, {})
            mine.close()
            self.assert_nothing_left()

    def test_a_close_ends_what_is_being_spawned_at_that_moment(self) -> None:
        for delay in (0.0, 0.001, 0.002, 0.004, 0.008) * 4:
            with self.subTest(delay=delay):
                self.race(delay)
                self.assert_nothing_left()

    def race(self, delay: float) -> None:
        """Close a sandbox so many seconds after some threads began to spawn in it."""
        mine = LocalSandbox(on_line=lambda child, line: None, on_exit=lambda child: None)
        spawned: list[ManagedProcess] = []
        together = threading.Barrier(4)

        def spawn() -> None:
            together.wait(PATIENCE)
            while True:
                try:
                    spawned.append(mine.spawn(SHELL, {}))
                except ShuttingDown:
                    return

        with ThreadPoolExecutor(4) as threads:
            spawners = [threads.submit(spawn) for _ in range(3)]
            together.wait(PATIENCE)
            threading.Event().wait(delay)  # no state to wait for: any moment is to do
            mine.close()
            for spawner in spawners:
                spawner.result(PATIENCE)
        self.assertTrue(all(child.returncode is not None for child in spawned))

    def test_many_threads_may_do_everything_at_once(self) -> None:
        mine = LocalSandbox(on_line=lambda child, line: None, on_exit=lambda child: None)
        rounds = 15

        def live() -> None:
            for _ in range(rounds):
                with mine.spawn(SHELL, {}) as child:
                    mine.drain(flush=True)
                self.assertIsNotNone(child.returncode)

        def freeze() -> None:
            for _ in range(rounds * 2):
                mine.freeze()
                mine.peak_memory_bytes()
                mine.thaw()

        with ThreadPoolExecutor(6) as threads:
            for done in [threads.submit(work) for work in (live, live, live, freeze, freeze)]:
                done.result(PATIENCE * 5)
        mine.close()
