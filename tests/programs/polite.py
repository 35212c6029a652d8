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
# In short sleeps, as a signal that comes when one is just about to begin does not end it.
for _ in range(12_000):
    time.sleep(0.05)
