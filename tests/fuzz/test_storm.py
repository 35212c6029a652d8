"""The short form: a few seconds of each kind of storm, with seeds by chance."""

from __future__ import annotations

from random import Random

from tests.fuzz.storm import PLANS, chosen_seed, say, storm, told
from tests.support import SimulatorTest

CASES = 2_000
SECONDS = 2.5
"""For each storm; whichever comes first."""


class StormTest(SimulatorTest):
    def weather(self, kinds: list[str], *, is_rough: bool) -> None:
        seed = chosen_seed()
        kind = Random(seed).choice(kinds)
        tally = storm(seed, kind, is_rough=is_rough, cases=CASES, seconds=SECONDS)
        say(str(tally))
        self.assertTrue(tally.is_clean, told(tally))
        # Not one of those that are clean because nothing happened.
        self.assertGreater(tally.cases, 100)
        self.assertGreater(tally.statuses[400], 0)

    def test_whatever_comes_no_invocation_is_lost_and_nothing_is_left(self) -> None:
        self.weather([kind for kind, is_rough in PLANS if not is_rough], is_rough=False)

    def test_who_takes_events_answers_them_and_ends_environments_does_not_end_the_simulator(
        self,
    ) -> None:
        served = [kind for kind, is_rough in PLANS if is_rough and kind != "unready"]
        self.weather(served, is_rough=True)

    def test_before_init_is_over_whatever_comes_is_answered(self) -> None:
        self.weather(["unready"], is_rough=True)
