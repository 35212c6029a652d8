"""Reading request bodies where another server than ours hosts the application."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from lambda_sim import refusals


def read(environ: dict[str, Any], limit: int) -> bytes:
    """The whole body; raises as ``bodies.read`` does."""
    try:
        return get_input_stream(environ, max_content_length=limit).read()
    except RequestEntityTooLarge as error:
        raise refusals.PayloadTooLarge(limit) from error
    except ClientDisconnected as error:
        raise refusals.TruncatedRequest from error


def chunks(environ: dict[str, Any], size: int) -> Iterator[bytes]:
    """The body as it arrives; raises as ``bodies.chunks`` does."""
    try:
        source = get_input_stream(environ)
        while piece := source.read(size):
            yield piece
    except ClientDisconnected as error:
        raise refusals.TruncatedRequest from error
