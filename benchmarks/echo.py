"""The function of handler_client.py: a plain one, and one with declared types."""

from __future__ import annotations

from typing import Any


def handler(event: Any, context: Any) -> Any:
    return event


def __getattr__(name: str) -> Any:
    # Only who asks for types pays for them.
    if name != "Typed":
        raise AttributeError(name)
    from lambda_sim.handler import lambda_handler  # noqa: PLC0415

    return lambda_handler(handler)
