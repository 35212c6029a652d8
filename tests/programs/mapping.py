"""Maps a file and reads it all; lets it go if told to, and says when."""

import mmap
import sys
import time


def main() -> None:
    with open(sys.argv[1], "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    mapped.find(b"nowhere")
    if "free" in sys.argv:
        mapped.close()
    print("read", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main()
