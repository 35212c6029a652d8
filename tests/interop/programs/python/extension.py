"""An extension of Python's own HTTP: prints each event, and all telemetry that it is sent."""

import json
import os
import sys
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "python-extension"


def say(line):
    """In one piece, as two threads do."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Listener(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        for one in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            say(f"{one['type']} {json.dumps(one['record'])}")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


api = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def call(method, path, headers, body=None):
    """One request as the extension; the answer's headers, and its JSON."""
    api.request(method, path, json.dumps(body), headers)
    answer = api.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{path}: {answer.status} {text.decode()}")
    return answer.headers, json.loads(text)


events = {"events": ["INVOKE", "SHUTDOWN"]}
headers, _ = call("POST", "/2020-01-01/extension/register", {"Lambda-Extension-Name": NAME}, events)
me = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}

server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
threading.Thread(target=server.serve_forever, daemon=True).start()
wanted = {
    "schemaVersion": "2022-12-13",
    "types": ["platform", "function"],
    "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{server.server_port}"},
}
call("PUT", "/2022-07-01/telemetry", me, wanted)

while True:
    _, event = call("GET", "/2020-01-01/extension/event/next", me)
    what = event["eventType"]
    say(f"{what} {event.get('requestId', event.get('shutdownReason'))}")
    if what == "SHUTDOWN":
        break
    if os.environ.get("FAIL") == what:
        os._exit(7)
