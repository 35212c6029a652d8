"""Holds so many megabytes and forks so many workers that share them; with "own", each copies."""

import os
import sys
import time


def main() -> None:
    held = bytearray(b"x") * (int(sys.argv[1]) << 20)
    sys.stdout.flush()
    for _ in range(int(sys.argv[2])):
        if not os.fork():
            if "own" in sys.argv:
                for start in range(0, len(held), 4096):
                    held[start] = 0
            os.write(1, b"worker\n")
            time.sleep(600)
    os.write(1, b"parent\n")
    time.sleep(600)


if __name__ == "__main__":
    main()
