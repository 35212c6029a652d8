"""Handlers that the suite runs in real runtimes."""

import os
import subprocess
import sys
import time


def echo(event, context):
    print("echo", event)
    return event


def trouble(event, context):
    """Whatever kind of trouble the event asks for."""
    kind = event.get("kind")
    if kind == "raise":
        raise ValueError("as asked")
    if kind == "exit":
        os._exit(event.get("code", 1))
    if kind == "sleep":
        time.sleep(event["seconds"])
    if kind == "memory":
        return len(bytearray(event["bytes"]))
    if kind == "child":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        return {"pid": child.pid, "own": os.getpid()}
    return {"pid": os.getpid()}
