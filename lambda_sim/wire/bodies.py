"""Reading request bodies, on our own server or on another's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambda_sim import refusals
from lambda_sim.model.protocol import MAX_PAYLOAD_BYTES
from lambda_sim.wire.request_body import BodyError, BodyTooLarge, RequestBody

PIECE_BYTES = 32 * 1024


def read(environ: dict[str, Any], limit: int = MAX_PAYLOAD_BYTES) -> bytes:
    """The whole body.

    :raises PayloadTooLarge: it is larger; noticed while reading, not after.
    :raises TruncatedRequest: it ended early, stalled or was malformed.
    """
    stream = environ["wsgi.input"]
    if not isinstance(stream, RequestBody):
        # Here, as Werkzeug takes longer to import than a simulator to start, and is rarely needed.
        from lambda_sim.wire import foreign_bodies  # noqa: PLC0415

        return foreign_bodies.read(environ, limit)
    try:
        return stream.read_all(limit)
    except BodyTooLarge as error:
        raise refusals.PayloadTooLarge(limit) from error
    except BodyError as error:
        raise refusals.TruncatedRequest from error


def chunks(environ: dict[str, Any]) -> Iterator[bytes]:
    """The body as it arrives; a stream may pause for as long as its invocation lasts.

    :raises TruncatedRequest: it ended early or was malformed.
    """
    stream = environ["wsgi.input"]
    if not isinstance(stream, RequestBody):
        from lambda_sim.wire import foreign_bodies  # noqa: PLC0415 - as above

        yield from foreign_bodies.chunks(environ, PIECE_BYTES)
        return
    try:
        stream.timeout = None
        for chunk in stream.chunks():
            for begin in range(0, len(chunk), PIECE_BYTES):
                yield chunk[begin : begin + PIECE_BYTES]
    except BodyError as error:
        raise refusals.TruncatedRequest from error
