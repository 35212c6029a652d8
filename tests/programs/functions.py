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


def who(event, context):
    """What the context knows."""
    return {
        "request_id": context.aws_request_id,
        "function": context.function_name,
        "arn": context.invoked_function_arn,
        "custom": context.client_context.custom,
        "identity": context.identity.cognito_identity_id,
        "tenant": context.tenant_id,
        "memory": context.memory_limit_in_mb,
        "remaining": context.get_remaining_time_in_millis(),
    }


def mirror(event, context):
    return event


def surroundings(event, context):
    return dict(os.environ)


def chatter(event, context):
    """Many lines, each of which Python writes in two pieces."""
    for number in range(event["lines"]):
        print(event["name"], "says", number)
