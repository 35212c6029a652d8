"""Log streams for the workers of a runtime."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import sys
import tempfile
import threading
import unittest
from collections import defaultdict
from collections.abc import Iterable
from contextlib import redirect_stdout
from io import StringIO
from unittest import mock

from lambda_sim.errors import BinaryNotFound
from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process import ManagedProcess, logs
from lambda_sim.process.door import CAN_OPEN, LOG_FD_PROVIDER
from tests.process.case import PATIENCE, SandboxTestCase, program

SHOW = ["/bin/sh", "-c", f"echo ${{{LOG_FD_PROVIDER}-none}}"]


@unittest.skipUnless(CAN_OPEN, "sockets without a file need Linux")
class DoorTest(SandboxTestCase):
    def workers(self, command: list[str], **config: object) -> ManagedProcess:
        mine = {"inherit_stdio": False, **config}
        role = mine.pop("role", ProcessRole.RUNTIME)
        return self.sandbox.spawn(ProcessConfig(command, role, **mine), {}, has_log_door=True)

    def server(self) -> socket.socket:
        server = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(PATIENCE)
        return server

    def by_worker(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for line in self.lines:
            found[line.partition(" says ")[0]].append(line)
        return found

    def test_lines_written_at_one_time_do_not_mix(self) -> None:
        server = self.server()
        child = self.workers(program("workers", server.getsockname()[1], 8, 200))
        with server.accept()[0] as link:
            self.sandbox.drain()
            found = self.by_worker()
            link.sendall(b"!")
        expected = {
            f"worker {name}": [f"worker {name} says {number}\n" for number in range(200)]
            for name in range(8)
        }
        self.assertEqual(expected, found)
        child.wait(PATIENCE)
        self.assertEqual(["and is done"] * 8, self.lines[8 * 200 :])
        self.assertEqual({child}, {heard for heard, _ in self.heard})

    def test_a_drain_hands_over_what_was_written_before_it_by_who_just_came(self) -> None:
        server = self.server()
        port = server.getsockname()[1]
        for number in range(1, 31):
            with self.subTest(number):
                child = self.workers(program("workers", port, 1, number))
                with server.accept()[0] as link:
                    self.sandbox.drain(flush=True)
                    self.assertEqual(number + 1, len(self.lines))
                    link.sendall(b"!")
                child.wait(PATIENCE)
                self.heard.clear()

    def test_a_stream_is_heard_without_being_asked_for(self) -> None:
        server = self.server()
        self.workers(program("workers", server.getsockname()[1], 3, 5))
        self.wait_for_lines(15)

    def test_half_a_line_of_one_who_ended_at_once_is_heard(self) -> None:
        speak = (
            "import os, socket; s = socket.socket(socket.AF_UNIX);"
            f"s.connect(os.environ[{LOG_FD_PROVIDER!r}]); s.sendall(b'half a line'); os._exit(3)"
        )
        child = self.workers([sys.executable, "-c", speak])
        self.assertEqual(3, child.wait(PATIENCE))
        self.assertEqual(["half a line"], self.lines)

    def test_it_is_printed_as_its_stdout(self) -> None:
        server = self.server()
        with redirect_stdout(StringIO()) as printed:
            child = self.workers(
                program("workers", server.getsockname()[1], 1, 2), inherit_stdio=True
            )
            with server.accept()[0] as link:
                link.sendall(b"!")
            child.wait(PATIENCE)
        lines = ["worker 0 says 0\n", "worker 0 says 1\n", "and is done"]
        self.assertEqual("".join(lines), printed.getvalue())

    def test_the_path_is_a_socket_and_no_file_is_anywhere(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.enterContext(mock.patch("tempfile.tempdir", folder))
        self.workers(["/bin/sh", "-c", f"echo ${LOG_FD_PROVIDER}; exec sleep 600"])
        (line,) = self.wait_for_lines(1)
        self.assertTrue(stat.S_ISSOCK(os.stat(line.strip()).st_mode), line)
        self.assertEqual([], os.listdir(folder))

    def test_the_folder_for_temporary_files_may_have_a_long_name(self) -> None:
        folder = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "long" * 40)
        os.mkdir(folder)
        self.enterContext(mock.patch("tempfile.tempdir", folder))
        server = self.server()
        self.workers(program("workers", server.getsockname()[1], 1, 1))
        self.wait_for_lines(1)

    def test_who_finds_no_descriptor_left_is_heard_as_soon_as_there_is_one(self) -> None:
        is_left = threading.Event()
        polled: list[set[int]] = []
        accept, poll = socket.socket.accept, logs._poll

        def scarce(listener: socket.socket) -> object:
            if listener.family == socket.AF_UNIX and not is_left.is_set():
                raise OSError(errno.EMFILE, "too many open files")
            return accept(listener)

        def noted(files: Iterable[int]) -> select.poll:
            polled.append(set(files := list(files)))
            return poll(files)

        self.enterContext(mock.patch.object(socket.socket, "accept", scarce))
        self.enterContext(mock.patch.object(logs, "_poll", noted))
        server = self.server()
        with self.assertLogs("lambda_sim.process.door", "WARNING") as told:
            child = self.workers(program("workers", server.getsockname()[1], 1, 1))
            door = self.sandbox._staff.output._doors[0].door
            with server.accept()[0] as link:  # the worker has written its line
                self.wait_for(lambda: door.is_full and polled and door.fd not in polled[-1])
                self.assertEqual([], self.lines)
                is_left.set()
                self.wait_for_lines(1)
                link.sendall(b"!")
            child.wait(PATIENCE)
        self.assertIn("is not heard yet", told.output[0])

    def test_each_runtime_has_its_own_which_ends_with_it(self) -> None:
        show = ["/bin/sh", "-c", f"echo ${LOG_FD_PROVIDER}; exec sleep 600"]
        first, second = self.workers(show), self.workers(show)
        one, other = (line.strip() for line in self.wait_for_lines(2))
        self.assertNotEqual(one, other)
        for child in (first, second):
            child.kill()
            child.wait(PATIENCE)
        with socket.socket(socket.AF_UNIX) as late, self.assertRaises(OSError):
            late.connect(one)

    def test_nobody_is_told_unless_it_is_wanted(self) -> None:
        self.spawn(SHOW).wait(PATIENCE)
        self.assertEqual(["none\n"], self.lines)

    def test_an_extension_is_not_told(self) -> None:
        self.workers(SHOW, role=ProcessRole.EXTENSION).wait(PATIENCE)
        self.assertEqual(["none\n"], self.lines)

    def test_a_variable_of_the_users_wins(self) -> None:
        self.workers(SHOW, env={LOG_FD_PROVIDER: "mine"}).wait(PATIENCE)
        self.assertEqual(["mine\n"], self.lines)

    def test_a_failed_spawn_leaves_no_descriptor(self) -> None:
        self.workers(["/bin/true"]).wait(PATIENCE)
        before = len(os.listdir("/proc/self/fd"))
        with self.assertRaises(BinaryNotFound):
            self.workers(["/no/such/bootstrap"])
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))
