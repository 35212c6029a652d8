"""What becomes of rules in an environment that takes several invocations at once."""

from __future__ import annotations

import unittest

import attrs

from lambda_sim import AWS, RELAXED, SimulatorConfig

MANAGED = "lambda-managed-instances"


class InstancesTest(unittest.TestCase):
    def test_nothing_changes_where_nothing_was_said(self) -> None:
        for rules in (AWS, RELAXED):
            self.assertIs(rules.for_instances(None, is_managed=False), rules)
        self.assertIs(AWS.for_instances(1, is_managed=False), AWS)

    def test_a_number_changes_concurrency_and_what_a_timeout_does(self) -> None:
        expected = attrs.evolve(AWS, max_concurrency=4, timeout_ends_environment=False)
        self.assertEqual(AWS.for_instances(4, is_managed=False), expected)

    def test_managed_instances_are_silent_about_the_runtime_and_closed_to_extensions(self) -> None:
        expected = attrs.evolve(
            AWS,
            max_concurrency=16,
            timeout_ends_environment=False,
            tells_runtime_done=False,
            extensions_see_invocations=False,
        )
        self.assertEqual(AWS.for_instances(None, is_managed=True), expected)
        for number in (1, 4, 1_600):
            rules = attrs.evolve(expected, max_concurrency=number)
            self.assertEqual(AWS.for_instances(number, is_managed=True), rules)

    def test_relaxed_managed_instances_take_as_many_as_there_are_polls(self) -> None:
        self.assertIsNone(RELAXED.for_instances(None, is_managed=True).max_concurrency)
        self.assertEqual(RELAXED.for_instances(2, is_managed=True).max_concurrency, 2)

    def test_rules_that_were_changed_once_are_changed_no_more(self) -> None:
        for number in (None, 1, 4):
            for is_managed in (False, True):
                once = AWS.for_instances(number, is_managed=is_managed)
                self.assertEqual(once.for_instances(number, is_managed=is_managed), once)

    def test_the_other_rules_stay_as_they_were(self) -> None:
        own = attrs.evolve(AWS, enforces_timeouts=False, name="mine")
        changed = own.for_instances(None, is_managed=True)
        self.assertEqual((changed.enforces_timeouts, changed.name), (False, "mine"))

    def test_a_config_follows_them(self) -> None:
        config = SimulatorConfig(initialization_type=MANAGED, max_concurrency=3)
        self.assertEqual(config.rules, AWS.for_instances(3, is_managed=True))
        self.assertTrue(config.is_managed)
        self.assertIs(SimulatorConfig().rules, AWS)


if __name__ == "__main__":
    unittest.main()
