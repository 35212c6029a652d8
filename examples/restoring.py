"""A small runtime with SnapStart, for snapstart.py: what is made before the snapshot is shared by
all that are restored from it, and what must be fresh is made after."""

import json
import os
import random
import urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"


def call(path, body=None):
    """One request to the Runtime API; a body is posted."""
    with urllib.request.urlopen(f"{API}/{path}", body) as answer:
        return answer.headers, answer.read()


def main():
    table = [n * n for n in range(1_000)]  # slow to make, and made once
    call("restore/next")  # the snapshot is taken here; what follows runs after each restore
    random.seed(os.urandom(16))  # else every restored environment would draw the same numbers
    print("restored", flush=True)
    while True:
        headers, event = call("invocation/next")
        answer = json.dumps({"square": table[json.loads(event)["n"]]}).encode()
        call(f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response", answer)


if __name__ == "__main__":
    main()
