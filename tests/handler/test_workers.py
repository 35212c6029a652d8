"""workers: as many processes as invocations may be at work, and one end for all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from unittest import mock

from lambda_sim import Simulator
from lambda_sim.handler import workers
from tests.support import PATIENCE, ROOT, SimulatorTest, handler_runtime

COUNT = 3


class CountTest(unittest.TestCase):
    def test_lambda_says_how_many(self) -> None:
        self.assertEqual(workers.wanted({"AWS_LAMBDA_MAX_CONCURRENCY": "16"}), 16)

    def test_it_is_one_where_lambda_says_nothing_that_can_be_read(self) -> None:
        for environ in ({}, {"AWS_LAMBDA_MAX_CONCURRENCY": "many"}):
            self.assertEqual(workers.wanted(environ), 1)


class WorkersTest(unittest.TestCase):
    def end_of(self, last_words: str, before: str = "", **environ: str) -> int:
        """The exit status of three workers, of which one does this and the others wait for ever.

        :param before: what their parent does first.
        :param environ: variables besides.
        """
        program = (
            "import os, subprocess, sys\n"
            "from lambda_sim.handler import workers\n"
            f"{before}\n"
            "reader, writer = os.pipe()\n"
            "os.write(writer, b'!')\n"
            "def serve():\n"
            "    os.read(reader, 1)\n"
            f"    {last_words}\n"
            f"sys.exit(workers.run({COUNT}, serve))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, **environ},
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
        self.printed = done.stderr.decode()
        self.said = done.stdout.decode()
        return done.returncode


class EndTest(WorkersTest):
    def test_the_first_that_ends_ends_all(self) -> None:
        self.assertEqual(self.end_of("return 7"), 7)

    def test_leaving_ends_it_with_its_status(self) -> None:
        self.assertEqual(self.end_of("sys.exit(3)"), 3)
        self.assertEqual(self.end_of("sys.exit()"), 0)

    def test_of_a_status_the_last_eight_bits_count(self) -> None:
        self.assertEqual(self.end_of("sys.exit(-1)"), 255)
        self.assertEqual(self.end_of("sys.exit(2 ** 40 + 3)"), 3)
        self.assertEqual(self.end_of("return 2 ** 40 + 3"), 3)

    def test_leaving_with_anything_else_prints_it_and_is_a_failure(self) -> None:
        self.assertEqual(self.end_of("sys.exit('cannot go on: no table')"), 1)
        self.assertEqual(self.printed, "cannot go on: no table\n")
        self.assertEqual(self.end_of("sys.exit(2.5)"), 1)
        self.assertEqual(self.printed, "2.5\n")

    def test_what_can_t_be_printed_goes_no_further_either(self) -> None:
        self.assertEqual(self.end_of("sys.stdout = sys.stderr = None; sys.exit('why')"), 1)
        self.assertEqual(self.end_of("sys.stdout = sys.stderr = None; return 7"), 7)

    def test_one_that_a_signal_ended_is_told_by_its_number(self) -> None:
        self.assertEqual(self.end_of("os.kill(os.getpid(), 9)"), 128 + 9)

    def test_what_a_worker_raises_is_printed_and_a_failure(self) -> None:
        self.assertEqual(self.end_of("raise ValueError('as asked')"), 1)
        self.assertIn("ValueError: as asked", self.printed)

    def test_the_end_of_another_child_ends_none(self) -> None:
        before = (
            "other = subprocess.Popen([sys.executable, '-c', ''])\n"
            "os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)"
        )
        self.assertEqual(self.end_of("return 7", before), 7)

    def test_where_not_all_can_be_started_none_stays(self) -> None:
        command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        child = self.enterContext(subprocess.Popen(command, stdin=subprocess.PIPE))
        with mock.patch("os.fork", side_effect=[child.pid, BlockingIOError]):
            self.assertRaises(BlockingIOError, workers.run, 2, self.fail)
        self.assertRaises(ChildProcessError, os.waitpid, child.pid, os.WNOHANG)


class LogStreamTest(WorkersTest):
    """Where Lambda has a socket for them, each worker gets log streams of its own."""

    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = os.path.join(folder, "logs")

    def speak(self) -> None:
        last_words = "print('all is well'); print('not quite', file=sys.stderr); return 7"
        self.assertEqual(self.end_of(last_words, **{workers.LOG_STREAMS: self.path}), 7)

    def test_one_is_its_stdout_and_another_its_stderr(self) -> None:
        listener = self.enterContext(socket.socket(socket.AF_UNIX))
        listener.bind(self.path)
        listener.listen()
        self.speak()
        self.assertEqual((self.said, self.printed), ("", ""))
        listener.setblocking(False)
        heard = [b"".join(iter(partial(stream.recv, 100), b"")) for stream in self.all_of(listener)]
        self.assertEqual(sorted(filter(None, heard)), [b"all is well\n", b"not quite\n"])

    def all_of(self, listener: socket.socket) -> Iterator[socket.socket]:
        """Also of those whom the first that ended left no time to speak."""
        with suppress(BlockingIOError):
            while True:
                with listener.accept()[0] as stream:
                    yield stream

    def test_where_nobody_listens_they_share_what_there_is(self) -> None:
        self.speak()
        self.assertEqual((self.said, self.printed), ("all is well\n", "not quite\n"))


class ServeTest(SimulatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def waiting(self, simulator: Simulator, name: str) -> tuple[str, int]:
        """An invocation whose worker has got as far as its FIFO, and our end of it."""
        path = self.folder / name
        os.mkfifo(path)
        request_id = simulator.enqueue_payload({"fifo": str(path)})
        ends: list[int] = []

        def has_reader() -> bool:
            with suppress(OSError):
                ends.append(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            return bool(ends)

        simulator.wait_for(has_reader, PATIENCE)
        return request_id, ends[0]

    def test_invocations_go_side_by_side_in_processes_of_their_own(self) -> None:
        simulator = self.start(runtime=handler_runtime("meeting.wait"), max_concurrency=COUNT)
        met = dict(self.waiting(simulator, str(number)) for number in range(COUNT))
        for end in met.values():
            os.close(end)
        states = [simulator.wait_for_invocation_complete(one, PATIENCE) for one in met]
        told = [state.response.payload for state in states if state.response]
        self.assertEqual([one["id"] for one in told], list(met))
        self.assertEqual(len({one["pid"] for one in told}), COUNT)

    def test_a_worker_that_leaves_ends_the_runtime(self) -> None:
        simulator = self.start(runtime=handler_runtime("meeting.leave"), max_concurrency=COUNT)
        state = simulator.invoke({"leave": True}, timeout=PATIENCE)
        assert state.error is not None
        self.assertTrue(state.error.error_message.endswith("exit status 3"))
        self.assertEqual(simulator.invoke({}, timeout=PATIENCE).status.name, "SUCCESS")


if __name__ == "__main__":
    unittest.main()
