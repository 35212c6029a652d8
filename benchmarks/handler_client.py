"""What a Python runtime client costs for each warm invocation: ours and awslambdaric, A B A B.

    python -m benchmarks.handler_client [--rounds N] [--json]

The Runtime API is a bare socket in this process, so that the client is all there is: the time from
an event's last byte to the client's next Next, less what the socket itself takes. The function
returns its event. ``typed`` is ours with a typed handler and its deadline guard.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.runtime import field

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 30.0
CLIENTS = {
    "ours": ("lambda_sim.handler", "benchmarks.echo.handler"),
    "awslambdaric": ("awslambdaric", "benchmarks.echo.handler"),
    "typed": ("lambda_sim.handler", "benchmarks.echo.Typed"),
}
SIZES = {"100 B": (100, 1000), "10 KB": (10_000, 500), "1 MB": (1_000_000, 30)}
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:f"
ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'


class RuntimeApi:
    """Hands one client its events, over whichever connections it makes."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._waiting: socket.socket | None = None

    def invoke(self, event: bytes) -> float:
        """Seconds from handing the event over to being asked for the next one."""
        client = self._waiting or self._until_next()
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
            f"Lambda-Runtime-Deadline-Ms: {int(time.time() * 1000) + 60_000}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {ARN}\r\n"
            "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0\r\n"
            f"Content-Length: {len(event)}\r\n\r\n"
        )
        begin = time.perf_counter()
        client.sendall(head.encode() + event)
        self._waiting = self._until_next()
        return time.perf_counter() - begin

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def _until_next(self) -> socket.socket:
        while True:
            ready = self._selector.select(PATIENCE)
            if not ready:
                raise TimeoutError("the client neither answered nor asked")
            for key, _ in ready:
                found = self._serve(key.fileobj)  # type: ignore[arg-type]
                if found is not None:
                    return found

    def _serve(self, ready: socket.socket) -> socket.socket | None:
        if ready is self._listener:
            client, _ = self._listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(client, selectors.EVENT_READ)
            return None
        head, body = request(ready)
        if head.startswith(b"GET"):
            return ready
        if not head:
            self._selector.unregister(ready)
            ready.close()
        else:
            if b"/response " not in head.partition(b"\r\n")[0]:
                raise RuntimeError(f"the function failed: {body.decode()}")
            ready.sendall(ACCEPTED)
        return None


def request(client: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of one request; empty when the client is gone."""
    data = client.recv(1 << 18)
    while data and b"\r\n\r\n" not in data:
        data += client.recv(1 << 18)
    head, _, body = data.partition(b"\r\n\r\n")
    if head.startswith(b"POST"):
        parts, left = [body], int(field(head, b"content-length")) - len(body)
        while left > 0:
            parts.append(client.recv(1 << 18))
            left -= len(parts[-1])
        body = b"".join(parts)
    return head, body


@contextmanager
def serving(module: str, handler: str) -> Iterator[RuntimeApi]:
    api = RuntimeApi()
    environ = {"AWS_LAMBDA_RUNTIME_API": api.address, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-m", module, handler],
        env={"PATH": os.defpath, **environ},
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield api
    finally:
        child.kill()
        child.wait()
        api.close()


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Microseconds of one invocation: by payload, by client, a median for each round."""
    found: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as undo:
        apis = {name: undo.enter_context(serving(*client)) for name, client in CLIENTS.items()}
        for label, (size, count) in SIZES.items():
            event = b'{"text": "' + b"x" * (size - 12) + b'"}'
            found[label] = {name: [] for name in apis}
            for number in range(rounds + 1):
                for name, api in apis.items():
                    median = statistics.median(api.invoke(event) for _ in range(count))
                    if number:  # the first round warms up
                        found[label][name].append(median * 1e6)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    found = measure(options.rounds)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'event':8}{'client':14}{'median µs':>12}{'of theirs':>12}{'spread':>16}")
    for label, clients in found.items():
        theirs = statistics.median(clients["awslambdaric"])
        for name, medians in clients.items():
            median = statistics.median(medians)
            spread = f"{min(medians):.0f}..{max(medians):.0f}"
            print(f"{label:8}{name:14}{median:12.0f}{median / theirs:12.2f}{spread:>16}")


if __name__ == "__main__":
    main()
