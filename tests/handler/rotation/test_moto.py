"""Rotations through boto3, at moto's server."""

from __future__ import annotations

import json
import os
import unittest
from typing import Any
from unittest import mock

from lambda_sim.handler.rotation import rotate_locally

from .moto_case import MotoTest
from .world import FIRST, SECOND, THIRD, Rotate, RotationTest


class MotoRotationTest(MotoTest, RotationTest):
    """moto comes first: its ``begin_rotation`` makes a function for RotateSecret."""

    def make_client(self) -> Any:
        return self.client

    def test_four_steps_rotate_the_secret(self) -> None:
        self.rotate()
        self.assert_rotated()
        self.assertEqual(self.value(SECOND)["host"], "db.example")

    def test_every_step_may_come_twice(self) -> None:
        self.steps("create", "create", "set", "set", "test", "test", "finish", "finish")
        self.assert_rotated()
        self.assertEqual(self.handler.called.count("create"), 1)
        self.assertEqual(self.database.asked.count("change"), 1)

    def test_all_steps_may_come_again(self) -> None:
        self.steps("create", "set")
        self.rotate()
        self.assert_rotated()

    def test_the_secret_is_told_by_its_arn_in_events(self) -> None:
        arn = self.client.describe_secret(SecretId="db")["ARN"]
        story = rotate_locally(self.handler, arn, client=self.client, token=SECOND)
        self.assertTrue(story.is_complete, str(story))
        self.assertEqual(story.after, {FIRST: ("AWSPREVIOUS",), SECOND: ("AWSCURRENT",)})
        self.assert_rotated()

    def test_a_token_that_is_not_being_rotated_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, f"{THIRD} has no stage for rotation"):
            self.step("create", THIRD)

    def test_a_secret_that_is_not_there_is_boto3s_own_error(self) -> None:
        self.client.delete_secret(SecretId="db", ForceDeleteWithoutRecovery=True)
        with self.assertRaises(self.client.exceptions.ResourceNotFoundException):
            self.step("create")

    def test_without_a_client_boto3_is_asked_for_one(self) -> None:
        address = self.client.meta.endpoint_url
        variables = {
            "SECRETS_MANAGER_ENDPOINT": address,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
        }
        with mock.patch.dict(os.environ, variables):
            self.handler = Rotate(self.database)
            self.addCleanup(self.handler.client.close)  # type: ignore[attr-defined]
            self.rotate()
        self.assert_rotated()

    def test_a_binary_secret_stays_binary(self) -> None:
        content = {"username": "ada", "password": self.database.password, "port": 1}
        self.client.create_secret(Name="key", SecretBinary=json.dumps(content).encode())
        self.begin_rotation("key", THIRD)
        story = rotate_locally(self.handler, "key", client=self.client, token=THIRD)
        self.assertTrue(story.is_complete, str(story))
        found = self.client.get_secret_value(SecretId="key", VersionId=THIRD)
        self.assertNotIn("SecretString", found)
        expected = {**content, "password": self.database.password}
        self.assertEqual(json.loads(found["SecretBinary"]), expected)


if __name__ == "__main__":
    unittest.main()
