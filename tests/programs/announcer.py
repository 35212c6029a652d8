"""Prints a number, says over a socket that it did, and goes on when it is answered."""

import socket
import sys


def main() -> None:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as link:
        for number in range(int(sys.argv[2])):
            print(number, flush=True)
            link.sendall(b"!")
            link.recv(1)


if __name__ == "__main__":
    main()
