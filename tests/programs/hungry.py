"""Touches so many megabytes, says so, and stays if told to; lets them go first unless it holds."""

import sys
import time


def main() -> None:
    held = bytearray(b"x") * (int(sys.argv[1]) << 20)
    if "hold" not in sys.argv:
        del held
    print("fed", flush=True)
    if "stay" in sys.argv:
        time.sleep(600)


if __name__ == "__main__":
    main()
