"""A batch goes out over a link, as its subscription's protocol has it, and is taken or not."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, assert_never

from lambda_sim.model.protocol import JSON_TYPE
from lambda_sim.model.telemetry import DeliveryProtocol

if TYPE_CHECKING:
    from lambda_sim.model.telemetry import TelemetrySubscription
    from lambda_sim.telemetry.link import Link

__all__ = ["Outcome", "deliver"]

MAX_ANSWER_BYTES = 64 * 1024


class Outcome(Enum):
    """What became of a batch."""

    DELIVERED = auto()
    """Acknowledged or, where nobody acknowledges, written."""
    FAILED = auto()
    REFUSED = auto()
    """Nobody listens there."""


def deliver(link: Link, subscription: TelemetrySubscription, events: list[bytes]) -> Outcome:
    """Send a batch to where a subscription wants it. After a failure the link is closed.

    AWS: *Telemetry API reference*, Destination; *Using the Lambda Logs API*, Destination protocols.
    """
    # Here, as it costs 24 ms that an environment without subscribers need not pay.
    from http.client import HTTPException  # noqa: PLC0415

    try:
        match subscription.protocol:
            case DeliveryProtocol.HTTP:
                return _request(link, subscription, events)
            case DeliveryProtocol.TCP:
                return _write(link, subscription, events)
            case other:
                assert_never(other)
    except ConnectionRefusedError:
        return Outcome.REFUSED
    except (OSError, HTTPException, ValueError):
        link.close()
        return Outcome.FAILED


def _request(link: Link, subscription: TelemetrySubscription, events: list[bytes]) -> Outcome:
    """Post, or put, a JSON array; any 2xx acknowledges it."""
    from http.client import HTTPConnection, HTTPException  # noqa: PLC0415

    client = HTTPConnection(subscription.host, subscription.port)
    # It sends all, and makes a file of the answer: no more is asked of it.
    client.sock = link.connected((subscription.host, subscription.port))
    body = b"[" + b",".join(events) + b"]"
    headers = {"Content-Type": JSON_TYPE}
    client.request(subscription.method, subscription.path or "/", body, headers)
    with client.getresponse() as response:
        # The status is the answer; a body that breaks off must not bring a second post.
        is_taken = 200 <= response.status < 300
        with suppress(OSError, HTTPException, ValueError):
            response.read(MAX_ANSWER_BYTES)
        is_reusable = response.isclosed() and not response.will_close
    if not is_reusable:
        link.close()
    return Outcome.DELIVERED if is_taken else Outcome.FAILED


def _write(link: Link, subscription: TelemetrySubscription, events: list[bytes]) -> Outcome:
    """Write a line for each event. Nobody says that they were read."""
    address = (subscription.host, subscription.port)
    connection = link.connected(address, may_speak=True)
    connection.sendall(b"\n".join(events) + b"\n")
    return Outcome.DELIVERED
