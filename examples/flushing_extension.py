"""An external extension that notes each INVOKE and flushes its notes, at the latest at SHUTDOWN.

Started by extension.py; nothing in it knows of lambda_sim, and Lambda would run it as it is.
"""

import json
import os
from http.client import HTTPConnection
from pathlib import Path

BATCH = 2


def call(api, method, path, headers, body=None):
    api.request(method, f"/2020-01-01/extension/{path}", body, headers)
    answer = api.getresponse()
    return answer.headers, json.loads(answer.read())


def flush(notes, why):
    if notes:
        print(f"flushed {len(notes)} at {why}: {', '.join(notes)}", flush=True)
        notes.clear()


def main():
    api = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    headers = {"Lambda-Extension-Name": Path(__file__).name}
    wanted = json.dumps({"events": ["INVOKE", "SHUTDOWN"]})
    answered, _ = call(api, "POST", "register", headers, wanted)
    headers = {"Lambda-Extension-Identifier": answered["Lambda-Extension-Identifier"]}
    notes = []
    while True:
        _, event = call(api, "GET", "event/next", headers)
        if event["eventType"] == "SHUTDOWN":
            flush(notes, f"SHUTDOWN ({event['shutdownReason']})")
            return
        notes.append(event["requestId"][:8])
        if len(notes) >= BATCH:
            flush(notes, "INVOKE")


if __name__ == "__main__":
    main()
