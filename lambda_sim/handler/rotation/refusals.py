"""What Secrets Manager says no with, in the shape of boto3's errors."""

from __future__ import annotations

from typing import Any, ClassVar

from lambda_sim.errors import LambdaSimError

__all__ = [
    "InternalServiceError",
    "InvalidParameterException",
    "InvalidRequestException",
    "ResourceExistsException",
    "ResourceNotFoundException",
    "SecretsManagerError",
]


class SecretsManagerError(LambdaSimError):
    """A call failed; ``response["Error"]["Code"]`` says how, as in ``botocore``'s ClientError."""

    code: ClassVar[str] = ""
    status: ClassVar[int] = 400

    def __init__(self, message: str, *, code: str = "", status: int | None = None) -> None:
        self.response: dict[str, Any] = {
            "Error": {"Code": code or self.code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status or self.status},
        }
        self.operation_name = ""
        super().__init__(message)

    def __str__(self) -> str:
        error = self.response["Error"]
        when = f" when calling the {self.operation_name} operation" if self.operation_name else ""
        return f"An error occurred ({error['Code']}){when}: {error['Message']}"


class ResourceNotFoundException(SecretsManagerError):
    """There is no such secret, or version, or the version has no value."""

    code = "ResourceNotFoundException"


class ResourceExistsException(SecretsManagerError):
    """Another value has that name, or version id."""

    code = "ResourceExistsException"


class InvalidParameterException(SecretsManagerError):
    """A parameter has no valid value."""

    code = "InvalidParameterException"


class InvalidRequestException(SecretsManagerError):
    """A parameter does not fit the state that the secret is in."""

    code = "InvalidRequestException"


class InternalServiceError(SecretsManagerError):
    """The service failed."""

    code = "InternalServiceError"
    status = 500
