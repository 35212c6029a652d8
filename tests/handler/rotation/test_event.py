"""The event of a rotation: read strictly, shown without its token."""

from __future__ import annotations

import unittest

from lambda_sim.handler.rotation.event import RotationEvent, RotationStep
from lambda_sim.handler.validation import EventValidationError

EVENT = {"Step": "setSecret", "SecretId": "arn:secret", "ClientRequestToken": "t1"}


class RotationEventTest(unittest.TestCase):
    def test_each_step_is_read(self) -> None:
        for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
            event = RotationEvent.from_json({**EVENT, "Step": step})
            self.assertEqual(event.step, step)
            self.assertIsInstance(event.step, RotationStep)
            self.assertEqual((event.secret_id, event.client_request_token), ("arn:secret", "t1"))

    def test_fields_nobody_knows_are_left_alone(self) -> None:
        event = RotationEvent.from_json({**EVENT, "Later": 1})
        self.assertEqual(event.to_json(), EVENT)

    def test_it_is_written_as_it_was_read(self) -> None:
        given = {**EVENT, "RotationToken": "r" * 36}
        self.assertEqual(RotationEvent.from_json(given).to_json(), given)

    def test_the_rotation_token_is_not_shown(self) -> None:
        event = RotationEvent.from_json({**EVENT, "RotationToken": "proof-of-identity"})
        self.assertNotIn("proof-of-identity", repr(event))

    def test_an_unknown_step_is_an_error_that_names_the_steps(self) -> None:
        with self.assertRaises(EventValidationError) as caught:
            RotationEvent.from_json({**EVENT, "Step": "dropSecret"})
        self.assertEqual(caught.exception.path, "Step")
        self.assertIn("createSecret, setSecret, testSecret, finishSecret", str(caught.exception))

    def test_a_field_that_is_missing_or_no_text_is_named(self) -> None:
        for field in EVENT:
            for wrong in ({}, {field: 1}, {field: ""}):
                given = {name: value for name, value in EVENT.items() if name != field} | wrong
                with self.subTest(given), self.assertRaises(EventValidationError) as caught:
                    RotationEvent.from_json(given)
                self.assertEqual(caught.exception.path, field)

    def test_what_is_no_object_is_refused(self) -> None:
        with self.assertRaises(EventValidationError):
            RotationEvent.from_json([EVENT])


if __name__ == "__main__":
    unittest.main()
