"""The memory limit of a sandbox, kept by its lookout and when it is asked."""

from __future__ import annotations

import shlex
import signal
import sys
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import psutil

from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process import LocalSandbox, ManagedProcess, pages
from lambda_sim.process.limit import MemoryLimit
from tests.process.case import PATIENCE, ProcessTestCase, SandboxTestCase, is_gone, program

MB = 1 << 20
LIMIT_MB = 80
SLEEP = ["/bin/sleep", "600"]


def hungry(size: int, *words: str) -> str:
    return shlex.join(program("hungry", size, *words))


class LimitTestCase(SandboxTestCase):
    memory_limit_bytes = LIMIT_MB * MB

    def big_file(self) -> str:
        # Beside the tests, as /tmp may be memory.
        folder = self.enterContext(tempfile.TemporaryDirectory(dir=Path(__file__).parent))
        path = Path(folder, "big")
        path.write_bytes(b"y" * (3 * LIMIT_MB * MB))
        return str(path)

    def assert_kept(self, *children: ManagedProcess) -> None:
        """The lookout had a close look, and nobody was killed."""
        limit = self.sandbox._limit
        assert limit is not None
        for _ in range(3):
            limit.watch()
            self.assertFalse(self.sandbox.enforce_memory())
        self.assertTrue(all(child.is_running for child in children))


class LookoutTest(LimitTestCase):
    def test_a_hungry_child_is_killed_unasked(self) -> None:
        child = self.spawn(program("hungry", 2 * LIMIT_MB, "hold", "stay"))
        self.assertEqual(child.wait(PATIENCE), -signal.SIGKILL)
        self.assertTrue(child.ran_out_of_memory)

    def test_an_extension_counts_too_and_the_largest_is_killed(self) -> None:
        small = self.spawn(program("hungry", 30, "hold", "stay"))
        self.wait_for_lines(1)
        large = self.spawn(program("hungry", 60, "hold", "stay"), ProcessRole.EXTENSION)
        self.assertEqual(large.wait(PATIENCE), -signal.SIGKILL)
        self.assertTrue(large.ran_out_of_memory)
        self.assertTrue(small.is_running)
        self.assertFalse(small.ran_out_of_memory)

    def test_a_hungry_descendant_behind_a_shell_ends_the_shell_with_137(self) -> None:
        child = self.shell(f"{hungry(2 * LIMIT_MB, 'hold', 'stay')}; exit $?")
        self.assertEqual(child.wait(PATIENCE), 128 + signal.SIGKILL)
        self.assertTrue(child.ran_out_of_memory)

    def test_a_leader_that_copes_with_a_killed_descendant_did_not_run_out_of_memory(self) -> None:
        child = self.shell(f"{hungry(2 * LIMIT_MB, 'hold', 'stay')}; echo $?; read line; exit 5")
        self.assertEqual(child.wait(PATIENCE), 5)
        self.assertFalse(child.ran_out_of_memory)
        self.assertIn("137\n", self.lines)

    def test_one_that_is_ended_later_did_not_run_out_of_memory(self) -> None:
        child = self.shell(f"{hungry(2 * LIMIT_MB, 'hold', 'stay')}; echo over; sleep 600")
        self.wait_for(lambda: "over\n" in self.lines)
        child.kill()
        self.assertEqual(child.wait(PATIENCE), -signal.SIGKILL)
        self.assertFalse(child.ran_out_of_memory)

    def test_many_small_ones_that_are_over_together_die_until_the_rest_fits(self) -> None:
        one = f"({hungry(30, 'hold', 'stay')}; echo $?) & "
        child = self.shell(one * 5 + "wait")
        self.wait_for(lambda: self.lines.count("137\n") == 3)
        self.assert_kept(child)
        self.assertEqual(self.lines.count("137\n"), 3)

    def test_a_frozen_one_is_killed_too(self) -> None:
        first = self.spawn(program("hungry", 30, "hold", "stay"))
        self.wait_for_lines(1)
        self.sandbox.freeze()
        second = self.spawn(program("hungry", 25, "hold", "stay"))
        third = self.spawn(program("hungry", 28, "hold", "stay"))
        self.assertEqual(first.wait(PATIENCE), -signal.SIGKILL)
        self.assertTrue(first.ran_out_of_memory)
        self.assertTrue(second.is_running and third.is_running)

    def test_the_exit_is_told_with_the_reason(self) -> None:
        reasons: list[bool] = []
        self.on_exit = lambda child: reasons.append(child.ran_out_of_memory)
        self.spawn(program("hungry", 2 * LIMIT_MB, "hold", "stay")).wait(PATIENCE)
        self.wait_for(lambda: reasons == [True])

    def test_a_kill_is_not_over_before_those_were_told_who_watch_for_the_end(self) -> None:
        may_know = threading.Event()
        self.addCleanup(may_know.set)
        seen: list[bool] = []

        def hear_late(child: ManagedProcess) -> None:
            seen.append(self.sandbox.enforce_memory())
            may_know.wait(PATIENCE)

        self.on_exit = hear_late
        child = self.spawn(program("hungry", 2 * LIMIT_MB, "hold", "stay"))
        self.wait_for(lambda: seen)
        self.assertFalse(child.is_running)
        self.assertTrue(self.sandbox.enforce_memory())
        may_know.set()
        child.wait(PATIENCE)
        self.assertFalse(self.sandbox.enforce_memory())
        self.assertEqual([True], seen)

    def test_a_child_of_the_signal_that_was_not_ours_did_not_run_out_of_memory(self) -> None:
        child = self.spawn(SLEEP)
        child._group.signal(signal.SIGKILL)
        self.assertEqual(child.wait(PATIENCE), -signal.SIGKILL)
        self.assertFalse(child.ran_out_of_memory)


