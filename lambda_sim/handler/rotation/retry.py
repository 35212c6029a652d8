"""Calls that failed for a moment are made again: a few times, later each time, never in step."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TypeVar

import attrs

from lambda_sim.errors import ConfigurationError
from lambda_sim.sync import SYSTEM_CLOCK, Clock, Deadline, Monitor

from .client import error_code

__all__ = ["Retry", "is_passing"]

T = TypeVar("T")

_PASSING_CODES = frozenset(
    {
        "InternalFailure",
        "InternalServiceError",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})

_BOTOCORE_LOST = frozenset({"ConnectionError", "HTTPClientError"})
"""Names in ``botocore.exceptions``, which is not imported: the client may be none of boto3's."""


@attrs.frozen(kw_only=True)
class Retry:
    """How often a call is made, and how long is waited in between.

    Before call number n + 1 that is a random time from 0 to ``base * 2 ** (n - 1)`` seconds, and
    at most to ``longest``.

    :ivar attempts: calls in all.
    :ivar base: seconds.
    :ivar longest: seconds.
    :ivar clock: what the waiting is measured on.
    :ivar chance: a number from 0 up to 1, another one each time.

    AWS: *AWS Architecture Blog*, Exponential Backoff And Jitter.
    """

    attempts: int = attrs.field(default=5)
    base: float = attrs.field(default=0.1)
    longest: float = attrs.field(default=2.0)
    clock: Clock = SYSTEM_CLOCK
    chance: Callable[[], float] = random.random

    @attempts.validator
    def _check_attempts(self, _: object, value: int) -> None:
        if value < 1:
            raise ConfigurationError("attempts", value, "1 or more")

    @base.validator
    @longest.validator
    def _check_seconds(self, attribute: attrs.Attribute[float], value: float) -> None:
        if value < 0:
            raise ConfigurationError(attribute.name, value, "0 seconds or more")

    def call(self, operation: Callable[[], T], remaining: Callable[[], float] | None = None) -> T:
        """What the operation returns; its failures come through when they do not pass.

        :param remaining: seconds there are. Where the next pause would take them all, the last
            failure comes through at once.
        """
        for failed in range(1, self.attempts):
            try:
                return operation()
            except Exception as error:
                pause = self.pause(failed)
                if not is_passing(error) or (remaining and pause >= remaining()):
                    raise
            self._wait(pause)
        return operation()

    def pause(self, failed: int) -> float:
        """Seconds to wait after so many calls that failed."""
        return self.chance() * min(self.longest, self.base * 2.0 ** min(failed - 1, 60))

    def _wait(self, seconds: float) -> None:
        with (monitor := Monitor()):
            monitor.wait_for_change(monitor.version, Deadline.after(seconds, self.clock))


def is_passing(error: BaseException) -> bool:
    """Whether the same call may well succeed a moment later."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if error_code(error) in _PASSING_CODES or _status(error) in _PASSING_STATUSES:
        return True
    return any(
        kind.__module__ == "botocore.exceptions" and kind.__name__ in _BOTOCORE_LOST
        for kind in type(error).__mro__
    )


def _status(error: BaseException) -> object:
    response = getattr(error, "response", None)
    metadata = response.get("ResponseMetadata") if isinstance(response, Mapping) else None
    return metadata.get("HTTPStatusCode") if isinstance(metadata, Mapping) else None
