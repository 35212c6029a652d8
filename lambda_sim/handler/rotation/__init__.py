"""Rotation of secrets: the four steps that Secrets Manager asks a function for."""

from .client import SecretsManagerClient
from .event import RotationEvent, RotationStep
from .memory import InMemorySecretsManager
from .refusals import SecretsManagerError
from .retry import Retry

__all__ = [
    "InMemorySecretsManager",
    "Retry",
    "RotationEvent",
    "RotationStep",
    "SecretsManagerClient",
    "SecretsManagerError",
]
