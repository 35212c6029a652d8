"""The router: one worker that takes what the environment says to those who subscribed."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from lambda_sim.errors import ShuttingDown
from lambda_sim.lifecycle import effects
from lambda_sim.lifecycle.effects import Outgoing
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.model.telemetry import Fact
from lambda_sim.sync import Worker
from lambda_sim.telemetry.dispatcher import Dispatcher

logger = logging.getLogger(__name__)

UNSUBSCRIBE_FLUSH_SECONDS = 0.5
"""How long the last telemetry of a generation that was reset may take."""


class Router:
    """Keeps facts, subscriptions and their ends in the order in which they happened."""

    def __init__(self, environment: ExecutionEnvironment, dispatcher: Dispatcher) -> None:
        self._environment = environment
        self._dispatcher = dispatcher
        self._worker = Worker("telemetry", self._run)

    def start(self) -> None:
        self._worker.start()

    def close(self) -> None:
        """End deliveries and join the worker; the environment closed before."""
        try:
            self._dispatcher.close()
        finally:
            self._worker.join()
        if self._worker.failure is not None:
            raise self._worker.failure

    def _run(self) -> None:
        try:
            while True:
                self._route(self._environment.take_outgoing())
        except ShuttingDown:
            return
        except BaseException:
            logger.exception("telemetry ends: it can't be delivered any more")
            with self._environment as machine:
                machine.chronicle.deliveries_failed()
            raise

    def _route(self, items: Sequence[Outgoing]) -> None:
        facts: list[Fact] = []
        for item in items:
            if isinstance(item, Fact):
                facts.append(item)
                continue
            self._deliver(facts)
            self._obey(item)
        self._deliver(facts)

    def _deliver(self, facts: list[Fact]) -> None:
        if facts:
            self._dispatcher.deliver(facts)
            facts.clear()

    def _obey(self, item: Outgoing) -> None:
        match item:
            case effects.Subscribe(subscription, replay):
                self._dispatcher.subscribe(subscription, replay)
            case effects.UnsubscribeAll():
                self._dispatcher.unsubscribe_all(UNSUBSCRIBE_FLUSH_SECONDS)
            case effects.Hurry():
                self._dispatcher.hurry()
            case effects.Flush(deadline):
                self._dispatcher.flush(deadline)
                with self._environment as machine:
                    machine.chronicle.flushed()
