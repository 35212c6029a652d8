"""A cold start: from nothing to the first answer, less what the runtime's process itself takes."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator

from benchmarks.environments import MINIMAL, SMALL, Invoke, emulator, in_process
from benchmarks.measure import Row, in_turn

ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


def rows(rounds: int) -> Iterator[Row]:
    cases = {"in process": _ours, "RIE": _theirs, "the process alone": _alone}
    turns = in_turn(cases, max(rounds, 5))
    alone = turns.median("the process alone")
    for name in ("in process", "RIE"):
        turns.rounds[name] = [max(0.0, figure - alone) for figure in turns.rounds[name]]
    yield turns.row("cold start, beyond", "in process", "ms", against="RIE", scale=1e3)
    yield turns.row("cold start, beyond", "RIE", "ms", scale=1e3)
    yield turns.row("cold start, beyond", "the process alone", "ms", scale=1e3)


def _ours() -> float:
    begin = time.perf_counter()
    with in_process(MINIMAL) as invoke:
        return _answered(invoke, begin)


def _theirs() -> float:
    begin = time.perf_counter()
    with emulator(MINIMAL) as invoke:
        return _answered(invoke, begin)


def _answered(invoke: Invoke, begin: float) -> float:
    invoke(SMALL)
    return time.perf_counter() - begin


def _alone() -> float:
    """From the fork to its first Next."""
    with socket.create_server(("127.0.0.1", 0)) as api:
        address = f"127.0.0.1:{api.getsockname()[1]}"
        begin = time.perf_counter()
        process = subprocess.Popen(MINIMAL, env={**os.environ, "AWS_LAMBDA_RUNTIME_API": address})
        try:
            peer, _ = api.accept()
            with peer:
                peer.recv(65_536)
            return time.perf_counter() - begin
        finally:
            process.kill()
            process.wait()
