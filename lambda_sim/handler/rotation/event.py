"""What Secrets Manager sends a rotation function: the step, the secret and its new version."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

import attrs

from ..validation import MISSING, EventValidationError, described

__all__ = ["RotationEvent", "RotationStep"]


class RotationStep(StrEnum):
    """The four steps of a rotation, in their order."""

    CREATE = "createSecret"
    SET = "setSecret"
    TEST = "testSecret"
    FINISH = "finishSecret"


@attrs.frozen(kw_only=True)
class RotationEvent:
    """One step of a rotation.

    :ivar secret_id: the secret's ARN.
    :ivar client_request_token: the id of the version that becomes current by this rotation.
    :ivar step: what is to be done now.
    :ivar rotation_token: proves who asks, where the function assumes a role; never shown.

    AWS: *AWS Secrets Manager User Guide*, Rotation by Lambda function.
    """

    secret_id: str
    client_request_token: str
    step: RotationStep
    rotation_token: str | None = attrs.field(default=None, repr=False)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read the event; fields it does not know are left alone.

        :raises EventValidationError: a field is missing, or is no text, or names no step.
        """
        if not isinstance(value, dict):
            raise EventValidationError("", "an object", described(value))
        step = _text(value, "Step")
        if step not in list(RotationStep):
            raise EventValidationError("Step", f"one of {', '.join(RotationStep)}", "another text")
        token = value.get("RotationToken")
        return cls(
            secret_id=_text(value, "SecretId"),
            client_request_token=_text(value, "ClientRequestToken"),
            step=RotationStep(step),
            rotation_token=None if token is None else _text(value, "RotationToken"),
        )

    def to_json(self) -> dict[str, str]:
        """The event as Secrets Manager sends it."""
        event = {
            "Step": self.step.value,
            "SecretId": self.secret_id,
            "ClientRequestToken": self.client_request_token,
        }
        if self.rotation_token is not None:
            event["RotationToken"] = self.rotation_token
        return event


def _text(event: dict[str, Any], field: str) -> str:
    value = event.get(field, MISSING)
    if not isinstance(value, str) or not value:
        raise EventValidationError(field, "a text", described(value))
    return value
