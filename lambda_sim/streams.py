"""A response that is read while it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lambda_sim.model.invocation import InvocationState

__all__ = ["InvocationStream"]


class InvocationStream:
    """An iterator over a response's pieces; ``state`` is there when they are exhausted."""

    def __init__(
        self,
        request_id: str,
        chunk: Callable[[int], bytes | None],
        complete: Callable[[], InvocationState],
    ) -> None:
        self.request_id = request_id
        self.state: InvocationState | None = None
        self._chunk = chunk
        self._complete = complete
        self._index = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """The next piece, waited for.

        :raises WaitTimeout: the caller's time is up.
        """
        piece = self._chunk(self._index)
        if piece is None:
            self.state = self._complete()
            raise StopIteration
        self._index += 1
        return piece
