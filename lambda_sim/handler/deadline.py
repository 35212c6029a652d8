"""When Lambda ends an invocation, and the error of one that would still be running then."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from lambda_sim.sync import SYSTEM_CLOCK, Clock

from .interruption import Interruption, Shield, Target

__all__ = ["MARGIN", "Deadline", "DeadlineExceeded"]

MARGIN = 0.1
"""Seconds before Lambda's own timeout at which an invocation is failed, unless told otherwise."""


class DeadlineExceeded(Interruption):
    """The time was as good as over: Lambda would have ended the invocation, and posted nothing.

    :ivar stack: where the code was, the innermost frame last.
    """

    def __init__(self, stack: Sequence[str] = ()) -> None:
        super().__init__("Lambda failed by running into a timeout", stack)


@attrs.frozen
class Deadline:
    """The moment at which Lambda ends an invocation.

    :ivar at_ms: milliseconds since the epoch, as Lambda sends it.
    :ivar margin: seconds before it at which :meth:`check` fails.
    :ivar clock: what its time is read from.

    AWS: *Using the Lambda runtime API for custom runtimes*, ``Lambda-Runtime-Deadline-Ms``.
    """

    at_ms: int
    margin: float = MARGIN
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)

    @classmethod
    def from_ms(
        cls, at_ms: int, *, margin: float = MARGIN, clock: Clock = SYSTEM_CLOCK
    ) -> Deadline:
        """The deadline that a Lambda context or a Next names."""
        return cls(at_ms, margin, clock)

    @classmethod
    def after(
        cls, seconds: float, *, margin: float = MARGIN, clock: Clock = SYSTEM_CLOCK
    ) -> Deadline:
        """The moment so many seconds from now, for tests and local runs."""
        return cls(round((clock.time() + seconds) * 1000), margin, clock)

    def remaining(self) -> float:
        """Seconds until Lambda ends the invocation, never negative."""
        return max(0.0, self.at_ms / 1000 - self.clock.time())

    def remaining_ms(self) -> int:
        """The same in whole milliseconds."""
        return int(self.remaining() * 1000)

    def check(self) -> None:
        """Fail if no more than the margin is left: for loops, and threads nothing else reaches.

        :raises DeadlineExceeded: so it is.
        :raises MemoryPressure: the memory watch wants the invocation to end.
        """
        Target.here().raise_held()
        if self.remaining() <= self.margin:
            raise DeadlineExceeded

    def shield(self) -> Shield:
        """``with deadline.shield():`` what must not be torn apart, a commit for instance.

        Neither the guard nor the memory watch interrupts it. At its end, whatever wanted to is
        raised, and so is what :meth:`check` raises. It does not put Lambda's timeout off, nor the
        moment at which the guard declares the handler stuck.
        """
        return Shield(self.check)
