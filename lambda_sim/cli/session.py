"""What both commands stand on: a simulator whose log is printed live, and a wait for signals."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Self

from lambda_sim.cli.output import say
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.simulator import Simulator
from lambda_sim.sync import Worker

__all__ = ["Bell", "running"]

RUNG = 0

ENDINGS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, kill and a terminal that goes away; not every system has them all."""


GATHERED = 0.02
"""Seconds that a line may wait for the next ones, to be printed with them."""


@contextmanager
def running(config: SimulatorConfig) -> Iterator[Simulator]:
    """A started simulator whose whole log goes to standard error. It ends gracefully, but at once
    when something is raised, as by a second Ctrl-C.

    :raises StartError: it can't listen.
    """
    simulator = Simulator(config)
    with ExitStack() as undo:
        printer = Worker("log-printer", lambda: _print_log(simulator)).start()
        # Undone last: the log ends when the simulator is closed, and not before.
        undo.callback(printer.join)
        undo.callback(simulator.close)
        yield simulator.start()
        simulator.graceful_shutdown()


def _print_log(simulator: Simulator) -> None:
    for record in simulator.follow_logs(gathered=GATHERED):
        say(record.message, sys.stderr)


class Bell:
    """Where the main thread waits: until a worker rings, or SIGINT, SIGTERM or SIGHUP comes.

    A signal raises nothing, wherever the program is; it only rings. One that is ignored stays so:
    Ctrl-C is not for what a script has in its background, nor is a terminal's end for what nohup
    started. For the main thread; any thread may ring.
    """

    def __init__(self) -> None:
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        self._ear, self._button = os.pipe()
        os.set_blocking(self._button, False)
        before = signal.set_wakeup_fd(self._button, warn_on_full_buffer=False)
        self._undo.callback(signal.set_wakeup_fd, before)
        for number in (getattr(signal, name) for name in ENDINGS if hasattr(signal, name)):
            handler = signal.getsignal(number)
            if handler is not signal.SIG_IGN:
                signal.signal(number, _do_nothing)
                self._undo.callback(signal.signal, number, handler)
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
        os.close(self._ear)
        os.close(self._button)

    def ring(self) -> None:
        """End the wait."""
        with suppress(OSError):
            os.write(self._button, bytes([RUNG]))

    def wait(self) -> int:
        """Block until it rings; the signal that did it, or 0. The next signal does as usual, so
        that a second Ctrl-C ends what takes too long to end."""
        number = os.read(self._ear, 1)[0]
        self.release()
        return number

    def release(self) -> None:
        """Have signals handled as before."""
        self._undo.close()


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """A signal without a handler in Python would not ring."""
