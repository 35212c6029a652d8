"""The long form: storm after storm, seeds counted up. ``python -m tests.fuzz --minutes 5``"""

from __future__ import annotations

import argparse
import sys
import time
from ctypes import CDLL
from itertools import count, cycle

from lambda_sim.testing.leftovers import Census
from tests.fuzz.storm import PLANS, SEED_VARIABLE, chosen_seed, say, storm, told
from tests.fuzz.world import Footprint

M_ARENA_MAX = -8
"""Of the allocator's ``mallopt``."""


def share_arenas() -> None:
    """Have few arenas for all threads: in those of threads that are gone, gaps stay."""
    if mallopt := getattr(CDLL(None), "mallopt", None):
        mallopt(M_ARENA_MAX, 2)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each storm")
    parser.add_argument("--seed", type=int, default=None, help=f"or {SEED_VARIABLE}")
    options = parser.parse_args()
    first = chosen_seed() if options.seed is None else options.seed
    until = time.monotonic() + 60 * options.minutes
    share_arenas()
    census, before = Census.now(), Footprint.now()
    cases = sent = found = 0
    for seed, (kind, is_rough) in zip(count(first), cycle(PLANS), strict=False):
        if time.monotonic() > until:
            break
        tally = storm(seed, kind, is_rough=is_rough, cases=sys.maxsize, seconds=options.seconds)
        cases, sent = cases + tally.cases, sent + tally.sent
        found += not tally.is_clean
        say(str(tally) if tally.is_clean else told(tally))
        if left := census.newcomers():
            found += 1
            say(f"left behind: {left}")
    after = Footprint.settled(before)
    found += len(leaks := after.leaks(before))
    say("\n".join((*leaks, f"{cases} cases, {sent} bytes, {found} findings; {before} -> {after}")))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
