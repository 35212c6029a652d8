"""Rotation of secrets: the four steps that Secrets Manager asks a function for."""

from .client import SecretsManagerClient
from .container import SecretContainer
from .event import RotationEvent, RotationStep
from .failure import RotationError
from .handler import RotationHandler
from .local import RotationStory, StepReport, rotate_locally
from .memory import InMemorySecretsManager
from .refusals import SecretsManagerError
from .retry import Retry

__all__ = [
    "InMemorySecretsManager",
    "Retry",
    "RotationError",
    "RotationEvent",
    "RotationHandler",
    "RotationStep",
    "RotationStory",
    "SecretContainer",
    "SecretsManagerClient",
    "SecretsManagerError",
    "StepReport",
    "rotate_locally",
]
