"""Functions that the command's tests call."""
# ruff: noqa: T201

import os
import sys
import time

import helper


def echo(event, context):
    print("echo", event)
    return event


def environment(event, context):
    return {name: os.environ.get(name) for name in event}


def about(event, context):
    client = context.client_context
    return {
        "name": context.function_name,
        "version": context.function_version,
        "memory": int(context.memory_limit_in_mb),
        "arn": context.invoked_function_arn,
        "region": os.environ["AWS_REGION"],
        "client": client and client.custom,
        "left": context.get_remaining_time_in_millis(),
    }


def binary(event, context):
    return b"\xff\x00"


def count(event, context):
    for number in range(event):
        print(number)


def fail(event, context):
    raise ValueError("as asked")


def leave(event, context):
    print("last words")
    os._exit(3)


def hang(event, context):
    """Says so, on both streams, and has a child that hangs as well."""
    helper.start_sleeper()
    print("hanging")
    print("as told", file=sys.stderr)
    time.sleep(600)


def wait_for_file(event, context):
    print("waiting")
    with open(event) as fifo:
        return fifo.read()
