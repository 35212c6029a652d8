"""The function that every language has here, for awslambdaric: it does what its event says."""

import logging
import os
import signal
import time

logging.getLogger().setLevel(logging.INFO)

if "FAIL_INIT" in os.environ:
    raise RuntimeError("no init today")


def leave(*_):
    print("asked to end", flush=True)
    os._exit(0)


signal.signal(signal.SIGTERM, leave)


def handler(event, context):
    what = event["do"]
    logging.getLogger().info("to do: %s", what)
    if what == "echo":
        return event
    if what == "tell":
        return {
            "id": context.aws_request_id,
            "arn": context.invoked_function_arn,
            "left": context.get_remaining_time_in_millis(),
            "trace": os.environ["_X_AMZN_TRACE_ID"],
        }
    if what == "meet":
        with open(event["gate"]) as gate:
            return {"id": context.aws_request_id, "read": gate.read()}
    if what == "fail":
        raise ValueError("as asked")
    if what == "crash":
        os._exit(7)
    if what == "sleep":
        time.sleep(3600)
    if what == "grow":
        return "x" * event["size"]
    raise KeyError(what)
