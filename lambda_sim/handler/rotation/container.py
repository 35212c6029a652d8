"""A secret as its handler sees it: what it declares, and all the rest beside it, unlost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

import attrs

from lambda_sim.errors import ConfigurationError

__all__ = ["SecretContainer"]

SecretT = TypeVar("SecretT")


@attrs.frozen(repr=False)
class SecretContainer(Generic[SecretT]):
    """The value of one version of a secret. Attributes of ``data`` are found here, too.

    :ivar data: what the handler declares.
    :ivar extra: fields that the declared type does not have. They go back where they came from
        when the secret is stored again.
    :ivar is_binary: whether it is kept as SecretBinary.
    """

    data: SecretT
    extra: Mapping[str, Any] = attrs.field(factory=dict)
    is_binary: bool = False

    def evolve(self, **changes: Any) -> SecretContainer[SecretT]:
        """The same secret with some fields changed, as ``current.evolve(password=new)``.

        :raises ConfigurationError: ``data`` is nothing that has fields.
        """
        return attrs.evolve(self, data=_changed(self.data, changes))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy and pickle ask before there is any data
            raise AttributeError(name)
        return getattr(self.data, name)

    def __repr__(self) -> str:
        return f"<SecretContainer of {type(self.data).__name__}, not shown>"


def _changed(data: SecretT, changes: dict[str, Any]) -> SecretT:
    if isinstance(data, dict):
        return cast("SecretT", {**data, **changes})
    if attrs.has(type(data)):
        return cast("SecretT", attrs.evolve(cast("Any", data), **changes))
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return cast("SecretT", dataclasses.replace(data, **changes))
    if hasattr(data, "model_copy"):
        return cast("SecretT", data.model_copy(update=changes))
    allowed = "attrs, dataclass, pydantic or dict; give create's result another way"
    raise ConfigurationError("secret", type(data).__name__, allowed)
