"""The suite many times over, room by room: with threads that switch as often as may be, and as
always, each test watched by faulthandler. ``python -m tests.races --runs 20 wire lifecycle``
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from tests.support import ROOT

ROOMS = ("lifecycle", "wire", "telemetry", "conformance", "testing", "process", "handler", "cli")
INTERVALS = (1e-6, 0.005)
"""Seconds: the least that makes sense, and Python's own."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.races", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each room, at each interval")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds that a test may take")
    parser.add_argument("--interval", type=float, action="append", help="seconds")
    parser.add_argument("rooms", nargs="*", default=ROOMS, help="folders under tests")
    options = parser.parse_args()
    red = 0
    for interval in options.interval or INTERVALS:
        for room in options.rooms:
            began = time.monotonic()
            green = sum(_is_green(room, interval, options.limit) for _ in range(options.runs))
            red += options.runs - green
            took = time.monotonic() - began
            _say(f"{room}, switching every {interval} s: {green} of {options.runs}, {took:.0f} s")
    return 1 if red else 0


def _is_green(room: str, interval: float, limit: float) -> bool:
    words = ["-W", "error", "-m", "tests.races.once", str(interval), str(limit), room]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        _say(f"{room}, switching every {interval} s: {done.returncode}\n{done.stderr}")
    return done.returncode == 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
