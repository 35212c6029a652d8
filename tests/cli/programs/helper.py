"""A module beside the function's."""

import subprocess


def start_sleeper():
    subprocess.Popen(["/bin/sleep", "600"])
