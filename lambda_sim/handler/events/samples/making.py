"""What events are made up of: ids, moments, ARNs, all from one place, one time and one seed."""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from lambda_sim.errors import ConfigurationError

__all__ = ["Attributes", "Json", "Making", "Where", "as_text", "items"]

Json = Any
"""Any JSON value."""

Attributes = Mapping[str, str | int | float | bytes]
"""What a sender says of a message."""

MOST = 10_000
"""Records of a batch, at most, of any event source."""

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
"""Whatever the locale."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
"""What AWS writes unique ids of IAM in."""


class Where(TypedDict, total=False):
    """From where an event comes, and when. The same seed and time make the same event.

    :param region: (default: us-east-1)
    :param account_id: (default: 123456789012)
    :param at: when it happened, in UTC if no zone is given (default: now)
    :param seed: a number that ids are made from (default: random)
    """

    region: str
    account_id: str
    at: datetime
    seed: int


class Making:
    """One event in the making."""

    def __init__(
        self,
        region: str = "us-east-1",
        account_id: str = "123456789012",
        at: datetime | None = None,
        seed: int | None = None,
    ) -> None:
        self.region = region
        self.account_id = account_id
        at = datetime.now(UTC) if at is None else at
        self.at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        self._random = random.Random(seed)

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"

    def role_arn(self, name: str) -> str:
        return f"arn:aws:iam::{self.account_id}:role/{name}"

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def number(self, digits: int) -> int:
        """A number of so many digits."""
        return self._random.randrange(10 ** (digits - 1), 10**digits)

    def hex(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def letters(self, count: int, of: str = LETTERS) -> str:
        return "".join(self._random.choices(of, k=count))

    def base64(self, count: int) -> str:
        """The base64 of so many bytes."""
        return base64.b64encode(self._random.randbytes(count)).decode()

    def trace_id(self) -> str:
        return f"Root=1-{int(self.at.timestamp()):08x}-{self.hex(24)}"

    def later(self, ms: int) -> datetime:
        """The moment so many milliseconds after the event's time."""
        return self.at + timedelta(milliseconds=ms)

    def later_ms(self, ms: int) -> int:
        """The same, in milliseconds since 1970."""
        return round(self.later(ms).timestamp() * 1000)

    def later_iso(self, ms: int) -> str:
        """The same, as AWS prints it with milliseconds."""
        return self.later(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def clock(self) -> str:
        """The event's time as access logs have it."""
        return f"{self.at:%d}/{MONTHS[self.at.month - 1]}/{self.at:%Y:%H:%M:%S} +0000"


def items(one: Json, each: Sequence[Json] | None, count: int) -> Iterator[tuple[int, Json]]:
    """What the records of an event hold, numbered: ``each``, or so many times the same.

    :raises ConfigurationError: there would be none, or more than AWS sends.
    """
    if each is None:
        _check("count", count)
        each = [one] * count
    else:
        _check("each", len(each))
        if count != 1:
            raise ConfigurationError("count", count, "left out where each record is given")
    return iter(enumerate(each))


def as_text(value: Json) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _check(field: str, count: object) -> None:
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST:
        raise ConfigurationError(field, count, f"1 to {MOST} records")
