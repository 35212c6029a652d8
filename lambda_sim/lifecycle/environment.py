"""ExecutionEnvironment: the machine behind its one lock, and every wait on it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TypeVar, cast

from lambda_sim.errors import InvocationNotFound, ShuttingDown, WaitTimeout
from lambda_sim.lifecycle.effects import Order, Outgoing, Topic
from lambda_sim.lifecycle.failures import Failure
from lambda_sim.lifecycle.gauges import Gauges, NoGauges
from lambda_sim.lifecycle.handover import Borrowed
from lambda_sim.lifecycle.ledger import Record, Stage
from lambda_sim.lifecycle.loan import Loan
from lambda_sim.lifecycle.machine import Machine
from lambda_sim.lifecycle.poller import AnsweredElsewhere, NeedsOwnThread, Poller, PollerGone
from lambda_sim.lifecycle.registry import Errand, Extension, ExtensionStage, Notice
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.extension import RegisteredExtension
from lambda_sim.model.invocation import Invocation
from lambda_sim.model.process import ProcessRole
from lambda_sim.model.telemetry import LogsDropped, SubscriptionApi, TelemetrySubscription
from lambda_sim.sync import NEVER, SYSTEM_CLOCK, Clock, Deadline, Monitor

T = TypeVar("T")

logger = logging.getLogger(__name__)

ANSWER_GRACE = 0.1
"""Seconds in which a runtime that has answered is expected back in Next: a caller who waits so
long finds runtimeDone and report recorded."""


LEAVING_TIME = 1.0
"""Seconds in which a caller leaves a connection that he attends to, when all ends."""

MEASURE_HOLDS = 0.001
"""Seconds for which memory that was measured is good enough for a report, which counts megabytes: a
process fills a few of them in that time, if it does nothing else."""

DEATH_GRACE = 1.0
"""Seconds after which who was killed for its memory has taken the runtime with it, or will not."""


class ExecutionEnvironment:
    """One execution environment. Every method may be called from any thread."""

    def __init__(
        self,
        config: SimulatorConfig,
        *,
        clock: Clock = SYSTEM_CLOCK,
        extensions: Collection[str] = (),
    ) -> None:
        self.gauges: Gauges = NoGauges()
        self._measured_at = -math.inf
        self._clock = clock
        self._monitor = Monitor()
        # Guarded by _monitor, all of it:
        self._machine = Machine(config, clock, extensions=extensions)
        self._changes = self._machine.outbox.changes
        self._reporters = 0

    def __enter__(self) -> Machine:
        """Hold the lock, and the machine with it."""
        # Ctrl-C may have come when this thread was about to let go. It holds the lock then, and
        # lets go of it this time: else nobody could even close.
        if not self._monitor.is_ours():
            self._monitor.acquire()
        return self._machine

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._changes:
            self._announce_locked()
        try:  # noqa: SIM105  # asked some fifteen times an invocation
            self._monitor.release()
        except RuntimeError:  # a signal's handler came in between, and let go
            pass

    def _announce_locked(self) -> None:
        """Wake those whose question the machine's changes may answer."""
        self._monitor.announce(self._changes)
        self._changes.clear()

    def _wait_locked(
        self, topic: object, find: Callable[[], T | None], deadline: Deadline, what: str
    ) -> T:
        self._announce_locked()
        return self._monitor.wait_until(topic, find, deadline, what=what)

    @property
    def is_closed(self) -> bool:
        """Whether all waits have ended; it stays so."""
        return self._monitor.is_closed

    def _refuse_closed_locked(self) -> None:
        if self._monitor.is_closed:
            raise ShuttingDown("the simulator is closed")

    def close(self) -> None:
        """End every wait, now and from now on."""
        if self._monitor.is_ours():  # as Ctrl-C may have left it, see ``__enter__``
            self._monitor.release()
        with self._monitor:  # of C's, and so let go of wherever Ctrl-C cuts in
            self._machine.begin_shutdown(None)
            self._monitor.close()

    # --- What the runtime does ------------------------------------------------------------------

    def next_invocation(self, poller: Poller) -> Record:
        """The runtime's Next: block until there is an invocation for it.

        :raises PollerGone: nobody waits for the answer any more.
        :raises AnsweredElsewhere: a caller attended to it, or does, on his own thread.
        :raises NeedsOwnThread: a caller attends to the connection, and not for this.
        :raises InvalidStateTransition: the runtime may not ask now.
        :raises ShuttingDown: the environment closed.
        """
        record, was_parked = self._take_next(poller)
        # Nobody is told in time of a peer that hangs up while it waits.
        if was_parked and not poller.is_connected():
            self.give_back(record, poller)
            raise PollerGone
        return record

    def _take_next(self, poller: Poller) -> tuple[Record, bool]:
        """What the runtime is handed, and whether it had to wait for it."""
        # Half a line is all there will be of it, unless another worker is still writing.
        self._hear(flush=self._machine.is_serial)
        with self as machine:
            is_large = poller.is_attended and machine.handover.is_next_large
            if is_large or _needs_own_thread(poller, machine.runtime.loan):
                raise NeedsOwnThread
            if machine.serves(poller):
                return self._take_next_locked(poller)
        self.measure()  # who serves was measured after its answer
        with self._as_seen_alive(poller):
            return self._take_next_locked(poller)

    def _take_next_locked(self, poller: Poller) -> tuple[Record, bool]:
        machine = self._machine
        again = machine.runtime_asks(poller)
        if poller.is_gone:
            machine.runtime.leave(poller)
            raise PollerGone
        record = machine.handover.take(poller, again=again)
        if record is not None:
            machine.runtime.leave(poller)
            return record, False
        if machine.runtime.loan.park(poller):
            raise AnsweredElsewhere
        machine.runtime.loan.offer(poller if poller.may_be_lent else None)
        return self._await_invocation_locked(poller, again=again), True

    def _await_invocation_locked(self, poller: Poller, *, again: bool) -> Record:
        machine = self._machine

        def find() -> Record | None:
            if not machine.runtime.loan.is_over(poller):
                return None
            if poller.is_gone:
                raise PollerGone
            return machine.handover.take(poller, again=again)

        try:
            return self._wait_locked(Topic.RUNTIME_NEXT, find, NEVER, "an invocation")
        except ShuttingDown:
            self._await_return_locked(machine.runtime.loan, Topic.RUNTIME_NEXT, poller)
            raise
        finally:
            machine.runtime.leave(poller)

    def _await_return_locked(self, loan: Loan, topic: object, poller: Poller) -> None:
        """Before its thread closes a connection: whoever attends to it has to leave it first."""
        with suppress(WaitTimeout):
            self._monitor.wait_until(
                topic,
                lambda: loan.lent is not poller or None,
                Deadline.after(LEAVING_TIME),
                what="the caller who attends to a connection",
                ends_with_close=False,
            )

    @contextmanager
    def _as_seen_alive(self, poller: Poller) -> Iterator[Machine]:
        """Hold the lock, in the generation in which a process was seen to be there: one that was
        just ended may have asked with its last breath, and must not be taken for the next.

        :raises PollerGone: it is not.
        """
        while True:
            generation = self._machine.generation
            if not poller.is_connected():
                raise PollerGone
            with self as machine:
                if machine.generation == generation:
                    yield machine
                    return

    def await_restore(self, poller: Poller) -> None:
        """The runtime's restore/next: block until the snapshot is restored.

        :raises PollerGone: nobody waits for the answer any more.
        :raises NeedsOwnThread: a caller attends to the connection.
        :raises InvalidStateTransition: the runtime may not ask now.
        :raises ShuttingDown: the environment closed.
        """
        if poller.is_attended:
            raise NeedsOwnThread
        self._read_gauges(flush=True)
        self._forget_dead_restore()
        with self._as_seen_alive(poller) as machine:
            machine.runtime_asks_restore(poller)

            def find() -> bool | None:
                if poller.is_gone:
                    raise PollerGone
                return machine.take_restore(poller) or None

            try:
                self._wait_locked(Topic.RUNTIME_NEXT, find, NEVER, "a restore")
            finally:
                machine.runtime.leave_restore(poller)

    def _forget_dead_restore(self) -> None:
        """A restore/next whose connection broke, unnoticed yet, must not stand in the way."""
        with self as machine:
            parked = machine.runtime.restore_poll
        if isinstance(parked, Poller) and not parked.is_connected():
            with self as machine:
                machine.runtime.leave_restore(parked)

    def give_back_restore(self, poller: Poller) -> None:
        """The end of a restore/next did not reach the runtime."""
        with self as machine:
            machine.runtime.give_back_restore(poller)

    def fail_restore(self, failure: Failure) -> None:
        """The runtime reports that a hook failed after the restore.

        :raises InvalidStateTransition: it is not being restored, or not any more.
        """
        self._report(Machine.fail_restore, failure)

    def give_back(self, record: Record, poller: Poller) -> None:
        """The invocation did not reach the runtime."""
        with self as machine:
            machine.handover.give_back(record, poller)

    def begin_answer(self, request_id: str, attempt_id: str | None, stage: Stage) -> Record:
        """The runtime starts to upload a response or an error.

        :raises WireError: there is nothing to answer, or this is not the time for it.
        """
        with self as machine:
            return machine.uploads.begin(request_id, attempt_id, stage)

    def answer_broken_off(self, request_id: str) -> None:
        """Who read a response or an error was interrupted by what is not the runtime's fault."""
        with self as machine:
            machine.uploads.broken_off(request_id)

    def add_chunk(self, record: Record, chunk: bytes) -> None:
        """A piece of a streamed response came."""
        with self as machine:
            self._refuse_closed_locked()
            machine.uploads.add_chunk(record, chunk)

    def respond(self, record: Record, content_type: str, body: bytes | None) -> None:
        """Record the runtime's response, or that its last chunk came; the first answer wins.

        :raises PollerGone: the runtime is killed for the memory it used, and answers no more.
        """
        self._hear_before_answer(record)
        while self.gauges.enforce_memory():  # much takes the kernel long to free
            self._await_death(record)
        with self as machine:
            self._refuse_closed_locked()
            machine.respond(record, content_type, body)

    def _await_death(self, record: Record) -> None:
        """A process is being killed: an answer counts only if the environment survives it."""
        with self, suppress(WaitTimeout):
            self._wait_locked(
                record.request_id,
                lambda: record.is_complete or None,
                Deadline.after(DEATH_GRACE),
                "a process out of memory to end",
            )
            raise PollerGone

    def fail(self, record: Record, failure: Failure) -> None:
        """Record that the invocation failed; the first answer wins."""
        self._hear_before_answer(record)
        with self as machine:
            # An upload that closing cut short is no answer.
            self._refuse_closed_locked()
            machine.fail(record, failure)

    def fail_init(self, failure: Failure) -> None:
        """The runtime reports that it can't start.

        :raises InvalidStateTransition: it has asked for Next, or failed, already.
        """
        self._report(Machine.fail_init, failure)

    def _report(self, fail: Callable[[Machine, Failure, int], None], failure: Failure) -> None:
        """First what was printed until now is heard of. That may take time, so the machine is told
        in which generation the report came."""
        generation = self._machine.generation
        self._read_gauges(flush=True)
        with self as machine:
            fail(machine, failure, generation)
            self._reporters += 1

    # --- What extensions do ---------------------------------------------------------------------

    def register(self, name: str, events: Iterable[str], poller: Poller) -> RegisteredExtension:
        """An extension joins.

        :raises PollerGone: it left already: its name is that of the one who is started next.
        :raises WireError: registration is closed, or this one is refused.
        """
        with self._as_seen_alive(poller) as machine:
            return machine.register(name, events).registered

    def next_event(self, identifier: str, poller: Poller) -> Notice:
        """An extension's Next: block until there is an event for it.

        :raises PollerGone: nobody waits for the answer any more.
        :raises AnsweredElsewhere: a caller attended to it, or does, on his own thread.
        :raises NeedsOwnThread: a caller attends to the connection, and not for this.
        :raises WireError: it is unknown, failed, or parked already.
        :raises ShuttingDown: the environment closed.
        """
        self._hear(flush=False)
        self._forget_dead_polls(identifier)
        with self as machine:
            loan = machine.registry.get(identifier).loan
            if _needs_own_thread(poller, loan):
                raise NeedsOwnThread
            machine.extension_asks(identifier, poller)
            if poller.is_gone:
                machine.registry.left(identifier, poller)
                raise PollerGone
            notice = machine.registry.take_event(identifier, poller)
            if notice is not None:
                machine.registry.left(identifier, poller)
                return notice
            if loan.park(poller):
                raise AnsweredElsewhere
            loan.offer(poller if poller.may_be_lent else None)
            return self._await_event_locked(identifier, loan, poller)

    def _await_event_locked(self, identifier: str, loan: Loan, poller: Poller) -> Notice:
        machine = self._machine

        def find() -> Notice | None:
            if not loan.is_over(poller):
                return None
            if poller.is_gone:
                raise PollerGone
            return machine.registry.take_event(identifier, poller)

        try:
            return self._wait_locked(identifier, find, NEVER, "an event")
        except ShuttingDown:
            self._await_return_locked(loan, identifier, poller)
            raise
        finally:
            machine.registry.left(identifier, poller)

    def _forget_dead_polls(self, identifier: str) -> None:
        """A poll whose connection broke, unnoticed yet, must not stand in the way of the next."""
        with self as machine:
            polls = list(machine.registry.get(identifier).polls)
        for poll in polls:
            if isinstance(poll, Poller) and not poll.is_connected():
                with self as machine:
                    machine.registry.left(identifier, poll)

    def give_back_event(self, identifier: str, notice: Notice, poller: Poller) -> None:
        """The event did not reach the extension."""
        with self as machine:
            machine.registry.give_back(identifier, notice, poller)

    def extension_fails(self, identifier: str, target: ExtensionStage, error_type: str) -> None:
        """An extension reports an error of its init, or one that makes it exit."""
        with self as machine:
            machine.extension_fails(identifier, target, error_type)
            self._reporters += 1

    def check_extension(self, identifier: str) -> None:
        """Refuse an identifier that this generation never handed out."""
        with self as machine:
            machine.registry.get(identifier)

    def subscribe(
        self,
        identifier: str,
        api: SubscriptionApi,
        subscription: Callable[[Extension], TelemetrySubscription],
    ) -> None:
        """An extension subscribes to telemetry."""
        with self as machine:
            machine.subscribe(identifier, api, subscription)

    def hung_up(self, poller: Poller) -> None:
        """A connection closed; whoever is parked on it leaves."""
        with self as machine:
            machine.hung_up(poller, left_unread=poller.was_reset)

    # --- What callers do ------------------------------------------------------------------------

    def enqueue(self, invocation: Invocation, *, is_streamed: bool = False) -> Record:
        """Put an invocation in the queue."""
        with self as machine:
            self._refuse_closed_locked()
            return machine.enqueue(invocation, is_streamed=is_streamed)

    def enqueue_and_borrow(self, invocation: Invocation, held: list[Borrowed]) -> Record:
        """Put an invocation in the queue, and borrow the polls that wait for it, if nobody else is
        concerned: its caller then attends to the connections of the runtime and of extensions
        himself, as long as he waits. Two threads would have to wake each other for every answer.

        :param held: gets what is to be given back, see :meth:`take_back`, while nobody else can
            come in between: also who is interrupted at the next step finds it there.
        """
        with self as machine:
            self._refuse_closed_locked()
            record = machine.enqueue(invocation)
            machine.handover.lend(record, machine.registry, held)
            for borrowed in held:
                self._monitor.add_bell(record.request_id, cast(Poller, borrowed.poll).ring)
            return record

    def take_back(self, borrowed: Borrowed) -> None:
        """Whoever borrowed a runtime's poll is done with it; again does nothing. Its own thread
        goes on with the connection, unless it waits again, or has to send yet what was not sent.
        """
        with self as machine:
            self._monitor.remove_bell(borrowed.record.request_id, cast(Poller, borrowed.poll).ring)
            machine.handover.take_back(borrowed)

    def take_back_event(self, errand: Errand, *, is_late: bool = False) -> None:
        """The same of an extension's poll.

        :param is_late: the extension was waited for, and has not asked for Next.
        """
        with self as machine:
            if is_late:
                errand.extension.loan.was_late()
            machine.registry.take_back(errand)

    def wait_for_answer(self, record: Record, deadline: Deadline) -> None:
        """Block until the caller of Invoke has its answer.

        Extensions are not waited for. A runtime that is about to ask for Next is, for a moment:
        then telemetry of an invocation without extensions is complete, a caller is woken once and
        not twice, and what he calls next finds the runtime waiting.
        """
        if not record.is_settled:  # else there is nothing to wait for, whatever comes after
            with self:
                self._await_answer_locked(record, deadline)
            self.hear_answered(record)

    def _await_answer_locked(self, record: Record, deadline: Deadline) -> None:
        while True:
            was_complete = record.is_complete
            until = Deadline.after(ANSWER_GRACE).earlier_of(deadline)
            try:
                self._wait_locked(
                    record.request_id,
                    lambda: record.is_settled or None,
                    until,
                    f"invocation {record.request_id} to complete",
                )
                return
            except (WaitTimeout, ShuttingDown):
                is_over = until is deadline or self._monitor.is_closed
                if record.is_complete and (was_complete or is_over):
                    return
                if is_over:
                    raise

    def hear_answered(self, record: Record) -> None:
        """Before a caller has his answer: what was printed until it came, if Next was not in time
        to have that heard."""
        if record.runtime_done is None:
            self._hear(flush=False)

    def wait_for_chunk(self, record: Record, index: int, deadline: Deadline) -> bytes | None:
        """Block until a response has a piece of this index, or none will come (None)."""
        with self:

            def find() -> bool | None:
                return len(record.chunks) > index or record.is_complete or None

            what = f"a chunk of {record.request_id}"
            self._wait_locked(record.stream_topic, find, deadline, what)
            return record.chunks[index] if len(record.chunks) > index else None

    def wait_for(self, condition: Callable[[], object], deadline: Deadline, what: str) -> None:
        """Block until a condition holds, which is asked without the lock after every change."""
        while True:
            with (monitor := self._monitor):
                seen, closed = monitor.version, monitor.is_closed
            if condition():
                return
            if closed:
                raise ShuttingDown(f"closed while waiting for {what}")
            if deadline.remaining() == 0.0:
                raise WaitTimeout(what)
            # Also looked at now and then, as it may look at the world outside.
            with (monitor := self._monitor):
                monitor.wait_for_change(seen, deadline.earlier_of(Deadline.after(0.02)))

    def pause(self, seconds: float) -> None:
        """Let time pass, unless the environment closes."""
        with (monitor := self._monitor), suppress(WaitTimeout, ShuttingDown):
            monitor.wait_until(
                Topic.PAUSE, lambda: None, Deadline.after(seconds), what="a pause to end"
            )

    def wait_until(
        self, topic: Topic, find: Callable[[Machine], T | None], deadline: Deadline, what: str
    ) -> T:
        """Block until a question about the machine has an answer."""
        with self as machine:
            return self._wait_locked(topic, lambda: find(machine), deadline, what)

    def record(self, request_id: str) -> Record:
        """What is known of an invocation.

        :raises InvocationNotFound: nothing.
        """
        with self as machine:
            found = machine.ledger.get(request_id)
        if found is None:
            raise InvocationNotFound(request_id)
        return found

    # --- What the world does --------------------------------------------------------------------

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
        """A process of the environment's own ended."""
        self._read_gauges(flush=True)
        with self as machine:
            machine.process_exited(
                role,
                name,
                returncode,
                generation,
                dumped_core=dumped_core,
                ran_out_of_memory=ran_out_of_memory,
            )

    def log(self, role: ProcessRole, name: str, message: str) -> None:
        """A process wrote a line."""
        with self as machine:
            machine.log(role, name, message)

    def dropped(self, fact: LogsDropped) -> None:
        """A subscriber lost events."""
        with self as machine:
            machine.chronicle.dropped(fact)

    def _hear(self, *, flush: bool) -> None:
        """Before a change that is reported: what was printed until now. No lock held."""
        try:
            self.gauges.drain(flush=flush)
        except OSError as error:  # nothing that is only measured may lose what happened
            logger.warning("output could not be read: %s", error)

    def _hear_before_answer(self, record: Record) -> None:
        """The same before an answer, unless Next is early enough: its caller waits for that, where
        no extension holds him up."""
        if record.had_extensions or self._machine.answer_ends_runtime_part:
            self._hear(flush=False)

    def measure_soon(self) -> None:
        """Note how much memory was used, unless that was done just now. No lock held."""
        if SYSTEM_CLOCK.monotonic() - self._measured_at > MEASURE_HOLDS:
            self.measure(MEASURE_HOLDS)

    def measure(self, max_age: float = 0.0) -> None:
        """Note how much memory was used until now, or so many seconds ago. No lock held."""
        self._measured_at = SYSTEM_CLOCK.monotonic()
        try:
            peak = self.gauges.peak_memory_bytes(max_age)
        except OSError as error:
            logger.warning("memory could not be read: %s", error)
            return
        known = self._machine.chronicle.peak_bytes
        # Mostly it is no more than is known, and not worth the lock.
        if peak is not None and (known is None or peak > known):
            with self as machine:
                machine.chronicle.peak_bytes = max(peak, machine.chronicle.peak_bytes or 0)

    def _read_gauges(self, *, flush: bool) -> None:
        """Before an end that is reported: what was printed and used until now. No lock held."""
        self._hear(flush=flush)
        self.measure()

    # --- What the conductor and the router of telemetry wait for ----------------------------------

    def next_order(self) -> Order | None:
        """Block until there is an order to carry out, or something is due (None).

        :raises ShuttingDown: the environment closed, and no order is left.
        """
        with self as machine:
            deadline = Deadline(machine.timers.next_at, self._clock)
            try:
                return self._wait_locked(
                    Topic.ORDERS, lambda: self._order_locked(deadline), deadline, "an order"
                )
            except WaitTimeout:
                return None

    def _order_locked(self, until: Deadline) -> Order | None:
        orders = self._machine.outbox.orders
        if orders:
            return orders.popleft()
        if self._machine.timers.next_at != until.at:
            raise WaitTimeout("an earlier moment")
        return None

    def expire(self) -> None:
        """Do what is due by now."""
        with self as machine:
            if not machine.timers.is_due(self._clock.monotonic()):
                return
        self._read_gauges(flush=True)
        with self as machine:
            machine.expire()

    def flush(self, deadline: Deadline) -> None:
        """Block until subscribers have everything, or the deadline has passed."""
        with self as machine:
            mark = machine.chronicle.flush(deadline)
            # A subscriber that does not listen delays the end no longer than this.
            with suppress(WaitTimeout):
                self._wait_locked(
                    Topic.FLUSHED,
                    lambda: machine.chronicle.flushes >= mark or None,
                    deadline,
                    "a flush",
                )

    def reporter_answered(self) -> None:
        """Who reported an end was told that it was heard, or is not there any more."""
        with self as machine:
            self._reporters = max(0, self._reporters - 1)
            machine.outbox.changed(Topic.FAREWELL)

    def answer_reporters(self, deadline: Deadline) -> None:
        """Block until everyone who reported an end has the answer, or the deadline has passed."""
        with self:
            try:
                self._wait_locked(
                    Topic.FAREWELL, lambda: self._reporters == 0 or None, deadline, "answers"
                )
            except WaitTimeout:
                self._reporters = 0  # who was not answered by now never will be

    def take_outgoing(self) -> list[Outgoing]:
        """Block until there is something for subscribers, and take all of it.

        :raises ShuttingDown: the environment closed, and nothing is left.
        """
        with self as machine:

            def find() -> list[Outgoing] | None:
                outgoing = machine.outbox.outgoing
                found = list(outgoing)
                outgoing.clear()
                return found or None

            return self._wait_locked(Topic.OUTGOING, find, NEVER, "telemetry")


def _needs_own_thread(poller: Poller, loan: Loan) -> bool:
    """An attendant may ask only on the connection that he was lent, and only such a Next as could
    be lent again: any other, the connection's own thread has to ask."""
    return poller.is_attended and (loan.lent is not poller or not poller.may_be_lent)
