"""A small runtime for concurrency.py: a thread for each invocation that may be at work."""

import os
import threading
import time
import urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"


def serve():
    while True:
        with urllib.request.urlopen(f"{API}/next") as answer:
            request_id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
            seconds = float(answer.read())
        time.sleep(seconds)
        urllib.request.urlopen(f"{API}/{request_id}/response", b'"slept"').close()


if __name__ == "__main__":
    for _ in range(int(os.environ["AWS_LAMBDA_MAX_CONCURRENCY"])):
        threading.Thread(target=serve).start()
