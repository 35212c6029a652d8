"""Closing: steps of an end that are all taken, whatever becomes of one."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["each"]


def each(*steps: Callable[[], object]) -> None:
    """Take all steps, in order, whatever one raises; that comes out in the end.

    An ExitStack does so, too, but Ctrl-C may come while it is filled.
    """
    if steps:
        try:
            steps[0]()
        finally:
            each(*steps[1:])