class InnocentTest(LimitTestCase):
    def test_workers_that_share_pages_are_left(self) -> None:
        child = self.spawn(program("sharing", 50, 4))
        self.wait_for_lines(5)
        self.assert_kept(child)

    def test_workers_that_copy_them_are_not(self) -> None:
        child = self.spawn(program("sharing", 50, 4, "own"))
        below = psutil.Process(child.pid)
        self.wait_for(lambda: not child.is_running or self.has_zombie(below))

    def has_zombie(self, parent: psutil.Process) -> bool:
        try:
            return any(one.status() == psutil.STATUS_ZOMBIE for one in parent.children())
        except psutil.NoSuchProcess:
            return False

    def test_one_that_starts_others_is_left_though_they_share_its_memory_until_exec(self) -> None:
        child = self.spawn(program("spawning", 50, 300))
        while not self.heard and child.is_running:
            self.assertFalse(self.sandbox.enforce_memory())
        self.assert_kept(child)

    def test_shared_memory_of_no_file_counts(self) -> None:
        code = f"import mmap, time; m = mmap.mmap(-1, {2 * LIMIT_MB * MB}); m.write(b'x' * len(m))"
        child = self.spawn([sys.executable, "-c", f"{code}; time.sleep(600)"])
        self.assertEqual(child.wait(PATIENCE), -signal.SIGKILL)

    def test_shared_memory_counts_once_for_all_who_share_it(self) -> None:
        code = f"import mmap, os, time; m = mmap.mmap(-1, {50 * MB}); "
        code += "os.fork(); os.fork(); "
        code += "[m.__setitem__(at, 1) for at in range(0, len(m), 4096)]; "
        code += "os.write(1, b'x\\n'); time.sleep(600)"
        child = self.spawn([sys.executable, "-c", code])
        self.wait_for_lines(4)
        self.assert_kept(child)

    def test_one_that_maps_a_big_file_is_left(self) -> None:
        child = self.spawn(program("mapping", self.big_file()))
        self.wait_for_lines(1)
        self.assert_kept(child)

    def test_one_that_mapped_a_big_file_and_let_it_go_is_left(self) -> None:
        child = self.spawn(program("mapping", self.big_file(), "free"))
        self.wait_for_lines(1)
        self.assert_kept(child)

    def test_those_that_are_not_our_children_are_left(self) -> None:
        other = psutil.Popen(program("hungry", 2 * LIMIT_MB, "hold", "stay"), stdout=-1)
        self.addCleanup(other.stdout.close)
        self.addCleanup(other.wait, PATIENCE)
        self.addCleanup(other.kill)
        other.stdout.readline()
        self.sandbox.register_pid(other.pid)
        child = self.spawn(SLEEP)
        self.assert_kept(child)
        self.sandbox.freeze()
        self.assert_kept(child)
        self.assertTrue(other.is_running())

    def test_without_a_limit_nobody_looks_and_nobody_is_killed(self) -> None:
        free = LocalSandbox(on_line=self._on_line, on_exit=self._on_exit)
        self.addCleanup(free.close)
        self.sandbox, limited = free, self.sandbox
        child = self.spawn(program("hungry", 2 * LIMIT_MB, "hold", "stay"))
        self.wait_for_lines(1)
        self.assertFalse(free.enforce_memory())
        self.assertNotIn("lambda-sim:memory", [thread.name for thread in threading.enumerate()])
        self.assertTrue(child.is_running)
        limited.close()

    def test_a_neighbour_over_its_limit_hurts_nobody(self) -> None:
        neighbour = LocalSandbox(
            on_line=self._on_line, on_exit=self._on_exit, memory_limit_bytes=LIMIT_MB * MB
        )
        self.addCleanup(neighbour.close)
        mine = self.spawn(program("hungry", 50, "hold", "stay"))
        self.wait_for_lines(1)
        self.sandbox, ours = neighbour, self.sandbox
        theirs = self.spawn(program("hungry", 2 * LIMIT_MB, "hold", "stay"))
        self.assertEqual(theirs.wait(PATIENCE), -signal.SIGKILL)
        self.sandbox = ours
        self.assert_kept(mine)
        neighbour.close()


