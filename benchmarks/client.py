"""A raw-socket client of the invoke endpoint, and finding ports."""

from __future__ import annotations

import socket
import time

from benchmarks.runtime import answer

PATIENCE = 10.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def wait_until_listening(port: int) -> None:
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)


class Caller:
    """Invokes over one kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def invoke(self, payload: bytes) -> bytes:
        head = (
            "POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {len(payload)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + payload)
        return answer(self._socket)[1]

    def close(self) -> None:
        self._socket.close()
