"""Orders that the machine writes as values, and the topics its changes are announced under."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

import attrs

from lambda_sim.model.extension import ShutdownReason
from lambda_sim.model.telemetry import Fact, TelemetrySubscription
from lambda_sim.sync import Deadline


class Topic(Enum):
    """What waiters wait for, where it is not one invocation (its id) or one extension (its id)."""

    # Enum hashes names in Python; topics are hashed several times an invocation.
    __hash__ = object.__hash__

    RUNTIME_NEXT = auto()
    PHASE = auto()
    EXTENSIONS = auto()
    READINESS = auto()
    TELEMETRY = auto()
    FROZEN = auto()
    PARKED = auto()
    FAREWELL = auto()
    LAUNCHES = auto()
    ORDERS = auto()
    OUTGOING = auto()
    FLUSHED = auto()
    PAUSE = auto()
    """Nothing: for who waits only for time to pass."""


class Order:
    """Something to be done to the environment's processes."""


@attrs.frozen
class StartExtensions(Order):
    """Start what is declared and external, all of it, unless this generation is over."""

    generation: int


@attrs.frozen
class StartRuntime(Order):
    """Start the declared runtime, unless this generation is over."""

    generation: int


@attrs.frozen
class Freeze(Order):
    """Stop the processes, unless work came since this epoch."""

    epoch: int


@attrs.frozen
class Thaw(Order):
    """Let the processes go on."""


@attrs.frozen
class Reset(Order):
    """End this generation, for a reason that its extensions are told."""

    reason: ShutdownReason


@attrs.frozen
class Shutdown(Order):
    """End the environment in AWS's order."""

    reason: ShutdownReason


@attrs.frozen
class Subscribe:
    """Deliver to one more subscriber, first what it missed of this init."""

    subscription: TelemetrySubscription
    replay: Sequence[Fact]


@attrs.frozen
class UnsubscribeAll:
    """A generation ended, and its subscriptions with it."""


@attrs.frozen
class Hurry:
    """Deliver without batching from now on: the environment is ending."""


@attrs.frozen
class Flush:
    """Deliver everything by a deadline, and say so."""

    deadline: Deadline


Outgoing = Fact | Subscribe | UnsubscribeAll | Hurry | Flush
