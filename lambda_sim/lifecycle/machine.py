"""What may happen next in one execution environment, and the record of what did. Pure.

Methods are what processes, callers and time do; each decides, has facts recorded, and leaves
orders in the outbox. No locks, no I/O, no waiting: see environment.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from enum import Enum
from functools import partial

import attrs

from lambda_sim import refusals
from lambda_sim.errors import ConfigurationError, ShuttingDown
from lambda_sim.lifecycle import effects, failures
from lambda_sim.lifecycle.chronicle import Chronicle
from lambda_sim.lifecycle.crew import Crew
from lambda_sim.lifecycle.effects import Topic
from lambda_sim.lifecycle.failures import Failure
from lambda_sim.lifecycle.frost import Frost
from lambda_sim.lifecycle.handover import Handover
from lambda_sim.lifecycle.init import FIRST, SUPPRESSED, Init
from lambda_sim.lifecycle.ledger import Ledger, Record, Stage
from lambda_sim.lifecycle.outbox import Outbox
from lambda_sim.lifecycle.poller import Poll
from lambda_sim.lifecycle.registry import Extension, ExtensionStage, Registry
from lambda_sim.lifecycle.runtime import Runtime, RuntimeStage
from lambda_sim.lifecycle.snapshot import Snapshot
from lambda_sim.lifecycle.timers import Timers
from lambda_sim.lifecycle.uploads import Uploads
from lambda_sim.model.config import SimulatorConfig, SimulatorPhase
from lambda_sim.model.extension import ShutdownEvent, ShutdownReason
from lambda_sim.model.invocation import Invocation, InvocationStatus
from lambda_sim.model.process import FreezeMode, ProcessRole
from lambda_sim.model.protocol import RESTORE_TIMEOUT
from lambda_sim.model.telemetry import Status, SubscriptionApi, TelemetrySubscription
from lambda_sim.sync import Clock


class Life(Enum):
    """Where a generation of the environment is."""

    COLD = "cold"
    """Nothing runs; the next invocation initialises inside itself."""
    STARTING = "starting"
    SNAPSHOT = "snapshot"
    """SnapStart: init is over, and waits to be restored."""
    RESTORING = "restoring"
    RUNNING = "running"
    RESETTING = "resetting"


INIT = "init"
RESTORE = "restore"

LAST_CALL = 0.3
"""Seconds in which a runtime that has answered is expected back in Next when it all ends."""


class Machine:
    """The state of one execution environment. One caller at a time.

    :param extensions: names of the declared extensions, which init waits for.
    """

    def __init__(
        self, config: SimulatorConfig, clock: Clock, *, extensions: Collection[str] = ()
    ) -> None:
        self.config = config
        self.rules = config.rules
        self.phase = SimulatorPhase.INITIALIZING
        self.generation = 1
        self.life = Life.COLD
        self.ledger = Ledger(config.history_limit)
        self.outbox = Outbox()
        self.timers = Timers(self.outbox)
        self.runtime = Runtime(self.outbox)
        self.registry = Registry(config.rules, self.outbox)
        self.chronicle = Chronicle(config, clock, self.outbox)
        self.frost = Frost(self.outbox)
        self.crew = Crew({*extensions, *config.external_extensions})
        self.init_error: str | None = None
        self.is_ended = False
        self.is_serial = config.rules.max_concurrency == 1 and not config.is_managed
        """Whether a runtime that asks for Next is done with all it had."""
        self.answer_ends_runtime_part = config.rules.runtime_done_at_response or not self.is_serial
        """Whether it is done with an invocation as soon as it has answered it."""
        self.handover = Handover(self.ledger, self.runtime, self.outbox, is_serial=self.is_serial)
        self.uploads = Uploads(
            self.ledger, self.runtime, clock, self.outbox, is_managed=config.is_managed
        )

        self._clock = clock
        self._function_arn = config.function_arn
        self._farewell: ShutdownReason | None = None
        self._declared = tuple(extensions)
        self._has_served = False
        self._init_ms: float | None = None
        self._restore_ms: float | None = None
        self.init = self._new_init(FIRST)
        self.snapshot = Snapshot(clock, self.chronicle)

    # --- Init -----------------------------------------------------------------------------------

    def start(self) -> None:
        """The environment comes to life: its first init begins, unless an invocation began one.

        :raises ShuttingDown: it was ended before.
        """
        if self._is_ending:
            raise ShuttingDown("it was closed while it started")
        if self.life is Life.COLD:
            self._begin_init(FIRST)

    def _begin_init(self, phase: str) -> None:
        self.life = Life.STARTING
        self.runtime.start()
        self.init = self._new_init(phase)
        if phase == SUPPRESSED:
            self.ledger.pending[0].charged_from = self.init.started
        self.init.begin(self.registry)
        if self.rules.enforces_timeouts:
            self._limit_init(self.init)
        if self.runtime.is_initialized:
            self._runtime_is_initialized()

    def _new_init(self, phase: str) -> Init:
        return Init(
            phase,
            self._declared,
            self.generation,
            config=self.config,
            clock=self._clock,
            outbox=self.outbox,
            chronicle=self.chronicle,
        )

    def _limit_init(self, init: Init) -> None:
        if init.phase == FIRST:
            limit = init.started + self.config.init_timeout
            self.timers.set(INIT, limit, self._init_timed_out)
        else:
            # A suppressed init is part of the invocation that it serves, and of its time.
            head = self.ledger.pending[0]
            head.deadline = init.started + head.timeout
            self.timers.set(head.request_id, head.deadline, lambda: self._timed_out(head))

    def _runtime_is_initialized(self) -> None:
        """The runtime asked for its first Next, or to be restored: registration is closed."""
        self.init.runtime_done(None)
        self._finish_init_if_all_asked()

    def _finish_init_if_all_asked(self) -> None:
        is_due = self.life is Life.STARTING and self.runtime.is_initialized
        if not is_due or self.init.awaits(self.registry):
            return
        self.init.succeeded(self.registry)
        self._end_init()

    def _end_init(self) -> None:
        if self.config.is_snap_start:
            self._snapshot_is_taken()
            return
        is_charged = self.init.is_told and self.init.phase == FIRST and not self.config.is_managed
        self._init_ms = self.init.duration_ms if is_charged else None
        self._is_initialized(Life.RUNNING)

    def _is_initialized(self, life: Life) -> None:
        self.timers.cancel(INIT)
        self.life = life
        if self.phase is SimulatorPhase.INITIALIZING:
            self.phase = SimulatorPhase.READY
        self.outbox.changed(Topic.PHASE, Topic.PARKED)
        self._dispatch()

    def mark_initialized(self) -> None:
        """End the init phase by hand, and with it registration; one that did not begin does so
        first. Telemetry says nothing of the end until the runtime asks for Next."""
        if self.life is Life.COLD and not self._is_ending:
            self._begin_init(FIRST)
        if self.life is not Life.STARTING:
            return
        if self.init.is_told:
            self.init.succeeded(self.registry)  # only extensions were awaited
        self._end_init()

    @property
    def _is_only_marked(self) -> bool:
        """Whether init was ended by hand, and the runtime has not come since."""
        return self.is_initialized and not self.init.is_told

    def fail_init(self, failure: Failure, generation: int | None = None) -> None:
        """The runtime reports that it can't start.

        :param generation: the one in which the report came; by default this one.
        :raises InvalidStateTransition: it has asked for Next, or failed, already.
        """
        self._refuse_earlier(generation, RuntimeStage.INIT_ERROR)
        if self.runtime.stage is RuntimeStage.RESTORING:
            self.fail_restore(failure)
            return
        if self.runtime.stage is not RuntimeStage.STARTED:
            raise refusals.InvalidStateTransition(self._runtime_state(), "InitError")
        if self.life is Life.RESETTING:
            return  # another failure came first, and ends it
        self.runtime.stage = RuntimeStage.INIT_ERROR
        if self.life is Life.RESTORING:  # it was marked as initialized, and was not
            failure = attrs.evolve(failure, in_restore=True)
            self.init.failed(failure, None)
            self._restore_failed(failure)
        else:
            self._init_failed(failure)
        self._reset(ShutdownReason.FAILURE, failure)

    def _refuse_earlier(self, generation: int | None, failed: RuntimeStage) -> None:
        """What is read late is not to end the next generation: another failure ended its own."""
        if generation not in (None, self.generation):
            raise refusals.InvalidStateTransition(failed.value, failed.value)

    def launch_failed(self, role: ProcessRole, name: str, failure: Failure, reason: str) -> None:
        """A declared process could not be started, for a reason in telemetry's words."""
        if self.life is not Life.STARTING:
            return
        if role is ProcessRole.EXTENSION:
            self.chronicle.extension(name, None, "LaunchError", reason)
        self._init_failed(failure)
        self._reset(ShutdownReason.FAILURE, failure)

    def _init_timed_out(self) -> None:
        failure = failures.init_timed_out(self.config.init_timeout)
        self._init_failed(failure)
        self._reset(ShutdownReason.TIMEOUT, failure)

    def _init_failed(self, failure: Failure) -> None:
        self.init_error = failure.summary
        self.outbox.changed(Topic.PHASE)
        self.timers.cancel(INIT)
        if self.life is Life.STARTING or self._is_only_marked:
            self.init.failed(failure, self._init_serves())
        # A first init that failed is tried again inside the invocation; what failed inside it,
        # or what nobody can start again, fails it.
        can_retry = self.init.phase == FIRST and self.config.runtime is not None
        if self.ledger.pending and not can_retry:
            self._open(self.ledger.open_next())

    def _init_serves(self) -> Record | None:
        """The invocation whose suppressed init is under way."""
        is_suppressed = self.life is Life.STARTING and self.init.phase == SUPPRESSED
        return self.ledger.pending[0] if is_suppressed and self.ledger.pending else None

    # --- SnapStart ------------------------------------------------------------------------------

    def _snapshot_is_taken(self) -> None:
        self._is_initialized(Life.SNAPSHOT)
        self._rest()
        if self.snapshot.is_wanted or self.ledger.pending:
            self._begin_restore()

    def restore(self) -> None:
        """Restore the snapshot, as soon as there is one; an invocation does so by itself.

        :raises ConfigurationError: there are no snapshots of other initialization types.
        :raises ShuttingDown: the environment ends.
        """
        if not self.config.is_snap_start:
            given = self.config.initialization_type
            raise ConfigurationError("initialization_type", given, "snap-start, to be restored")
        if self._is_ending:
            raise ShuttingDown("the simulator is shutting down and restores nothing")
        if self.life in (Life.COLD, Life.STARTING):
            self.snapshot.is_wanted = True
        elif self.life is Life.SNAPSHOT:
            self._begin_restore()

    def _begin_restore(self) -> None:
        self.frost.thaw()
        self.life = Life.RESTORING
        self.snapshot.begin()
        if self.rules.enforces_timeouts:
            limit = self.snapshot.started + RESTORE_TIMEOUT
            self.timers.set(RESTORE, limit, self._restore_timed_out)
        self.outbox.changed(Topic.RUNTIME_NEXT)
        if self.runtime.stage is RuntimeStage.READY:
            self._restored()  # it has no hooks to run: it asked for Next, and not to be restored

    def _restored(self) -> None:
        self.timers.cancel(RESTORE)
        took_ms = self.snapshot.end(None)
        self._restore_ms = took_ms if self.init.phase == FIRST else None
        self.init.tell_report()
        self._is_initialized(Life.RUNNING)

    def runtime_asks_restore(self, poll: Poll) -> None:
        """The runtime calls restore/next: its init is over.

        :raises InvalidStateTransition: it asked for Next, or failed, already.
        """
        if self._current is not None:
            raise refusals.InvalidStateTransition(self._runtime_state(), "Ready")
        self.runtime.ask_restore(poll)
        if self.life is Life.STARTING:
            self._runtime_is_initialized()
        elif self._is_only_marked:
            self.init.succeeded(self.registry)

    def take_restore(self, poll: Poll) -> bool:
        """Whether a parked restore/next returns now.

        :raises PollerGone: the runtime that waits was ended.
        """
        return self.runtime.take_restore(poll, is_due=self.life is Life.RESTORING)

    def fail_restore(self, failure: Failure, generation: int | None = None) -> None:
        """The runtime reports that a hook of its own failed after the restore.

        :param generation: the one in which the report came; by default this one.
        :raises InvalidStateTransition: it is not being restored.
        """
        error = RuntimeStage.RESTORE_ERROR
        self._refuse_earlier(generation, error)
        if self.runtime.stage is not RuntimeStage.RESTORING:
            raise refusals.InvalidStateTransition(self._runtime_state(), error.value)
        self.runtime.stage = error
        failure = attrs.evolve(failure, in_restore=True)
        if self.life is Life.RESTORING:  # else another failure came first, and ends it
            self._restore_failed(failure)
            self._reset(ShutdownReason.FAILURE, failure)

    def _restore_timed_out(self) -> None:
        failure = failures.restore_timed_out(RESTORE_TIMEOUT)
        self._restore_failed(failure)
        self._reset(ShutdownReason.TIMEOUT, failure)

    def _restore_failed(self, failure: Failure) -> None:
        self.timers.cancel(RESTORE)
        self.init_error = failure.summary
        self.snapshot.end(failure)
        self.init.tell_report()
        if self.ledger.pending:
            self._open(self.ledger.open_next())

    # --- Extensions -----------------------------------------------------------------------------

    def expect_external(self, name: str) -> None:
        """An extension of this name counts as external, whoever carries it."""
        self.crew.external.add(name)

    def register(self, name: str, events: Iterable[str]) -> Extension:
        """An extension joins.

        :raises WireError: registration is closed, or this one is refused.
        """
        starting = self.life is Life.STARTING and self.runtime.stage is RuntimeStage.STARTED
        if not (starting or self.life is Life.COLD) or self._is_ending:
            raise refusals.RegistrationClosed
        at = datetime.fromtimestamp(self._clock.time(), UTC)
        extension = self.registry.register(name, events, self.crew.external, at)
        self.outbox.changed(Topic.EXTENSIONS)
        if self.life is Life.STARTING:
            self.init.extension_registered(self.registry)
        return extension

    def extension_asks(self, identifier: str, poll: Poll) -> Extension:
        """An extension calls Next, and with it says that it is done with what it had.

        :raises WireError: it is unknown, failed, or parked already.
        """
        extension = self.registry.get(identifier)
        extension.ask(parallel=self.rules.parallel_extension_polls)
        extension.polls.add(poll)
        self.outbox.changed(Topic.PARKED)
        if extension.farewell is not None:
            self.registry.leave(extension)
        # Where INVOKE is sent at enqueue, an extension may be done before the runtime began.
        for record in [*self.ledger.open.values(), *self.ledger.pending]:
            late = self.rules.late_poll_is_ready and record.runtime_done is not None
            record.readiness.polled(extension.id, late=late)
            self._report_if_ready(record)
        self._finish_init_if_all_asked()
        return extension

    def extension_fails(self, identifier: str, target: ExtensionStage, error_type: str) -> None:
        """An extension reports an error: its init, or the invocation, fails with it.

        :raises WireError: it is unknown, or in no state for it.
        """
        extension = self.registry.get(identifier)
        extension.fail(target, error_type)
        self.outbox.changed(extension.id, Topic.FAREWELL)
        kind = "InitError" if target is ExtensionStage.INIT_ERROR else "ExitError"
        self.chronicle.extension(extension.name, extension, target.value, error_type)
        told = failures.extension_error_type(error_type, self.rules) or f"Extension.{kind}"
        self._crash(Failure(error_type=told, message=error_type))

    def subscribe(
        self,
        identifier: str,
        api: SubscriptionApi,
        subscription: Callable[[Extension], TelemetrySubscription],
    ) -> None:
        """An extension subscribes to telemetry; it is sent this init's events from their start.

        :raises WireError: it is unknown, it uses the other API, or init is over.
        """
        extension = self.registry.get(identifier)
        is_late = self.life not in (Life.STARTING, Life.COLD)
        if is_late and self.rules.subscriptions_close_with_init:
            raise refusals.SubscriptionClosed(api)
        other = extension.subscribed_to
        if other is not None and other is not api:
            raise refusals.OtherApiSubscribed(api, other)
        replaces = not self.rules.subscriptions_are_checked
        self.chronicle.subscribe(extension, subscription, is_late=is_late, replaces=replaces)

    # --- The runtime ----------------------------------------------------------------------------

    def serves(self, poll: Poll) -> bool:
        """Whether a poll comes from who was handed, in this generation, what is answered now."""
        current = self._current
        return current is not None and current.holder is poll and current.stage is Stage.ANSWERED

    def runtime_asks(self, poll: Poll) -> bool:
        """The runtime calls Next; whether it is to be handed again what it holds already.

        :raises InvalidStateTransition: an answer is being uploaded, or init failed.
        """
        current = self._current
        if self._is_ending:
            self.runtime.park(poll)
            if current is not None and current.stage is Stage.ANSWERED:
                self._runtime_done(current)
            return False
        if current is not None and current.stage is not Stage.ANSWERED:
            if current.stage is not Stage.RUNNING:
                raise refusals.InvalidStateTransition(current.stage.value, "Ready")
            self.runtime.park(poll)
            return True
        before = self.runtime.ask(poll)
        if not self.is_serial:
            self.handover.has_read(poll)
        if current is not None:
            self._runtime_done(current)
        if before is RuntimeStage.STARTED and self.life is Life.STARTING:
            self._runtime_is_initialized()
        elif before is RuntimeStage.STARTED and self._is_only_marked:
            self.init.succeeded(self.registry)
        if self.life is Life.RESTORING:
            self._restored()
        self._dispatch()
        return False

    def respond(self, record: Record, content_type: str, body: bytes | None) -> None:
        """Record the runtime's response; None when its last chunk came. The first answer wins.

        :raises InvalidRequestId: another came first.
        """
        self.uploads.end(record, content_type, body)
        self._answer(record, None)

    def fail(self, record: Record, failure: Failure) -> None:
        """Record that the invocation failed, by the runtime's word or by what it uploaded.

        :raises InvalidRequestId: another answer came first.
        """
        self.uploads.refuse_late(record)
        self._answer(record, failure)

    # --- Invocations ----------------------------------------------------------------------------

    def enqueue(self, invocation: Invocation, *, is_streamed: bool = False) -> Record:
        """Put an invocation in the queue; it is dispatched at once if nothing is before it.

        :param is_streamed: whether the caller reads the response while it arrives.
        :raises ShuttingDown: the environment ends.
        :raises ConfigurationError: an unfinished invocation has this id.
        """
        if self._is_ending:
            raise ShuttingDown("the simulator is shutting down and takes no invocation")
        record = Record(
            invocation,
            invocation.timeout or self.config.invocation_timeout,
            invocation.invoked_function_arn or self._function_arn,
            is_streamed,
            deadline_ms=invocation.deadline_ms,
        )
        self.ledger.add(record)
        self.frost.work_came()
        if self.rules.invoke_sent_at_enqueue:
            self._send_invoke(record)
        if self.life is Life.COLD:
            self._begin_init(SUPPRESSED)
        elif self.life is Life.SNAPSHOT:
            self._begin_restore()
        else:
            self._dispatch()
        return record

    def _dispatch(self) -> None:
        while self._may_dispatch():
            record = self.ledger.open_next()
            self._open(record)
            if self.rules.enforces_timeouts and record.deadline is not None:
                self.timers.set(
                    record.request_id, record.deadline, partial(self._timed_out, record)
                )
            if not self.rules.invoke_sent_at_enqueue:
                self._send_invoke(record)
            self.outbox.changed(Topic.RUNTIME_NEXT)

    def _may_dispatch(self) -> bool:
        if not self.ledger.pending or self.life is not Life.RUNNING or self._is_ending:
            return False
        if self.is_serial:
            return not self.ledger.open
        limit = self.rules.max_concurrency
        busy = [one for one in self.ledger.open.values() if one.runtime_done is None]
        taken = sum(1 for one in busy if not one.is_delivered)
        return len(self.runtime.polls) > taken and (limit is None or len(busy) < limit)

    def _open(self, record: Record) -> None:
        """The invocation starts: its time runs from here."""
        now, at = self._clock.monotonic(), self._clock.time()
        record.dispatched, record.started_at = now, at
        record.status = InvocationStatus.IN_PROGRESS
        record.stage = Stage.RUNNING
        record.is_cold = not self._has_served
        if record.is_cold:
            record.init_ms, record.restore_ms = self._init_ms, self._restore_ms
        self._has_served = True
        self.init.tell_report()  # of a provisioned environment, Lambda tells it now
        if record.deadline is None:
            record.deadline = now + record.timeout
        if record.deadline_ms is None or not self.rules.deadline_counts_from_creation:
            record.deadline_ms = int((at + record.deadline - now) * 1000)
        self.chronicle.start(record)

    def _send_invoke(self, record: Record) -> None:
        deadline_ms = record.deadline_ms
        if deadline_ms is None:
            deadline_ms = int((self._clock.time() + record.timeout) * 1000)
        self.registry.send_invoke(record, deadline_ms)

    def _answer(self, record: Record, failure: Failure | None) -> None:
        record.answered = self._clock.monotonic()
        record.completed_at = self._clock.time()
        record.stage = Stage.ANSWERED
        record.failure = failure
        record.status = _status(failure)
        record.is_complete = True
        self.outbox.changed(record.stream_topic, Topic.READINESS)
        if record.is_settled or self.runtime.loan.lent is not None:
            self.outbox.changed(record.request_id)
        limit = record.answered + self.config.extension_ready_timeout
        self.timers.set((record.request_id, "ready"), limit, lambda: self._waited_enough(record))
        if self.answer_ends_runtime_part:
            self._runtime_done(record)

    def _runtime_done(self, record: Record) -> None:
        self._end_runtime_part(record, record.failure)
        self._report_if_ready(record)
        if not self.is_serial:
            self._dispatch()  # to a worker that is free already, whatever extensions still do

    def _end_runtime_part(self, record: Record, verdict: Failure | None) -> None:
        record.runtime_done = self._clock.monotonic()
        if self.rules.tells_runtime_done:
            self.chronicle.runtime_done(record, verdict)

    def _report_if_ready(self, record: Record) -> None:
        if not record.readiness.is_complete:
            return
        self.outbox.changed(Topic.READINESS)
        if record.runtime_done is None:
            return
        if record.extensions_done is None:
            record.extensions_done = self._clock.monotonic()
        self._report(record, record.failure)
        self._settle()

    def _report(self, record: Record, verdict: Failure | None) -> None:
        record.is_reported = True
        if not record.is_delivered:
            self.outbox.changed(Topic.PARKED)  # whoever was to take it waits for another
        self.timers.cancel(record.request_id, (record.request_id, "ready"))
        self.ledger.settle(record)
        self.chronicle.report(record, verdict)
        self.outbox.changed(record.request_id, Topic.READINESS)

    def _waited_enough(self, record: Record) -> None:
        """The ready timeout passed: the invocation is over for whoever has not asked for Next."""
        if record.runtime_done is None:
            self.runtime.stage = RuntimeStage.ANSWERED
            self._runtime_done(record)
        if not record.is_reported:
            self._report(record, record.failure)
            self._settle()

    def _settle(self) -> None:
        """Something ended: go on with what is pending, or rest."""
        self._dispatch()
        self._rest()
        self._shut_down_if_reported()

    def _rest(self) -> None:
        at_rest = self.life in (Life.RUNNING, Life.SNAPSHOT) and not self._is_ending
        idle = at_rest and not self.ledger.open and not self.ledger.pending
        if idle and self.config.freeze_mode is FreezeMode.PROCESS:
            self.frost.freeze()

    # --- Time, crashes, resets ------------------------------------------------------------------

    def expire(self) -> None:
        """Do what is due by now."""
        now = self._clock.monotonic()
        while (action := self.timers.take_due(now)) is not None:
            action()

    def _timed_out(self, record: Record) -> None:
        if record.dispatched is None:
            self._timed_out_undispatched(record)
        elif self.rules.timeout_ends_environment:
            self._reset(ShutdownReason.TIMEOUT, failures.timed_out(record.timeout))
        else:
            self.ledger.expect_late(record)
            self._timed_out_alone(record)

    def _timed_out_undispatched(self, record: Record) -> None:
        """The one whose time began with its suppressed init has been handed to nobody."""
        failure = failures.timed_out(record.timeout)
        if self.life is Life.RESETTING:
            return  # its time begins again with the next init
        if self.life is Life.RUNNING:  # the init ended, and no worker came
            self._open(self.ledger.open_next())
            self._timed_out_alone(record)
            return
        if self.life is Life.RESTORING:
            self._restore_failed(failure)
        else:
            self.init.failed(failure, record)
            self._open(self.ledger.open_next())
        record.dispatched = self.init.started
        self._reset(ShutdownReason.TIMEOUT, failure)

    def _timed_out_alone(self, record: Record) -> None:
        """The environment goes on without it."""
        self._break(record, failures.timed_out(record.timeout))
        self._settle()

    def may_launch(self, generation: int) -> bool:
        """Whether the declared processes of a generation's init are still wanted."""
        return (
            generation == self.generation
            and self.life is not Life.RESETTING
            and not self._is_ending
        )

    def process_started(
        self, role: ProcessRole, name: str, launch: object | None = None
    ) -> int | None:
        """A process of the environment's own is about to start; the generation it belongs to,
        or None while one is just being ended.

        :param launch: what stands for it until it is there, if resets have to wait for that.
        :raises ShuttingDown: the environment ends.
        """
        if self._is_ending:
            raise ShuttingDown("the simulator is shutting down and starts no process")
        if self.life is Life.RESETTING:
            return None
        self.crew.joined(role, name, launch)
        return self.generation

    def launch_ended(self, launch: object) -> None:
        """A process that was about to start is there, or will not come."""
        self.crew.launches.discard(launch)
        self.outbox.changed(Topic.LAUNCHES)

    def process_exited(
        self,
        role: ProcessRole,
        name: str,
        returncode: int,
        generation: int,
        *,
        dumped_core: bool = False,
        ran_out_of_memory: bool = False,
    ) -> None:
        """A process of the environment's own ended; outside an ending, that is a crash."""
        if generation < self.generation:
            return
        self.crew.left(role, name)
        extension = self.registry.named(name) if role is ProcessRole.EXTENSION else None
        if extension is not None:
            self.registry.leave(extension)
        if self._is_ending or self.life in (Life.RESETTING, Life.COLD):
            return
        if role is ProcessRole.RUNTIME:
            if ran_out_of_memory:
                self._crash(failures.out_of_memory())
            else:
                self._crash(failures.runtime_exited(returncode, dumped_core=dumped_core))
        else:
            failure = failures.extension_exited(returncode)
            self.chronicle.extension(name, extension, "Exited", failure.error_type)
            self._crash(failure)

    def _crash(self, failure: Failure) -> None:
        if self._is_ending or self.life is Life.RESETTING:
            return
        if self.life is Life.STARTING:
            self._init_failed(failure)
        elif self.life is Life.RESTORING:
            failure = attrs.evolve(failure, in_restore=True)
            self._restore_failed(failure)
        self._reset(ShutdownReason.FAILURE, failure)

    def _break(self, record: Record, failure: Failure) -> None:
        """The environment ends under an invocation; an answer that was given stands."""
        if not record.is_complete:
            self._answer(record, failure)
        if record.runtime_done is None:
            self._end_runtime_part(record, failure)
        if not record.is_reported:
            self._report(record, failure)
        record.readiness.give_up()
        self.outbox.changed(Topic.READINESS)

    def _reset(self, reason: ShutdownReason, failure: Failure) -> None:
        """This generation ends, and with it all that is open. The first to say so is heard."""
        if self.life is Life.RESETTING:
            return
        if self.config.is_managed:
            reason = ShutdownReason.FAILURE  # there a timeout ends no environment
        self.frost.thaw()
        # First of all nothing more is dispatched.
        self.life = Life.RESETTING
        self.outbox.changed(Topic.PARKED)  # for whoever was about to be told to restore
        self.timers.cancel(INIT, RESTORE)
        self.outbox.order(effects.Reset(reason))
        for record in list(self.ledger.open.values()):
            self._break(record, failure)
        self._shut_down_if_reported()

    def start_over(self) -> None:
        """The old generation is gone, with its registrations and subscriptions."""
        if self._is_ending:
            return
        self.generation += 1
        self.phase = SimulatorPhase.INITIALIZING
        self.life = Life.COLD
        self.outbox.changed(*(extension.id for extension in self.registry))
        self.outbox.changed(Topic.PHASE, Topic.EXTENSIONS, Topic.RUNTIME_NEXT)
        self.registry = Registry(self.rules, self.outbox)
        self.crew.start_over()
        for record in self.ledger.pending:
            record.readiness.give_up()
        self._has_served = False
        self._init_ms = self._restore_ms = None
        self.chronicle.new_generation()
        self.snapshot = Snapshot(self._clock, self.chronicle)
        self.runtime.start_over()
        if self.ledger.pending:
            self._begin_init(SUPPRESSED)

    # --- The end --------------------------------------------------------------------------------

    @property
    def _is_ending(self) -> bool:
        return self.phase is SimulatorPhase.SHUTTING_DOWN

    def begin_shutdown(self, reason: ShutdownReason | None) -> None:
        """The environment ends: in AWS's order for a reason, or at once without."""
        if self._is_ending:
            return
        self.frost.thaw()
        self.phase = SimulatorPhase.SHUTTING_DOWN
        self.outbox.changed(Topic.PHASE)
        self._farewell = reason
        for record in self.ledger.open.values():
            if record.is_complete and record.runtime_done is None:
                limit = self._clock.monotonic() + LAST_CALL
                give_up = partial(self._waited_enough, record)
                self.timers.set((record.request_id, "ready"), limit, give_up)
        self._shut_down_if_reported()

    def _shut_down_if_reported(self) -> None:
        """Lambda shuts down between invocations: those that were answered are reported first."""
        if self._farewell is None:
            return
        if not any(record.is_complete for record in self.ledger.open.values()):
            self.outbox.order(effects.Shutdown(self._farewell))
            self._farewell = None

    def end(self) -> None:
        """The shutdown is done."""
        self.is_ended = True
        self.outbox.changed(Topic.PHASE)

    def announce(self, reason: ShutdownReason, deadline_ms: int) -> None:
        """Send SHUTDOWN to whoever subscribed to it."""
        self.registry.announce(ShutdownEvent(reason=reason, deadline_ms=deadline_ms))

    def hung_up(self, poll: Poll, *, left_unread: bool = False) -> None:
        """A connection closed: who is parked on it leaves; and one that carried SHUTDOWN to an
        extension says that it is done. What was sent to it and never read is not lost."""
        self.runtime.hung_up(poll, left_unread=left_unread)
        if left_unread:
            self.handover.left_unread(poll)
        processes = self.crew.live_extensions
        self.registry.hung_up(poll, left_unread=left_unread, with_process=processes)

    # --- What processes print -------------------------------------------------------------------

    def log(self, role: ProcessRole, name: str, message: str) -> None:
        """A process wrote a line; it is the invocation's if only one is at work."""
        record = self.ledger.writer_of(message)
        self.chronicle.log(role, name, record, message, tail_of=record or self._init_serves())

    # --- Readings -------------------------------------------------------------------------------

    @property
    def parked(self) -> int:
        """Callers waiting in a Next, or to be restored: not those for whom there is something
        already, though they may not have woken to take it."""
        at_hand = self.handover.waiting
        if self.life is Life.RESTORING and self.runtime.restore_poll is not None:
            at_hand += 1
        return max(0, self.runtime.parked - at_hand) + self.registry.parked

    @property
    def is_initialized(self) -> bool:
        """Whether this generation's init is over."""
        return self.life in (Life.SNAPSHOT, Life.RESTORING, Life.RUNNING)

    @property
    def missing_extensions(self) -> list[str]:
        """Declared extensions that have not registered."""
        return self.init.missing(self.registry)

    @property
    def _current(self) -> Record | None:
        """What a runtime that takes one invocation at a time is at."""
        if not self.is_serial:
            return None
        for record in self.ledger.open.values():
            if record.runtime_done is None:
                return record
        return None

    def _runtime_state(self) -> str:
        current = self._current
        return self.runtime.stage.value if current is None else current.stage.value


def _status(failure: Failure | None) -> InvocationStatus:
    if failure is None:
        return InvocationStatus.SUCCESS
    timed_out = failure.status is Status.TIMEOUT
    return InvocationStatus.TIMEOUT if timed_out else InvocationStatus.ERROR
