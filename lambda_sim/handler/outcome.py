"""What becomes of an invocation: a payload, a stream, or a failure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple, Protocol, Self

from .client import Event
from .failure import ErrorReport
from .payloads import Payload

__all__ = ["Executor", "Failure", "OnStuck", "Outcome", "Payload", "Stream"]


class Failure(NamedTuple):
    """What a handler raised, and how it is reported."""

    error: BaseException
    report: ErrorReport

    @classmethod
    def of(cls, error: BaseException, request_id: str) -> Failure:
        return cls(error, ErrorReport.from_exception(error, request_id))


class Stream:
    """A result that comes in pieces; each is taken as it is iterated over, once.

    :ivar failure: what ended it early; known when the last piece has been taken.
    """

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type
        self.failure: Failure | None = None
        self._chunks: Generator[bytes, None, None] | None = None
        self._first: bytes | None = None

    def begin(self, chunks: Generator[bytes, None, None]) -> Self:
        """Wait for the first piece; ``failure`` is set if there is none because of one."""
        self._chunks = chunks
        self._first = next(chunks, None)
        return self

    def __iter__(self) -> Iterator[bytes]:
        first, self._first = self._first, None
        if first is not None and self._chunks is not None:
            yield first
            yield from self._chunks

    def close(self) -> None:
        """Have no more of it."""
        if self._chunks is not None:
            self._chunks.close()


Outcome = Payload | Stream | Failure

OnStuck = Callable[[Event, ErrorReport], None]
"""Told, in another thread, of an event whose handler does not end though its time is over."""


class Executor(Protocol):
    """What a runtime hands events to.

    :ivar has_teardown: whether there is something to do in ``close``, for which the process wants
        to be told of its end.
    :ivar is_poisoned: whether no other event should meet what the last one left behind.
    """

    @property
    def has_teardown(self) -> bool: ...

    @property
    def is_poisoned(self) -> bool: ...

    def start(self, on_stuck: OnStuck | None = None, memory_bytes: int | None = None, /) -> object:
        """Set up; what that raises comes through.

        :param on_stuck: may post the error and end the process.
        :param memory_bytes: what the function has, if that is known.
        """

    def execute(self, event: Event, /) -> Outcome:
        """Run one invocation. What is no Exception, such as SystemExit, comes through."""

    def close(self) -> None:
        """Tear down; what that raises comes through."""

    def before_snapshot(self) -> None:
        """SnapStart is about to take a snapshot."""

    def after_restore(self) -> None:
        """SnapStart has restored the process from one."""
