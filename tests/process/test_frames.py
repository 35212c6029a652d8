"""Log frames: cut, in order with what is printed, and from the runtime that AWS made for Python."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shlex
import struct
import sys
import unittest
from contextlib import redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from threading import Event, Thread

from lambda_sim.errors import BinaryNotFound, SpawnFailed
from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process import ManagedProcess
from lambda_sim.process.frames import LOG_FD, FrameCutter
from tests.process.case import PATIENCE, PROGRAMS, SandboxTestCase, program

SHOW = ["/bin/sh", "-c", f"echo ${{{LOG_FD}-none}}"]


def frame(message: bytes, kind: int = 0xA55A0003) -> bytes:
    return struct.pack(">IIQ", kind, len(message), 1_700_000_000_000_000) + message


class CutterTest(unittest.TestCase):
    def setUp(self) -> None:
        self.cutter = FrameCutter(limit=8)

    def feed(self, data: bytes) -> list[str]:
        return list(self.cutter.feed(data))

    def flush(self) -> list[str]:
        return list(self.cutter.flush())

    def test_a_frame_is_one_event_with_the_newlines_in_it(self) -> None:
        self.assertEqual(self.feed(frame(b"a\nb\n") + frame(b"c")), ["a\nb\n", "c"])

    def test_lines_and_frames_come_in_order(self) -> None:
        data = b"one\n" + frame(b"two") + b"three\n" + frame(b"four")
        self.assertEqual(self.feed(data), ["one\n", "two", "three\n", "four"])

    def test_a_line_goes_on_after_a_frame_within_it(self) -> None:
        self.assertEqual(self.feed(b"be" + frame(b"frame") + b"gun\n"), ["frame", "begun\n"])

    def test_bytes_may_arrive_one_by_one(self) -> None:
        data = "å\n".encode() + frame(b"a\nb") + "åZ\n".encode() + frame(b"c") + b"d\n"
        found = [event for byte in data for event in self.feed(bytes([byte]))]
        self.assertEqual(found, ["å\n", "a\nb", "åZ\n", "c", "d\n"])

    def test_every_kind_of_frame_is_known(self) -> None:
        for low in (2, 3, 0x0A, 0x0B, 0x0E, 0x0F, 0x12, 0x13, 0x16, 0x17, 0x1A, 0x1B):
            with self.subTest(low):
                self.assertEqual(self.feed(frame(b"x", 0xA55A0000 | low)), ["x"])

    def test_an_empty_frame_is_nothing(self) -> None:
        self.assertEqual(self.feed(frame(b"") + b"a\n"), ["a\n"])

    def test_what_only_looks_like_a_frame_is_text(self) -> None:
        data = b"\xa5\x5a\x00\x63more\n"
        cutter = FrameCutter()
        self.assertEqual(
            list(cutter.feed(data + frame(b"x"))), [data.decode(errors="replace"), "x"]
        )

    def test_a_letter_that_ends_like_a_frame_begins_is_not_held_back(self) -> None:
        self.assertEqual(self.feed("å".encode()), [])
        self.assertTrue(self.cutter.has_rest)
        self.assertEqual(self.flush(), ["å"])
        self.assertEqual(self.feed(b"\n"), ["\n"])

    def test_of_a_frame_cut_short_what_came_is_handed_over(self) -> None:
        self.assertEqual(self.feed(frame(b"message")[:-3]), [])
        self.assertTrue(self.cutter.has_rest)
        self.assertEqual(self.flush(), ["mess"])

    def test_a_frame_goes_on_after_it_was_flushed(self) -> None:
        self.feed(frame(b"message")[:-3])
        self.flush()
        self.assertEqual(self.feed(b"ageline\n"), ["age", "line\n"])

    def test_a_header_cut_short_says_nothing(self) -> None:
        for size in range(4, 16):
            with self.subTest(size):
                cutter = FrameCutter()
                self.assertEqual([*cutter.feed(frame(b"x")[:size]), *cutter.flush()], [])
                self.assertEqual(list(cutter.feed(frame(b"x")[size:])), ["x"])

    def test_a_long_message_comes_in_pieces(self) -> None:
        self.assertEqual(self.feed(frame(b"1234567890") + b"a\n"), ["12345678", "90", "a\n"])

    def test_what_is_no_utf_8_becomes_the_replacement_character(self) -> None:
        self.assertEqual(self.feed(frame(b"a\xffb")), ["a\N{REPLACEMENT CHARACTER}b"])


class DescriptorTest(SandboxTestCase):
    def frames(self, command: list[str], **config: object) -> ManagedProcess:
        mine = {"inherit_stdio": False, **config}
        role = mine.pop("role", ProcessRole.RUNTIME)
        return self.sandbox.spawn(ProcessConfig(command, role, **mine), {}, has_log_frames=True)

    def test_frames_and_lines_come_in_the_order_they_were_written_in(self) -> None:
        words = [f"{kind}{number}" for number in range(500) for kind in ("line", "frame:f\n")]
        self.frames(program("framing", *words)).wait(PATIENCE)
        expected = [text for n in range(500) for text in (f"line{n}\n", f"f\n{n}")]
        self.assertEqual(self.lines, expected)

    def test_a_frame_is_heard_without_being_asked_for(self) -> None:
        self.frames(["/bin/sh", "-c", f"{' '.join(program('framing', 'frame:hello'))}; sleep 600"])
        self.assertEqual(self.wait_for_lines(1), ["hello"])

    def test_a_frame_cut_short_is_heard_at_the_end(self) -> None:
        self.frames(program("framing", "line", "cut:half a message")).wait(PATIENCE)
        self.assertEqual(self.lines, ["line\n", "half a message"])

    def test_a_runtime_is_told_of_lambdas_number_or_the_next_free_one(self) -> None:
        self.frames(SHOW).wait(PATIENCE)
        first = int(self.lines[0])
        self.assertGreaterEqual(first, 62)
        taken = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, first)
        try:
            self.frames(SHOW).wait(PATIENCE)
        finally:
            os.close(taken)
        self.assertGreater(int(self.lines[1]), first)

    def test_nobody_is_told_unless_it_is_wanted(self) -> None:
        self.spawn(SHOW).wait(PATIENCE)
        self.assertEqual(self.lines, ["none\n"])

    def test_an_extension_is_not_told(self) -> None:
        self.frames(SHOW, role=ProcessRole.EXTENSION).wait(PATIENCE)
        self.assertEqual(self.lines, ["none\n"])

    def test_a_variable_of_the_users_wins_and_gets_no_descriptor(self) -> None:
        count = "ls /proc/self/fd | wc -l"
        self.spawn(["/bin/sh", "-c", count]).wait(PATIENCE)
        script = f"echo ${LOG_FD}; {count}"
        self.frames(["/bin/sh", "-c", script], env={LOG_FD: "1"}).wait(PATIENCE)
        self.assertEqual(self.lines[1:], ["1\n", self.lines[0]])

    def test_another_child_does_not_inherit_it(self) -> None:
        self.frames(["/bin/sleep", "600"])
        script = "for fd in /proc/self/fd/*; do readlink $fd; done"
        other = self.spawn(["/bin/sh", "-c", script])
        other.wait(PATIENCE)
        pipes = {line for line in self.lines if line.startswith("pipe:")}
        self.assertEqual(len(pipes), 2)  # its own stdout and stderr

    def test_a_failed_spawn_leaves_no_descriptor(self) -> None:
        self.frames(["/bin/true"]).wait(PATIENCE)
        before = len(os.listdir("/proc/self/fd"))
        with self.assertRaises(BinaryNotFound):
            self.frames(["/no/such/bootstrap"])
        with self.assertRaises(SpawnFailed):
            self.frames(["/bin/true"], env={"NAME": "\ud800"})  # half a surrogate pair
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_frames_are_copied_to_our_standard_output_each_with_a_newline(self) -> None:
        with redirect_stdout(io.StringIO()) as out:
            words = ("one", "frame:two", "three", "frame:four\n")
            self.frames(program("framing", *words), inherit_stdio=True).wait(PATIENCE)
        self.assertEqual(out.getvalue(), "one\ntwo\nthree\nfour\n")
        self.assertEqual(self.lines, ["one\n", "two", "three\n", "four\n"])

    def test_a_grandchild_that_holds_it_does_not_keep_it_open(self) -> None:
        script = f"{shlex.join(program('stray'))} & wait"
        child = self.frames(["/bin/sh", "-c", script])
        stray = self.wait_for_pid()
        self.sandbox.freeze()  # so that it is known
        child.kill()
        child.wait(PATIENCE)
        self.wait_until_gone(stray)


class RuntimeApi(ThreadingHTTPServer):
    """Hands out one event, and tells when it is answered."""

    daemon_threads = True

    def __init__(self, event: object) -> None:
        self.event = json.dumps(event).encode()
        self.answered = Event()
        self.closing = Event()
        self.polls = 0
        super().__init__(("127.0.0.1", 0), OneInvocation)

    def handle_error(self, *_: object) -> None:
        pass  # the runtime was killed


class OneInvocation(BaseHTTPRequestHandler):
    server: RuntimeApi
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.polls += 1
        if self.server.polls > 1:
            self.server.closing.wait(PATIENCE)
            return
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "id-1")
        # Without these two the native client of awslambdaric 4.2.2 dies of SIGSEGV.
        self.send_header("Lambda-Runtime-Trace-Id", "Root=1-0-0;Sampled=0")
        self.send_header("Content-Type", "application/json")
        self.send_header("Lambda-Runtime-Deadline-Ms", "9999999999999")
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:x:1:function:f")
        self.send_header("Content-Length", str(len(self.server.event)))
        self.end_headers()
        self.wfile.write(self.server.event)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.answered.set()


@unittest.skipIf(find_spec("awslambdaric") is None, "awslambdaric is not installed")
class AwsLambdaRicTest(SandboxTestCase):
    def said(self, handler: str, event: object, **env: str) -> list[str]:
        """What a handler's invocation leaves in the log, before its answer is accepted."""
        api = RuntimeApi(event)
        server = Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01})
        server.start()
        try:
            config = ProcessConfig(
                [sys.executable, "-m", "awslambdaric", f"talkative.{handler}"],
                ProcessRole.RUNTIME,
                cwd=PROGRAMS,
                env=env,
                inherit_stdio=False,
            )
            variables = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_address[1]}"}
            child = self.sandbox.spawn(config, variables, has_log_frames=True)
            self.assertTrue(api.answered.wait(PATIENCE), self.lines)
            self.sandbox.drain(flush=True)
            lines = self.lines
            child.kill()
            child.wait(PATIENCE)
        finally:
            api.closing.set()
            api.shutdown()
            api.server_close()
            server.join(PATIENCE)
        return lines

    def test_what_is_logged_is_one_event_with_its_newlines(self) -> None:
        (line,) = self.said("log", {})
        self.assertRegex(line, r"^\[INFO\]\t\d{4}-[-T:.\d]+Z\tid-1\ttwo\nlines\n$")

    def test_a_traceback_is_one_event_as_lambda_shows_it(self) -> None:
        (line,) = self.said("fail", {})
        self.assertEqual(
            line,
            "[ERROR] CustomException: some error occurred\n"
            "Traceback (most recent call last):\n"
            f'\u00a0\u00a0File "{PROGRAMS / "talkative.py"}", line 16, in fail\n'
            '\u00a0\u00a0\u00a0\u00a0raise CustomException("some error occurred")',
        )

    def test_json_is_one_line_each(self) -> None:
        lines = self.said("log", {}, AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO")
        (record,) = map(json.loads, lines)
        self.assertEqual((record["level"], record["message"]), ("INFO", "two\nlines"))

    def test_print_and_logging_stay_in_order(self) -> None:
        lines = self.said("mixed", {"count": 100})
        self.assertEqual(
            [line.split("\t")[-1] for line in lines],
            [f"{verb} {n}\n" for n in range(100) for verb in ("printed", "logged")],
        )


if __name__ == "__main__":
    unittest.main()
