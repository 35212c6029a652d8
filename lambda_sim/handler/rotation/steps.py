"""The four steps, each of which may be asked for again at any time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, assert_never

from .client import CURRENT, PENDING
from .container import SecretContainer
from .event import RotationEvent, RotationStep
from .failure import RotationError
from .store import SecretStore

if TYPE_CHECKING:
    from .handler import RotationHandler

__all__ = ["Steps"]

_logger = logging.getLogger(__name__)


class Steps:
    """One event's step: what is asked of Secrets Manager, and when the handler is called.

    AWS: *AWS Secrets Manager User Guide*, Four steps in a rotation function; and the generic
    template of its rotation functions.
    """

    def __init__(
        self,
        handler: RotationHandler[Any, Any],
        shared: Any,
        event: RotationEvent,
        store: SecretStore,
    ) -> None:
        self._handler = handler
        self._shared = shared
        self._event = event
        self._store = store
        self._format = handler.secret_format

    def run(self) -> None:
        """Do the step, unless the rotation is over already.

        :raises RotationError: the version is not one that is being rotated.
        """
        if self._is_over():
            self._say("is AWSCURRENT already")
            return
        match self._event.step:
            case RotationStep.CREATE:
                self._create()
            case RotationStep.SET:
                self._set()
            case RotationStep.TEST:
                self._handler.test(self._shared, self._pending())
            case RotationStep.FINISH:
                self._handler.finish(self._shared, self._current(), self._pending())
                self._store.promote()
            case unknown:
                assert_never(unknown)
        self._say("is done")

    def _is_over(self) -> bool:
        secret, token = self._event.secret_id, self._event.client_request_token
        stages = self._store.stages()
        if not stages.is_rotation_enabled:
            raise RotationError(f"Secret {secret} is not enabled for rotation")
        if token not in stages.labels:
            raise RotationError(
                f"Secret version {token} has no stage for rotation of secret {secret}."
            )
        labels = stages.labels[token]
        if CURRENT in labels:
            if self._event.step is RotationStep.FINISH and PENDING in labels:
                self._store.promote()  # the last time it came to here, and no further
            return True
        if PENDING not in labels:
            raise RotationError(
                f"Secret version {token} not set as AWSPENDING for rotation of secret {secret}."
            )
        return False

    def _create(self) -> None:
        current = self._store.current()
        pending = self._store.find_pending()
        # Some who stand in for Secrets Manager begin with a copy of the current value, where
        # Secrets Manager itself begins with none.
        if pending is not None and pending != current:
            self._say("has its value already")
            return
        made = self._handler.create(self._shared, opened := self._format.open(current))
        new = self._format.seal(_contained(made, opened))
        is_stored = self._store.put_pending(new)
        if pending is None and is_stored:
            return
        stored = self._store.find_pending()
        if stored is None or (stored == current and new != current):
            raise RotationError(
                f"Secret version {self._event.client_request_token} of secret "
                f"{self._event.secret_id} holds a copy of the current value, which can't be "
                "replaced: take AWSPENDING off it, and rotate again"
            )

    def _set(self) -> None:
        pending = self._pending()
        try:
            self._handler.test(self._shared, pending)
        except Exception as error:
            # Only the kind of error: its words may be those of a database about a password.
            self._say(f"is not set yet ({type(error).__name__})")
        else:
            self._say("is set already")
            return
        self._handler.set(self._shared, self._current(), pending)

    def _current(self) -> SecretContainer[Any]:
        return self._format.open(self._store.current())

    def _pending(self) -> SecretContainer[Any]:
        return self._format.open(self._store.pending())

    def _say(self, what: str) -> None:
        token, secret = self._event.client_request_token, self._event.secret_id
        _logger.info("%s: version %s of secret %s %s", self._event.step, token, secret, what)


def _contained(made: Any, current: SecretContainer[Any]) -> SecretContainer[Any]:
    """What ``create`` returned, with the fields it does not know."""
    if made is None:
        raise RotationError("create returned None in place of the new secret")
    if isinstance(made, SecretContainer):
        return made
    return SecretContainer(made, current.extra, current.is_binary)
