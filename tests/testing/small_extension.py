"""An external extension: registers under its file name, and polls until it is told to end."""

import json
import os
import urllib.request
from pathlib import Path

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2020-01-01/extension"


def main() -> None:
    headers = {"Lambda-Extension-Name": Path(__file__).name}
    body = json.dumps({"events": ["INVOKE", "SHUTDOWN"]}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{API}/register", body, headers)) as answer:
        identifier = answer.headers["Lambda-Extension-Identifier"]
    poll = urllib.request.Request(
        f"{API}/event/next", headers={"Lambda-Extension-Identifier": identifier}
    )
    event_type = ""
    while event_type != "SHUTDOWN":
        with urllib.request.urlopen(poll) as answer:
            event_type = json.load(answer)["eventType"]


if __name__ == "__main__":
    main()
