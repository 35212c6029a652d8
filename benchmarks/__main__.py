"""Everything that design promises of speed, measured in one run: ``make bench``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from benchmarks import bare, cold, company, flow, history, warm
from benchmarks.measure import Row, table

GROUPS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "warm": lambda options: warm.rows(options.rounds),
    "company": lambda options: company.rows(options.rounds),
    "cold": lambda options: cold.rows(options.rounds),
    "bare": lambda options: bare.rows(options.rounds),
    "flow": lambda options: flow.rows(options.rounds),
    "history": lambda options: history.rows(options.history),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each case, in turn (default 5)")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS), help="groups")
    parser.add_argument(
        "--history", type=int, default=100_000, help="invocations to go to (default 100,000)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object for machines")
    options = parser.parse_args()
    rows = []
    for group in options.only:
        print(f"{group} ...", file=sys.stderr)
        rows += GROUPS[group](options)
    if options.json:
        print(json.dumps({"machine": _machine(), "rows": [row.as_dict() for row in rows]}))
    else:
        print(_machine())
        print(table(rows))


def _machine() -> str:
    load = os.getloadavg()[0]
    when = datetime.now(UTC).date()
    return (
        f"{when}, {os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()}, load {load:.1f}"
    )


if __name__ == "__main__":
    main()
