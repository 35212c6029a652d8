"""The part of Secrets Manager that a rotation needs, in the shape of a boto3 client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

__all__ = ["CURRENT", "PENDING", "PREVIOUS", "SecretsManagerClient", "error_code"]

CURRENT = "AWSCURRENT"
"""The label of the version that everybody reads."""

PENDING = "AWSPENDING"
"""The label of the version that a rotation is about."""

PREVIOUS = "AWSPREVIOUS"
"""The label of the version that was current before."""


class SecretsManagerClient(Protocol):
    """What ``boto3.client("secretsmanager")`` can do; ``InMemorySecretsManager`` can, too.

    Failures carry ``response["Error"]["Code"]``, as those of boto3 do.

    AWS: *AWS Secrets Manager API Reference*, Actions.
    """

    def describe_secret(self, *, SecretId: str) -> Mapping[str, Any]: ...

    def get_secret_value(
        self, *, SecretId: str, VersionId: str = ..., VersionStage: str = ...
    ) -> Mapping[str, Any]: ...

    def put_secret_value(
        self,
        *,
        SecretId: str,
        ClientRequestToken: str = ...,
        SecretString: str = ...,
        SecretBinary: bytes = ...,
        VersionStages: Sequence[str] = ...,
        RotationToken: str = ...,
    ) -> Mapping[str, Any]: ...

    def update_secret_version_stage(
        self,
        *,
        SecretId: str,
        VersionStage: str,
        RemoveFromVersionId: str = ...,
        MoveToVersionId: str = ...,
    ) -> Mapping[str, Any]: ...

    def get_random_password(
        self,
        *,
        PasswordLength: int = ...,
        ExcludeCharacters: str = ...,
        ExcludeNumbers: bool = ...,
        ExcludePunctuation: bool = ...,
        ExcludeUppercase: bool = ...,
        ExcludeLowercase: bool = ...,
        IncludeSpace: bool = ...,
        RequireEachIncludedType: bool = ...,
    ) -> Mapping[str, Any]: ...


def error_code(error: BaseException) -> str:
    """The code AWS gave a failure, such as ``ResourceNotFoundException``; empty without one."""
    response = getattr(error, "response", None)
    details = response.get("Error") if isinstance(response, Mapping) else None
    code = details.get("Code") if isinstance(details, Mapping) else None
    return code if isinstance(code, str) else ""
