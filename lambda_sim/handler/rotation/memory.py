"""InMemorySecretsManager: Secrets Manager without an account, whose every call can be made fail."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import wraps
from types import SimpleNamespace
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import uuid4

from lambda_sim.sync import SYSTEM_CLOCK, Clock, Monitor

from . import refusals
from .client import CURRENT, PENDING
from .faults import Call, Faults
from .passwords import random_password
from .refusals import (
    InvalidParameterException,
    InvalidRequestException,
    ResourceExistsException,
    ResourceNotFoundException,
    SecretsManagerError,
)
from .versions import StoredSecret, StoredVersion

__all__ = ["InMemorySecretsManager"]

P = ParamSpec("P")
T = TypeVar("T")

_NO_LAMBDA = (
    "You tried to enable rotation on a secret that doesn't already have a Lambda function ARN "
    "configured and you didn't include such an ARN as a parameter in this call."
)


def _operation(
    method: Callable[Concatenate[InMemorySecretsManager, P], T],
) -> Callable[Concatenate[InMemorySecretsManager, P], T]:
    """A method of the API: each call of it is noted, and fails where that was ordered."""

    @wraps(method)
    def call(service: InMemorySecretsManager, /, *none: P.args, **parameters: P.kwargs) -> T:
        with service._call(method.__name__, parameters):
            return method(service, *none, **parameters)

    return call


class InMemorySecretsManager:
    """Takes the calls of a boto3 client for Secrets Manager, and keeps versions and labels as it.

    Any thread may call. ``calls`` has what it was asked, with the secrets left out, and
    ``fail_next`` makes calls fail.

    :param clock: what dates are read off.
    :param chance: what passwords are made with; the system's own randomness by default.

    AWS: *AWS Secrets Manager API Reference*, Actions.
    """

    exceptions = SimpleNamespace(
        ClientError=SecretsManagerError,
        **{name: getattr(refusals, name) for name in refusals.__all__},
    )
    """The failures, found where a boto3 client has them."""

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        account_id: str = "123456789012",
        clock: Clock = SYSTEM_CLOCK,
        chance: random.Random | None = None,
    ) -> None:
        self._region = region
        self._account_id = account_id
        self._clock = clock
        self._chance = chance or random.SystemRandom()
        self._monitor = Monitor()
        # Guarded by _monitor, all of it:
        self._secrets: dict[str, StoredSecret] = {}
        self._calls: list[Call] = []
        self._faults = Faults()

    @property
    def calls(self) -> list[Call]:
        """What was asked so far, oldest first, also what failed."""
        with self._monitor:
            return list(self._calls)

    def stages(self, secret_id: str) -> dict[str, list[str]]:
        """The labels of each version: a look from outside, which is no call and never fails."""
        with self._monitor:
            return self._find(secret_id).stages()

    def fail_next(
        self,
        operation: str | None = None,
        *,
        code: str = "InternalServiceError",
        status: int | None = None,
        error: Exception | None = None,
        skip: int = 0,
        times: int = 1,
        is_late: bool = False,
    ) -> None:
        """Make a later call fail.

        :param operation: boto3's name of the method, like ``put_secret_value``; None for any.
        :param code: AWS's code of the failure; ``status`` is the HTTP status it comes with.
        :param error: what is raised instead, such as a ConnectionError.
        :param skip: so many calls go well before.
        :param times: so many calls fail.
        :param is_late: the call does its work, and only its answer is lost.
        """
        kind = getattr(refusals, code, SecretsManagerError)
        fault = error or kind("a fault was ordered", code=code, status=status)
        with self._monitor:
            self._faults.order(fault, operation, skip, times, is_late)

    @_operation
    def create_secret(
        self,
        *,
        Name: str,
        SecretString: str | None = None,
        SecretBinary: bytes | None = None,
        ClientRequestToken: str | None = None,
    ) -> dict[str, Any]:
        """A new secret, with a first version when a value is given."""
        if Name in self._secrets:
            message = f"The operation failed because the secret {Name} already exists."
            raise ResourceExistsException(message)
        suffix = "".join(self._chance.choices(string.ascii_letters, k=6))
        place = f"{self._region}:{self._account_id}"
        arn = f"arn:aws:secretsmanager:{place}:secret:{Name}-{suffix}"
        now = self._clock.time()
        secret = StoredSecret(name=Name, arn=arn, created_at=now, changed_at=now)
        version = {}
        if SecretString is not None or SecretBinary is not None:
            version = self._put(secret, ClientRequestToken, SecretString, SecretBinary, None)
        self._secrets[Name] = secret
        return {"ARN": arn, "Name": Name, **version}

    @_operation
    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:
        """All about a secret, but its values."""
        secret = self._find(SecretId)
        found: dict[str, Any] = {
            "ARN": secret.arn,
            "Name": secret.name,
            "RotationEnabled": secret.is_rotation_enabled,
            "RotationLambdaARN": secret.rotation_lambda_arn or None,
            "RotationRules": dict(secret.rotation_rules) or None,
            "CreatedDate": _date(secret.created_at),
            "LastChangedDate": _date(secret.changed_at),
            "VersionIdsToStages": secret.stages(),
        }
        # Secrets Manager leaves out what was never set.
        return {name: value for name, value in found.items() if value is not None}

    @_operation
    def get_secret_value(
        self, *, SecretId: str, VersionId: str | None = None, VersionStage: str | None = None
    ) -> dict[str, Any]:
        """The value of one version, the current one if nothing is said."""
        secret = self._find(SecretId)
        version = secret.value(VersionId, VersionStage)
        value = {"SecretString": version.string, "SecretBinary": version.binary}
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": version.version_id,
            "VersionStages": secret.stages_of(version.version_id),
            "CreatedDate": _date(version.created_at),
            **{name: one for name, one in value.items() if one is not None},
        }

    @_operation
    def put_secret_value(
        self,
        *,
        SecretId: str,
        ClientRequestToken: str | None = None,
        SecretString: str | None = None,
        SecretBinary: bytes | None = None,
        VersionStages: Sequence[str] | None = None,
        RotationToken: str | None = None,
    ) -> dict[str, Any]:
        """A new version, or the value of one that RotateSecret made.

        With the same token and the same value again, nothing is done; another value is refused.
        """
        secret = self._find(SecretId)
        version = self._put(secret, ClientRequestToken, SecretString, SecretBinary, VersionStages)
        stages = secret.stages_of(version["VersionId"])
        return {"ARN": secret.arn, "Name": secret.name, **version, "VersionStages": stages}

    @_operation
    def update_secret_version_stage(
        self,
        *,
        SecretId: str,
        VersionStage: str,
        RemoveFromVersionId: str | None = None,
        MoveToVersionId: str | None = None,
    ) -> dict[str, Any]:
        """Put a label on a version, take it away from one, or both."""
        secret = self._find(SecretId)
        secret.check_move(VersionStage, RemoveFromVersionId, MoveToVersionId)
        secret.changed_at = self._clock.time()
        if MoveToVersionId is None:
            secret.detach(VersionStage)
        else:
            secret.attach(VersionStage, MoveToVersionId)
        return {"ARN": secret.arn, "Name": secret.name}

    @_operation
    def rotate_secret(
        self,
        *,
        SecretId: str,
        ClientRequestToken: str | None = None,
        RotationLambdaARN: str | None = None,
        RotationRules: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        """Begin a rotation: a version without a value gets AWSPENDING.

        Nobody is invoked; ``rotate_locally`` does that.
        """
        secret = self._find(SecretId)
        lambda_arn = RotationLambdaARN or secret.rotation_lambda_arn
        if not lambda_arn:
            raise InvalidRequestException(_NO_LAMBDA)
        pending = secret.labels.get(PENDING)
        if pending is not None and pending != secret.labels.get(CURRENT):
            message = "A previous rotation isn't complete. That rotation will be reattempted."
            raise InvalidRequestException(message)
        token = _token(ClientRequestToken)
        secret.rotation_lambda_arn = lambda_arn
        secret.rotation_rules.update(RotationRules or {})
        secret.is_rotation_enabled = True
        now = self._clock.time()
        secret.versions.setdefault(token, StoredVersion(version_id=token, created_at=now))
        secret.attach(PENDING, token)
        return {"ARN": secret.arn, "Name": secret.name, "VersionId": token}

    @_operation
    def cancel_rotate_secret(self, *, SecretId: str) -> dict[str, Any]:
        """Turn rotation off; labels stay where they are."""
        secret = self._find(SecretId)
        secret.is_rotation_enabled = False
        return {"ARN": secret.arn, "Name": secret.name}

    @_operation
    def get_random_password(
        self,
        *,
        PasswordLength: int = 32,
        ExcludeCharacters: str = "",
        ExcludeNumbers: bool = False,
        ExcludePunctuation: bool = False,
        ExcludeUppercase: bool = False,
        ExcludeLowercase: bool = False,
        IncludeSpace: bool = False,
        RequireEachIncludedType: bool = True,
    ) -> dict[str, Any]:
        """A password of so many characters, one of each kind at least unless told otherwise."""
        if not 1 <= PasswordLength <= 4096:
            raise InvalidParameterException("PasswordLength must be from 1 to 4096.")
        try:
            password = random_password(
                PasswordLength,
                ExcludeCharacters,
                not ExcludeNumbers,
                not ExcludePunctuation,
                not ExcludeUppercase,
                not ExcludeLowercase,
                IncludeSpace,
                RequireEachIncludedType,
                self._chance.choice,
            )
        except ValueError as error:
            raise InvalidParameterException(str(error)) from None
        return {"RandomPassword": password}

    @contextmanager
    def _call(self, operation: str, parameters: Mapping[str, Any]) -> Iterator[None]:
        """Hold the lock for one call; note it, and fail it where that was ordered."""
        with self._monitor:
            self._calls.append(Call.of(operation, parameters))
            early, late = self._faults.strike(operation)
            try:
                if early is not None:
                    raise early
                # A lost answer may have been a refusal.
                with nullcontext() if late is None else suppress(SecretsManagerError):
                    yield
                if late is not None:
                    raise late
            except SecretsManagerError as error:
                error.operation_name = "".join(map(str.title, operation.split("_")))
                raise

    def _find(self, secret_id: str) -> StoredSecret:
        """By name, by ARN, or by an ARN without the hyphen and six characters at its end."""
        for secret in self._secrets.values():
            if secret_id in (secret.name, secret.arn, secret.arn[:-7]):
                return secret
        raise ResourceNotFoundException("Secrets Manager can't find the specified secret.")

    def _put(
        self,
        secret: StoredSecret,
        token: str | None,
        text: str | None,
        binary: bytes | None,
        labels: Sequence[str] | None,
    ) -> dict[str, str]:
        """Store a value; the version it is in."""
        version_id = _token(token)
        new = StoredVersion(
            version_id=version_id, created_at=self._clock.time(), string=text, binary=binary
        )
        new.check_size()
        there = secret.versions.get(version_id)
        if there is not None and there.has_value:
            if (there.string, there.binary) != (text, binary):
                message = (
                    f"You can't use ClientRequestToken {version_id} because that value is "
                    f"already in use for a version of secret {secret.arn}."
                )
                raise ResourceExistsException(message)
            return {"VersionId": version_id}
        secret.versions[version_id] = new
        secret.changed_at = new.created_at
        for label in labels or (CURRENT,):
            secret.attach(label, version_id)
        if CURRENT not in secret.labels:
            secret.attach(CURRENT, version_id)
        return {"VersionId": version_id}


def _token(token: str | None) -> str:
    if token is None:
        return str(uuid4())
    if not 32 <= len(token) <= 64:
        raise InvalidParameterException("ClientRequestToken must be 32-64 characters long.")
    return token


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
