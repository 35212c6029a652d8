"""rotate_locally: a whole rotation without an account, told step by step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import attrs

from lambda_sim.errors import ConfigurationError
from lambda_sim.sync import SYSTEM_CLOCK

from ..client import Event
from ..execution import Execution
from ..outcome import Failure
from .client import CURRENT, PENDING, SecretsManagerClient
from .container import SecretContainer
from .event import RotationEvent, RotationStep
from .handler import RotationHandler
from .memory import InMemorySecretsManager
from .value import SecretValue

__all__ = ["RotationStory", "StepReport", "rotate_locally"]

_FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:rotate-locally"


@attrs.frozen(kw_only=True)
class StepReport:
    """How one step went.

    :ivar error: what it raised.
    :ivar duration: seconds.
    :ivar stages: the labels of each version afterwards.
    """

    step: RotationStep
    error: BaseException | None
    duration: float
    stages: Mapping[str, Sequence[str]]


@attrs.frozen(kw_only=True)
class RotationStory:
    """A rotation from its beginning to its end, or to the step that failed. ``str`` tells it.

    :ivar token: the id of the version that was to become current.
    :ivar before: the labels of each version when the rotation had begun, before the first step.
    :ivar client: where the secret is now.
    """

    secret_id: str
    token: str
    before: Mapping[str, Sequence[str]]
    steps: Sequence[StepReport]
    client: SecretsManagerClient = attrs.field(repr=False)

    @property
    def error(self) -> BaseException | None:
        """What the last step raised; None if all four went well."""
        return self.steps[-1].error

    @property
    def is_complete(self) -> bool:
        """Whether the new version is current, and no version is pending."""
        labels = {label: token for token, found in self.after.items() for label in found}
        return labels.get(CURRENT) == self.token and PENDING not in labels

    @property
    def after(self) -> Mapping[str, Sequence[str]]:
        """The labels of each version at the end."""
        return self.steps[-1].stages

    def __str__(self) -> str:
        lines = [f"rotation of {self.secret_id} to version {self.token}"]
        lines.append(_line("begun", self.before))
        for report in self.steps:
            lines.append(_line(report.step, report.stages, f"{report.duration * 1000:.1f} ms"))
        if self.error is not None:
            lines.append(f"  failed: {type(self.error).__name__}: {self.error}")
        return "\n".join(lines)


def rotate_locally(
    handler: RotationHandler[Any, Any],
    secret: Any,
    *,
    client: SecretsManagerClient | None = None,
    token: str | None = None,
    timeout: float = 30.0,
) -> RotationStory:
    """Rotate a secret as Secrets Manager would, up to the first step that fails.

    The handler is set up once and torn down at the end, and meanwhile asks ``client``.

    :param secret: its current value: what the handler declares, or the JSON of it, or the text
        or bytes as they are stored. With a ``client`` it is the secret's name or ARN.
    :param client: a Secrets Manager that has the secret; by default one in memory is made.
    :param token: the version that is pending, where a rotation has begun already, by
        ``rotate_secret`` or by a story that did not come to its end.
    :param timeout: seconds that the function has for each step.
    :raises ConfigurationError: a client that is not in memory came without a token.
    """
    if client is None:
        client, secret = _stored(handler, secret)
    if token is None:
        token = _begin(client, secret)
    before = _stages(client, secret)
    steps = []
    with handler.asking(client), Execution(handler) as execution:
        for step in RotationStep:
            event = RotationEvent(secret_id=secret, client_request_token=token, step=step)
            steps.append(_report(execution, event, client, timeout))
            if steps[-1].error is not None:
                break
    return RotationStory(secret_id=secret, token=token, before=before, steps=steps, client=client)


def _stored(handler: RotationHandler[Any, Any], secret: Any) -> tuple[InMemorySecretsManager, str]:
    """A Secrets Manager that has the secret, and its ARN there."""
    if isinstance(secret, str):
        value = SecretValue(string=secret)
    elif isinstance(secret, bytes):
        value = SecretValue(binary=secret)
    elif isinstance(secret, Mapping):
        value = SecretValue(string=json.dumps(secret))
    else:
        is_whole = isinstance(secret, SecretContainer)
        value = handler.secret_format.seal(secret if is_whole else SecretContainer(secret))
    service = InMemorySecretsManager()
    arn: str = service.create_secret(Name="local-secret", **value.parameters())["ARN"]
    return service, arn


def _begin(client: SecretsManagerClient, secret_id: str) -> str:
    if not isinstance(client, InMemorySecretsManager):
        # Anywhere else RotateSecret would also invoke a function that is really there.
        allowed = "the token of a rotation that has begun, where the client is not in memory"
        raise ConfigurationError("token", None, allowed)
    begun = client.rotate_secret(SecretId=secret_id, RotationLambdaARN=_FUNCTION)
    token: str = begun["VersionId"]
    return token


def _report(
    execution: Execution[Any], event: RotationEvent, client: SecretsManagerClient, timeout: float
) -> StepReport:
    began = SYSTEM_CLOCK.monotonic()
    outcome = execution.execute(_invoked(event, timeout))
    return StepReport(
        step=event.step,
        error=outcome.error if isinstance(outcome, Failure) else None,
        duration=SYSTEM_CLOCK.monotonic() - began,
        stages=_stages(client, event.secret_id),
    )


def _invoked(event: RotationEvent, timeout: float) -> Event:
    """What Next would give for the step."""
    return Event(
        request_id=str(uuid4()),
        deadline_ms=round((SYSTEM_CLOCK.time() + timeout) * 1000),
        invoked_function_arn=_FUNCTION,
        trace_id=None,
        client_context=None,
        cognito_identity=None,
        tenant_id=None,
        invocation_id=None,
        content_type="application/json",
        body=json.dumps(event.to_json()).encode(),
        headers={},
    )


def _stages(client: SecretsManagerClient, secret_id: str) -> dict[str, Sequence[str]]:
    if isinstance(client, InMemorySecretsManager):
        found = client.stages(secret_id)
    else:
        found = client.describe_secret(SecretId=secret_id)["VersionIdsToStages"]
    return {version: tuple(sorted(labels)) for version, labels in found.items() if labels}


def _line(name: str, stages: Mapping[str, Sequence[str]], duration: str = "") -> str:
    shown = sorted(f"{label} {version[:8]}" for version, found in stages.items() for label in found)
    return f"  {name:<12}  {duration:>9}  {'  '.join(shown)}".rstrip()
