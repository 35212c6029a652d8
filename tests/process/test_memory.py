"""Peak memory of the sandbox."""

from __future__ import annotations

import resource
import subprocess

from lambda_sim.process import tree
from lambda_sim.process.memory import TreeMemory
from tests.process.case import PATIENCE, SandboxTestCase, program

MB = 1 << 20


class PeakTest(SandboxTestCase):
    def peak_mb(self) -> float:
        peak = self.sandbox.peak_memory_bytes()
        assert peak is not None
        return peak / MB

    def test_without_a_child_there_is_no_peak(self) -> None:
        self.assertIsNone(self.sandbox.peak_memory_bytes())

    def test_memory_that_was_let_go_counts(self) -> None:
        self.spawn(program("hungry", 60, "stay"))
        self.wait_for_lines(1)
        self.assertGreater(self.peak_mb(), 60)
        self.assertLess(self.peak_mb(), 100)

    def test_the_peaks_of_descendants_are_added(self) -> None:
        command = " ".join(program("hungry", 60, "stay"))
        self.shell(f"{command} & {command} & wait")
        self.wait_for_lines(2)
        self.assertGreater(self.peak_mb(), 120)

    def test_the_peaks_of_children_are_added(self) -> None:
        for _ in range(2):
            self.spawn(program("hungry", 60, "stay"))
        self.wait_for_lines(2)
        self.assertGreater(self.peak_mb(), 120)

    def test_a_peak_outlives_the_process(self) -> None:
        child = self.spawn(program("hungry", 60, "stay"))
        self.wait_for_lines(1)
        self.assertGreater(self.peak_mb(), 60)
        child.close()
        self.assertGreater(self.peak_mb(), 60)

    def test_one_that_ended_unasked_has_a_peak_if_it_was_larger_than_we_are(self) -> None:
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 + 100
        self.spawn(program("hungry", size)).wait(PATIENCE)
        self.assertGreater(self.peak_mb(), size)

    def test_our_own_size_is_not_taken_for_that_of_a_child(self) -> None:
        self.spawn(["/bin/true"]).wait(PATIENCE)
        self.assertLess(self.peak_mb(), 10)

    def test_one_that_is_started_again_counts_once(self) -> None:
        for _ in range(2):
            child = self.spawn(program("hungry", 60, "stay"), name="runtime")
            self.wait_for_lines(1)
            self.heard.clear()
            self.assertGreater(self.peak_mb(), 60)
            child.close()
        self.assertLess(self.peak_mb(), 100)

    def test_one_that_somebody_else_reaped_has_nothing(self) -> None:
        # It raises: what looks after the limit ends, and so does whoever closes.
        with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as cat:
            memory = TreeMemory(cat.pid)
            self.addCleanup(memory.close)
            self.assertEqual(len(memory.look()), 1)
        self.assertEqual(memory.look(), [])

    def test_all_of_many_children_are_seen(self) -> None:
        # They are not: the kernel tells of them by pages.
        child = self.shell("for _ in $(seq 1000); do sleep 600 & done; echo; wait")
        self.wait_for_lines(1)
        memory = TreeMemory(child.pid)
        self.addCleanup(memory.close)
        self.assertEqual(len(tree.children(child.pid)), 1000)
        self.assertEqual(len(memory.look()), 1001)
