"""The one place where an invocation of a typed handler is run, by whatever way it came."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, Self, TypeVar

from lambda_sim.errors import LambdaSimError

from .client import Event
from .codec import Codec, TypedCodec
from .context import LambdaContext
from .deadline import Deadline, DeadlineExceeded
from .declared import refuse_async
from .failure import ErrorReport, Fault
from .guard import DeadlineGuard
from .interruption import Interruption
from .invocation import Invocation
from .memory import MemoryPressure, MemoryWatch
from .outcome import Failure, OnStuck, Outcome, Stream
from .payloads import Payload, is_json
from .typed import Handler

__all__ = ["Execution"]

SharedT = TypeVar("SharedT")

STREAM_TYPE = "application/octet-stream"

_logger = logging.getLogger(__name__)


class Execution(Generic[SharedT]):
    """A handler, and what it set up: decodes, runs, encodes and reports, one event at a time.

    ``with Execution(handler) as execution:`` sets up and tears down.

    :raises ConfigurationError: the handler's event type can't be found, or its ``run`` is async.
    """

    def __init__(self, handler: Handler[SharedT, Any, Any]) -> None:
        refuse_async(handler.run)
        self.handler = handler
        self._event_type = handler.event_type
        self._codec: Codec = handler.codec or TypedCodec()
        self._shared: list[SharedT] = []  # none or one
        self._region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        self._guard = DeadlineGuard(handler.margin, on_stuck=self._tell_stuck)
        self._memory: AbstractContextManager[object] = nullcontext()
        self._on_stuck: OnStuck | None = None
        self._was_full = False
        self._is_closed = False
        self._event: Event | None = None  # the one at work

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def start(self, on_stuck: OnStuck | None = None, memory_bytes: int | None = None) -> Self:
        """Set up, once; whatever ``setup`` raises comes through.

        :param on_stuck: may post the error and end the process. Without, an invocation that can't
            be interrupted fails when it ends by itself.
        :param memory_bytes: what the function has. Without, its memory is not watched.
        :raises ConfigurationError: nobody knows how to read the event's type.
        """
        if self._is_closed:
            raise LambdaSimError("what was closed is not started again; make another")
        if not self._shared:
            if isinstance(self._codec, TypedCodec):
                self._codec.prepare(self._event_type)
            self._shared.append(self.handler.setup())
            self._on_stuck = on_stuck
            if memory_bytes is not None:
                self._memory = MemoryWatch(memory_bytes, watchdog=self._guard.watchdog)
        return self

    def close(self) -> None:
        """Tear down what was set up; whatever ``teardown`` raises comes through."""
        self._is_closed = True
        self._guard.close()
        if self._shared:
            self.handler.teardown(self._shared.pop())

    @property
    def is_poisoned(self) -> bool:
        """Whether no other event should meet what an invocation left behind.

        It was stuck, or the memory was full, for which the kernel would have ended the process.
        """
        return self._was_full or self._guard.is_poisoned

    @property
    def is_started(self) -> bool:
        return bool(self._shared)

    @property
    def has_snapshot_hooks(self) -> bool:
        """Whether the handler has any of its own for SnapStart."""
        kind = type(self.handler)
        ours = (Handler.before_snapshot, Handler.after_restore)
        return (kind.before_snapshot, kind.after_restore) != ours

    @property
    def has_teardown(self) -> bool:
        """Whether the handler has one of its own."""
        return type(self.handler).teardown is not Handler.teardown

    def before_snapshot(self) -> None:
        """SnapStart is about to take a snapshot."""
        self.handler.before_snapshot(self._shared[0])

    def after_restore(self) -> None:
        """SnapStart has restored the process from one."""
        self._shared[:] = [self.handler.after_restore(self._shared[0])]

    def execute(self, event: Event, context: LambdaContext | None = None) -> Outcome:
        """Run one invocation. What is no Exception, such as SystemExit, comes through.

        :param context: by default what the event says.
        """
        if not self._shared:
            raise LambdaSimError("nothing runs before start, or after close")
        self._event = event
        try:
            context = context or LambdaContext.from_event(event)
            invocation = self._invocation(event, context)
        except Exception as error:
            return Failure.of(error, event.request_id)
        try:
            with self._guard.watch(invocation.deadline), self._memory:
                result = self.handler.run(self._shared[0], invocation)
                if not isinstance(result, Iterator):
                    return self._payload(result)
        except (Exception, Interruption) as error:
            return self._failed(error, invocation)
        return self._stream(invocation, result)

    def _invocation(self, event: Event, context: LambdaContext) -> Invocation[Any]:
        return Invocation(
            event=self._decode(event),
            context=context,
            deadline=Deadline.from_ms(event.deadline_ms, margin=self.handler.margin),
            raw=event.body,
            region=self._region or _region_of(context.invoked_function_arn),
        )

    def _decode(self, event: Event) -> Any:
        if self._event_type is Any and self.handler.codec is None and not is_json(event):
            return event.body
        return self._codec.decode(event.body, self._event_type)

    def _payload(self, result: Any) -> Payload:
        if isinstance(result, bytes):
            return Payload(result, "application/unknown")
        return Payload(self._codec.encode(result), "application/json")

    def _failed(self, error: BaseException, invocation: Invocation[Any]) -> Failure:
        self._was_full = self._was_full or isinstance(error, MemoryPressure)
        try:
            self.handler.on_error(error, invocation)
        except Exception:
            _logger.exception("on_error failed")
        return Failure.of(error, invocation.context.aws_request_id)

    def _stream(self, invocation: Invocation[Any], result: Iterator[Any]) -> Outcome:
        """A stream that has begun: what fails before its first piece is a plain failure."""
        stream = Stream(STREAM_TYPE)
        stream.begin(self._chunks(stream, invocation, result))
        return stream.failure or stream

    def _chunks(
        self, stream: Stream, invocation: Invocation[Any], result: Iterator[Any]
    ) -> Generator[bytes, None, None]:
        deadline = invocation.deadline
        try:
            with self._guard.watch(deadline), self._memory:
                for chunk in result:
                    piece = _to_bytes(chunk)
                    # Whoever takes it is not to be torn from the middle of sending it.
                    with deadline.shield():
                        yield piece
        except (Exception, Interruption) as error:
            stream.failure = self._failed(error, invocation)
        finally:
            if isinstance(result, Generator):
                result.close()

    def _tell_stuck(self, error: DeadlineExceeded) -> None:
        event = self._event
        if self._on_stuck is not None and event is not None:
            self._on_stuck(event, ErrorReport.from_exception(error, event.request_id))


def _to_bytes(chunk: object) -> bytes:
    if isinstance(chunk, bytes | bytearray | memoryview):
        return bytes(chunk)
    if isinstance(chunk, str):
        return chunk.encode()
    why = f"a stream is of bytes or text, not {type(chunk).__name__}"
    raise Fault("Runtime.MarshalError", f"Unable to marshal response: {why}")


def _region_of(arn: str | None) -> str:
    """The one in the function's name, for where no variable says it."""
    parts = (arn or "").split(":")
    return parts[3] if len(parts) > 3 else ""
