"""A database that secrets open, and the handler that rotates its login."""

from __future__ import annotations

import json
import threading
import unittest
from typing import Any

import attrs

from lambda_sim.handler.rotation import (
    InMemorySecretsManager,
    Retry,
    RotationEvent,
    RotationHandler,
    RotationStep,
    SecretContainer,
)

FIRST = "11111111-1111-4111-8111-111111111111"
SECOND = "22222222-2222-4222-8222-222222222222"
THIRD = "33333333-3333-4333-8333-333333333333"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:rotate"
OLD_PASSWORD = "the-old-password"


class LeapingClock:
    """Time that is at once where somebody waits for it to be."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        self.now = self.now if until is None else until


@attrs.frozen
class Login:
    username: str
    password: str


class Database:
    """One user's password, and who asked for what.

    :ivar next_change: "before" or "after" the next change, the connection is lost.
    """

    def __init__(self) -> None:
        self.password = OLD_PASSWORD
        self.asked: list[str] = []
        self.next_change = ""

    def log_in(self, password: str) -> None:
        self.asked.append("log in")
        if password != self.password:
            raise PermissionError(f"password {password!r} is wrong")

    def change(self, old: str, new: str) -> None:
        self.asked.append("change")
        if old != self.password:
            raise PermissionError(f"password {old!r} is wrong")
        lost, self.next_change = self.next_change, ""
        if lost != "before":
            self.password = new
        if lost:
            raise ConnectionResetError("the database is gone")


class Rotate(RotationHandler[Database, Login]):
    """What an author would write; ``called`` has the methods as they were called."""

    retry = Retry(attempts=3, clock=LeapingClock())

    def __init__(self, database: Database, client: Any = None) -> None:
        super().__init__(client)
        self.database = database
        self.called: list[str] = []

    def setup(self) -> Database:
        return self.database

    def create(self, shared: Database, current: SecretContainer[Login]) -> SecretContainer[Login]:
        self.called.append("create")
        return current.evolve(password=self.generate_password())

    def set(
        self, shared: Database, current: SecretContainer[Login], pending: SecretContainer[Login]
    ) -> None:
        self.called.append("set")
        shared.change(current.data.password, pending.data.password)

    def test(self, shared: Database, pending: SecretContainer[Login]) -> None:
        self.called.append("test")
        shared.log_in(pending.data.password)

    def finish(
        self, shared: Database, current: SecretContainer[Login], pending: SecretContainer[Login]
    ) -> None:
        self.called.append("finish")


class RotationTest(unittest.TestCase):
    """A secret whose rotation to version SECOND has begun, as Secrets Manager begins it."""

    def setUp(self) -> None:
        super().setUp()
        self.client: Any = self.make_client()
        self.client.create_secret(
            Name="db",
            SecretString=json.dumps(
                {"username": "ada", "password": OLD_PASSWORD, "host": "db.example", "port": 5432}
            ),
            ClientRequestToken=FIRST,
        )
        self.begin_rotation("db", SECOND)
        self.database = Database()
        self.handler = Rotate(self.database, self.client)

    def make_client(self) -> Any:
        return InMemorySecretsManager()

    def begin_rotation(self, secret_id: str, token: str) -> None:
        self.client.rotate_secret(
            SecretId=secret_id, ClientRequestToken=token, RotationLambdaARN=FUNCTION
        )

    def step(self, name: str, token: str = SECOND) -> None:
        event = RotationEvent(
            secret_id="db", client_request_token=token, step=RotationStep(f"{name}Secret")
        )
        self.handler.rotate(self.database, event)

    def steps(self, *names: str) -> None:
        for name in names:
            self.step(name)

    def rotate(self) -> None:
        self.steps("create", "set", "test", "finish")

    def stages(self) -> dict[str, set[str]]:
        found = self.client.describe_secret(SecretId="db")["VersionIdsToStages"]
        return {version: set(labels) for version, labels in found.items() if labels}

    def value(self, token: str) -> dict[str, Any]:
        found = self.client.get_secret_value(SecretId="db", VersionId=token)
        content: dict[str, Any] = json.loads(found["SecretString"])
        return content

    def assert_rotated(self) -> None:
        self.assertEqual(self.stages(), {FIRST: {"AWSPREVIOUS"}, SECOND: {"AWSCURRENT"}})
        self.assertEqual(self.value(SECOND)["password"], self.database.password)
        self.assertNotEqual(self.database.password, OLD_PASSWORD)
