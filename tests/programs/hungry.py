"""Touches so many megabytes, lets them go, says so, and stays if told to."""

import sys
import time


def main() -> None:
    held = bytearray(b"x") * (int(sys.argv[1]) << 20)
    del held
    print("fed", flush=True)
    if "stay" in sys.argv:
        time.sleep(600)


if __name__ == "__main__":
    main()
