"""The in-memory Secrets Manager, held to AWS's words and to what moto's server answers."""

from __future__ import annotations

import string
import unittest
from typing import Any

from lambda_sim.handler.rotation.client import error_code
from lambda_sim.handler.rotation.memory import InMemorySecretsManager

from .moto_case import MotoTest
from .world import FIRST, FUNCTION, SECOND, THIRD


class ServiceCases:
    """What every Secrets Manager does; ``client`` is one with no secrets yet."""

    client: Any

    def create(self, text: str = "one") -> None:
        self.client.create_secret(Name="db", SecretString=text, ClientRequestToken=FIRST)

    def stages(self) -> dict[str, set[str]]:
        described = self.client.describe_secret(SecretId="db")["VersionIdsToStages"]
        return {version: set(labels) for version, labels in described.items() if labels}

    def refusal(self, operation: str, **parameters: Any) -> str:
        with self.assertRaises(Exception) as caught:
            getattr(self.client, operation)(**parameters)
        return error_code(caught.exception)

    def test_a_first_value_is_the_current_one(self) -> None:
        self.create()
        found = self.client.get_secret_value(SecretId="db")
        shown = [found[name] for name in ("SecretString", "VersionId", "VersionStages")]
        self.assertEqual(shown, ["one", FIRST, ["AWSCURRENT"]])

    def test_a_secret_answers_to_its_name_its_arn_and_the_arn_without_its_end(self) -> None:
        self.create()
        arn = self.client.describe_secret(SecretId="db")["ARN"]
        self.assertRegex(arn, r"^arn:aws:secretsmanager:us-east-1:\d{12}:secret:db-\w{6}$")
        for secret_id in (arn, arn[:-7]):
            self.assertEqual(self.client.describe_secret(SecretId=secret_id)["Name"], "db")

    def test_bytes_come_back_as_bytes(self) -> None:
        self.client.create_secret(Name="key", SecretBinary=b"\x00\xff")
        found = self.client.get_secret_value(SecretId="key")
        self.assertEqual(found["SecretBinary"], b"\x00\xff")
        self.assertNotIn("SecretString", found)

    def test_a_secret_nobody_made_is_not_found(self) -> None:
        code = "ResourceNotFoundException"
        self.assertEqual(self.refusal("describe_secret", SecretId="no"), code)
        self.assertEqual(self.refusal("get_secret_value", SecretId="no"), code)
        self.assertEqual(self.refusal("put_secret_value", SecretId="no", SecretString="1"), code)

    def test_a_name_is_taken_once(self) -> None:
        self.create()
        taken = self.refusal("create_secret", Name="db", SecretString="two")
        self.assertEqual(taken, "ResourceExistsException")

    def test_rotation_is_not_mentioned_before_it_was_set_up(self) -> None:
        self.create()
        self.assertNotIn("RotationEnabled", self.client.describe_secret(SecretId="db"))

    def test_a_value_without_labels_becomes_current_and_the_one_before_previous(self) -> None:
        self.create()
        self.client.put_secret_value(SecretId="db", ClientRequestToken=SECOND, SecretString="two")
        self.assertEqual(self.stages(), {FIRST: {"AWSPREVIOUS"}, SECOND: {"AWSCURRENT"}})
        self.client.put_secret_value(SecretId="db", ClientRequestToken=THIRD, SecretString="three")
        self.assertEqual(self.stages(), {SECOND: {"AWSPREVIOUS"}, THIRD: {"AWSCURRENT"}})

    def test_a_pending_value_leaves_the_current_one_alone(self) -> None:
        self.create()
        self.client.put_secret_value(
            SecretId="db",
            ClientRequestToken=SECOND,
            SecretString="two",
            VersionStages=["AWSPENDING"],
        )
        self.assertEqual(self.stages(), {FIRST: {"AWSCURRENT"}, SECOND: {"AWSPENDING"}})
        self.assertEqual(self.client.get_secret_value(SecretId="db")["SecretString"], "one")
        found = self.client.get_secret_value(SecretId="db", VersionStage="AWSPENDING")
        self.assertEqual(found["SecretString"], "two")

    def test_another_pending_value_takes_the_label_away(self) -> None:
        self.create()
        for token in (SECOND, THIRD):
            self.client.put_secret_value(
                SecretId="db",
                ClientRequestToken=token,
                SecretString=token,
                VersionStages=["AWSPENDING"],
            )
        self.assertEqual(self.stages(), {FIRST: {"AWSCURRENT"}, THIRD: {"AWSPENDING"}})
        found = self.client.get_secret_value(SecretId="db", VersionId=SECOND)
        self.assertEqual(found["SecretString"], SECOND)

    def test_the_same_value_for_the_same_token_does_nothing(self) -> None:
        self.create()
        self.client.put_secret_value(SecretId="db", ClientRequestToken=SECOND, SecretString="two")
        before = self.stages()
        again = self.client.put_secret_value(
            SecretId="db", ClientRequestToken=FIRST, SecretString="one"
        )
        self.assertEqual((again["VersionId"], self.stages()), (FIRST, before))

    def test_another_value_for_the_same_token_is_refused(self) -> None:
        self.create()
        given = {"SecretId": "db", "ClientRequestToken": FIRST, "SecretString": "other"}
        self.assertEqual(self.refusal("put_secret_value", **given), "ResourceExistsException")

    def test_a_version_is_read_by_id_and_label_only_if_they_fit(self) -> None:
        self.create()
        given = {"SecretId": "db", "VersionId": FIRST}
        found = self.client.get_secret_value(**given, VersionStage="AWSCURRENT")
        self.assertEqual(found["SecretString"], "one")
        code = self.refusal("get_secret_value", **given, VersionStage="AWSPENDING")
        self.assertEqual(code, "InvalidRequestException")

    def test_a_version_that_is_not_there_is_not_found(self) -> None:
        self.create()
        for given in ({"VersionId": SECOND}, {"VersionStage": "AWSPENDING"}):
            code = self.refusal("get_secret_value", SecretId="db", **given)
            self.assertEqual(code, "ResourceNotFoundException")

    def test_a_rotation_begins_with_a_pending_version_that_has_no_value(self) -> None:
        self.create()
        self.begin_rotation("db", SECOND)
        described = self.client.describe_secret(SecretId="db")
        self.assertTrue(described["RotationEnabled"])
        self.assertEqual(self.stages(), {FIRST: {"AWSCURRENT"}, SECOND: {"AWSPENDING"}})
        given = {"SecretId": "db", "VersionId": SECOND, "VersionStage": "AWSPENDING"}
        code = self.refusal("get_secret_value", **given)
        self.assertEqual(code, "ResourceNotFoundException")

    def test_the_value_of_a_rotation_is_put_under_its_token(self) -> None:
        self.create()
        self.begin_rotation("db", SECOND)
        self.client.put_secret_value(
            SecretId="db",
            ClientRequestToken=SECOND,
            SecretString="two",
            VersionStages=["AWSPENDING"],
        )
        given = {"SecretId": "db", "VersionId": SECOND, "VersionStage": "AWSPENDING"}
        self.assertEqual(self.client.get_secret_value(**given)["SecretString"], "two")

    def test_the_current_label_moves_only_from_where_it_is_said_to_be(self) -> None:
        self.create()
        self.client.put_secret_value(
            SecretId="db",
            ClientRequestToken=SECOND,
            SecretString="two",
            VersionStages=["AWSPENDING"],
        )
        move = {"SecretId": "db", "VersionStage": "AWSCURRENT", "MoveToVersionId": SECOND}
        code = self.refusal("update_secret_version_stage", **move)
        self.assertEqual(code, "InvalidParameterException")
        self.client.update_secret_version_stage(**move, RemoveFromVersionId=FIRST)
        self.assertEqual(
            self.stages(), {FIRST: {"AWSPREVIOUS"}, SECOND: {"AWSCURRENT", "AWSPENDING"}}
        )
        code = self.refusal("update_secret_version_stage", **move, RemoveFromVersionId=FIRST)
        self.assertEqual(code, "InvalidParameterException")

    def test_a_label_is_taken_away(self) -> None:
        self.create()
        self.begin_rotation("db", SECOND)
        self.client.update_secret_version_stage(
            SecretId="db", VersionStage="AWSPENDING", RemoveFromVersionId=SECOND
        )
        self.assertEqual(self.stages(), {FIRST: {"AWSCURRENT"}})

    def test_a_password_is_32_characters_of_every_kind(self) -> None:
        password = self.client.get_random_password()["RandomPassword"]
        self.assertEqual(len(password), 32)
        for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits):
            self.assertTrue(set(kind) & set(password), password)

    def test_what_a_password_must_not_have_is_left_out(self) -> None:
        password = self.client.get_random_password(
            PasswordLength=200,
            ExcludePunctuation=True,
            ExcludeNumbers=True,
            ExcludeUppercase=True,
            ExcludeCharacters="abc",
        )["RandomPassword"]
        self.assertEqual(set(password) - set("defghijklmnopqrstuvwxyz"), set())
        self.assertEqual(len(password), 200)


class InMemoryTest(ServiceCases, unittest.TestCase):
    def setUp(self) -> None:
        self.client = InMemorySecretsManager()

    def begin_rotation(self, secret_id: str, token: str) -> None:
        self.client.rotate_secret(
            SecretId=secret_id,
            ClientRequestToken=token,
            RotationLambdaARN=FUNCTION,
        )


class MotoServerTest(ServiceCases, MotoTest):
    pass


if __name__ == "__main__":
    unittest.main()