class AskedTest(SandboxTestCase):
    """A limit that nobody looks after but who asks."""

    def setUp(self) -> None:
        super().setUp()
        self.limit = MemoryLimit(LIMIT_MB * MB, self.sandbox._live_groups)

    def test_nothing_is_over_without_a_child(self) -> None:
        self.assertFalse(self.limit.enforce())

    def test_a_small_child_is_left(self) -> None:
        child = self.spawn(program("hungry", 20, "hold", "stay"))
        self.wait_for_lines(1)
        self.assertFalse(self.limit.enforce())
        self.assertTrue(child.is_running)

    def test_who_asks_kills_and_is_told_until_the_end_is_known(self) -> None:
        child = self.spawn(program("hungry", 2 * LIMIT_MB, "hold", "stay"))
        self.wait_for_lines(1)
        self.assertTrue(self.limit.enforce())
        child.wait(PATIENCE)
        self.assertTrue(child.ran_out_of_memory)
        self.assertFalse(self.limit.enforce())

    def test_memory_that_was_let_go_between_two_looks_is_noticed(self) -> None:
        child = self.spawn(program("hungry", 2 * LIMIT_MB, "stay"))
        self.wait_for_lines(1)
        self.assertTrue(self.limit.enforce())
        self.assertEqual(child.wait(PATIENCE), -signal.SIGKILL)
        self.assertTrue(child.ran_out_of_memory)

    def test_a_file_that_was_let_go_between_two_looks_is_not_taken_for_memory(self) -> None:
        path = Path(self.enterContext(tempfile.TemporaryDirectory(dir=Path(__file__).parent)))
        (path / "big").write_bytes(b"y" * (3 * LIMIT_MB * MB))
        child = self.spawn(program("mapping", path / "big", "free"))
        self.wait_for_lines(1)
        self.assertFalse(self.limit.enforce())
        self.limit.watch()
        self.assertFalse(self.limit.enforce())
        self.assertTrue(child.is_running)

    def test_an_old_peak_is_judged_once(self) -> None:
        child = self.spawn(program("hungry", 2 * LIMIT_MB, "stay"))
        self.wait_for_lines(1)
        spared = MemoryLimit(3 * LIMIT_MB * MB, self.sandbox._live_groups)
        spared.watch()
        self.limit._seen = spared._seen
        self.assertFalse(self.limit.enforce())
        self.assertTrue(child.is_running)

    def test_two_that_ask_at_once_kill_one(self) -> None:
        children = [self.spawn(program("hungry", 60, "hold", "stay")) for _ in range(2)]
        self.wait_for_lines(2)
        together = threading.Barrier(4)

        def ask() -> bool:
            together.wait(PATIENCE)
            return self.limit.enforce()

        with ThreadPoolExecutor(4) as threads:
            answers = [threads.submit(ask) for _ in range(4)]
        self.assertTrue(any(answer.result(PATIENCE) for answer in answers))
        self.wait_for(lambda: not all(child.is_running for child in children))
        next(child for child in children if not child.is_running).wait(PATIENCE)
        self.assertFalse(self.limit.enforce())
        self.assertEqual([child.is_running for child in children].count(True), 1)

    def test_a_frozen_one_that_is_over_is_killed(self) -> None:
        child = self.spawn(program("hungry", 2 * LIMIT_MB, "hold", "stay"))
        self.wait_for_lines(1)
        self.sandbox.freeze()
        self.assertTrue(self.limit.enforce())
        self.assertEqual(child.wait(PATIENCE), -signal.SIGKILL)

    def test_a_child_between_fork_and_exec_counts_once(self) -> None:
        # It can't be held there, so it is imitated by what it means: one memory, asked twice.
        child = self.spawn(program("hungry", 50, "hold", "stay"))
        self.wait_for_lines(1)
        usages = [*child._group.memory()] * 2
        # The kernel may note between two questions that a page was looked at.
        limit = LIMIT_MB * MB
        self.wait_for(lambda: pages.held_together(usages, limit) < limit)


