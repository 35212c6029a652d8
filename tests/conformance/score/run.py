"""The cases, and running them all against one emulator."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from unittest import SkipTest

from tests.conformance.score import (
    defects,
    extensions_api,
    invoke_api,
    lifecycle,
    log_lines,
    runtime_api,
    telemetry_api,
    variables,
)
from tests.conformance.score.emulators import Kind, Ours
from tests.conformance.score.stage import Stage

ROOMS = (
    runtime_api,
    extensions_api,
    telemetry_api,
    lifecycle,
    invoke_api,
    log_lines,
    variables,
    defects,
)
FIRST = "lc_01_init_has_ten_seconds"
"""What takes longest, begun before the others."""

DIFFERS = {
    "inv_05_a_payload_that_is_no_json_is_refused": "any payload goes through",
}
"""What lambda_sim does otherwise on purpose; see the known differences in docs/fidelity.rst."""

WORKERS = 8


@dataclass(frozen=True)
class Case:
    """One thing that an emulator either does as Lambda does it, or not."""

    name: str
    play: Callable[[Stage], None]

    @property
    def statement(self) -> str:
        """The contract's id, such as RT-01."""
        kind, number, _ = self.name.split("_", 2)
        return f"{kind.upper()}-{number}"


@dataclass(frozen=True)
class Outcome:
    case: Case
    why: str | None
    """What went wrong; None if nothing did."""
    is_played: bool = True
    """Whether this machine could play it at all."""

    @property
    def is_held(self) -> bool:
        return self.why is None


def cases() -> list[Case]:
    """All of them, by name, but for the longest."""
    found = {
        name: Case(name, play)
        for room in ROOMS
        for name, play in inspect.getmembers(room, inspect.isfunction)
        if re.match(r"[a-z]+_\d+_", name)
    }
    return sorted(found.values(), key=lambda case: (case.name != FIRST, case.name))


def run(kind: Kind, chosen: Sequence[Case], workers: int = WORKERS) -> list[Outcome]:
    """Each case on a stage of its own; an emulator that hangs or dies has failed its case."""
    with ThreadPoolExecutor(workers) as threads:
        return list(threads.map(lambda case: _outcome(kind, case), chosen))


def _outcome(kind: Kind, case: Case) -> Outcome:
    with Stage(kind) as stage:
        try:
            case.play(stage)
        except SkipTest:
            return Outcome(case, None, is_played=False)
        except Exception as error:  # whatever it is, the case does not hold
            return Outcome(case, f"{type(error).__name__}: {error}; printed: {stage.printed}")
    return Outcome(case, None)


def held(outcomes: Iterable[Outcome]) -> dict[str, bool]:
    """By statement of the contract: whether all of its cases hold. Defects are no statements."""
    found: dict[str, bool] = {}
    for one in outcomes:
        if one.is_played and not one.case.name.startswith("d_"):
            found[one.case.statement] = found.get(one.case.statement, True) and one.is_held
    return found


@cache
def ours() -> tuple[Outcome, ...]:
    """All cases against lambda_sim, run when somebody first asks."""
    return tuple(run(Ours(), cases()))
