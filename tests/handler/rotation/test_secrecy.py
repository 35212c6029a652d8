"""No secret in logs and errors, whatever a database says about it."""

from __future__ import annotations

import json
import logging
import traceback
import unittest
from collections.abc import Callable
from typing import Any

import attrs

from lambda_sim.handler.rotation import RotationError, SecretContainer
from lambda_sim.handler.rotation.secrecy import PUBLIC_FIELDS, Secrecy
from lambda_sim.handler.rotation.value import SecretValue

from .world import OLD_PASSWORD, SECOND, Database, Login, Rotate, RotationTest

MADE = "quite'a\\strange\"pässword"


class ScrubTest(unittest.TestCase):
    def scrubbed(self, secret: Any, text: str) -> str:
        secrecy = Secrecy(PUBLIC_FIELDS)
        value = secret if isinstance(secret, str) else json.dumps(secret)
        secrecy.learn(SecretValue(string=value))
        return secrecy.scrub(text)

    def test_values_become_stars_at_any_depth(self) -> None:
        secret = {"keys": [{"pin": 123456, "word": "opensesame"}]}
        self.assertEqual(self.scrubbed(secret, "opensesame: 123456!"), "***: ***!")

    def test_quoted_and_escaped_ones_too(self) -> None:
        shown = f"{MADE!r} {json.dumps(MADE)} quite%27a%5Cstrange%22p%C3%A4ssword"
        self.assertEqual(self.scrubbed({"password": MADE}, shown), "'***' \"***\" ***")

    def test_a_secret_inside_of_another_leaves_no_rest(self) -> None:
        secret = {"a": "open", "b": "opensesame"}
        self.assertEqual(self.scrubbed(secret, "opensesame open"), "*** ***")

    def test_where_the_database_is_may_be_shown(self) -> None:
        secret = {"host": "db.example", "port": 5432, "username": "adalovelace"}
        text = "no route to db.example:5432 for adalovelace"
        self.assertEqual(self.scrubbed(secret, text), text)

    def test_public_names_are_so_at_the_top_only(self) -> None:
        self.assertEqual(self.scrubbed({"inner": {"host": "hidden"}}, "hidden"), "***")

    def test_text_that_is_no_json_is_secret_as_a_whole(self) -> None:
        self.assertEqual(self.scrubbed("opensesame", "got opensesame"), "got ***")

    def test_binary_secrets_are_known_by_their_text(self) -> None:
        secrecy = Secrecy(())
        secrecy.learn(SecretValue(binary=b"\xff\xfe"))
        secrecy.learn(SecretValue(binary=b"opensesame"))
        self.assertEqual(secrecy.scrub("opensesame"), "***")


