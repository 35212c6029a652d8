"""Secrets as handlers see them: typed, with nothing lost and nothing shown."""

from __future__ import annotations

import copy
import dataclasses
import importlib.util
import json
import pickle
import unittest
from typing import Any, ClassVar

import attrs

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.codec import TypedCodec
from lambda_sim.handler.rotation import RotationError, SecretContainer
from lambda_sim.handler.rotation.format import SecretFormat
from lambda_sim.handler.rotation.value import SecretValue

from .world import Login


@dataclasses.dataclass(frozen=True)
class Key:
    key: str
    rounds: int | None = None


@attrs.frozen
class Server:
    host: str
    login: Login


@attrs.frozen
class Renamed:
    """Reads one name, and writes another."""

    secret: str

    @classmethod
    def from_json(cls, value: Any) -> Renamed:
        return cls(value["password"])

    def to_json(self) -> dict[str, str]:
        return {"secret": self.secret}


def opened(as_type: Any, content: Any) -> SecretContainer[Any]:
    return SecretFormat(as_type, TypedCodec()).open(SecretValue(string=json.dumps(content)))


def sealed(as_type: Any, secret: SecretContainer[Any]) -> Any:
    value = SecretFormat(as_type, TypedCodec()).seal(secret)
    assert value.string is not None
    return json.loads(value.string)


class TypesTest(unittest.TestCase):
    CONTENT: ClassVar = {
        "username": "ada",
        "password": "old",
        "host": "db",
        "tags": {"team": [1, None]},
    }

    def test_known_fields_are_data_and_the_others_extra(self) -> None:
        secret = opened(Login, self.CONTENT)
        self.assertEqual(secret.data, Login("ada", "old"))
        self.assertEqual(secret.extra, {"host": "db", "tags": {"team": [1, None]}})

    def test_extra_fields_go_back_where_they_came_from(self) -> None:
        secret = opened(Login, self.CONTENT).evolve(password="new")
        self.assertEqual(sealed(Login, secret), {**self.CONTENT, "password": "new"})

    def test_so_do_those_inside_of_known_ones(self) -> None:
        content = {"host": "db", "login": {"username": "ada", "password": "old", "since": 2020}}
        secret = opened(Server, content)
        self.assertEqual(secret.extra, {"login": {"since": 2020}})
        new = secret.evolve(login=Login("ada", "new"))
        content["login"]["password"] = "new"  # type: ignore[index]
        self.assertEqual(sealed(Server, new), content)

    def test_a_dataclass_is_as_good(self) -> None:
        secret = opened(Key, {"key": "old", "rounds": 3, "id": "k1"}).evolve(key="new", rounds=None)
        self.assertEqual(sealed(Key, secret), {"key": "new", "rounds": None, "id": "k1"})

    @unittest.skipUnless(importlib.util.find_spec("pydantic"), "not installed: pydantic")
    def test_so_is_a_pydantic_model(self) -> None:
        from .models import Account  # noqa: PLC0415 - pydantic may not be there

        secret = opened(Account, self.CONTENT).evolve(password="new")
        self.assertEqual(sealed(Account, secret), {**self.CONTENT, "password": "new"})

    def test_undeclared_json_is_all_data(self) -> None:
        secret = opened(Any, self.CONTENT)
        self.assertEqual((secret.data, secret.extra), (self.CONTENT, {}))
        new = secret.evolve(password="new")
        self.assertEqual(sealed(Any, new), {**self.CONTENT, "password": "new"})
        self.assertEqual(sealed(list[str], opened(list[str], ["a", "b"])), ["a", "b"])

    def test_letters_of_all_alphabets_stay_as_they_are(self) -> None:
        value = SecretFormat(Login, TypedCodec()).seal(SecretContainer(Login("Ада", "pässwörd")))
        self.assertEqual(value.string, '{"username": "Ада", "password": "pässwörd"}')

    def test_json_in_bytes_goes_back_as_bytes(self) -> None:
        secret_format = SecretFormat(Login, TypedCodec())
        body = b'{"username": "ada", "password": "old", "host": "db"}'
        secret = secret_format.open(SecretValue(binary=body))
        self.assertTrue(secret.is_binary)
        stored = secret_format.seal(secret)
        self.assertIsNone(stored.string)
        self.assertEqual(json.loads(stored.binary or b""), json.loads(body))

    def test_text_and_bytes_that_are_no_json_are_taken_as_they_are(self) -> None:
        for as_type, value in (
            (str, SecretValue(string="not { json")),
            (bytes, SecretValue(binary=b"\xff\x00")),
        ):
            secret_format = SecretFormat(as_type, TypedCodec())
            self.assertEqual(secret_format.seal(secret_format.open(value)), value)

    def test_a_type_that_would_bring_the_old_secret_back_is_refused(self) -> None:
        secret = opened(Renamed, {"password": "old"})
        with self.assertRaisesRegex(RotationError, "would be read back as another one"):
            sealed(Renamed, attrs.evolve(secret, data=Renamed("new")))


