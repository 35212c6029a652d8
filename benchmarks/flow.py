"""Many at once: environments side by side, wake-ups of pollers, telemetry on its way."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from benchmarks.environments import SMALL, invoking, simulator
from benchmarks.measure import Row, in_turn
from benchmarks.runtime import answer
from lambda_sim import RELAXED, Invocation, ProcessConfig, ProcessRole, Simulator
from lambda_sim.testing import ScriptedExtension, TelemetryReceiver

ENVIRONMENTS = (1, 2, 4, 8)
CALLS = 400
LINES = 5_000
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE = 60.0


def rows(rounds: int) -> Iterator[Row]:
    yield from _throughput(rounds)
    yield from _wake_up(rounds)
    yield from _delivery(rounds)


def _throughput(rounds: int) -> Iterator[Row]:
    """Invocations a second of environments in one process, each with a caller of its own."""
    with ExitStack() as undo:
        ours = [undo.enter_context(simulator()) for _ in range(max(ENVIRONMENTS))]
        threads = undo.enter_context(ThreadPoolExecutor(max(ENVIRONMENTS)))

        def rate(count: int) -> float:
            begin = time.perf_counter()
            list(threads.map(_call, ours[:count]))
            return count * CALLS / (time.perf_counter() - begin)

        turns = in_turn({str(count): partial(rate, count) for count in ENVIRONMENTS}, rounds)
    for count in ENVIRONMENTS:
        against = "" if count == 1 else "1"
        yield turns.row("invocations a second", str(count), "1/s", against=against)


def _call(ours: Simulator) -> None:
    invoke = invoking(ours)
    for _ in range(CALLS):
        invoke(SMALL)


def _wake_up(rounds: int) -> Iterator[Row]:
    """From enqueue to the event's arrival at a poller that waits."""
    with Simulator(rules=RELAXED) as ours, socket.create_connection(ours.addr) as poller:
        poller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours.mark_initialized()

        def woken() -> float:
            poller.sendall(NEXT)
            ours.wait_for_parked(1)
            begin = time.perf_counter()
            ours.enqueue(Invocation.from_bytes(SMALL))
            head, _ = answer(poller)
            took = time.perf_counter() - begin
            _respond(poller, head)
            return took

        def median() -> float:
            found = sorted(woken() for _ in range(300))
            return found[len(found) // 2]

        turns = in_turn({"enqueue to arrival": median}, rounds)
    yield turns.row("wake-up", "enqueue to arrival", "µs", scale=1e6)


def _respond(poller: socket.socket, head: bytes) -> None:
    name = b"lambda-runtime-aws-request-id: "
    at = head.lower().index(name) + len(name)
    request_id = head[at : at + 36].decode()
    path = f"/2018-06-01/runtime/invocation/{request_id}/response"
    poller.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    answer(poller)


def _delivery(rounds: int) -> Iterator[Row]:
    turns = in_turn({"log lines": _delivered}, rounds)
    yield turns.row("telemetry a second", "log lines", "1/s")


def _delivered() -> float:
    """Events a second, from a process that does nothing but print to a subscriber over HTTP."""
    command = ["sh", "-c", f"seq {LINES}; exec sleep 600"]
    with ExitStack() as undo:
        ours = undo.enter_context(Simulator(rules=RELAXED, history_limit=2 * LINES))
        receiver = undo.enter_context(TelemetryReceiver())
        undo.enter_context(ScriptedExtension(ours, "listener")).subscribe(receiver, ["function"])
        begin = time.perf_counter()
        ours.spawn_process_with_config(
            ProcessConfig(command, ProcessRole.RUNTIME, inherit_stdio=False)
        )
        ours.wait_for(lambda: len(receiver.events) >= LINES, PATIENCE)
        return LINES / (time.perf_counter() - begin)