class ElsewhereTest(SandboxTestCase):
    """Where the kernel has no files about memory."""

    def test_what_is_resident_counts(self) -> None:
        child = self.shell(f"{hungry(30, 'hold', 'stay')} & {hungry(40, 'hold', 'stay')}; exit")
        self.wait_for_lines(2)
        child._group._memory.close()
        usages = child._group.memory()
        self.assertEqual(len(usages), 3)
        self.assertGreater(sum(usage.held for usage in usages), 70 * MB)
        with patch.object(sys, "platform", "plan9"):
            self.assertGreater(pages.held_together(usages, MB), 70 * MB)
            self.assertTrue(MemoryLimit(70 * MB, self.sandbox._live_groups).enforce())
        self.wait_for(lambda: not child.is_running)


class CloseTest(ProcessTestCase):
    def test_a_close_during_a_kill_leaves_nothing(self) -> None:
        for delay in (0.0, 0.01, 0.02, 0.03, 0.05) * 3:
            with self.subTest(delay=delay):
                self.race(delay)
                self.assert_nothing_left()

    def race(self, delay: float) -> None:
        """Close so many seconds after a child that is killed began to eat."""
        fed = threading.Event()
        mine = LocalSandbox(
            on_line=lambda child, line: fed.set(),
            on_exit=lambda child: None,
            memory_limit_bytes=10 * MB,
        )
        script = f"echo; {hungry(60, 'hold', 'stay')} & {hungry(60, 'hold', 'stay')}"
        command = ["/bin/sh", "-c", script]
        child = mine.spawn(ProcessConfig(command, ProcessRole.RUNTIME, inherit_stdio=False), {})
        self.assertTrue(fed.wait(PATIENCE))
        threading.Event().wait(delay)  # no state to wait for: any moment is to do
        mine.enforce_memory()
        mine.close()
        self.assertFalse(child.is_running)
        self.assertTrue(is_gone(child.pid))


class PagesTest(unittest.TestCase):
    def test_files_on_a_tmpfs_are_files(self) -> None:
        mappings = (
            b"7f00-7f10 rw-s 00000000 00:01 7 /tmp/model.bin\nRss: 900 kB\nPss: 900 kB\n"
            b"7f10-7f20 rw-s 00000000 00:01 8 /dev/zero (deleted)\nRss: 30 kB\nPss: 30 kB\n"
            b"7f20-7f30 rw-s 00000000 00:01 9 /dev/shm/pool\nRss: 5 kB\nPss: 5 kB\n"
            b"7f30-7f40 rw-p 00000000 00:00 0 \nRss: 70 kB\nPss: 70 kB\n"
            b"7f40-7f50 rw-s 00000000 00:01 3 /memfd:ring (deleted)\nRss: 1 kB\nPss: 1 kB\n"
        )
        self.assertEqual(pages._memory_of_no_file(mappings), 36 * 1024)

    def test_a_process_that_is_gone_says_nothing(self) -> None:
        self.assertEqual(pages.faults(1 << 30), 0)
        self.assertIsNone(pages.time_spent((1 << 22) + 1))

    @unittest.skipUnless(sys.platform == "linux", "Linux tells the time of other processes")
    def test_time_passes_for_who_runs(self) -> None:
        before = pages.time_spent(psutil.Process().pid)
        sum(range(1_000_000))
        after = pages.time_spent(psutil.Process().pid)
        assert before is not None
        assert after is not None
        self.assertGreater(after, before)


if __name__ == "__main__":
    unittest.main()
