"""Starts a child in a session of its own, prints its id, and stays."""

import subprocess
import time

stray = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
print(stray.pid, flush=True)
time.sleep(600)
