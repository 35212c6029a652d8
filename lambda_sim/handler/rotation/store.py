"""One secret in Secrets Manager: each call is retried, and none does harm when made twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from .client import CURRENT, PENDING, SecretsManagerClient, error_code
from .event import RotationEvent
from .retry import Retry
from .secrecy import Secrecy
from .value import SecretValue

__all__ = ["SecretStore", "Stages"]


@attrs.frozen
class Stages:
    """Which labels are on which versions."""

    is_rotation_enabled: bool
    labels: dict[str, Sequence[str]]

    def version_with(self, label: str) -> str | None:
        return next((one for one, labels in self.labels.items() if label in labels), None)


class SecretStore:
    """What one step asks Secrets Manager. The values that pass are told to ``secrecy``.

    :param remaining: seconds the invocation has left; None for no end.
    """

    def __init__(
        self,
        client: SecretsManagerClient,
        event: RotationEvent,
        retry: Retry,
        secrecy: Secrecy,
        remaining: Callable[[], float] | None,
    ) -> None:
        self._client = client
        self._event = event
        self._retry = retry
        self._secrecy = secrecy
        self._remaining = remaining

    def stages(self) -> Stages:
        """The labels as they are now."""
        return self._retry.call(self._stages_once, self._remaining)

    def current(self) -> SecretValue:
        """The value that everybody reads."""
        return self._get(VersionStage=CURRENT)

    def pending(self) -> SecretValue:
        """The value of the version that this rotation is about."""
        return self._get(VersionId=self._event.client_request_token, VersionStage=PENDING)

    def find_pending(self) -> SecretValue | None:
        """The same; None if the version has no value yet. Any other failure comes through."""
        try:
            return self.pending()
        except Exception as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return None

    def put_pending(self, value: SecretValue) -> bool:
        """Store the value of this rotation's version; False if it has another one already."""
        self._secrecy.learn(value)
        token = self._event.rotation_token
        proof = {} if token is None else {"RotationToken": token}
        try:
            self._call(
                self._client.put_secret_value,
                ClientRequestToken=self._event.client_request_token,
                VersionStages=[PENDING],
                **value.parameters(),
                **proof,
            )
        except Exception as error:
            if error_code(error) != "ResourceExistsException":
                raise
            return False
        return True

    def promote(self) -> None:
        """Make this rotation's version current, and take AWSPENDING off it.

        Labels are looked at anew for each attempt: one that failed may have moved them.
        """
        self._retry.call(self._promote_once, self._remaining)

    def _stages_once(self) -> Stages:
        found = self._client.describe_secret(SecretId=self._event.secret_id)
        return Stages(bool(found.get("RotationEnabled")), found.get("VersionIdsToStages") or {})

    def _promote_once(self) -> None:
        token, secret = self._event.client_request_token, self._event.secret_id
        stages = self._stages_once()
        current = stages.version_with(CURRENT)
        if current != token:
            leaves = {} if current is None else {"RemoveFromVersionId": current}
            self._client.update_secret_version_stage(
                SecretId=secret, VersionStage=CURRENT, MoveToVersionId=token, **leaves
            )
        if PENDING in stages.labels.get(token, ()):
            self._client.update_secret_version_stage(
                SecretId=secret, VersionStage=PENDING, RemoveFromVersionId=token
            )

    def _get(self, **version: str) -> SecretValue:
        value = SecretValue.of(self._call(self._client.get_secret_value, **version))
        self._secrecy.learn(value)
        return value

    def _call(self, operation: Callable[..., Any], **parameters: Any) -> Any:
        def once() -> Any:
            return operation(SecretId=self._event.secret_id, **parameters)

        return self._retry.call(once, self._remaining)
