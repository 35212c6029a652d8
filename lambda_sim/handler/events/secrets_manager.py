"""Requests of AWS Secrets Manager to rotate a secret."""

from __future__ import annotations

import attrs

from .shape import Record, field, optional, text

__all__ = ["SecretsManagerEvent"]


@attrs.frozen(kw_only=True)
class SecretsManagerEvent(Record):
    """One of the four steps of a rotation.

    :ivar client_request_token: the version of the secret that is being made.
    :ivar rotation_token: says where the request comes from, for functions that assume a role.

    AWS: *Rotation by Lambda function*.
    """

    step: str = field("Step", text)
    secret_id: str = field("SecretId", text)
    client_request_token: str = field("ClientRequestToken", text)
    rotation_token: str | None = optional("RotationToken", text)
