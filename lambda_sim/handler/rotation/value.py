"""A secret's value as Secrets Manager keeps it: text, or bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import attrs

from .failure import RotationError

__all__ = ["SecretValue"]


@attrs.frozen(kw_only=True)
class SecretValue:
    """One of the two is there; neither is ever shown."""

    string: str | None = attrs.field(default=None, repr=False)
    binary: bytes | None = attrs.field(default=None, repr=False)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """What GetSecretValue answered.

        :raises RotationError: there is no value in it.
        """
        string, binary = answer.get("SecretString"), answer.get("SecretBinary")
        if string is None and binary is None:
            raise RotationError(
                f"Neither SecretString nor SecretBinary is set for version "
                f"{answer.get('VersionId')} of secret {answer.get('ARN')}"
            )
        return cls(string=string, binary=None if string is not None else binary)

    def text(self) -> str | None:
        """The value as text; None for bytes that are none."""
        if self.string is not None:
            return self.string
        try:
            return (self.binary or b"").decode()
        except UnicodeDecodeError:
            return None

    def parameters(self) -> dict[str, Any]:
        """The value as PutSecretValue takes it."""
        if self.string is not None:
            return {"SecretString": self.string}
        return {"SecretBinary": self.binary}
