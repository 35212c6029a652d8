"""A function that takes note of SIGTERM and does not leave by itself."""

import signal


def say_goodbye(number, frame):
    print("goodbye")


signal.signal(signal.SIGTERM, say_goodbye)


def handler(event, context):
    return None
