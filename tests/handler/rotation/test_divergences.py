"""What rotations in lambda_runtime_types, and drivers beside AWS's, got wrong: ours do not.

One test for each fault that was found there.
"""

from __future__ import annotations

import logging
import string
import unittest
from typing import Any
from unittest import mock

from lambda_sim.handler import EventValidationError
from lambda_sim.handler.rotation import (
    InMemorySecretsManager,
    Retry,
    RotationError,
    RotationEvent,
    rotate_locally,
)

from .world import FIRST, OLD_PASSWORD, SECOND, THIRD, Database, Rotate, RotationTest


class RetriesTest(RotationTest):
    def test_pauses_grow_where_an_exclusive_or_made_them_jump(self) -> None:
        # (2 ^ retries) * 100 ms in Rust: 300, 0, 100, 600, 700.
        retry = Retry(base=0.1, longest=60.0, chance=lambda: 1.0)
        pauses = [retry.pause(failed) for failed in range(1, 6)]
        self.assertEqual(pauses, [0.1, 0.2, 0.4, 0.8, 1.6])

    def test_a_service_that_throttles_for_ever_is_not_asked_for_ever(self) -> None:
        self.client.fail_next("describe_secret", code="ThrottlingException", times=1_000_000)
        with self.assertRaises(self.client.exceptions.ClientError):
            self.step("create")
        asked = [call.operation for call in self.client.calls].count("describe_secret")
        self.assertEqual(asked, Rotate.retry.attempts)


class PasswordTest(RotationTest):
    def test_punctuation_is_excluded_when_it_is_told_so(self) -> None:
        # One of the two variants in Rust took true for the opposite.
        self.assertTrue(self.handler.generate_password(200, exclude_punctuation=True).isalnum())
        password = self.handler.generate_password(200, exclude_punctuation=False)
        self.assertTrue(set(string.punctuation) & set(password))

    def test_characters_that_break_connection_strings_are_left_out(self) -> None:
        for _ in range(20):
            self.assertFalse(set("/@\"'\\") & set(self.handler.generate_password(200)))

    def test_others_are_left_out_by_the_variable_of_awss_functions(self) -> None:
        letters = string.ascii_letters + string.punctuation
        with mock.patch.dict("os.environ", EXCLUDE_CHARACTERS=letters):
            password = self.handler.generate_password()
        self.assertTrue(password.isdigit(), password)


class PendingTest(RotationTest):
    def test_a_failure_to_read_the_pending_value_is_no_missing_value(self) -> None:
        for fault in ("AccessDeniedException", "ThrottlingException", "DecryptionFailure"):
            with self.subTest(fault):
                self.setUp()
                self.client.fail_next("get_secret_value", code=fault, skip=1, times=3)
                with self.assertRaises(self.client.exceptions.ClientError):
                    self.step("create")
                self.assertEqual(self.handler.called, [])
                operations = [call.operation for call in self.client.calls]
                self.assertNotIn("put_secret_value", operations)

    def test_a_pending_value_that_can_not_be_parsed_is_not_overwritten(self) -> None:
        self.client.put_secret_value(
            SecretId="db",
            ClientRequestToken=SECOND,
            SecretString="no JSON",
            VersionStages=["AWSPENDING"],
        )
        self.step("create")
        self.assertEqual(self.handler.called, [])
        with self.assertRaisesRegex(RotationError, "Expecting value"):
            self.step("set")

    def test_a_pending_value_of_another_token_is_neither_taken_nor_promoted(self) -> None:
        self.steps("create", "set", "test")
        for name in ("create", "set", "test", "finish"):
            with self.subTest(name), self.assertRaises(RotationError):
                self.step(name, THIRD)
        self.assertEqual(self.stages(), {FIRST: {"AWSCURRENT"}, SECOND: {"AWSPENDING"}})

    def test_a_rotation_that_was_overtaken_does_not_finish(self) -> None:
        self.steps("create", "set", "test")
        self.client.put_secret_value(
            SecretId="db",
            ClientRequestToken=THIRD,
            SecretString='{"username": "eve", "password": "other"}',
            VersionStages=["AWSPENDING"],
        )
        with self.assertRaisesRegex(RotationError, "no stage for rotation"):
            self.step("finish")
        self.assertEqual(self.stages(), {FIRST: {"AWSCURRENT"}, THIRD: {"AWSPENDING"}})


class FinishTest(RotationTest):
    def test_finishing_twice_is_finishing_once(self) -> None:
        self.rotate()
        self.step("finish")
        self.assert_rotated()

    def test_the_pending_label_is_taken_away(self) -> None:
        self.rotate()
        self.assertNotIn("AWSPENDING", self.stages()[SECOND])

    def test_an_error_names_the_call_that_failed(self) -> None:
        self.steps("create", "set", "test")
        self.client.fail_next("update_secret_version_stage", code="AccessDeniedException")
        with self.assertRaisesRegex(Exception, "calling the UpdateSecretVersionStage operation"):
            self.step("finish")


