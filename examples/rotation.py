"""A password is rotated: the story of a rotation that fails, and of one that does not.

    python examples/rotation.py

In Lambda, rotation.handler is an entry point for AWS's Python runtime, and Secrets Manager calls it
once for each step. Here rotate_locally does, with a Secrets Manager in memory.
"""

import sqlite3
import sys
from pathlib import Path

import attrs

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for a checkout, not installed

from lambda_sim.handler import as_entrypoint
from lambda_sim.handler.rotation import RotationHandler, SecretContainer, rotate_locally


@attrs.frozen
class Login:
    """What the handler needs of the secret; other fields of it are kept."""

    username: str
    password: str


class RotateLogin(RotationHandler[sqlite3.Connection, Login]):
    def setup(self) -> sqlite3.Connection:
        users = sqlite3.connect(":memory:")
        users.execute("CREATE TABLE users (name TEXT, password TEXT)")
        users.execute("INSERT INTO users VALUES ('ada', 'first-password')")
        return users

    def create(self, shared, current: SecretContainer[Login]) -> SecretContainer[Login]:
        return current.evolve(password=self.generate_password(20))

    def set(self, shared, current: SecretContainer[Login], pending: SecretContainer[Login]) -> None:
        change = "UPDATE users SET password = ? WHERE (name, password) = (?, ?)"
        values = (pending.data.password, current.data.username, current.data.password)
        if not shared.execute(change, values).rowcount:
            raise PermissionError(f"{current.data.password} is not the password")

    def test(self, shared, pending: SecretContainer[Login]) -> None:
        found = "SELECT * FROM users WHERE (name, password) = (?, ?)"
        if not shared.execute(found, (pending.data.username, pending.data.password)).fetchall():
            raise PermissionError("the login is refused")


handler = as_entrypoint(RotateLogin())


def main() -> None:
    secret = {"username": "ada", "password": "no-longer-so", "host": "db.example"}
    print(rotate_locally(RotateLogin(), secret), end="\n\n")

    story = rotate_locally(RotateLogin(), {**secret, "password": "first-password"})
    print(story, end="\n\n")

    current = story.client.get_secret_value(SecretId=story.secret_id)
    print("kept:", '"host": "db.example"' in current["SecretString"])


if __name__ == "__main__":
    main()
