"""Cleans up on SIGTERM and exits with 7."""

import signal
import sys
import time


def clean_up(*_: object) -> None:
    print("cleaned up", flush=True)
    sys.exit(7)


signal.signal(signal.SIGTERM, clean_up)
print("ready", flush=True)
time.sleep(600)
