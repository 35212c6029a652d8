"""The chronicle: each fact, recorded when it happens and sent to whoever subscribed. Pure."""

from __future__ import annotations

from collections.abc import Callable

from lambda_sim.lifecycle import effects, reports
from lambda_sim.lifecycle.effects import Topic
from lambda_sim.lifecycle.failures import Failure
from lambda_sim.lifecycle.history import Entry, History, written
from lambda_sim.lifecycle.ledger import Record
from lambda_sim.lifecycle.outbox import Outbox
from lambda_sim.lifecycle.registry import Extension
from lambda_sim.model import telemetry
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.late import Late
from lambda_sim.model.process import ProcessRole
from lambda_sim.model.telemetry import LogsDropped, Status, TelemetrySubscription
from lambda_sim.sync import Clock, Deadline


class Chronicle:
    """Writes the history of an environment, in the words of telemetry."""

    def __init__(self, config: SimulatorConfig, clock: Clock, outbox: Outbox) -> None:
        self.history = History(config.history_limit)
        self.peak_bytes: int | None = None
        """The most memory measured so far, as somebody who may do I/O found it."""
        self.flushes = 0
        """How many flushes are done."""
        self._flushes_asked = 0

        self._config = config
        self._clock = clock
        self._outbox = outbox
        self._has_subscribers = False
        self._is_delivered = True
        self._generation_begins = 0

    def tell(self, fact: Entry, record: Record | None = None) -> None:
        """Record a fact, and hand it on."""
        self.history.append(fact)
        if record is not None:
            record.note(fact)
        if self._has_subscribers:
            self._outbox.send(written(fact))
        self._outbox.changed(Topic.TELEMETRY)

    # --- Subscribers ----------------------------------------------------------------------------

    def subscribe(
        self,
        extension: Extension,
        subscription: Callable[[Extension], TelemetrySubscription],
        *,
        is_late: bool,
        replaces: bool,
    ) -> None:
        """Deliver to one more extension, from the start of this generation unless it is late."""
        wanted = subscription(extension)
        again = extension.subscribed_to is not None
        state = "Already subscribed" if again and not replaces else "Subscribed"
        position = self.history.position if again or is_late else self._generation_begins
        self.tell(
            telemetry.Subscribed(
                time=self._clock.time(),
                name=extension.name,
                state=state,
                types=wanted.types,
                api=wanted.api,
            )
        )
        extension.subscribed_to = wanted.api
        if self._is_delivered and (not again or replaces):
            # Who subscribed already was sent the fact itself; who replaces it goes on from there.
            missed = [] if again else self.history.since(position)
            self._outbox.send(effects.Subscribe(wanted, missed))
            self._has_subscribers = True

    def new_generation(self) -> None:
        """Subscriptions end, and what was said until now is nobody's business any more."""
        self._generation_begins = self.history.position
        self.peak_bytes = None
        if self._has_subscribers:
            self._outbox.send(effects.UnsubscribeAll())
            self._has_subscribers = False

    def deliveries_failed(self) -> None:
        """Nobody delivers any more: from now on nothing is kept for it, and nobody waits for it."""
        self._has_subscribers = self._is_delivered = False
        self._outbox.outgoing.clear()
        self.flushes = self._flushes_asked
        self._outbox.changed(Topic.FLUSHED)

    def hurry(self) -> None:
        """No more batching: the end is near."""
        if self._has_subscribers:
            self._outbox.send(effects.Hurry())

    def flush(self, deadline: Deadline) -> int:
        """Ask for everything to be delivered; the number of flushes when that is done."""
        if self._has_subscribers:
            self._outbox.send(effects.Flush(deadline))
            self._flushes_asked += 1
        return self._flushes_asked

    def flushed(self) -> None:
        """One flush is done: they are in the order in which they were asked for."""
        self.flushes += 1
        self._outbox.changed(Topic.FLUSHED)

    def dropped(self, fact: LogsDropped) -> None:
        """One subscriber lost events; the others did not, so only the history shows it."""
        self.history.append(fact)
        self._outbox.changed(Topic.TELEMETRY)

    # --- Facts ----------------------------------------------------------------------------------

    def init_start(self, phase: str) -> None:
        self.tell(telemetry.InitStart(time=self._clock.time(), phase=phase))

    def init_runtime_done(self, phase: str, failure: Failure | None) -> None:
        self.tell(
            telemetry.InitRuntimeDone(
                time=self._clock.time(),
                phase=phase,
                status=failure.status if failure else Status.SUCCESS,
                error_type=failure.telemetry_type if failure else None,
            )
        )

    def init_report(
        self,
        phase: str,
        failure: Failure | None,
        duration_ms: float,
        record: Record | None = None,
    ) -> None:
        self.tell(
            telemetry.InitReport(
                time=self._clock.time(),
                phase=phase,
                status=failure.status if failure else Status.SUCCESS,
                error_type=failure.telemetry_type if failure else None,
                duration_ms=duration_ms,
            ),
            record,
        )

    def extension(
        self, name: str, extension: Extension | None, state: str, error_type: str | None = None
    ) -> None:
        self.tell(
            telemetry.ExtensionSettled(
                time=self._clock.time(),
                name=name,
                state=state,
                events=extension.registered.events if extension else frozenset(),
                error_type=error_type,
            )
        )

    # The three of every invocation are written out late: what they say of it is settled by then.

    def start(self, record: Record) -> None:
        self.tell(Late(reports.start, record, self._config), record)

    def runtime_done(self, record: Record, verdict: Failure | None) -> None:
        at = self._clock.time()
        self.tell(Late(reports.runtime_done, record, verdict, at), record)

    def report(self, record: Record, verdict: Failure | None) -> None:
        moment = reports.Moment(self._clock.monotonic(), self._clock.time(), self.peak_bytes)
        self.tell(Late(reports.report, record, verdict, self._config, moment), record)

    def log(
        self,
        role: ProcessRole,
        name: str,
        record: Record | None,
        message: str,
        *,
        tail_of: Record | None,
    ) -> None:
        kinds = telemetry.TelemetryEventType
        self.tell(
            telemetry.LogLine(
                time=self._clock.time(),
                source=kinds.FUNCTION if role is ProcessRole.RUNTIME else kinds.EXTENSION,
                name=name,
                request_id=record.request_id if record else None,
                message=message,
            ),
            tail_of,
        )
