"""Leaves a process behind that has a session of its own and no parent any more; stays, or ends
with "end". The one left prints its id."""

import os
import sys
import time


def main() -> None:
    said, saying = os.pipe()
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        os.close(saying)
        os.read(said, 1)  # it is ended with us, and had perhaps not said anything yet
        time.sleep(0 if "end" in sys.argv else 600)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    print(os.getpid(), flush=True)
    os.close(saying)
    time.sleep(600)


if __name__ == "__main__":
    main()