class RefusalTest(unittest.TestCase):
    def refused(self, as_type: Any, value: SecretValue) -> RotationError:
        with self.assertRaises(RotationError) as caught:
            SecretFormat(as_type, TypedCodec()).open(value)
        # What it replaces has seen the secret.
        self.assertIsNone(caught.exception.__context__)
        self.assertIsNone(caught.exception.__cause__)
        self.assertNotIn("hunter2", str(caught.exception))
        return caught.exception

    def test_a_wrong_field_is_named_and_not_shown(self) -> None:
        value = SecretValue(string='{"username": 7, "password": "hunter2"}')
        said = str(self.refused(Login, value))
        self.assertRegex(said, "^the secret, username: expected .*, got a number$")

    def test_a_secret_that_is_no_json_is_not_shown(self) -> None:
        for value in (SecretValue(string="hunter2"), SecretValue(binary=b"\xffhunter2")):
            self.assertIn("Expecting value: line 1", str(self.refused(Login, value)))

    def test_text_is_no_bytes(self) -> None:
        error = self.refused(bytes, SecretValue(string="hunter2"))
        self.assertEqual(str(error), "SecretBinary: expected bytes, got null")
        error = self.refused(str, SecretValue(binary=b"hunter2"))
        self.assertEqual(str(error), "SecretString: expected str, got null")

    def test_a_new_secret_of_the_wrong_type_is_refused(self) -> None:
        with self.assertRaisesRegex(RotationError, "the new secret: expected str, got bytes"):
            SecretFormat(str, TypedCodec()).seal(SecretContainer(b"hunter2"))
        with self.assertRaises(RotationError) as caught:
            SecretFormat(Login, TypedCodec()).seal(SecretContainer({"pass": "hunter2"}))
        self.assertNotIn("hunter2", str(caught.exception))
        with self.assertRaisesRegex(RotationError, "the secret: "):
            SecretFormat(Any, TypedCodec()).seal(SecretContainer(object()))

    def test_an_answer_without_a_value_is_told_so(self) -> None:
        with self.assertRaisesRegex(RotationError, "Neither SecretString nor SecretBinary is set"):
            SecretValue.of({"ARN": "arn", "VersionId": "v1"})


class ContainerTest(unittest.TestCase):
    def setUp(self) -> None:
        self.secret = SecretContainer(Login("ada", "hunter2"), {"pin": "hunter2"})

    def test_nothing_of_it_is_shown(self) -> None:
        self.assertEqual(repr(self.secret), "<SecretContainer of Login, not shown>")
        self.assertNotIn("hunter2", f"{self.secret} {self.secret!r} {[self.secret]}")
        self.assertNotIn("hunter2", repr(SecretValue(string="hunter2")))
        self.assertNotIn("hunter2", repr(SecretValue(binary=b"hunter2")))

    def test_attributes_are_those_of_the_data(self) -> None:
        self.assertEqual(self.secret.password, "hunter2")
        with self.assertRaises(AttributeError):
            _ = self.secret.nonsense

    def test_it_can_be_copied_compared_and_pickled(self) -> None:
        for other in (copy.deepcopy(self.secret), pickle.loads(pickle.dumps(self.secret))):
            self.assertEqual(other, self.secret)
        self.assertNotEqual(self.secret.evolve(password="new"), self.secret)

    def test_what_has_no_fields_can_not_be_evolved(self) -> None:
        with self.assertRaises(ConfigurationError) as caught:
            SecretContainer("hunter2").evolve(password="new")
        self.assertNotIn("hunter2", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
