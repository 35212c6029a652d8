"""Reading request bodies, on our own server or on another's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

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
    try:
        if isinstance(stream, RequestBody):
            return stream.read_all(limit)
        return get_input_stream(environ, max_content_length=limit).read()
    except (BodyTooLarge, RequestEntityTooLarge) as error:
        raise refusals.PayloadTooLarge(limit) from error
    except (BodyError, ClientDisconnected) as error:
        raise refusals.TruncatedRequest from error


def chunks(environ: dict[str, Any]) -> Iterator[bytes]:
    """The body as it arrives; a stream may pause for as long as its invocation lasts.

    :raises TruncatedRequest: it ended early or was malformed.
    """
    stream = environ["wsgi.input"]
    try:
        if isinstance(stream, RequestBody):
            stream.timeout = None
            for chunk in stream.chunks():
                for begin in range(0, len(chunk), PIECE_BYTES):
                    yield chunk[begin : begin + PIECE_BYTES]
        else:
            source = get_input_stream(environ)
            while piece := source.read(PIECE_BYTES):
                yield piece
    except (BodyError, ClientDisconnected) as error:
        raise refusals.TruncatedRequest from error
