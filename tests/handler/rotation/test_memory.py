"""The in-memory Secrets Manager where no other is like it: its record, its faults, AWS's nos."""

from __future__ import annotations

import random
import unittest
from typing import Any

from lambda_sim.handler.rotation.memory import InMemorySecretsManager
from lambda_sim.handler.rotation.refusals import SecretsManagerError
from lambda_sim.testing import ManualClock

from .world import FIRST, FUNCTION, SECOND, THIRD


class MemoryTest(unittest.TestCase):
    def setUp(self) -> None:
        self.service = InMemorySecretsManager()
        self.service.create_secret(Name="db", SecretString="one", ClientRequestToken=FIRST)

    def refused(self, code: str, operation: str, **parameters: Any) -> str:
        with self.assertRaises(SecretsManagerError) as caught:
            getattr(self.service, operation)(**parameters)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return str(caught.exception)


class RefusalTest(MemoryTest):
    def test_a_refusal_reads_as_one_of_boto3(self) -> None:
        self.assertEqual(
            self.refused("ResourceNotFoundException", "get_secret_value", SecretId="no"),
            "An error occurred (ResourceNotFoundException) when calling the GetSecretValue "
            "operation: Secrets Manager can't find the specified secret.",
        )

    def test_refusals_are_caught_by_the_names_a_client_has(self) -> None:
        with self.assertRaises(self.service.exceptions.ResourceNotFoundException):
            self.service.describe_secret(SecretId="no")
        with self.assertRaises(self.service.exceptions.ClientError):
            self.service.describe_secret(SecretId="no")

    def test_a_pending_value_can_not_be_changed(self) -> None:
        self.service.rotate_secret(
            SecretId="db", ClientRequestToken=SECOND, RotationLambdaARN=FUNCTION
        )
        given = {"SecretId": "db", "ClientRequestToken": SECOND, "VersionStages": ["AWSPENDING"]}
        self.service.put_secret_value(**given, SecretString="two")
        self.refused("ResourceExistsException", "put_secret_value", **given, SecretString="three")

    def test_a_rotation_needs_a_function(self) -> None:
        self.refused("InvalidRequestException", "rotate_secret", SecretId="db")

    def test_a_rotation_waits_for_the_one_before(self) -> None:
        given = {"SecretId": "db", "RotationLambdaARN": FUNCTION}
        self.service.rotate_secret(**given, ClientRequestToken=SECOND)
        said = self.refused(
            "InvalidRequestException", "rotate_secret", **given, ClientRequestToken=THIRD
        )
        self.assertIn("A previous rotation isn't complete.", said)

    def test_a_rotation_begins_where_pending_stayed_on_the_current_version(self) -> None:
        self.service.update_secret_version_stage(
            SecretId="db", VersionStage="AWSPENDING", MoveToVersionId=FIRST
        )
        begun = self.service.rotate_secret(SecretId="db", RotationLambdaARN=FUNCTION)
        stages = self.service.describe_secret(SecretId="db")["VersionIdsToStages"]
        self.assertEqual(stages, {FIRST: ["AWSCURRENT"], begun["VersionId"]: ["AWSPENDING"]})

    def test_a_cancelled_rotation_is_off(self) -> None:
        self.service.rotate_secret(SecretId="db", RotationLambdaARN=FUNCTION)
        self.service.cancel_rotate_secret(SecretId="db")
        self.assertIs(self.service.describe_secret(SecretId="db")["RotationEnabled"], False)

    def test_a_token_has_32_to_64_characters(self) -> None:
        for token in ("x" * 31, "x" * 65):
            self.refused(
                "InvalidParameterException",
                "put_secret_value",
                SecretId="db",
                SecretString="two",
                ClientRequestToken=token,
            )

    def test_a_value_is_text_or_bytes_and_not_too_large(self) -> None:
        both = {"SecretString": "two", "SecretBinary": b"two"}
        for value in ({}, both, {"SecretString": ""}, {"SecretString": "x" * 65537}):
            self.refused("InvalidParameterException", "put_secret_value", SecretId="db", **value)

    def test_a_label_moves_between_versions_that_are_there(self) -> None:
        given = {"SecretId": "db", "VersionStage": "AWSPENDING"}
        operation = "update_secret_version_stage"
        self.refused("InvalidParameterException", operation, **given)
        self.refused("ResourceNotFoundException", operation, **given, MoveToVersionId=SECOND)
        self.refused("InvalidParameterException", operation, **given, RemoveFromVersionId=FIRST)

    def test_a_password_must_be_possible(self) -> None:
        operation = "get_random_password"
        self.refused("InvalidParameterException", operation, PasswordLength=0)
        self.refused("InvalidParameterException", operation, PasswordLength=3)
        none = dict.fromkeys(
            ("ExcludeNumbers", "ExcludePunctuation", "ExcludeUppercase", "ExcludeLowercase"), True
        )
        self.refused("InvalidParameterException", operation, **none)

    def test_a_password_may_have_spaces_and_lack_a_kind(self) -> None:
        service = InMemorySecretsManager(chance=random.Random(1))
        found = service.get_random_password(PasswordLength=200, IncludeSpace=True)
        self.assertIn(" ", found["RandomPassword"])
        found = service.get_random_password(PasswordLength=2, RequireEachIncludedType=False)
        self.assertEqual(len(found["RandomPassword"]), 2)

    def test_dates_are_the_clocks(self) -> None:
        clock = ManualClock(start=0.0)
        service = InMemorySecretsManager(clock=clock)
        service.create_secret(Name="db", SecretString="one")
        clock.advance(60)
        service.put_secret_value(SecretId="db", SecretString="two")
        found = service.describe_secret(SecretId="db")
        self.assertEqual((found["LastChangedDate"] - found["CreatedDate"]).seconds, 60)


