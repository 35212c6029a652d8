"""Handlers of functions that are going to lose their simulator. Each leaves a daemon as well."""

import os
import subprocess
import sys
import time
from pathlib import Path

DAEMON = Path(__file__).resolve().parents[2] / "programs" / "daemon.py"

subprocess.run([sys.executable, DAEMON, "end"], check=True)


def work(event, context):
    if event == "hang":
        os.write(1, b"at invoking\n")
        time.sleep(600)
    return event
