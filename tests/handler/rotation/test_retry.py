"""Calls that are made again: which ones, how often, and how long apart."""

from __future__ import annotations

import unittest

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.rotation.refusals import SecretsManagerError
from lambda_sim.handler.rotation.retry import Retry, is_passing

from .world import LeapingClock

THROTTLED = SecretsManagerError("slower", code="ThrottlingException")
DENIED = SecretsManagerError("no", code="AccessDeniedException")


class Failing:
    """An operation that fails with each of these in turn, and answers when they are used up."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


class RetryTest(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = LeapingClock()

    def retry(self, **fields: object) -> Retry:
        return Retry(clock=self.clock, chance=lambda: 1.0, **fields)  # type: ignore[arg-type]

    def test_what_passes_is_tried_again(self) -> None:
        failing = Failing(THROTTLED, THROTTLED)
        self.assertEqual(self.retry().call(failing), "answer")
        self.assertEqual(failing.calls, 3)

    def test_what_does_not_pass_comes_through_at_once(self) -> None:
        failing = Failing(DENIED)
        with self.assertRaises(SecretsManagerError):
            self.retry().call(failing)
        self.assertEqual((failing.calls, self.clock.now), (1, 0.0))

    def test_there_is_an_end(self) -> None:
        failing = Failing(*[THROTTLED] * 9)
        with self.assertRaises(SecretsManagerError):
            self.retry(attempts=3).call(failing)
        self.assertEqual(failing.calls, 3)

    def test_one_attempt_is_one_call(self) -> None:
        failing = Failing(THROTTLED)
        with self.assertRaises(SecretsManagerError):
            self.retry(attempts=1).call(failing)
        self.assertEqual((failing.calls, self.clock.now), (1, 0.0))

    def test_pauses_double_up_to_the_longest(self) -> None:
        retry = self.retry(base=0.1, longest=1.0)
        pauses = [retry.pause(failed) for failed in range(1, 7)]
        self.assertEqual(pauses, [0.1, 0.2, 0.4, 0.8, 1.0, 1.0])

    def test_pauses_never_overflow(self) -> None:
        self.assertEqual(self.retry(attempts=5000, longest=3.0).pause(5000), 3.0)

    def test_pauses_are_scattered(self) -> None:
        chances = iter([0.0, 0.5, 0.999])
        retry = Retry(base=1.0, longest=1.0, chance=lambda: next(chances))
        self.assertEqual([retry.pause(1) for _ in range(3)], [0.0, 0.5, 0.999])

    def test_the_pauses_are_waited(self) -> None:
        self.retry(base=1.0, longest=9.0).call(Failing(THROTTLED, THROTTLED, THROTTLED))
        self.assertEqual(self.clock.now, 1.0 + 2.0 + 4.0)

    def test_no_pause_takes_all_the_time_that_is_left(self) -> None:
        failing = Failing(THROTTLED, THROTTLED)
        with self.assertRaises(SecretsManagerError):
            self.retry(base=1.0).call(failing, lambda: 1.5 - self.clock.now)
        self.assertEqual((failing.calls, self.clock.now), (2, 1.0))

    def test_settings_have_limits(self) -> None:
        for wrong in ({"attempts": 0}, {"base": -1.0}, {"longest": -0.1}):
            with self.subTest(wrong), self.assertRaises(ConfigurationError) as caught:
                Retry(**wrong)  # type: ignore[arg-type]
            self.assertEqual([caught.exception.field], list(wrong))


class PassingTest(unittest.TestCase):
    def test_codes_statuses_and_lost_connections_pass(self) -> None:
        for error in (
            THROTTLED,
            SecretsManagerError("x", code="TooManyRequestsException"),
            SecretsManagerError("x", code="Whatever", status=503),
            SecretsManagerError("x", code="Whatever", status=429),
            ConnectionResetError(),
            TimeoutError(),
        ):
            self.assertTrue(is_passing(error), error)

    def test_refusals_and_mistakes_do_not(self) -> None:
        odd = ValueError("no response at all")
        odd.response = {"Error": "of another kind"}  # type: ignore[attr-defined]
        for error in (DENIED, odd, KeyError("x"), SecretsManagerError("x", code="Other")):
            self.assertFalse(is_passing(error), error)

    def test_what_botocore_calls_a_lost_connection_passes(self) -> None:
        try:
            from botocore import exceptions  # noqa: PLC0415 - it may not be there
        except ImportError:
            self.skipTest("not installed: botocore")
        for error in (
            exceptions.EndpointConnectionError(endpoint_url="http://nowhere"),
            exceptions.ReadTimeoutError(endpoint_url="http://nowhere"),
            exceptions.ConnectionClosedError(endpoint_url="http://nowhere"),
        ):
            self.assertTrue(is_passing(error), error)
        self.assertFalse(is_passing(exceptions.NoCredentialsError()))


if __name__ == "__main__":
    unittest.main()
