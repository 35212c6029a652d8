"""Handlers for the tests of the runtime loop, run as real children."""

import logging
import os
import sys


def greet(event, context):
    logging.getLogger().warning("greeting %s", event["name"])
    return {"hello": event["name"], "trace": os.environ.get("_X_AMZN_TRACE_ID")}


def whisper(event, context):
    sys.stdout.write("to stdout")
    sys.stderr.write("to stderr")


def fail(event, context):
    raise ValueError("boom")


def leave(event, context):
    sys.exit(event["status"])


def interrupt(event, context):
    raise KeyboardInterrupt
