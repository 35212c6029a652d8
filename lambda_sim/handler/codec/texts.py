"""What JSON has only as text, or as an array."""

from __future__ import annotations

from collections.abc import Set
from datetime import date, datetime, time
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

__all__ = ["simplify"]


def simplify(value: Any) -> Any:
    """Text or an array for what JSON does not have.

    :raises TypeError: nobody could say which.
    """
    match value:
        case Enum():
            return value.value
        case datetime() | date() | time():
            return value.isoformat()
        case UUID() | PurePath():
            return str(value)
        case Set():
            return list(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
