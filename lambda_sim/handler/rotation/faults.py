"""What the in-memory Secrets Manager was asked, and which of its calls are to fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["Call", "Faults"]

_SECRET = frozenset({"SecretString", "SecretBinary", "RotationToken"})


@attrs.frozen
class Call:
    """One call: boto3's name of the method, and what it was given, without the secrets."""

    operation: str
    parameters: Mapping[str, Any]

    @classmethod
    def of(cls, operation: str, parameters: Mapping[str, Any]) -> Call:
        shown = {
            name: "***" if name in _SECRET else value
            for name, value in parameters.items()
            if value is not None
        }
        return cls(operation, shown)


@attrs.define
class _Fault:
    error: Exception
    operation: str | None
    skip: int
    times: int
    is_late: bool

    def strikes(self, operation: str) -> bool:
        """Whether it is this call's turn; asked once for each call."""
        if self.operation not in (None, operation):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class Faults:
    """Faults that were ordered and have not struck yet."""

    def __init__(self) -> None:
        self._ordered: list[_Fault] = []

    def order(
        self, error: Exception, operation: str | None, skip: int, times: int, is_late: bool
    ) -> None:
        self._ordered.append(_Fault(error, operation, skip, times, is_late))

    def strike(self, operation: str) -> tuple[Exception | None, Exception | None]:
        """What this call fails with before it did anything, and after it did."""
        struck = [fault for fault in self._ordered if fault.strikes(operation)]
        self._ordered = [fault for fault in self._ordered if fault.times > 0]
        early = next((fault.error for fault in struck if not fault.is_late), None)
        late = next((fault.error for fault in struck if fault.is_late), None)
        return early, late
