"""A function for the tests beside it, run by the embedded runtime."""

import os


def handler(event, context):
    print("handling", event)  # noqa: T201 - functions print
    if "fail" in event:
        raise ValueError(event["fail"])
    return {"name": context.function_name, "cwd": os.getcwd(), "mood": os.environ.get("MOOD")}
