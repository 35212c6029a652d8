"""From a stored value to a secret of the declared type, and back with nothing lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from lambda_sim.errors import LambdaSimError

from ..codec import Codec, TypedCodec
from ..validation import EventValidationError, described
from .container import SecretContainer
from .failure import RotationError
from .value import SecretValue

__all__ = ["SecretFormat"]

T = TypeVar("T")


class SecretFormat:
    """``str`` is a SecretString as it is, ``bytes`` a SecretBinary; all else is JSON in either.

    :param as_type: what the handler declares.
    """

    def __init__(self, as_type: Any, codec: Codec) -> None:
        self._as_type = as_type
        self._codec = codec

    def prepare(self) -> None:
        """Find out how to read the type, so that the first step need not wait for it."""
        if self._as_type is not str and isinstance(self._codec, TypedCodec):
            self._codec.prepare(self._as_type)

    def open(self, value: SecretValue) -> SecretContainer[Any]:
        """Read a stored value.

        :raises RotationError: it is not what the declared type says.
        """
        if self._as_type is str:
            return SecretContainer(_of_kind(str, value.string, "SecretString"))
        if self._as_type is bytes:
            return SecretContainer(_of_kind(bytes, value.binary, "SecretBinary"), is_binary=True)
        body = (value.text() or "").encode()
        content = _quietly(lambda: json.loads(body))
        data = self._read(body)
        return SecretContainer(data, _unknown(content, self._dump(data)), value.string is None)

    def seal(self, secret: SecretContainer[Any]) -> SecretValue:
        """Write a value to be stored.

        :raises RotationError: it is not of the declared type, or would not be read back the same.
        """
        if self._as_type is str:
            return SecretValue(string=_of_kind(str, secret.data, "the new secret"))
        if self._as_type is bytes:
            return SecretValue(binary=_of_kind(bytes, secret.data, "the new secret"))
        content = _merged(secret.extra, self._dump(secret.data))
        text = json.dumps(content, ensure_ascii=False)
        self._check_same(text.encode(), secret.data)
        return SecretValue(binary=text.encode()) if secret.is_binary else SecretValue(string=text)

    def _read(self, body: bytes) -> Any:
        return _quietly(lambda: self._codec.decode(body, self._as_type))

    def _dump(self, data: Any) -> Any:
        return _quietly(lambda: json.loads(self._codec.encode(data)))

    def _check_same(self, body: bytes, data: Any) -> None:
        # A field that is read and written under two names would bring the old password back.
        again = self._read(body)
        if again != data and self._dump(again) != self._dump(data):
            raise RotationError(
                "the new secret would be read back as another one; its type must write every "
                "field under the name that it is read by"
            )


def _quietly(work: Callable[[], T]) -> T:
    """Do it; what fails may say where and why, but has seen the secret and is left behind."""
    try:
        return work()
    except EventValidationError as error:
        place = f", {error.path}" if error.path else ""
        problem = f"the secret{place}: expected {error.expected}, got {error.got}"
    except (LambdaSimError, json.JSONDecodeError) as error:
        problem = f"the secret: {error}"
    except Exception as error:
        problem = f"the secret: {type(error).__name__}"
    raise RotationError(problem)


def _of_kind(kind: type[T], value: object, what: str) -> T:
    if not isinstance(value, kind):
        got = "bytes" if isinstance(value, bytes) else described(value)
        raise RotationError(f"{what}: expected {kind.__name__}, got {got}")
    return value


def _unknown(content: Any, known: Any) -> dict[str, Any]:
    """Fields of an object that another one, made from it, does not have; at any depth."""
    if not isinstance(content, dict) or not isinstance(known, dict):
        return {}
    found = {}
    for name, value in content.items():
        if name not in known:
            found[name] = value
        elif inside := _unknown(value, known[name]):
            found[name] = inside
    return found


def _merged(extra: Any, content: Any) -> Any:
    if not isinstance(extra, dict) or not isinstance(content, dict):
        return content
    kept = {name: _merged(extra[name], value) for name, value in content.items() if name in extra}
    return {**extra, **content, **kept}
