"""A telemetry pipeline: an extension that writes every record it is sent into a file of its own.

pipeline_extension.py <folder> <http|tcp> [<name>=<value>] ...

timeoutMs   of the subscription (25)
slow        seconds that it takes for each batch (0)
crash       the INVOKE at which its first life ends (none)

Each life has its own file, 0.jsonl, 1.jsonl, ... For each INVOKE it prints a line of its own.
"""

import http.client
import http.server
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

NAME = "pipeline"
QUIET_SECONDS = 0.2


class File:
    """One life's records, in the order in which they came; written before they are answered."""

    def __init__(self, folder, slow):
        self.life = len(list(folder.iterdir()))
        self.slow = slow
        self.written_at = 0.0
        self.file = (folder / f"{self.life}.jsonl").open("xb", buffering=0)

    def write(self, lines):
        time.sleep(self.slow)
        self.file.write(b"".join(line + b"\n" for line in lines))
        self.written_at = time.monotonic()

    def drain(self):
        """Nobody says that all has come: wait until nothing does."""
        begun_at = time.monotonic()
        while (left := max(self.written_at, begun_at) + QUIET_SECONDS - time.monotonic()) > 0:
            time.sleep(left)


def listen_http(file):
    class Listener(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            batch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            file.write(json.dumps(event).encode() for event in batch)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{server.server_port}/"}


def listen_tcp(file):
    server = socket.create_server(("127.0.0.1", 0))

    def read():
        while True:
            link, _ = server.accept()
            with link, link.makefile("rb") as lines:
                for line in lines:
                    file.write([line.rstrip(b"\n")])

    threading.Thread(target=read, daemon=True).start()
    return {"protocol": "TCP", "port": server.getsockname()[1]}


def main():
    folder, protocol, *words = sys.argv[1:]
    options = dict(word.split("=") for word in words)
    file = File(Path(folder), float(options.get("slow", 0)))
    destination = (listen_http if protocol == "http" else listen_tcp)(file)
    link = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    headers = {"Lambda-Extension-Name": NAME}

    def call(method, path, body=None):
        link.request(method, path, body and json.dumps(body), headers)
        answer = link.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status} {text}")
        return answer.headers, json.loads(text)

    found, _ = call("POST", "/2020-01-01/extension/register", {"events": ["INVOKE", "SHUTDOWN"]})
    headers["Lambda-Extension-Identifier"] = found["Lambda-Extension-Identifier"]
    subscription = {
        "schemaVersion": "2022-12-13",
        "types": ["platform", "function", "extension"],
        "destination": destination,
        "buffering": {"timeoutMs": int(options.get("timeoutMs", 25))},
    }
    call("PUT", "/2022-07-01/telemetry", subscription)
    for number in range(1, sys.maxsize):
        _, event = call("GET", "/2020-01-01/extension/event/next")
        if event["eventType"] == "SHUTDOWN":
            break
        if file.life == 0 and number == int(options.get("crash", 0)):
            os._exit(3)
        print(NAME, event["requestId"], flush=True)
    file.drain()


main()
