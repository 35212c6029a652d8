"""A runtime whose workers print side by side, each in small pieces into a stream of its own.

Arguments: the port where to say that all is written; how many workers; how many lines of each.
"""

import os
import socket
import sys
import threading


def work(name: int, count: int) -> None:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(os.environ["_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"])
        for number in range(count):
            for piece in (f"worker {name}", f" says {number}", "\n"):
                stream.sendall(piece.encode())
        stream.sendall(b"and is done")
        written.wait()
        go_home.wait()


port, workers, lines = map(int, sys.argv[1:])
written, go_home = threading.Barrier(workers + 1), threading.Event()
for name in range(workers):
    threading.Thread(target=work, args=(name, lines)).start()
written.wait()
with socket.create_connection(("127.0.0.1", port)) as link:
    link.sendall(b"!")
    link.recv(1)
go_home.set()
