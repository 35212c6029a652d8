"""The suite or some of its rooms, once, in this process. ``python -m tests.races.once 1e-6 120``"""

from __future__ import annotations

import faulthandler
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

ELSEWHERE = ("tests.conformance.test_score.", "tests.conformance.test_rie_defects.")
"""Cases against programs in processes of their own, a quarter of all the time: who names their room
races with them, and the whole suite without."""


class WatchedResult(unittest.TextTestResult):
    """A test that takes too long ends the process, after every thread has said where it is."""

    limit = 120.0

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:  # at once, as a test that is ended never comes to its report
            self.stream.writeln(f"{subtest}\n{self._exc_info_to_string(err, subtest)}")

    def startTest(self, test: unittest.TestCase) -> None:
        faulthandler.dump_traceback_later(self.limit, exit=True)
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)


def _each(tests: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for one in tests:
        if isinstance(one, unittest.TestSuite):
            yield from _each(one)
        else:
            yield one


def main() -> int:
    interval, limit, *rooms = sys.argv[1:]
    sys.setswitchinterval(float(interval))  # before tests are imported, which do so to children
    WatchedResult.limit = float(limit)
    loader, tests = unittest.TestLoader(), ROOT / "tests"
    suite = unittest.TestSuite(
        loader.discover(str(tests / room), top_level_dir=str(ROOT)) for room in rooms or [""]
    )
    if not rooms:
        suite = unittest.TestSuite(
            one for one in _each(suite) if not one.id().startswith(ELSEWHERE)
        )
    runner = unittest.TextTestRunner(verbosity=0, resultclass=WatchedResult)
    return 0 if runner.run(suite).wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
