"""A warm invocation: in process and over HTTP, beside AWS's emulator, with several runtimes."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec

from benchmarks.environments import MINIMAL, ROOT, SMALL, emulator, in_process, over_http, payload
from benchmarks.measure import Row, in_turn, median_of

SIZES = {"100 B": (100, 400), "100 KB": (100_000, 100), "5 MB": (5_000_000, 8)}
NODE_CLIENT = ROOT / ".cache" / "interop" / "node" / "node_modules/aws-lambda-ric/index.mjs"
PLACES = {"in process": in_process, "over HTTP": over_http, "RIE": emulator}
BARS = {"minimal": (0.5, 0.9), "awslambdaric": (0.8, 1.0)}


def rows(rounds: int) -> Iterator[Row]:
    yield from _echo(rounds)
    yield from _around("minimal", MINIMAL, SIZES, rounds)
    for name, command in _others().items():
        yield from _around(name, command, {"100 B": SIZES["100 B"]}, rounds)


def _around(
    name: str, command: list[str], sizes: dict[str, tuple[int, int]], rounds: int
) -> Iterator[Row]:
    in_bar, http_bar = BARS.get(name, (None, None))
    bars = {"in process": in_bar, "over HTTP": http_bar}
    with ExitStack() as undo:
        invokes = {place: undo.enter_context(of(command)) for place, of in PLACES.items()}
        for label, (size, count) in sizes.items():
            event = payload(size)
            cases = {
                place: partial(median_of, partial(invoke, event), count)
                for place, invoke in invokes.items()
            }
            turns = in_turn(cases, rounds)
            group = f"{name}, {label}"
            for place in PLACES:
                against = "" if place == "RIE" else "RIE"
                bar = bars.get(place)
                yield turns.row(group, place, "µs", against=against, bar=bar, scale=1e6)


def _others() -> dict[str, list[str]]:
    """Real runtimes, those that are there."""
    python = sys.executable
    found = {"our handler loop": [python, "-m", "lambda_sim.handler", "benchmarks.echo.handler"]}
    if find_spec("awslambdaric") is None:
        print("awslambdaric is not installed: pip install '.[test]'", file=sys.stderr)
    else:
        found["awslambdaric"] = [python, "-m", "awslambdaric", "benchmarks.echo.handler"]
    node = shutil.which("node")
    if node is None or not NODE_CLIENT.is_file():
        print("node's aws-lambda-ric is not built: make interop", file=sys.stderr)
    else:
        # The client looks for the handler's file below the working directory.
        function = os.path.relpath(ROOT / "benchmarks" / "echo")
        found["node's aws-lambda-ric"] = [node, str(NODE_CLIENT), f"{function}.handler"]
    return found


def _echo(rounds: int) -> Iterator[Row]:
    """The floor: what an invocation can't do without, two round trips on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        pid = os.fork()
        if not pid:
            _echo_back(server.getsockname())
        here, _ = server.accept()
        try:
            here.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            turns = in_turn(
                {"two round trips": lambda: median_of(partial(_twice, here), 1000)}, rounds
            )
            yield turns.row("floor", "two round trips", "µs", scale=1e6)
        finally:
            here.close()
            os.waitpid(pid, 0)


def _twice(here: socket.socket) -> None:
    for _ in range(2):
        here.sendall(SMALL)
        here.recv(65_536)


def _echo_back(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as there:
        there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := there.recv(65_536):
            there.sendall(data)
    os._exit(0)
