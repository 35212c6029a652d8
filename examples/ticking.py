"""A function whose background thread goes on counting between invocations. freeze.py runs it."""

import threading
import time

ticks = []


def tick():
    while True:
        time.sleep(0.01)
        ticks.append(time.time())


def handler(event, context):
    if event == "start":
        threading.Thread(target=tick, daemon=True).start()
    return len(ticks)
