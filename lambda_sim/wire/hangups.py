"""What the accepting thread sleeps on: callers at the door, and peers that hang up."""

from __future__ import annotations

import os
import select
import selectors
import socket
from contextlib import suppress
from typing import Protocol


class Watch(Protocol):
    """What the accepting thread sleeps on."""

    def add(self, fd: int) -> None: ...
    def forget(self, fd: int) -> None: ...
    def wait(self) -> tuple[list[int], bool]:
        """Sleep; the connections whose peer hung up, and whether a client is calling."""

    def wake(self) -> None: ...
    def close(self) -> None: ...


class EpollWatch:
    """Linux: hang-ups are told once each, and cost nothing while requests come and go."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener.fileno()
        self._epoll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._listener, select.EPOLLIN)
        self._epoll.register(self._bell, select.EPOLLIN)

    def add(self, fd: int) -> None:
        self._epoll.register(fd, select.EPOLLRDHUP | select.EPOLLET)

    def forget(self, fd: int) -> None:
        with suppress(OSError, ValueError):
            self._epoll.unregister(fd)

    def wait(self) -> tuple[list[int], bool]:
        ready = [fd for fd, _ in self._epoll.poll()]
        others = (self._listener, self._bell)
        return [fd for fd in ready if fd not in others], self._listener in ready

    def wake(self) -> None:
        os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        self._epoll.close()
        os.close(self._bell)


class SelectorWatch:
    """Elsewhere: nobody is told of hang-ups."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._bell, self._button = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)

    def add(self, fd: int) -> None: ...
    def forget(self, fd: int) -> None: ...

    def wait(self) -> tuple[list[int], bool]:
        return [], any(key.fileobj is self._listener for key, _ in self._selector.select())

    def wake(self) -> None:
        self._button.send(b"!")

    def close(self) -> None:
        self._selector.close()
        self._bell.close()
        self._button.close()


def open_watch(listener: socket.socket) -> Watch:
    return EpollWatch(listener) if hasattr(select, "epoll") else SelectorWatch(listener)
