"""The command under the signals of shells and terminals: it ends, and so does all it started."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from lambda_sim.process import tree
from tests.reliability.case import KillTestCase
from tests.support import PATIENCE

INVOKE = "/2015-03-31/functions/function/invocations"
COMMAND = [sys.executable, "-W", "error", "-m", "lambda_sim"]
FUNCTION = ["--handler", "functions.work", "--timeout", "600"]
CTRL_C = "\x03"
BACKGROUND = """
trap 'echo interrupted' INT
"$@" &
echo "started $!"
wait $!
wait $!
echo "it ended with $?"
"""
"""A script that goes on after Ctrl-C, and with it what it has in the background."""

NOHUP = """
nohup "$@" >"$TMPDIR/log" 2>&1 &
echo "started $!"
wait
"""


class CommandsTest(KillTestCase):
    def hanging_invoke(self) -> subprocess.Popen[str]:
        child = self.start([*COMMAND, "invoke", *FUNCTION, "--event", '"hang"'])
        self.read_until(child, "at invoking")
        return child

    def hanging_serve(self) -> subprocess.Popen[str]:
        child = self.start([*COMMAND, "serve", "--port", "0", *FUNCTION])
        self.post(self.address(self.read_until(child, "listening")), "hang")
        self.read_until(child, "at invoking")
        return child

    def address(self, line: str) -> str:
        found = re.search(r"http://([^/,\s]+)", line)
        assert found is not None, line
        return found[1]

    def post(self, address: str, event: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request("POST", INVOKE, json.dumps(event))
        return connection

    def answer(self, address: str) -> bytes:
        return self.post(address, "go").getresponse().read()

    def test_every_signal_ends_invoke_and_all_it_started(self) -> None:
        for number, expected in (
            (signal.SIGINT, 130),
            (signal.SIGTERM, 143),
            (signal.SIGHUP, 129),
            (signal.SIGQUIT, -signal.SIGQUIT),
            (signal.SIGKILL, -signal.SIGKILL),
        ):
            with self.subTest(number.name):
                child = self.hanging_invoke()
                child.send_signal(number)
                status, said = self.finish(child)
                self.assertEqual(expected, status, said)
                self.assert_nobody_is_left()

    def test_every_signal_ends_serve_and_all_it_started(self) -> None:
        for number, expected in (
            (signal.SIGINT, 0),
            (signal.SIGTERM, 0),
            (signal.SIGHUP, 0),
            (signal.SIGQUIT, -signal.SIGQUIT),
            (signal.SIGKILL, -signal.SIGKILL),
        ):
            with self.subTest(number.name):
                child = self.hanging_serve()
                child.send_signal(number)
                status, said = self.finish(child)
                self.assertEqual(expected, status, said)
                self.assert_nobody_is_left()

    def test_a_serve_that_is_killed_as_soon_as_it_listens_leaves_nobody(self) -> None:
        for _ in range(3):  # its function is being started just then
            child = self.start([*COMMAND, "serve", "--port", "0", *FUNCTION])
            self.read_until(child, "listening")
            child.kill()
            child.wait(PATIENCE)
            self.assert_nobody_is_left()

    # --- At a terminal ----------------------------------------------------------------------------

    def press(self, terminal: subprocess.Popen[str], key: str) -> None:
        assert terminal.stdin is not None
        terminal.stdin.write(key)
        terminal.stdin.flush()

    def test_ctrl_c_ends_both_commands_in_the_foreground(self) -> None:
        for words, point, expected in (
            (["invoke", *FUNCTION, "--event", '"hang"'], "at invoking", 130),
            (["serve", "--port", "0", *FUNCTION], "listening", 0),
        ):
            with self.subTest(words[0]):
                terminal = self.on_terminal(*COMMAND, *words)
                self.read_until(terminal, point)
                self.press(terminal, CTRL_C)
                status, said = self.finish(terminal)
                self.assertEqual(expected, status, said)
                self.assertNotIn("Traceback", said)
                self.assert_nobody_is_left()

    def test_a_terminal_that_goes_away_ends_it(self) -> None:
        terminal = self.on_terminal(*COMMAND, "serve", "--port", "0", *FUNCTION)
        self.read_until(terminal, "listening")
        terminal.kill()
        self.assert_nobody_is_left()

    def test_ctrl_c_is_not_for_what_a_script_has_in_its_background(self) -> None:
        serve = [*COMMAND, "serve", "--port", "0", *FUNCTION]
        terminal = self.on_terminal("/bin/sh", "-c", BACKGROUND, "sh", *serve)
        pid = int(self.read_until(terminal, "started").split()[1])
        address = self.address(self.read_until(terminal, "listening"))
        self.press(terminal, CTRL_C)
        self.read_until(terminal, "interrupted")
        self.assertEqual(b'"go"', self.answer(address))
        os.kill(pid, signal.SIGTERM)
        self.read_until(terminal, "it ended with 0")
        self.assert_nobody_is_left()

    def test_what_nohup_started_outlives_its_terminal(self) -> None:
        serve = [*COMMAND, "serve", "--port", "0", *FUNCTION]
        terminal = self.on_terminal("/bin/sh", "-c", NOHUP, "sh", *serve)
        pid = int(self.read_until(terminal, "started").split()[1])
        log = Path(self.folder, "log")
        self.assertTrue(
            tree.asked_until(lambda: log.exists() and "listening" in log.read_text(), PATIENCE)
        )
        address = self.address(log.read_text())
        terminal.kill()
        terminal.wait(PATIENCE)
        self.assertEqual(b'"go"', self.answer(address))
        os.kill(pid, signal.SIGTERM)
        self.assert_nobody_is_left()
