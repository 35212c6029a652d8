"""From an event's bytes to the value that a handler declares, and from its result to bytes."""

from __future__ import annotations

from typing import Any, Protocol

from .typed import TypedCodec

__all__ = ["Codec", "TypedCodec"]


class Codec(Protocol):
    """What turns bytes into values and back. Any thread may use it."""

    def decode(self, body: bytes, as_type: Any) -> Any:
        """The value of an event's bytes.

        :raises EventValidationError: they are not what the type says.
        :raises Fault: ``Runtime.UnmarshalError``: they can't be read at all.
        """

    def encode(self, value: Any) -> bytes:
        """The JSON that the caller is answered with.

        :raises Fault: ``Runtime.MarshalError``: the value has none.
        """
