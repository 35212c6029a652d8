"""Cleans up on SIGTERM and exits with 7."""

import os
import signal
import sys
import time


def clean_up(*_: object) -> None:
    os.write(1, b"cleaned up\n")
    sys.exit(7)


signal.signal(signal.SIGTERM, clean_up)
# Not by print, which may not be interrupted by one that prints.
os.write(1, b"ready\n")
time.sleep(600)
