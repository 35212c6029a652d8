"""What an invocation costs after many others, and what all of them leave in memory."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from benchmarks.environments import SMALL, invoking, simulator
from benchmarks.measure import Row, median_of

WINDOW = 1_000
MARKS = (1_000, 10_000, 100_000, 1_000_000)
BAR = 1.1
GROWTH_BAR_MB = 16.0
"""What the bounded history itself may take when it fills; it is full at the second mark."""


def rows(last: int) -> Iterator[Row]:
    """:param last: the mark to stop at."""
    process = psutil.Process()
    with simulator() as ours:
        invoke = invoking(ours)

        def window() -> float:
            return median_of(lambda: invoke(SMALL), WINDOW)

        window()
        first, done = window(), 2 * WINDOW
        full = 0.0
        for mark in (mark for mark in MARKS if mark <= last):
            while done < mark - WINDOW:
                invoke(SMALL)
                done += 1
            # In turn with a fresh environment, as the machine itself has faster and slower times.
            now, beside = window(), _fresh()
            done += WINDOW
            memory = process.memory_info().rss / 1e6
            full = full or (memory if mark > MARKS[0] else 0.0)
            ratio = now / beside
            bar = BAR if mark > MARKS[0] else None
            yield Row(
                "history",
                f"after {mark:,}",
                now * 1e6,
                "µs",
                (first * 1e6, now * 1e6),
                "a fresh one",
                ratio,
                bar,
            )
            grown = memory - full if full else 0.0
            bar = GROWTH_BAR_MB if mark > MARKS[1] else None
            yield Row("", "grown since it was full", grown, "MB", (grown, grown), bar=bar)


def _fresh() -> float:
    with simulator() as ours:
        invoke = invoking(ours)
        median_of(lambda: invoke(SMALL), WINDOW // 2)
        return median_of(lambda: invoke(SMALL), WINDOW)
