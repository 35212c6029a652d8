"""A minimal runtime: one kept-alive raw socket, no parsing beyond what it needs, echoes events."""

import os
import socket


def serve() -> None:
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
    api = socket.create_connection((host, int(port)))
    api.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    poll = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
    while True:
        api.sendall(poll)
        head, body = answer(api)
        request_id = field(head, b"lambda-runtime-aws-request-id").decode()
        path = f"/2018-06-01/runtime/invocation/{request_id}/response"
        request = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        api.sendall(request.encode() + body)
        answer(api)


def answer(api: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of one answer."""
    data = api.recv(65536)
    while b"\r\n\r\n" not in data:
        data += more(api)
    head, _, body = data.partition(b"\r\n\r\n")
    parts = [body]
    left = int(field(head, b"content-length")) - len(body)
    while left > 0:
        parts.append(more(api))
        left -= len(parts[-1])
    return head, b"".join(parts)


def more(api: socket.socket) -> bytes:
    data = api.recv(1 << 20)
    if not data:
        raise SystemExit(0)
    return data


def field(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    raise KeyError(name)


if __name__ == "__main__":
    serve()
