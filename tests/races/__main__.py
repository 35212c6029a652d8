"""The suite many times over: with threads that switch as often as may be, and as always, each test
watched by faulthandler. ``python -m tests.races --runs 20 wire lifecycle``
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.support import ROOT

INTERVALS = (1e-6, 0.005)
"""Seconds: the least that makes sense, and Python's own."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.races", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="at each interval")
    parser.add_argument("--jobs", type=int, default=1, help="runs at one time")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds that a test may take")
    parser.add_argument("--interval", type=float, action="append", help="seconds")
    parser.add_argument("rooms", nargs="*", help="folders under tests; else the whole suite")
    options = parser.parse_args()
    intervals = options.interval or INTERVALS

    def is_green(interval: float) -> bool:
        began = time.monotonic()
        output = _failure(options.rooms, interval, options.limit)
        verdict = "green" if output is None else f"red\n{output}"
        _say(f"switching every {interval} s, after {time.monotonic() - began:.0f} s: {verdict}")
        return output is None

    with ThreadPoolExecutor(options.jobs) as jobs:
        todo = [interval for _ in range(options.runs) for interval in intervals]
        done = list(zip(todo, jobs.map(is_green, todo), strict=True))
    green = Counter(interval for interval, is_green in done if is_green)
    for interval in intervals:
        _say(f"switching every {interval} s: {green[interval]} of {options.runs} runs green")
    return 0 if green.total() == len(done) else 1


def _failure(rooms: list[str], interval: float, limit: float) -> str | None:
    """What a run in a process of its own printed, if it was not green."""
    words = ["-W", "error", "-m", "tests.races.once", str(interval), str(limit), *rooms]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return f"{done.returncode}\n{done.stdout}{done.stderr}" if done.returncode else None


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
