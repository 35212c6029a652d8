"""rotate_locally: four steps, their story, and what is left in place."""

from __future__ import annotations

import json
import unittest
from typing import Any

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.rotation import (
    InMemorySecretsManager,
    Retry,
    RotationHandler,
    RotationStep,
    SecretContainer,
    rotate_locally,
)

from .world import FIRST, FUNCTION, OLD_PASSWORD, SECOND, Database, LeapingClock, Login, Rotate

SECRET = {"username": "ada", "password": OLD_PASSWORD, "host": "db.example"}


class Word(RotationHandler[None, str]):
    """Rotates a secret that is no JSON."""

    def create(self, shared: None, current: SecretContainer[str]) -> str:
        return current.data[::-1]

    def set(self, shared: None, *secrets: SecretContainer[str]) -> None:
        pass

    def test(self, shared: None, pending: SecretContainer[str]) -> None:
        pass


class StoryTest(unittest.TestCase):
    def setUp(self) -> None:
        self.database = Database()
        self.handler = Rotate(self.database)

    def stored(self, story: Any) -> str:
        found = story.client.get_secret_value(SecretId=story.secret_id)
        text: str = found["SecretString"]
        return text

    def test_a_dict_is_enough_to_rotate(self) -> None:
        story = rotate_locally(self.handler, SECRET)
        self.assertTrue(story.is_complete)
        self.assertIsNone(story.error)
        expected = {**SECRET, "password": self.database.password}
        self.assertEqual(json.loads(self.stored(story)), expected)
        self.assertNotEqual(self.database.password, OLD_PASSWORD)

    def test_records_containers_text_and_bytes_do_as_well(self) -> None:
        for secret in (
            Login("ada", OLD_PASSWORD),
            SecretContainer(Login("ada", OLD_PASSWORD), {"host": "db.example"}),
            json.dumps(SECRET),
            json.dumps(SECRET).encode(),
        ):
            with self.subTest(type(secret)):
                self.setUp()
                self.assertTrue(rotate_locally(self.handler, secret).is_complete)
        self.assertEqual(self.stored(rotate_locally(Word(), "abc")), "cba")

    def test_the_stages_are_told_after_each_step(self) -> None:
        story = rotate_locally(self.handler, SECRET)
        begun, ended = {story.token: ("AWSPENDING",)}, {story.token: ("AWSCURRENT",)}
        (first,) = set(story.before) - {story.token}
        self.assertEqual(story.before, {first: ("AWSCURRENT",), **begun})
        self.assertEqual([report.step for report in story.steps], list(RotationStep))
        for report in story.steps[:3]:
            self.assertEqual(report.stages, story.before)
        self.assertEqual(story.after, {first: ("AWSPREVIOUS",), **ended})

    def test_the_story_reads_well_and_shows_no_secret(self) -> None:
        story = rotate_locally(self.handler, SECRET)
        lines = str(story).splitlines()
        self.assertEqual(lines[0], f"rotation of {story.secret_id} to version {story.token}")
        self.assertEqual([line.split()[0] for line in lines[1:]], ["begun", *RotationStep])
        self.assertRegex(lines[-1], rf"ms  AWSCURRENT {story.token[:8]}  AWSPREVIOUS \w{{8}}$")
        for hidden in (OLD_PASSWORD, self.database.password):
            self.assertNotIn(hidden, f"{story} {story!r}")

    def test_a_step_that_fails_ends_the_story(self) -> None:
        self.database.password = "changed by somebody"
        story = rotate_locally(self.handler, SECRET)
        self.assertFalse(story.is_complete)
        self.assertEqual(story.steps[-1].step, "setSecret")
        self.assertEqual(str(story.error), "PermissionError: password '***' is wrong")
        self.assertIn("failed: RotationError: PermissionError", str(story))

    def test_a_story_is_taken_up_where_it_ended(self) -> None:
        self.database.next_change = "after"
        story = rotate_locally(self.handler, SECRET)
        self.assertIsInstance(story.error, ConnectionResetError)
        again = rotate_locally(
            self.handler, story.secret_id, client=story.client, token=story.token
        )
        self.assertTrue(again.is_complete)
        self.assertEqual(again.token, story.token)

    def test_a_secret_in_memory_is_rotated_there_and_again(self) -> None:
        service = InMemorySecretsManager()
        service.create_secret(Name="db", SecretString=json.dumps(SECRET))
        stories = [rotate_locally(self.handler, "db", client=service) for _ in range(2)]
        self.assertEqual([story.is_complete for story in stories], [True, True])
        self.assertEqual(stories[1].after[stories[0].token], ("AWSPREVIOUS",))

    def test_faults_strike_the_handlers_calls_and_not_the_story(self) -> None:
        service = InMemorySecretsManager()
        service.create_secret(Name="db", SecretString=json.dumps(SECRET), ClientRequestToken=FIRST)
        service.rotate_secret(SecretId="db", ClientRequestToken=SECOND, RotationLambdaARN=FUNCTION)
        service.fail_next("describe_secret", code="AccessDeniedException")
        story = rotate_locally(self.handler, "db", client=service, token=SECOND)
        self.assertIn("AccessDeniedException", str(story.error))
        self.assertEqual(story.after, {FIRST: ("AWSCURRENT",), SECOND: ("AWSPENDING",)})

    def test_no_pause_outlasts_the_invocation(self) -> None:
        class Patient(Rotate):
            retry = Retry(base=100.0, longest=100.0, clock=LeapingClock(), chance=lambda: 1.0)

        service = InMemorySecretsManager()
        service.create_secret(Name="db", SecretString=json.dumps(SECRET))
        service.fail_next("describe_secret", code="ThrottlingException")
        story = rotate_locally(Patient(self.database), "db", client=service, timeout=60.0)
        self.assertIn("ThrottlingException", str(story.error))
        service.fail_next("describe_secret", code="ThrottlingException")
        story = rotate_locally(
            Patient(self.database), "db", client=service, token=story.token, timeout=200.0
        )
        self.assertTrue(story.is_complete)

    def test_a_client_elsewhere_needs_a_rotation_that_has_begun(self) -> None:
        class Elsewhere:
            pass

        with self.assertRaises(ConfigurationError) as caught:
            rotate_locally(self.handler, "db", client=Elsewhere())  # type: ignore[arg-type]
        self.assertEqual(caught.exception.field, "token")

    def test_the_handler_is_set_up_once_and_torn_down(self) -> None:
        told = []

        class Told(Rotate):
            def setup(self) -> Database:
                told.append("setup")
                return super().setup()

            def teardown(self, shared: Database) -> None:
                told.append("teardown")

        rotate_locally(Told(self.database), SECRET)
        self.assertEqual(told, ["setup", "teardown"])

    def test_the_handlers_own_client_is_back_afterwards(self) -> None:
        own = InMemorySecretsManager()
        handler = Rotate(self.database, own)
        rotate_locally(handler, SECRET)
        self.assertIs(handler.client, own)
        self.assertEqual(own.calls, [])

    def test_an_author_need_not_call_our_constructor(self) -> None:
        class Own(Word):
            def __init__(self) -> None:
                self.mine = True

        self.assertTrue(rotate_locally(Own(), "abc").is_complete)


if __name__ == "__main__":
    unittest.main()
