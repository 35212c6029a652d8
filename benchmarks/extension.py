"""A minimal extension on a raw socket: it takes its events, and perhaps telemetry, well or badly.

extension.py NAME [fast | slow | dead]
"""

import json
import os
import socket
import sys
import threading
import time

from runtime import answer, field

API = "/2020-01-01/extension"
SLOWLY = 0.05
"""Seconds that a slow subscriber takes for each batch."""


def serve(name, telemetry):
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
    api = socket.create_connection((host, int(port)))
    api.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    events = json.dumps({"events": [] if telemetry else ["INVOKE"]})
    head, _ = ask(api, f"POST {API}/register", f"Lambda-Extension-Name: {name}", events)
    own = f"Lambda-Extension-Identifier: {field(head, b'lambda-extension-identifier').decode()}"
    if telemetry:
        wanted = {
            "schemaVersion": "2022-12-13",
            "types": ["platform", "function"],
            "buffering": {"timeoutMs": 25, "maxItems": 1000, "maxBytes": 262144},
            "destination": {"protocol": "HTTP", "URI": f"http://127.0.0.1:{listen(telemetry)}"},
        }
        ask(api, "PUT /2022-07-01/telemetry", own, json.dumps(wanted))
    while True:
        ask(api, f"GET {API}/event/next", own)


def ask(api, request, header, body=""):
    text = f"{request} HTTP/1.1\r\nHost: x\r\n{header}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    api.sendall(text.encode())
    return answer(api)


def listen(telemetry):
    """A listener's port; nobody is behind it where it is dead."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    if telemetry == "dead":
        listener.close()
    else:
        pause = SLOWLY if telemetry == "slow" else 0.0
        threading.Thread(target=accept, args=(listener, pause), daemon=True).start()
    return port


def accept(listener, pause):
    while True:
        threading.Thread(target=take, args=(listener.accept()[0], pause), daemon=True).start()


def take(peer, pause):
    while True:
        answer(peer)
        time.sleep(pause)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
