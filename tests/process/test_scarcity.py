"""Processes are seen to their end also while there is no descriptor to look at them with."""

from __future__ import annotations

import os
import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager

from lambda_sim.errors import FreezeError
from lambda_sim.process import ManagedProcess
from tests.process.case import PATIENCE, SandboxTestCase, is_gone, is_stopped, program

if sys.platform != "win32":
    import resource


@contextmanager
def without_descriptors() -> Iterator[None]:
    """None is free, but those that are closed meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@unittest.skipIf(sys.platform == "win32", "no descriptors to run out of")
class ScarcityTest(SandboxTestCase):
    def with_stray(self) -> tuple[ManagedProcess, int]:
        """A child, and its descendant in a session of its own, which a freeze has found."""
        child = self.spawn(program("stray"))
        stray = self.wait_for_pid()
        self.sandbox.freeze()
        return child, stray

    def test_a_close_ends_all_and_names_whom_it_could_not_wake(self) -> None:
        child, stray = self.with_stray()
        with without_descriptors(), self.assertRaisesRegex(FreezeError, f"{stray}: .*many open"):
            self.sandbox.close()
        self.assertIsNotNone(child.returncode)
        self.assertTrue(is_gone(stray))

    def test_an_end_is_told(self) -> None:
        child, _ = self.with_stray()
        with without_descriptors():
            child.kill()
            child.wait(PATIENCE)
        self.assertEqual(self.exits, [child])

    def test_a_freeze_names_whom_it_missed_and_stops_the_others(self) -> None:
        child, stray = self.with_stray()
        self.sandbox.thaw()
        with without_descriptors(), self.assertRaisesRegex(FreezeError, f"{stray}: .*many open"):
            self.sandbox.freeze()
        self.assertTrue(is_stopped(child.pid))

    def test_whom_a_thaw_could_not_wake_the_next_one_does(self) -> None:
        child, stray = self.with_stray()
        with without_descriptors(), self.assertRaisesRegex(FreezeError, f"{stray}: .*many open"):
            self.sandbox.thaw()
        self.wait_for(lambda: not is_stopped(child.pid))
        self.assertTrue(is_stopped(stray))
        self.sandbox.thaw()
        self.wait_for(lambda: not is_stopped(stray))


if __name__ == "__main__":
    unittest.main()
