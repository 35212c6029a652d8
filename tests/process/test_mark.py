"""Processes that are known by their environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import unittest
from unittest import mock

from lambda_sim.model.identifiers import new_id
from lambda_sim.process import tree
from lambda_sim.process.mark import VARIABLE, Birth, forks_so_far, kill_bearers
from tests.process.case import PATIENCE, ProcessTestCase, SandboxTestCase, program


@unittest.skipUnless(sys.platform == "linux", "only Linux shows environments so")
class BearersTest(ProcessTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.mark = f"{new_id()}:"
        forks = forks_so_far()
        with subprocess.Popen(["/bin/true"]) as older:
            self.birth = Birth(older.pid, forks)

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, VARIABLE: f"{self.mark}1:"}
        child = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
        self.addCleanup(child.wait, PATIENCE)
        self.addCleanup(child.kill)
        return child

    def test_one_that_was_started_this_moment_is_found(self) -> None:
        for _ in range(200):  # most of them show no environment yet when Popen returns
            child = self.start(["/bin/sleep", "600"])
            found = kill_bearers(self.mark, self.birth)
            self.assertEqual([child.pid], [one.pid for one in found])
            self.assertEqual(-signal.SIGKILL, child.wait(PATIENCE))

    def test_whoever_it_starts_meanwhile_is_found_too(self) -> None:
        shell = self.start(
            ["/bin/sh", "-c", "for i in $(seq 50); do setsid sleep 600 & done; wait"]
        )
        self.wait_for(lambda: len(tree.children(shell.pid)) > 5)
        found = kill_bearers(self.mark, self.birth)
        self.assertGreater(len(found), 5)
        self.wait_for(lambda: not any(map(tree.is_alive, found)))
        self.assertEqual([], kill_bearers(self.mark, self.birth))

    def test_nobody_waits_for_those_without_an_environment(self) -> None:
        bare = subprocess.Popen(["/bin/sleep", "600"], env={})
        self.addCleanup(bare.wait, PATIENCE)
        self.addCleanup(bare.kill)
        dead = subprocess.Popen(program("polite"), stderr=subprocess.DEVNULL)
        self.addCleanup(dead.wait, PATIENCE)
        dead.kill()
        self.wait_for(lambda: tree.is_at_rest(dead.pid))
        self.wait_for(lambda: not tree.is_starting(bare.pid))
        with mock.patch("lambda_sim.process.mark.LOOKING_TIME", 600.0):
            self.assertEqual([], kill_bearers(self.mark, Birth(1, None)))
        self.assertIsNone(bare.poll())

    def test_who_is_younger_has_a_greater_id_until_the_ids_start_over(self) -> None:
        with (
            mock.patch("lambda_sim.process.mark._greatest_id", return_value=32_768),
            mock.patch("lambda_sim.process.mark.forks_so_far") as forks,
        ):
            for pid, since, lowest in (
                (300, 0, 300),
                (300, 30_000, 300),
                (300, 32_000, 0),
                (20_000, 10_000, 20_000),
                (20_000, 13_000, 0),
                (32_700, 0, 0),
            ):
                with self.subTest(pid=pid, since=since):
                    forks.return_value = 5000 + since
                    self.assertEqual(lowest, Birth(pid, 5000).lowest)
            self.assertEqual(0, Birth(300, None).lowest)

    def test_what_the_machine_starts_is_counted(self) -> None:
        before = self.birth.forks
        assert before is not None
        self.assertGreater(forks_so_far() or 0, before)

    def test_the_machines_first_and_who_is_gone_are_not_starting(self) -> None:
        self.assertFalse(tree.is_starting(1))
        self.assertFalse(tree.is_starting(2**22 + 1))


@unittest.skipUnless(sys.platform == "linux", "only Linux counts what was started")
class BirthTest(SandboxTestCase):
    def test_it_is_counted_before_a_guard_or_a_child_is_started(self) -> None:
        counted: list[int] = []

        def birth(pid: int, forks: int) -> Birth:
            counted.append((forks_so_far() or 0) - forks)
            return Birth(pid, forks)

        with (
            mock.patch("lambda_sim.process.guard.Birth", birth),
            mock.patch("lambda_sim.process.sandbox.Birth", birth),
        ):
            self.spawn(["/bin/sleep", "600"])
        self.assertEqual(2, len(counted))
        self.assertGreaterEqual(min(counted), 1)
