"""Closing: steps of an end that are all taken, whatever becomes of one."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Steps", "each"]


def each(*steps: Callable[[], object]) -> None:
    """Take all steps, in order, whatever one raises; that comes out in the end.

    An ExitStack does so, too, but Ctrl-C may come while it is filled.
    """
    if steps:
        try:
            steps[0]()
        finally:
            each(*steps[1:])


class Steps:
    """Steps of an end, collected at the start, the last first. Each is taken twice, the second
    time for what Ctrl-C cut short in the first; those it kept from coming wait for the next close.

    A step that finds nothing left to do must do nothing.
    """

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []

    def add(self, step: Callable[[], object]) -> None:
        self._steps.append(step)

    def close(self) -> None:
        """Take all steps, whatever one raises; that comes out in the end."""
        if self._steps:
            step = self._steps[-1]
            each(step, step, self._steps.pop, self.close)
