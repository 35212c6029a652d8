"""One thread at a time, without a lock held while it acts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lambda_sim.sync import NEVER, Monitor

__all__ = ["Turns"]

TURN = "turn"


class Turns:
    """Lets threads act one after another, where acting is signals and files."""

    def __init__(self) -> None:
        self._monitor = Monitor()
        # Guarded by _monitor:
        self._is_busy = False

    def _is_free_locked(self) -> bool | None:
        return None if self._is_busy else True

    @contextmanager
    def next(self, *, waits: bool = True) -> Iterator[bool]:
        """Wait for a turn; it ends with the block. A turn is short, so there is no deadline.

        :param waits: False for who may not wait: without a turn, if it is another's just now.
        :returns: whether it is ours.
        """
        is_ours = False  # within, as Ctrl-C may come at any time
        try:
            with (monitor := self._monitor):
                if waits:
                    monitor.wait_until(TURN, self._is_free_locked, NEVER, what="a turn")
                is_ours = not self._is_busy
                self._is_busy = True
            yield is_ours
        finally:
            if is_ours:
                with (monitor := self._monitor):
                    self._is_busy = False
                    monitor.changed(TURN)
