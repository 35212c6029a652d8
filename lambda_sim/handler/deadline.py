"""When Lambda ends an invocation."""

from __future__ import annotations

import attrs

from lambda_sim.sync import SYSTEM_CLOCK, Clock

__all__ = ["Deadline"]


@attrs.frozen
class Deadline:
    """The moment at which Lambda ends an invocation.

    :ivar at_ms: milliseconds since the epoch, as Lambda sends it.

    AWS: *Using the Lambda runtime API for custom runtimes*, ``Lambda-Runtime-Deadline-Ms``.
    """

    at_ms: int
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)

    @classmethod
    def from_ms(cls, at_ms: int, *, clock: Clock = SYSTEM_CLOCK) -> Deadline:
        """The deadline that a Lambda context or a Next names."""
        return cls(at_ms, clock)

    def remaining(self) -> float:
        """Seconds until Lambda ends the invocation, never negative."""
        return max(0.0, self.at_ms / 1000 - self.clock.time())

    def remaining_ms(self) -> int:
        """The same in whole milliseconds."""
        return int(self.remaining() * 1000)
