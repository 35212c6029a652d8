"""The four steps against a Secrets Manager in memory, in order, again, and out of turn."""

from __future__ import annotations

import unittest
from typing import Any

from lambda_sim.handler.rotation import RotationError, SecretContainer

from .world import FIRST, OLD_PASSWORD, SECOND, THIRD, Login, Rotate, RotationTest


class RotationStepsTest(RotationTest):
    def test_four_steps_rotate_the_secret(self) -> None:
        self.rotate()
        self.assert_rotated()
        self.assertEqual(self.handler.called, ["create", "test", "set", "test", "finish"])

    def test_fields_the_handler_does_not_know_are_kept(self) -> None:
        self.rotate()
        kept = {**self.value(SECOND), "password": OLD_PASSWORD}
        self.assertEqual(kept, self.value(FIRST))
        self.assertEqual(kept["host"], "db.example")

    def test_plain_data_from_create_keeps_them_too(self) -> None:
        class Plain(Rotate):
            def create(self, shared: Any, current: SecretContainer[Login]) -> Any:
                return Login("ada", "made-by-hand")

        self.handler = Plain(self.database, self.client)
        self.step("create")
        self.assertEqual(self.value(SECOND), {**self.value(FIRST), "password": "made-by-hand"})

    def test_the_current_value_is_untouched_until_the_last_step(self) -> None:
        self.steps("create", "set", "test")
        self.assertEqual(self.stages(), {FIRST: {"AWSCURRENT"}, SECOND: {"AWSPENDING"}})
        self.assertEqual(self.value(FIRST)["password"], OLD_PASSWORD)

    def test_create_again_makes_no_second_secret(self) -> None:
        self.step("create")
        before = self.value(SECOND)
        self.step("create")
        self.assertEqual(self.value(SECOND), before)
        self.assertEqual(self.handler.called, ["create"])

    def test_set_again_is_skipped_as_the_secret_works(self) -> None:
        self.steps("create", "set", "set")
        self.assertEqual(self.database.asked.count("change"), 1)
        self.assertEqual(self.handler.called, ["create", "test", "set", "test"])

    def test_all_again_from_any_point_ends_the_same(self) -> None:
        names = ("create", "set", "test", "finish")
        for count in range(1, 5):
            with self.subTest(done=names[:count]):
                self.setUp()
                self.steps(*names[:count])
                self.rotate()
                self.assert_rotated()

    def test_steps_after_the_end_do_nothing(self) -> None:
        self.rotate()
        self.handler.called.clear()
        self.rotate()
        self.assertEqual(self.handler.called, [])
        self.assert_rotated()

    def test_a_finish_that_got_half_way_is_brought_to_its_end(self) -> None:
        self.steps("create", "set", "test")
        self.client.update_secret_version_stage(
            SecretId="db",
            VersionStage="AWSCURRENT",
            MoveToVersionId=SECOND,
            RemoveFromVersionId=FIRST,
        )
        self.step("finish")
        self.assert_rotated()

    def test_a_failed_test_leaves_the_current_secret_current(self) -> None:
        self.steps("create", "set")
        self.database.password = "changed by somebody"
        with self.assertRaises(RotationError):
            self.step("test")
        self.assertEqual(self.stages()[FIRST], {"AWSCURRENT"})

    def test_the_next_rotation_goes_on_from_there(self) -> None:
        self.rotate()
        self.begin_rotation("db", THIRD)
        for name in ("create", "set", "test", "finish"):
            self.step(name, THIRD)
        self.assertEqual(self.stages(), {SECOND: {"AWSPREVIOUS"}, THIRD: {"AWSCURRENT"}})

    def test_two_creates_at_one_time_agree_on_the_first(self) -> None:
        other = Rotate(self.database, self.client)

        class Slow(Rotate):
            def create(self, shared: Any, current: SecretContainer[Login]) -> Any:
                test.handler = other
                test.step("create")
                return super().create(shared, current)

        test, self.handler = self, Slow(self.database, self.client)
        self.step("create")
        self.assertEqual(other.called, ["create"])
        self.rotate()
        self.assert_rotated()

    def test_a_step_before_create_says_that_there_is_no_value(self) -> None:
        with self.assertRaisesRegex(self.client.exceptions.ResourceNotFoundException, SECOND):
            self.step("set")

    def test_a_rotation_token_is_passed_on(self) -> None:
        seen = {}
        put = self.client.put_secret_value

        def watched(**given: Any) -> Any:
            seen.update(given)
            return put(**given)

        self.client.put_secret_value = watched
        event = {"Step": "createSecret", "SecretId": "db", "ClientRequestToken": SECOND}
        proof = "r" * 36
        self.handler.rotate(
            self.database, self.handler.event_type.from_json({**event, "RotationToken": proof})
        )
        self.assertEqual(seen["RotationToken"], proof)

    def test_a_create_that_returns_nothing_is_told_so(self) -> None:
        class Forgetful(Rotate):
            def create(self, shared: Any, current: SecretContainer[Login]) -> Any:
                current.evolve(password="made and dropped")

        self.handler = Forgetful(self.database, self.client)
        with self.assertRaisesRegex(RotationError, "create returned None"):
            self.step("create")


class DeclarationTest(unittest.TestCase):
    def test_the_event_and_the_secret_are_read_from_the_class(self) -> None:
        from lambda_sim.handler.rotation import RotationEvent, RotationHandler  # noqa: PLC0415

        class Sub(Rotate):
            pass

        class Open(RotationHandler):  # type: ignore[type-arg]
            create = set = test = None  # type: ignore[assignment]

        self.assertIs(Sub(None).event_type, RotationEvent)  # type: ignore[arg-type]
        self.assertIs(Sub(None).secret_type, Login)  # type: ignore[arg-type]
        self.assertIs(Open().event_type, RotationEvent)
        self.assertIs(Open().secret_type, Any)


if __name__ == "__main__":
    unittest.main()
