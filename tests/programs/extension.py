"""An external extension: prints each event; cleans up at SHUTDOWN for as long as it is told."""

import http.client
import json
import os
import sys
import time

name = sys.argv[1]
cleanup = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def call(method, path, headers, body=None):
    api.request(method, f"/2020-01-01/extension/{path}", body, headers)
    answer = api.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{path}: {answer.status} {text.decode()}")
    return answer.headers, json.loads(text)


events = json.dumps({"events": ["INVOKE", "SHUTDOWN"]})
headers, _ = call("POST", "register", {"Lambda-Extension-Name": name}, events)
identity = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
while True:
    _, event = call("GET", "event/next", identity)
    print(name, event["eventType"], event.get("shutdownReason", ""), flush=True)
    if event["eventType"] == "SHUTDOWN":
        time.sleep(cleanup)
        print(name, "is clean", flush=True)
        break
