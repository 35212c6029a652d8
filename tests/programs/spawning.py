"""Holds so many megabytes and runs so many small programs, one after another, then stays."""

import subprocess
import sys
import time


def main() -> None:
    held = bytearray(b"x") * (int(sys.argv[1]) << 20)
    for _ in range(int(sys.argv[2])):
        subprocess.run(["/bin/true"], check=True)
    print(len(held), flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main()
