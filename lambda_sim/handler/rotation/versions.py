"""One secret as Secrets Manager keeps it: its versions, and which label is on which; pure."""

from __future__ import annotations

import attrs

from .client import CURRENT, PREVIOUS
from .refusals import (
    InvalidParameterException,
    InvalidRequestException,
    ResourceNotFoundException,
)

__all__ = ["StoredSecret", "StoredVersion"]


@attrs.frozen(kw_only=True)
class StoredVersion:
    """A value, which never changes once it is there. RotateSecret makes versions without one."""

    version_id: str
    created_at: float
    string: str | None = attrs.field(default=None, repr=False)
    binary: bytes | None = attrs.field(default=None, repr=False)

    @property
    def has_value(self) -> bool:
        return self.string is not None or self.binary is not None

    def check_size(self) -> None:
        """Refuse what PutSecretValue takes no value of."""
        if (self.string is None) == (self.binary is None):
            raise InvalidParameterException("You must provide either SecretString or SecretBinary.")
        if not 1 <= len(self.binary or (self.string or "").encode()) <= 65536:
            raise InvalidParameterException("A secret's value is from 1 to 65536 bytes long.")


@attrs.define(kw_only=True)
class StoredSecret:
    """Versions by id, and labels, each of which is on one version at a time."""

    name: str
    arn: str
    created_at: float
    changed_at: float
    rotation_lambda_arn: str = ""
    rotation_rules: dict[str, object] = attrs.field(factory=dict)
    is_rotation_enabled: bool | None = None
    versions: dict[str, StoredVersion] = attrs.field(factory=dict)
    labels: dict[str, str] = attrs.field(factory=dict)

    def stages(self) -> dict[str, list[str]]:
        """The labels of each version that has some."""
        found: dict[str, list[str]] = {}
        for label in sorted(self.labels):
            found.setdefault(self.labels[label], []).append(label)
        return found

    def stages_of(self, version_id: str) -> list[str]:
        return self.stages().get(version_id, [])

    def attach(self, label: str, version_id: str) -> None:
        """Put a label on a version; where AWSCURRENT was, AWSPREVIOUS is then."""
        before = self.labels.get(label)
        if before == version_id:
            return
        self.labels[label] = version_id
        if label == CURRENT and before is not None:
            self.labels[PREVIOUS] = before

    def detach(self, label: str) -> None:
        self.labels.pop(label, None)

    def value(self, version_id: str | None, label: str | None) -> StoredVersion:
        """The version with that id or label, if it has a value."""
        if version_id is None:
            label = label or CURRENT
            version_id = self.labels.get(label, "")
            missing = f"staging label: {label}"
        else:
            missing = f"VersionId: {version_id}"
            is_there = version_id in self.versions
            if is_there and label is not None and self.labels.get(label) != version_id:
                raise InvalidRequestException(
                    "You provided a VersionStage that is not associated to the provided VersionId."
                )
        version = self.versions.get(version_id)
        if version is None or not version.has_value:
            message = f"Secrets Manager can't find the specified secret value for {missing}"
            raise ResourceNotFoundException(message)
        return version

    def check_move(self, label: str, leaves: str | None, goes_to: str | None) -> None:
        """Refuse a move that does not name where the label is now."""
        if leaves is None and goes_to is None:
            message = "You must provide MoveToVersionId or RemoveFromVersionId."
            raise InvalidParameterException(message)
        for version_id in (leaves, goes_to):
            if version_id is not None and version_id not in self.versions:
                raise ResourceNotFoundException(
                    f"Secrets Manager can't find the specified secret version: {version_id}."
                )
        attached = self.labels.get(label)
        if leaves is None and attached not in (None, goes_to):
            raise InvalidParameterException(
                f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is "
                f"currently attached to version {attached}, so you must explicitly reference that "
                "version in RemoveFromVersionId."
            )
        if leaves is not None and attached != leaves:
            raise InvalidParameterException(
                f"The staging label {label} is not attached to version {leaves}."
            )
