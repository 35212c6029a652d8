"""Taking turns: A B A B, medians of rounds; and rows that hold a figure against a bar."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Rounds = list[float]


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, what it is held against, and how that came out."""

    group: str
    name: str
    value: float
    unit: str
    spread: tuple[float, float]
    against: str = ""
    """The other side of the ratio, which was measured in turn."""
    ratio: float | None = None
    bar: float | None = None
    """The most that the ratio may be; where there is none, the most that the value may be."""

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is kept; None without one."""
        held = self.value if self.ratio is None else self.ratio
        return None if self.bar is None else held <= self.bar

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "is_met": self.is_met}


@dataclass
class Turns:
    """Cases measured in turn, each round of one beside the same round of the others."""

    rounds: dict[str, Rounds] = field(default_factory=dict)

    def median(self, name: str) -> float:
        return statistics.median(self.rounds[name])

    def ratio(self, name: str, other: str) -> float:
        """The median of the rounds' own ratios: what slowed a round slowed both sides of it."""
        pairs = zip(self.rounds[name], self.rounds[other], strict=True)
        return statistics.median(one / two for one, two in pairs)

    def row(
        self,
        group: str,
        name: str,
        unit: str,
        *,
        against: str = "",
        bar: float | None = None,
        scale: float = 1.0,
    ) -> Row:
        """One case as a row; its figures multiplied by ``scale``."""
        rounds = [scale * figure for figure in self.rounds[name]]
        return Row(
            group,
            name,
            statistics.median(rounds),
            unit,
            (min(rounds), max(rounds)),
            against,
            self.ratio(name, against) if against else None,
            bar,
        )


def in_turn(cases: Mapping[str, Callable[[], float]], rounds: int) -> Turns:
    """Each case once a round, after one round that only warms up."""
    turns = Turns({name: [] for name in cases})
    for number in range(rounds + 1):
        for name, case in cases.items():
            figure = case()
            if number:
                turns.rounds[name].append(figure)
    return turns


def median_of(action: Callable[[], object], count: int) -> float:
    """The median time of an action, in seconds."""
    return statistics.median(timed(action) for _ in range(count))


def timed(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def table(rows: list[Row]) -> str:
    """The rows for people."""
    lines = [
        f"{'':22}{'case':30}{'median':>10} {'':6}{'spread':>17}"
        f"{'ratio':>8}  {'of':12}{'at most':>8}  met"
    ]
    group = None
    for row in rows:
        low, high = row.spread
        met = {True: "yes", False: "NO", None: ""}[row.is_met]
        lines.append(
            f"{row.group if row.group != group else '':22}{row.name:30}{row.value:>10.4g}"
            f" {row.unit:6}{f'{low:.4g}..{high:.4g}':>17}"
            f"{'' if row.ratio is None else f'{row.ratio:.2f}':>8}  {row.against:12}"
            f"{'' if row.bar is None else f'{row.bar:g}':>8}  {met}"
        )
        group = row.group
    return "\n".join(lines)
