"""``python -m tests.conformance.score``: the score of both; ``--write`` puts it on the page."""

from __future__ import annotations

import argparse
import sys
import time

from tests.conformance.score import page, rie
from tests.conformance.score.emulators import Kind, Ours, Rie
from tests.conformance.score.run import WORKERS, Case, Outcome, cases, held, run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of cases, or how they begin (default: all)")
    parser.add_argument("--only", choices=("ours", "rie"))
    parser.add_argument("--write", action="store_true", help="of all cases, onto the page")
    options = parser.parse_args()
    chosen = [one for one in cases() if one.name.startswith(tuple(options.names) or "")]
    found = [
        played(kind, chosen, workers)
        for name, kind, workers in (
            ("ours", Ours(), WORKERS),
            ("rie", Rie(rie.binary()), 3 * WORKERS),
        )
        if options.only in (None, name)
    ]
    if options.write:
        page.PAGE.write_text(page.written(page.PAGE.read_text(), *found))
    return 0


def played(kind: Kind, chosen: list[Case], workers: int) -> list[Outcome]:
    begin = time.monotonic()
    outcomes = run(kind, chosen, workers)
    show(kind, outcomes, time.monotonic() - begin)
    return outcomes


def show(kind: Kind, outcomes: list[Outcome], seconds: float) -> None:
    statements = held(outcomes).values()
    for one in outcomes:
        if not one.is_held:
            say(f"{kind.name:12}{one.case.name}\n{'':12}    {one.why}")
    passed = sum(one.is_held for one in outcomes)
    say(
        f"{kind.name:12}{sum(statements)} of {len(statements)} statements, "
        f"{passed} of {len(outcomes)} cases, {seconds:.0f} s"
    )


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