class FaultTest(MemoryTest):
    def test_the_next_call_fails_before_it_does_anything(self) -> None:
        self.service.fail_next(code="ThrottlingException")
        self.refused("ThrottlingException", "put_secret_value", SecretId="db", SecretString="two")
        self.assertEqual(self.service.get_secret_value(SecretId="db")["SecretString"], "one")

    def test_a_late_fault_strikes_when_the_call_has_done_its_work(self) -> None:
        self.service.fail_next("put_secret_value", is_late=True)
        self.refused("InternalServiceError", "put_secret_value", SecretId="db", SecretString="two")
        self.assertEqual(self.service.get_secret_value(SecretId="db")["SecretString"], "two")

    def test_a_lost_answer_may_have_been_a_refusal(self) -> None:
        self.service.fail_next(is_late=True, code="ThrottlingException")
        self.refused("ThrottlingException", "get_secret_value", SecretId="no")

    def test_a_fault_skips_calls_and_strikes_so_often(self) -> None:
        self.service.fail_next("describe_secret", skip=1, times=2)
        outcomes = []
        for _ in range(4):
            self.service.get_secret_value(SecretId="db")
            try:
                self.service.describe_secret(SecretId="db")
                outcomes.append("went well")
            except self.service.exceptions.InternalServiceError:
                outcomes.append("failed")
        self.assertEqual(outcomes, ["went well", "failed", "failed", "went well"])

    def test_a_fault_may_be_any_error(self) -> None:
        self.service.fail_next(error=ConnectionResetError("gone"))
        with self.assertRaises(ConnectionResetError):
            self.service.describe_secret(SecretId="db")

    def test_an_ordered_refusal_is_caught_by_its_name(self) -> None:
        self.service.fail_next(code="ResourceNotFoundException")
        with self.assertRaises(self.service.exceptions.ResourceNotFoundException):
            self.service.describe_secret(SecretId="db")

    def test_calls_are_noted_without_the_secrets(self) -> None:
        self.service.put_secret_value(
            SecretId="db", SecretString="hunter2", ClientRequestToken=SECOND, RotationToken="t" * 36
        )
        self.service.put_secret_value(SecretId="db", SecretBinary=b"hunter2")
        call = self.service.calls[1]
        self.assertEqual(call.operation, "put_secret_value")
        self.assertEqual(call.parameters["ClientRequestToken"], SECOND)
        self.assertNotRegex(repr(self.service.calls), "hunter2|ttt")


if __name__ == "__main__":
    unittest.main()
