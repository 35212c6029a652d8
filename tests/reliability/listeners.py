"""Telemetry subscribers: one listens, one crawls, one dies, one is gone; and what was heard."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, suppress
from typing import Any, Self

from lambda_sim import Simulator
from lambda_sim.errors import ShuttingDown, WaitTimeout
from lambda_sim.testing import TelemetryReceiver
from tests.reliability.crew import A_LONG_TIME
from tests.support import PATIENCE
from tests.telemetry.doubles import free_port

A_WHILE = 0.02
A_BITE = 10


def vanished() -> str:
    """A URL where nobody listens any more."""
    return _url(free_port())


def die(receiver: TelemetryReceiver) -> None:
    """Once it has taken what was told of an invocation."""
    with suppress(ShuttingDown):  # the test ended first
        receiver.wait_for("platform.report", A_LONG_TIME)
    receiver.close()


class Crawler:
    """It reads a little of what is posted now and then, and never answers. A context manager."""

    def __init__(self, threads: Executor) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.url = _url(self._listener.getsockname()[1])
        self.bites = 0
        self._threads = threads
        self._is_over = threading.Event()

    def __enter__(self) -> Self:
        self._job: Future[None] = self._threads.submit(self._run)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._is_over.set()
        self._job.result(PATIENCE)

    def _run(self) -> None:
        links: list[socket.socket] = []
        with ExitStack() as undo:
            undo.enter_context(self._listener)
            while not self._is_over.wait(A_WHILE):
                with suppress(BlockingIOError):
                    links.append(undo.enter_context(self._listener.accept()[0]))
                    links[-1].setblocking(False)
                links = [one for one in links if self._bite(one)]

    def _bite(self, link: socket.socket) -> bool:
        """Whether there may be more."""
        with suppress(BlockingIOError):
            try:
                is_bitten = bool(link.recv(A_BITE))
            except ConnectionError:
                is_bitten = False
            self.bites += is_bitten
            if not is_bitten:
                link.close()
            return is_bitten
        return True


class Audience:
    """All of them, for one simulator's crew. A context manager."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self.receiver = undo.enter_context(TelemetryReceiver())
            self.crawler = undo.enter_context(Crawler(self._threads))
            self.mortal = TelemetryReceiver()
            undo.callback(self._threads.submit(die, self.mortal).result, PATIENCE)
            undo.enter_context(self.mortal)
            listeners = (self.receiver, self.crawler, self.mortal)
            self.destinations = [*(one.url for one in listeners), vanished()]
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._undo.close()

    def told_and_heard(self, simulator: Simulator) -> Iterator[tuple[list[str], list[str]]]:
        """What was reported in each generation that the receiver listened to, and what it heard.
        Who answers late is told again, as AWS does: only the first time counts."""
        # Extensions may still be at work with the last of them.
        simulator.wait_for(
            lambda: _count(simulator, "start") == _count(simulator, "report"), PATIENCE
        )
        told = list(self._told(simulator))
        with suppress(WaitTimeout):  # a reset lets half a second go by for it, and not more
            count = sum(map(len, told))
            self.receiver.wait_for("platform.report", PATIENCE, count)
        events = self.receiver.events
        reports = [one["record"] for one in events if one["type"] == "platform.report"]
        heard = list(dict.fromkeys(record["requestId"] for record in reports))
        for one in told:
            yield one, [each for each in heard if each in one]
        strangers = set(heard).difference(*told)
        if strangers:
            yield [], sorted(strangers)

    def _told(self, simulator: Simulator) -> Iterator[list[str]]:
        generation: list[str] = []
        is_subscribed = is_early = False
        subscriptions = 0
        events: list[Any] = simulator.telemetry_events
        for event in events:
            if event.type == "platform.initStart":
                if not is_early:
                    generation = []  # in which nobody has subscribed yet
                is_subscribed, is_early = is_early, False
            elif event.type == "platform.telemetrySubscription":
                if is_subscribed:  # the next generation, whose init no invocation has called for
                    generation, is_early = [], True
                is_subscribed = True
                # A crew's extension goes from one destination to the next.
                if subscriptions % len(self.destinations) == 0:
                    yield generation
                subscriptions += 1
            elif event.type == "platform.report":
                generation.append(event.record["requestId"])


def _count(simulator: Simulator, kind: str) -> int:
    return len(simulator.get_telemetry_events_by_type(f"platform.{kind}"))


def _url(port: int) -> str:
    return f"http://sandbox.localdomain:{port}/"
