"""What is wrong with a rotation, in AWS's words where AWS has some."""

from __future__ import annotations

from lambda_sim.errors import LambdaSimError

__all__ = ["RotationError"]


class RotationError(LambdaSimError, ValueError):
    """A step can't be done as the secret, or the handler, is. No secret is in the message."""
