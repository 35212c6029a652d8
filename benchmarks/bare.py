"""What a simulator costs that does nothing: to start and close, to import, to have around."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import psutil

from benchmarks.environments import ROOT
from benchmarks.measure import Row, in_turn, median_of, timed
from lambda_sim import Simulator

START_BAR_MS = 3.0
IMPORT_BAR = 1.5
MEMORY_BAR_MB = 0.5
THREADS = 3
IMPORTS = {
    "werkzeug.wrappers": "import werkzeug.wrappers",
    "one name of lambda_sim": "import lambda_sim; lambda_sim.Invocation",
    "lambda_sim.Simulator": "import lambda_sim; lambda_sim.Simulator",
    "lambda_sim.handler": "import lambda_sim.handler",
    "nothing": "pass",
}
COUNTS = (1, 10, 100, 1_000)


def rows(rounds: int) -> Iterator[Row]:
    turns = in_turn({"start and close": lambda: median_of(_start_and_close, 50)}, rounds)
    yield turns.row("bare", "start and close", "ms", bar=START_BAR_MS, scale=1e3)
    yield from _imports(rounds)
    yield from _memory()


def _start_and_close() -> None:
    with Simulator():
        pass


def _imports(rounds: int) -> Iterator[Row]:
    cases = {name: partial(timed, partial(_run, code)) for name, code in IMPORTS.items()}
    turns = in_turn(cases, 3 * rounds)
    nothing = turns.rounds.pop("nothing")
    for name, figures in turns.rounds.items():
        pairs = zip(figures, nothing, strict=True)
        turns.rounds[name] = [max(1e-6, figure - empty) for figure, empty in pairs]
    for name in turns.rounds:
        against = "" if name == "werkzeug.wrappers" else "werkzeug.wrappers"
        bar = IMPORT_BAR if name.startswith(("one", "lambda_sim.S")) else None
        yield turns.row("import", name, "ms", against=against, bar=bar, scale=1e3)


def _run(code: str) -> None:
    # Compiled once, as for everybody: some machines' settings would compile ours each time.
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=variables)


def _memory() -> Iterator[Row]:
    """Each count in a process of its own, where nothing else lies about."""
    for count in COUNTS:
        command = [sys.executable, "-m", "benchmarks.bare", str(count)]
        ran = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
        found = json.loads(ran.stdout)
        each, threads = found["mb"], found["threads"]
        # The first brings along what all of them share.
        bar = MEMORY_BAR_MB if count > 1 else None
        yield Row("idle simulators", f"{count}, each", each, "MB", (each, each), bar=bar)
        yield Row("", "threads of each", threads, "", (threads, threads), bar=THREADS)


def _have(count: int) -> None:
    """Have so many, and tell what one of them takes."""
    with Simulator():
        pass  # what is loaded late is loaded now
    process = psutil.Process()
    before, threads = process.memory_info().rss, threading.active_count()
    with ExitStack() as undo:
        for _ in range(count):
            undo.enter_context(Simulator())
        mb = (process.memory_info().rss - before) / 1e6 / count
        own = (threading.active_count() - threads) / count
        print(json.dumps({"mb": mb, "threads": statistics.fmean([own])}))


if __name__ == "__main__":
    _have(int(sys.argv[1]))
