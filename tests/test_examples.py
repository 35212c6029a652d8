"""Every example runs from anywhere, ends well, and shows what it is there to show."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PATIENCE = 60.0


class ExamplesTest(unittest.TestCase):
    def show(self, name: str) -> str:
        """What an example prints on both streams, run in a directory that is not its own."""
        command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")]
        elsewhere = self.enterContext(tempfile.TemporaryDirectory())
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            cwd=elsewhere,
            text=True,
            timeout=PATIENCE,
        )
        shown = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, shown)
        self.assertEqual(list(Path(elsewhere).iterdir()), [])
        return shown

    def require(self, *programs: str) -> None:
        for program in programs:
            if shutil.which(program) is None:
                self.skipTest(f"{program} is not installed")

    def assert_lines(self, shown: str, *patterns: str) -> None:
        """Lines like these are there, in this order."""
        self.assertRegex(shown, re.compile(".*^".join(patterns), re.DOTALL | re.MULTILINE))

    def test_hello(self) -> None:
        self.assert_lines(
            self.show("hello"),
            "status:  SUCCESS",
            r"result:  \{'message': 'Hello, Ada!', 'by': 'greeter'\}",
            "log:     START RequestId: ",
            "log:     greeting Ada",
            "log:     REPORT RequestId: .*Billed Duration: .*Init Duration: ",
        )

    def test_testcase(self) -> None:
        self.assert_lines(self.show("testcase"), "Ran 3 tests in ", "OK$")

    def test_orders(self) -> None:
        self.assert_lines(
            self.show("orders"),
            r"receipt: \{'order': '17', 'total': 5.0\}$",
            r"refused: EventValidationError - lines\[0\].count: expected an integer, got text$",
            "failed:  KeyError - 'milk'$",
            "price list read: 1 time$",
        )

    def test_run_local(self) -> None:
        self.assert_lines(
            self.show("run_local"),
            r"invocations\[0\]: cold, init [\d.]+ ms, .*succeeded$",
            r"invocations\[3\]: warm, .*KeyError, as expected$",
            r"results: \[\{'order': '21', 'total': 7.5\}, None\]$",
            "log:     reading the price list$",
            "failed:  KeyError$",
            "not run: 1$",
        )

    def test_batch(self) -> None:
        shown = self.show("batch")
        self.assert_lines(
            shown, r'again: \{"id": "b", "count": 0\}$', r"in time: \d, again: \d, SUCCESS$"
        )
        in_time, again = map(int, re.findall(r"(\d), ", shown.splitlines()[-1]))
        # How many is up to the machine; all five would take as long as the function may.
        self.assertEqual((5, True), (in_time + again, again > 0), shown)

    def test_rotation(self) -> None:
        self.assert_lines(
            self.show("rotation"),
            "  setSecret .* AWSCURRENT .{8}  AWSPENDING .{8}$",
            r"  failed: RotationError: PermissionError: \*\*\* is not the password$",
            "  finishSecret .* AWSCURRENT .{8}  AWSPREVIOUS .{8}$",
            "kept: True$",
        )

    def test_connection(self) -> None:
        self.assert_lines(
            self.show("connection"),
            r"Ada: \{'visits': 1\}$",
            r"Barbara: \{'visits': 3\}$",
            "log: connected$",
            "log: disconnected$",
        )

    def test_timeout(self) -> None:
        shown = self.show("timeout")
        self.assert_lines(
            shown,
            r"slow: DeadlineExceeded after 1\.\d of 1\.5 seconds, in$",
            ".*in run$",
            ".*in wait_for_the_server$",
            r"hopeless: DeadlineExceeded after 1\.\d of 1\.5 seconds, in$",
            ".*in try_for_ever$",
        )
        first, second, third = re.findall(r"^fast: served by process (\d+)$", shown, re.MULTILINE)
        self.assertEqual(first, second)
        self.assertNotEqual(second, third)

    def test_memory(self) -> None:
        self.assert_lines(
            self.show("memory"),
            "20 MB: 20 rows$",
            r"500 MB: MemoryPressure: .* out of memory: 12\d of 128 MB used$",
            "20 MB: 20 rows$",
            r"log: \[WARNING\].*memory is nearly full: 1\d\d of 128 MB used",
        )

    def test_extension(self) -> None:
        shown = self.show("extension")
        ids = re.findall("^invoked  (.{8}) SUCCESS$", shown, re.MULTILINE)
        self.assertEqual(len(ids), 3)
        self.assert_lines(
            shown,
            f"flushing_extension.py flushed 2 at INVOKE: {ids[0]}, {ids[1]}$",
            rf"flushing_extension.py flushed 1 at SHUTDOWN \(spindown\): {ids[2]}$",
        )

    def test_telemetry(self) -> None:
        shown = self.show("telemetry")
        captured = re.findall(r"^captured: \S+ (\S+)$", shown, re.MULTILINE)
        self.assertEqual(captured[0], "platform.initStart")
        self.assertEqual(
            captured[-3:], ["platform.start", "platform.runtimeDone", "platform.report"]
        )
        self.assert_lines(
            shown,
            rf"received: {len(captured)} events in \d+ batches",
            r"report:   durationMs = [\d.]+$",
            "report:   memorySizeMB = 128$",
        )

    def test_freeze(self) -> None:
        shown = self.show("freeze")
        ticks = dict(re.findall(r"^(\w+): (\d+) ticks in 0.2 idle seconds$", shown, re.MULTILINE))
        self.assertLess(int(ticks["PROCESS"]), int(ticks["NONE"]), shown)

    def test_snapstart(self) -> None:
        self.assert_lines(
            self.show("snapstart"),
            r"snapshot: \[\]$",
            r"result:   \{'square': 144\}$",
            "log:      INIT_START Runtime Version: ",
            "log:      RESTORE_START Runtime Version: ",
            "log:      restored$",
            "log:      RESTORE_REPORT Restore Duration: ",
            "log:      INIT_REPORT .*Phase: snap-start$",
            "log:      REPORT .*Restore Duration: .*Billed Restore Duration: ",
        )

    def test_concurrency(self) -> None:
        shown = self.show("concurrency")
        self.assertEqual(shown.count("answer: slept"), 4, shown)
        self.assertRegex(shown, r"4 invocations of 0.2 s each took [\d.]+ times that")

    def test_bash_runtime(self) -> None:
        self.require("bash", "curl")
        self.assert_lines(
            self.show("bash_runtime"),
            r"answer: \{'from': 'bash', 'event': 'one'\}",
            r"answer: \{'from': 'bash', 'event': 'three'\}",
            'log:    bash got "one"',
            'log:    bash got "three"',
        )

    def test_the_bootstrap_can_be_executed(self) -> None:
        self.assertTrue((EXAMPLES / "bootstrap").stat().st_mode & 0o111)

    def test_no_example_is_forgotten(self) -> None:
        parts = {"app", "flushing_extension", "polling", "restoring", "ticking"}
        names = {path.stem for path in EXAMPLES.glob("*.py")} - parts
        self.assertEqual({name for name in names if not hasattr(self, f"test_{name}")}, set())


if __name__ == "__main__":
    unittest.main()
