"""Starting a process, and its end."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from pathlib import Path

from lambda_sim.errors import BinaryNotFound, SpawnFailed, WaitTimeout
from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process import ManagedProcess
from tests.process.case import PATIENCE, SandboxTestCase, is_gone, program


class LaunchTest(SandboxTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def write(self, name: str, text: str, mode: int = 0o755) -> str:
        path = Path(self.folder, name)
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def test_a_missing_file_is_named(self) -> None:
        with self.assertRaisesRegex(BinaryNotFound, "/no/such/bootstrap: no such file") as caught:
            self.spawn("/no/such/bootstrap")
        self.assertEqual(caught.exception.command, "/no/such/bootstrap")

    def test_a_relative_path_is_missed_in_the_working_directory(self) -> None:
        with self.assertRaisesRegex(BinaryNotFound, f"./bootstrap: no such file in {self.folder}"):
            self.spawn("./bootstrap", cwd=self.folder)

    def test_a_relative_path_is_found_in_the_working_directory(self) -> None:
        self.write("bootstrap", "#!/bin/sh\npwd")
        child = self.spawn("./bootstrap", cwd=self.folder)
        self.assertEqual(child.wait(PATIENCE), 0)
        self.assertEqual(self.lines, [f"{os.path.realpath(self.folder)}\n"])

    def test_a_file_that_may_not_be_executed_is_refused(self) -> None:
        path = self.write("bootstrap", "#!/bin/sh\n", 0o644)
        with self.assertRaisesRegex(BinaryNotFound, "not executable; chmod"):
            self.spawn(path)

    def test_a_directory_is_refused(self) -> None:
        with self.assertRaisesRegex(BinaryNotFound, "a directory"):
            self.spawn(self.folder)

    def test_a_bare_name_is_looked_for_on_the_childs_path(self) -> None:
        self.write("bootstrap", "#!/bin/sh\necho found")
        child = self.spawn("bootstrap", env={"PATH": f"/nowhere:{self.folder}"})
        child.wait(PATIENCE)
        self.assertEqual(self.lines, ["found\n"])

    def test_a_bare_name_that_is_nowhere_is_refused_with_the_path(self) -> None:
        with self.assertRaisesRegex(BinaryNotFound, "no-such: not found on the PATH .*/nowhere"):
            self.spawn("no-such", env={"PATH": "/nowhere"})

    def test_a_bare_name_that_may_not_be_executed_is_refused(self) -> None:
        self.write("bootstrap", "", 0o644)
        with self.assertRaisesRegex(BinaryNotFound, "bootstrap is not executable"):
            self.spawn("bootstrap", env={"PATH": self.folder})

    def test_a_missing_interpreter_is_told_from_a_missing_file(self) -> None:
        path = self.write("bootstrap", "#!/no/such/interpreter\n")
        with self.assertRaisesRegex(BinaryNotFound, "interpreter") as caught:
            self.spawn(path)
        self.assertIsInstance(caught.exception.__cause__, FileNotFoundError)

    def test_what_is_no_program_fails_with_the_systems_words(self) -> None:
        path = self.write("bootstrap", "echo no first line\n")
        with self.assertRaisesRegex(SpawnFailed, "exec format error") as caught:
            self.spawn(path)
        self.assertIsInstance(caught.exception.__cause__, OSError)

    def test_a_missing_working_directory_is_named(self) -> None:
        with self.assertRaisesRegex(SpawnFailed, "working directory '/no/such'"):
            self.spawn("/bin/true", cwd="/no/such")

    def test_so_is_our_own_that_was_deleted(self) -> None:
        self.addCleanup(os.chdir, os.getcwd())
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
        for variables in ({}, {"LAMBDA_TASK_ROOT": "/var/task"}):
            with (
                self.subTest(variables),
                self.assertRaisesRegex(SpawnFailed, r"true: the working directory '\.' is not"),
            ):
                self.sandbox.spawn(ProcessConfig("/bin/true", ProcessRole.RUNTIME), variables)

    def test_a_word_with_a_null_byte_is_refused(self) -> None:
        with self.assertRaisesRegex(SpawnFailed, "null byte"):
            self.sandbox.spawn(ProcessConfig("/bin/true", ProcessRole.RUNTIME, args=("\0",)), {})

    def test_a_failed_spawn_leaves_no_process(self) -> None:
        with self.assertRaises(BinaryNotFound):
            self.spawn("/no/such/bootstrap")
        self.assertEqual(self.sandbox.processes, [])


class EndTest(SandboxTestCase):
    def test_the_exit_code_is_returned(self) -> None:
        child = self.shell("exit 3")
        self.assertEqual(child.wait(PATIENCE), 3)
        self.assertEqual((child.returncode, child.poll(), child.is_running), (3, 3, False))

    def test_a_signal_is_a_negative_code(self) -> None:
        self.assertEqual(self.shell("kill -SEGV $$").wait(PATIENCE), -signal.SIGSEGV)

    def test_a_wait_that_runs_out_says_for_whom(self) -> None:
        child = self.spawn(["/bin/sleep", "600"])
        with self.assertRaisesRegex(WaitTimeout, rf"sleep \(pid {child.pid}\) to exit"):
            child.wait(0.01)
        self.assertTrue(child.is_running)
        self.assertIsNone(child.poll())

    def test_it_carries_its_config(self) -> None:
        child = self.spawn(["/bin/sleep", "600"], ProcessRole.EXTENSION, name="my-extension")
        self.assertEqual((child.name, child.role), ("my-extension", ProcessRole.EXTENSION))
        self.assertIn(f"'my-extension' (extension), pid {child.pid}, running", repr(child))

    def test_it_leads_a_process_group_of_its_own(self) -> None:
        child = self.spawn(["/bin/sleep", "600"])
        self.assertEqual(os.getpgid(child.pid), child.pid)

    def test_it_reads_nothing_from_our_standard_input(self) -> None:
        self.assertEqual(self.shell("read line").wait(PATIENCE), 1)

    def test_terminate_lets_it_clean_up(self) -> None:
        child = self.spawn(program("polite"))
        self.wait_for_lines(1)
        child.terminate()
        self.assertEqual(child.wait(PATIENCE), 7)
        self.assertEqual(self.lines, ["ready\n", "cleaned up\n"])

    def test_terminate_reaches_a_frozen_one(self) -> None:
        child = self.spawn(program("polite"))
        self.wait_for_lines(1)
        self.sandbox.freeze()
        child.terminate()
        self.assertEqual(child.wait(PATIENCE), 7)

    def test_kill_ends_it_at_once(self) -> None:
        child = self.spawn(program("stubborn"))
        self.wait_for_lines(1)
        child.kill()
        self.assertEqual(child.wait(PATIENCE), -signal.SIGKILL)

    def test_signals_to_one_that_ended_do_nothing(self) -> None:
        child = self.shell("exit 0")
        child.wait(PATIENCE)
        child.terminate()
        child.kill()
        child.close()
        self.assertEqual(child.returncode, 0)

    def test_its_block_ends_it(self) -> None:
        with self.spawn(["/bin/sleep", "600"]) as child:
            self.assertTrue(child.is_running)
        self.assertEqual(child.returncode, -signal.SIGTERM)
        self.assertTrue(is_gone(child.pid))

    def test_whoever_waits_for_the_end_finds_it_told(self) -> None:
        begun, go_on = threading.Event(), threading.Event()
        story = []

        def told(child: ManagedProcess) -> None:
            begun.set()
            go_on.wait(PATIENCE)
            story.append("told")

        self.on_exit = told
        child = self.shell("exit 3")
        self.assertTrue(begun.wait(PATIENCE))
        self.assertEqual(3, child.returncode)
        with self.assertRaises(WaitTimeout):
            child.wait(0.05)
        go_on.set()
        self.assertEqual(3, child.wait(PATIENCE))
        self.assertEqual(["told"], story)

    def test_the_exit_is_told_after_the_last_line_and_with_the_code(self) -> None:
        told: list[tuple[int | None, list[str]]] = []
        self.on_exit = lambda child: told.append((child.returncode, self.lines))
        self.shell("echo one; echo two; printf three; exit 4")
        self.wait_for(lambda: told)
        self.assertEqual(told, [(4, ["one\n", "two\n", "three"])])

    def test_what_the_leader_leaves_behind_is_killed(self) -> None:
        child = self.shell("sleep 600 & echo $!")
        pid = self.wait_for_pid()
        self.assertEqual(child.wait(PATIENCE), 0)
        self.wait_until_gone(pid)

    def test_a_status_that_somebody_else_took_is_unknown(self) -> None:
        child = self.spawn(["/bin/sleep", "600"])
        os.kill(child.pid, signal.SIGKILL)
        try:
            os.waitpid(child.pid, 0)
        except ChildProcessError:
            self.assertEqual(child.wait(PATIENCE), -signal.SIGKILL)
        else:
            self.assertEqual(child.wait(PATIENCE), 255)
