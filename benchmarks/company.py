"""A warm invocation in company: extensions, subscribers to telemetry, freezing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.environments import MINIMAL, ROOT, SMALL, emulator, invoking, simulator
from benchmarks.measure import Row, in_turn, median_of
from benchmarks.rie import may_mount
from lambda_sim import FreezeMode, ProcessConfig, ProcessRole

COUNT = 300
SUBSCRIBER_BAR = 1.1


def extension(name: str, *words: str) -> ProcessConfig:
    return ProcessConfig(
        command_of(name, *words), ProcessRole.EXTENSION, name=name, inherit_stdio=False
    )


def command_of(name: str, *words: str) -> list[str]:
    return [sys.executable, "-S", str(ROOT / "benchmarks" / "extension.py"), name, *words]


def rows(rounds: int) -> Iterator[Row]:
    alone: dict[str, Any] = {"alone": {}}
    company = alone | {
        "one extension": {"extensions": [extension("one")]},
        "ten extensions": {"extensions": [extension(f"n{n}") for n in range(10)]},
        "freezing": {"freeze_mode": FreezeMode.PROCESS},
    }
    yield from _beside("company", company, rounds, against="alone")
    if may_mount():
        for count in (1, 10):
            yield from _beside_rie(count, rounds)
    else:
        print("no mount namespaces here: RIE finds no extensions", file=sys.stderr)
    subscribers = alone | {
        f"{kind} subscriber": {"extensions": [extension("sub", kind)]}
        for kind in ("fast", "slow", "dead")
    }
    bars = {"slow subscriber": SUBSCRIBER_BAR, "dead subscriber": SUBSCRIBER_BAR}
    yield from _beside("telemetry", subscribers, rounds, against="fast subscriber", bars=bars)


def _beside_rie(count: int, rounds: int) -> Iterator[Row]:
    """Ours and AWS's emulator, with so many extensions subscribed to INVOKE."""
    names = [f"n{number}" for number in range(count)]
    commands = {name: command_of(name) for name in names}
    with ExitStack() as undo:
        invokes = {
            "in process": invoking(
                undo.enter_context(simulator(extensions=[extension(name) for name in names]))
            ),
            "RIE": undo.enter_context(emulator(MINIMAL, commands)),
        }
        cases = {
            place: partial(median_of, partial(invoke, SMALL), COUNT)
            for place, invoke in invokes.items()
        }
        turns = in_turn(cases, rounds)
    group = f"extensions: {count}"
    yield turns.row(group, "in process", "µs", against="RIE", scale=1e6)
    yield turns.row(group, "RIE", "µs", scale=1e6)


def _beside(
    group: str,
    settings: dict[str, dict[str, Any]],
    rounds: int,
    *,
    against: str,
    bars: dict[str, float] | None = None,
) -> Iterator[Row]:
    """Environments that differ in their settings, invoked in turn."""
    with ExitStack() as undo:
        cases = {}
        for name, own in settings.items():
            ours = undo.enter_context(simulator(**own))
            cases[name] = partial(median_of, partial(invoking(ours), SMALL), COUNT)
        turns = in_turn(cases, rounds)
    for name in settings:
        other = "" if name == against else against
        yield turns.row(group, name, "µs", against=other, bar=(bars or {}).get(name), scale=1e6)
