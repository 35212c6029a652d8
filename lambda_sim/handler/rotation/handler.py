"""RotationHandler: what an author writes to rotate a secret."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from lambda_sim.errors import LambdaSimError

from ..codec import TypedCodec
from ..declared import generic_argument
from ..typed import Handler
from .client import SecretsManagerClient
from .container import SecretContainer
from .event import RotationEvent
from .format import SecretFormat
from .retry import Retry
from .secrecy import PUBLIC_FIELDS, Secrecy
from .steps import Steps
from .store import SecretStore
from .value import SecretValue

if TYPE_CHECKING:
    from ..invocation import Invocation

__all__ = ["RotationHandler"]

SharedT = TypeVar("SharedT")
SecretT = TypeVar("SecretT")

_NOT_IN_PASSWORDS = "/@\"'\\"
"""What AWS's rotation functions leave out, as connection strings trip over it."""


class RotationHandler(Handler[SharedT, RotationEvent, None], Generic[SharedT, SecretT]):
    """Rotates a secret, in the four steps that Secrets Manager asks for.

    Written as ``class Rotate(RotationHandler[Connection, Login])``; it then runs like any other
    handler. ``Login`` is what the secret's JSON holds; ``str`` and ``bytes`` stand for secrets
    that are none. A step may be asked for several times, and the methods here may be called
    again after they failed half-way.

    :cvar retry: how often a call to Secrets Manager is made that fails for a moment.
    :cvar public_fields: fields of the secret that errors may show. A secret's other values are
        replaced by stars in what the methods raise.
    :param client: a boto3 client for Secrets Manager, or what has its methods; by default boto3's
        for this region, and for the ``SECRETS_MANAGER_ENDPOINT`` if that is set.

    AWS: *AWS Secrets Manager User Guide*, Rotation by Lambda function.
    """

    retry: ClassVar[Retry] = Retry()
    public_fields: ClassVar[Collection[str]] = PUBLIC_FIELDS

    _client: SecretsManagerClient | None = None
    _secrecy: Secrecy | None = None

    def __init__(self, client: SecretsManagerClient | None = None) -> None:
        """:raises ConfigurationError: nobody knows how to read the secret's type."""
        self._client = client
        self.secret_format.prepare()

    @abstractmethod
    def create(
        self, shared: SharedT, current: SecretContainer[SecretT]
    ) -> SecretContainer[SecretT] | SecretT:
        """Make the new secret, as ``current.evolve(password=self.generate_password())`` does.

        Fields of the secret that ``SecretT`` does not have are kept.
        """

    @abstractmethod
    def set(
        self, shared: SharedT, current: SecretContainer[SecretT], pending: SecretContainer[SecretT]
    ) -> None:
        """Make the database, or whatever it is, take the new secret.

        It is called only while ``test`` fails, so it may log in with the current one.
        """

    @abstractmethod
    def test(self, shared: SharedT, pending: SecretContainer[SecretT]) -> None:
        """Use the new secret, and raise something if it does not work."""

    def finish(
        self, shared: SharedT, current: SecretContainer[SecretT], pending: SecretContainer[SecretT]
    ) -> None:
        """Do what is left to do, just before the new secret becomes the current one."""

    def run(self, shared: SharedT, invocation: Invocation[RotationEvent]) -> None:
        self.rotate(shared, invocation.event, remaining=invocation.deadline.remaining)

    def rotate(
        self,
        shared: SharedT,
        event: RotationEvent,
        *,
        remaining: Callable[[], float] | None = None,
    ) -> None:
        """Do one step.

        :param remaining: seconds there are for it; no pause between attempts is longer.
        :raises RotationError: the secret is not in a state for it, or an error showed a secret.
        """
        self._secrecy = secrecy = Secrecy(self.public_fields)
        store = SecretStore(self.client, event, self.retry, secrecy, remaining)
        secrecy.guard(Steps(self, shared, event, store).run)

    def generate_password(
        self,
        length: int = 32,
        *,
        exclude_characters: str | None = None,
        exclude_numbers: bool = False,
        exclude_punctuation: bool = False,
        exclude_uppercase: bool = False,
        exclude_lowercase: bool = False,
        include_space: bool = False,
        require_each_included_type: bool = True,
    ) -> str:
        """A random password, made by Secrets Manager.

        :param exclude_characters: by default those in the variable ``EXCLUDE_CHARACTERS``, and
            else slash, at, backslash and quotation marks, as in AWS's own rotation functions.

        AWS: *AWS Secrets Manager API Reference*, GetRandomPassword.
        """
        if exclude_characters is None:
            exclude_characters = os.environ.get("EXCLUDE_CHARACTERS", _NOT_IN_PASSWORDS)

        def ask() -> str:
            answer = self.client.get_random_password(
                PasswordLength=length,
                ExcludeCharacters=exclude_characters,
                ExcludeNumbers=exclude_numbers,
                ExcludePunctuation=exclude_punctuation,
                ExcludeUppercase=exclude_uppercase,
                ExcludeLowercase=exclude_lowercase,
                IncludeSpace=include_space,
                RequireEachIncludedType=require_each_included_type,
            )
            password: str = answer["RandomPassword"]
            return password

        password = self.retry.call(ask)
        if self._secrecy is not None:
            self._secrecy.learn(SecretValue(string=password))
        return password

    @property
    def client(self) -> SecretsManagerClient:
        """Secrets Manager; one client for all invocations of the environment."""
        if self._client is None:
            self._client = _boto3_client()
        return self._client

    @contextmanager
    def asking(self, client: SecretsManagerClient) -> Iterator[None]:
        """Inside, this client is asked in place of the usual one."""
        usual, self._client = self._client, client
        try:
            yield
        finally:
            self._client = usual

    @property
    def secret_type(self) -> Any:
        """What secrets are read as; ``Any``, which is JSON as it is, where nothing is declared."""
        declared = generic_argument(type(self), RotationHandler, 1)
        return Any if declared is None else declared

    @property
    def secret_format(self) -> SecretFormat:
        """What reads and writes secrets of that type."""
        return SecretFormat(self.secret_type, self.codec or TypedCodec())


def _boto3_client() -> SecretsManagerClient:
    try:
        import boto3  # noqa: PLC0415 - only who has no other client needs it
        from botocore.config import Config  # noqa: PLC0415 - likewise
    except ImportError as missing:
        message = "a RotationHandler without a client needs boto3: pip install boto3"
        raise LambdaSimError(message) from missing
    endpoint = os.environ.get("SECRETS_MANAGER_ENDPOINT") or None
    # Retry makes calls again, not boto3 as well; and where the function's network has no way to
    # Secrets Manager, boto3 would wait for longer than most functions have.
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10)
    client: SecretsManagerClient = boto3.client(
        "secretsmanager", endpoint_url=endpoint, config=once
    )
    return client
