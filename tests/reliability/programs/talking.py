"""A handler that prints: so many lines, each with its number and so many more bytes.

"end" says what comes then: "exit" of the process, or "wait" until somebody else ends it.
"""

import os
import sys
import time


def talk(event, context):
    filling = "x" * event.get("size", 0)
    sys.stdout.writelines(f"{number} {filling}\n" for number in range(event["lines"]))
    sys.stdout.flush()
    if event.get("end") == "exit":
        os._exit(1)
    if event.get("end") == "wait":
        time.sleep(600)
