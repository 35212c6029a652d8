"""What children print, printed on our own streams, too, until the interpreter ends."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress

from lambda_sim.errors import WaitTimeout
from lambda_sim.sync import Deadline, Monitor

__all__ = ["Echo"]

END_SECONDS = 1.0
"""How long the interpreter's end waits for who prints just then."""


class Echo:
    """Any thread may print.

    A daemon thread that the interpreter's end finds in the midst of it keeps the stream's lock for
    ever, and Python aborts. So, where nobody closed, the end waits, and then nobody begins: what
    children say after that, also if an earlier ``atexit`` closes, is in the logs only.
    """

    def __init__(self) -> None:
        self._owner = 0
        self._monitor = Monitor()
        # Guarded by _monitor, both:
        self._printing = 0
        self._is_over = False

    def start(self) -> None:
        self._owner = os.getpid()
        atexit.register(self.end)

    def close(self) -> None:
        """All who could print have ended."""
        atexit.unregister(self.end)

    def end(self) -> None:
        """Print no more, and block until nobody does."""
        if os.getpid() != self._owner:  # a copy by os.fork, without the threads that print
            return
        with (monitor := self._monitor), suppress(WaitTimeout):
            self._is_over = True
            monitor.wait_until(
                self,
                lambda: self._printing == 0 or None,
                Deadline.after(END_SECONDS),
                what="who prints",
            )

    def print(self, line: str, name: str) -> None:
        """Print on our own stream of that name, whatever stands there just now."""
        with self._monitor:
            if self._is_over:
                return
            self._printing += 1
        try:
            stream = getattr(sys, name)
            stream.write(line)
            stream.flush()
        except Exception:  # closed, replaced or none: not the child's fault, and it is in the logs
            pass
        finally:
            with (monitor := self._monitor):
                self._printing -= 1
                monitor.changed(self)