class ValidationTest(RotationTest):
    """What AWS's template asks DescribeSecret before any step, in its words."""

    def assert_refused(self, message: str, token: str = SECOND) -> None:
        for name in ("create", "set", "test", "finish"):
            with self.subTest(name), self.assertRaises(ValueError) as caught:
                self.step(name, token)
            self.assertEqual(str(caught.exception), message)
        self.assertEqual(self.handler.called, [])

    def test_rotation_must_be_enabled(self) -> None:
        self.client.cancel_rotate_secret(SecretId="db")
        self.assert_refused("Secret db is not enabled for rotation")

    def test_rotation_must_have_been_set_up(self) -> None:
        client = InMemorySecretsManager()
        client.create_secret(Name="db", SecretString="{}", ClientRequestToken=SECOND)
        self.handler = Rotate(self.database, client)
        self.assert_refused("Secret db is not enabled for rotation")

    def test_the_token_must_be_a_version(self) -> None:
        self.assert_refused(
            f"Secret version {THIRD} has no stage for rotation of secret db.", THIRD
        )

    def test_the_version_must_be_pending(self) -> None:
        self.client.update_secret_version_stage(
            SecretId="db",
            VersionStage="MINE",
            MoveToVersionId=SECOND,
        )
        self.client.update_secret_version_stage(
            SecretId="db", VersionStage="AWSPENDING", RemoveFromVersionId=SECOND
        )
        self.assert_refused(
            f"Secret version {SECOND} not set as AWSPENDING for rotation of secret db."
        )

    def test_a_version_that_is_current_needs_nothing(self) -> None:
        self.client.update_secret_version_stage(
            SecretId="db", VersionStage="AWSPENDING", RemoveFromVersionId=SECOND
        )
        for name in ("create", "set", "test", "finish"):
            self.step(name, FIRST)
        self.assertEqual(self.handler.called, [])

    def test_a_step_nobody_knows_is_no_step(self) -> None:
        with self.assertRaises(EventValidationError):
            RotationEvent.from_json(
                {"SecretId": "db", "ClientRequestToken": SECOND, "Step": "create_secret"}
            )


class CopyingSecretsManager(InMemorySecretsManager):
    """Begins rotations with a copy of the current value, which may be replaced while it is one.

    fakecloud's does so.
    """

    may_replace = True

    def rotate_secret(self, **given: Any) -> dict[str, Any]:
        begun = super().rotate_secret(**given)
        current = self.get_secret_value(SecretId=given["SecretId"])
        self.put_secret_value(
            SecretId=given["SecretId"],
            ClientRequestToken=begun["VersionId"],
            SecretString=current["SecretString"],
            VersionStages=["AWSPENDING"],
        )
        return begun

    def put_secret_value(self, **given: Any) -> dict[str, Any]:
        secret = self._secrets[given["SecretId"]]
        pending = secret.versions.get(given["ClientRequestToken"])
        current = secret.versions[secret.labels["AWSCURRENT"]]
        if self.may_replace and pending is not None and pending.string == current.string:
            del secret.versions[pending.version_id]
        return super().put_secret_value(**given)


class CopyingDriverTest(RotationTest):
    def make_client(self) -> CopyingSecretsManager:
        return CopyingSecretsManager()

    def test_a_copy_of_the_current_value_is_not_taken_for_a_new_one(self) -> None:
        self.assertEqual(self.value(SECOND), self.value(FIRST))
        self.rotate()
        self.assert_rotated()

    def test_once_it_is_a_new_one_it_stays(self) -> None:
        self.step("create")
        made = self.value(SECOND)
        self.step("create")
        self.assertEqual((self.value(SECOND), self.handler.called), (made, ["create"]))

    def test_a_copy_that_can_not_be_replaced_is_an_error_and_no_rotation(self) -> None:
        self.client.may_replace = False
        with self.assertRaisesRegex(RotationError, "holds a copy of the current value"):
            self.step("create")
        self.assertEqual(self.value(FIRST)["password"], OLD_PASSWORD)


class DriverTest(RotationTest):
    def test_a_step_that_fails_is_the_last_one(self) -> None:
        class Failing(Rotate):
            def set(self, shared: Database, *secrets: Any) -> None:
                raise RuntimeError("no")

        self.handler = Failing(self.database)
        story = rotate_locally(self.handler, "db", client=self.client, token=SECOND)
        self.assertEqual([report.step for report in story.steps], ["createSecret", "setSecret"])
        self.assertEqual(self.handler.called, ["create", "test"])

    def test_one_client_serves_all_invocations(self) -> None:
        made: list[Any] = []

        def client() -> Any:
            made.append(self.client)
            return self.client

        self.handler = Rotate(self.database)
        with mock.patch("lambda_sim.handler.rotation.handler._boto3_client", client):
            self.rotate()
        self.assertEqual(len(made), 1)
        self.assert_rotated()

    def test_events_are_not_logged(self) -> None:
        event = {"SecretId": "db", "ClientRequestToken": SECOND, "Step": "createSecret"}
        proof = "proof-" * 6
        with self.assertLogs(level=logging.DEBUG) as logs:
            self.handler.rotate(
                self.database, RotationEvent.from_json({**event, "RotationToken": proof})
            )
        self.assertNotIn(proof, "".join(logs.output))


if __name__ == "__main__":
    unittest.main()