class LeakTest(RotationTest):
    """Every method of a handler raises an error with the secret in it."""

    def assert_kept(self, failing: Callable[[], object]) -> BaseException:
        with self.assertLogs(level=logging.DEBUG) as logs, self.assertRaises(Exception) as caught:
            logging.getLogger().debug("something, as no log at all would fail the test")
            failing()
        error = caught.exception
        # Also not in what it was raised from, which some loggers print.
        shown = "".join(traceback.format_exception(error)) + repr(error) + "".join(logs.output)
        for secret in (OLD_PASSWORD, MADE, repr(MADE), self.made()):
            self.assertNotIn(secret, shown)
        return error

    def made(self) -> str:
        """The pending password, if there is one yet."""
        try:
            password: str = self.value(SECOND)["password"]
        except self.client.exceptions.ResourceNotFoundException:
            return MADE
        return password

    def test_create(self) -> None:
        class Leaking(Rotate):
            def create(self, shared: Database, current: SecretContainer[Login]) -> Any:
                raise LookupError(f"not again {current.password}")

        self.handler = Leaking(self.database, self.client)
        error = self.assert_kept(lambda: self.step("create"))
        self.assertEqual(str(error), "LookupError: not again ***")

    def test_a_password_that_create_generated(self) -> None:
        class Leaking(Rotate):
            def create(self, shared: Database, current: SecretContainer[Login]) -> Any:
                raise LookupError(f"not {self.generate_password(exclude_punctuation=True)}")

        self.handler = Leaking(self.database, self.client)
        error = self.assert_kept(lambda: self.step("create"))
        self.assertEqual(str(error), "LookupError: not ***")

    def test_set_with_the_words_of_a_database(self) -> None:
        class Leaking(Rotate):
            def set(self, shared: Database, *secrets: SecretContainer[Login]) -> None:
                statement = f"ALTER USER ada IDENTIFIED BY {secrets[1].password!r}"
                raise RuntimeError(f"syntax error near: {statement}")

        self.step("create")
        self.handler = Leaking(self.database, self.client)
        error = self.assert_kept(lambda: self.step("set"))
        self.assertRegex(str(error), r"^RuntimeError: .* IDENTIFIED BY ['\"]\*\*\*['\"]$")

    def test_test_with_the_secret_in_what_it_was_raised_from(self) -> None:
        class Leaking(Rotate):
            def test(self, shared: Database, pending: SecretContainer[Login]) -> None:
                try:
                    raise PermissionError(pending.password)
                except PermissionError as error:
                    raise RuntimeError("the login failed") from error

        self.step("create")
        self.handler = Leaking(self.database, self.client)
        error = self.assert_kept(lambda: self.step("test"))
        self.assertEqual(str(error), "RuntimeError: the login failed")
        self.assertIsInstance(error, RotationError)

    def test_finish_with_the_secret_in_a_note(self) -> None:
        class Leaking(Rotate):
            def finish(self, shared: Database, *secrets: SecretContainer[Login]) -> None:
                error = RuntimeError("no")
                error.add_note(f"the old one was {secrets[0].password}")
                raise error

        self.steps("create", "set")
        self.handler = Leaking(self.database, self.client)
        self.assert_kept(lambda: self.step("finish"))

    def test_a_type_whose_own_check_quotes_the_secret(self) -> None:
        @attrs.frozen
        class Picky:
            password: str = attrs.field()

            @password.validator
            def _check(self, _: object, value: str) -> None:
                raise ValueError(f"{value} is a bad password")

        class Checked(Rotate):
            secret_type = Picky

        self.handler = Checked(self.database, self.client)
        error = self.assert_kept(lambda: self.step("create"))
        self.assertIn("*** is a bad password", str(error))

    def test_an_error_that_shows_nothing_comes_through_as_it_is(self) -> None:
        class Plain(Rotate):
            def create(self, shared: Database, current: SecretContainer[Login]) -> Any:
                raise LookupError("db.example knows no ada")

        self.handler = Plain(self.database, self.client)
        error = self.assert_kept(lambda: self.step("create"))
        self.assertIs(type(error), LookupError)

    def test_the_place_of_the_error_is_kept(self) -> None:
        self.step("create")
        frames: list[str] = []
        try:
            self.step("test")
        except RotationError as error:
            frames += [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        self.assertEqual(frames[-2:], ["test", "log_in"])

    def test_a_whole_rotation_logs_no_secret_and_no_event(self) -> None:
        with self.assertLogs("lambda_sim", logging.DEBUG) as logs:
            self.rotate()
        shown = "".join(logs.output)
        for hidden in (OLD_PASSWORD, self.made(), "ada", "{"):
            self.assertNotIn(hidden, shown)
        self.assertIn(f"createSecret: version {SECOND} of secret db is done", shown)

    def test_a_setting_that_is_not_done_yet_is_logged_without_the_databases_words(self) -> None:
        self.step("create")
        with self.assertLogs("lambda_sim") as logs:
            self.step("set")
        self.assertIn("is not set yet (PermissionError)", logs.output[0])
        self.assertNotIn("wrong", "".join(logs.output))


if __name__ == "__main__":
    unittest.main()
