"""Ctrl-C at any step: the cases of ``ctrl_c.py``."""

from __future__ import annotations

import os
import subprocess
import sys
import unittest

from tests.support import CHILDREN_PATH, ROOT

LIMIT = 100.0


@unittest.skipUnless(
    sys.implementation.name == "cpython", "CPython looks for signals where we think"
)
class CtrlCTest(unittest.TestCase):
    def test_whatever_it_cuts_short_the_close_that_follows_ends_everything(self) -> None:
        # In a process of its own. Here handlers were interrupted, perhaps in threads that ended
        # before they noticed: then CPython 3.11 has something to look for that never comes, and
        # looks for ever where somebody traces.
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "unittest", "tests.reliability.ctrl_c"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": CHILDREN_PATH},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        self.assertEqual(0, done.returncode, done.stderr)


if __name__ == "__main__":
    unittest.main()
