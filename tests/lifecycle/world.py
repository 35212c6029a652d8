"""The world around a machine, in one thread: everybody who calls it, as environment.py and
conductor.py let them, and what must be true after each call. Nothing here waits: whoever would
is kept as a Wait, and looks again only if the machine said that its question may have an answer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum
from typing import Any

import attrs

from lambda_sim.errors import ConfigurationError, ShuttingDown, WireError
from lambda_sim.lifecycle import effects
from lambda_sim.lifecycle.effects import Order, Topic
from lambda_sim.lifecycle.failures import Failure
from lambda_sim.lifecycle.history import History
from lambda_sim.lifecycle.ledger import Record, Stage
from lambda_sim.lifecycle.machine import INIT, RESTORE, Life, Machine
from lambda_sim.lifecycle.poller import PollerGone
from lambda_sim.lifecycle.registry import Notice
from lambda_sim.lifecycle.runtime import RuntimeStage
from lambda_sim.model import telemetry
from lambda_sim.model.config import SimulatorConfig, SimulatorPhase
from lambda_sim.model.extension import InvokeEvent, ShutdownReason
from lambda_sim.model.invocation import InvocationStatus
from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.testing.clock import ManualClock

RUNTIME = ProcessConfig("/bin/true", ProcessRole.RUNTIME)
NAMES = ("one", "two", "three")
REFUSALS = (WireError, ConfigurationError, ShuttingDown, PollerGone)
FATAL = Failure(error_type="Runtime.Unknown", message="it said so")

_STAGES = {
    Stage.QUEUED: 0,
    Stage.RUNNING: 1,
    Stage.RESPONDING: 2,
    Stage.REPORTING: 2,
    Stage.ANSWERED: 3,
}
_STATUSES = {InvocationStatus.PENDING: 0, InvocationStatus.IN_PROGRESS: 1}
_STEPS: dict[Enum, set[Enum]] = {
    SimulatorPhase.INITIALIZING: {SimulatorPhase.READY, SimulatorPhase.SHUTTING_DOWN},
    SimulatorPhase.READY: {SimulatorPhase.SHUTTING_DOWN},
    SimulatorPhase.SHUTTING_DOWN: set(),
    Life.COLD: {Life.STARTING, Life.RESETTING},
    Life.STARTING: {Life.SNAPSHOT, Life.RUNNING, Life.RESETTING},
    Life.SNAPSHOT: {Life.RESTORING, Life.RESETTING},
    Life.RESTORING: {Life.RUNNING, Life.RESETTING},
    Life.RUNNING: {Life.RESETTING},
    Life.RESETTING: set(),
}
"""Where phase and life go within one generation."""
_RESETS: dict[Enum, Enum] = {
    SimulatorPhase.INITIALIZING: SimulatorPhase.INITIALIZING,
    SimulatorPhase.READY: SimulatorPhase.INITIALIZING,
    Life.RESETTING: Life.COLD,
}
"""Where the next generation begins."""


class Refused(Exception):
    """The machine refused a call, with words that it may use, and nothing changed by it."""


@attrs.define(eq=False)
class Process:
    role: ProcessRole
    name: str
    generation: int
    launch: object | None = None
    """What stands for its start, by hand."""


@attrs.define(eq=False)
class Peer:
    """One connection, and who calls on it: one call at a time."""

    name: str
    process: Process | None = None
    is_there: bool = True
    is_gone: bool = False
    """Whether somebody noticed that it is not there."""
    is_calling: bool = False
    held: Record | None = None
    """What a runtime was handed."""

    def __repr__(self) -> str:
        return self.name


@attrs.define(eq=False)
class Wait:
    """Somebody parked in a call."""

    topic: object
    peer: Peer
    find: Callable[[], Any]
    leave: Callable[[], None]
    arrive: Callable[[Any], None]
    peek: Callable[[], bool]
    """Whether a look now would end the wait."""


@attrs.define(eq=False)
class Member:
    """A registered extension: its part of the story."""

    id: str
    name: str
    generation: int
    process: Process | None
    held: list[Record] = attrs.field(factory=list)
    """Invocations that it was told of and did not ask for Next since."""
    done: set[int] = attrs.field(factory=set)
    """Those that it did, by identity."""
    asked: int = 0


@attrs.define(eq=False)
class Seen:
    """How far an invocation had got when it was looked at last."""

    record: Record
    generation: int
    stage: int = 0
    status: InvocationStatus = InvocationStatus.PENDING
    final: Any = None
    facts: list[str] = attrs.field(factory=list)
    awaited: set[str] = attrs.field(factory=set)
    """Extensions that it ever waited for."""


class Watched(Machine):
    """A machine whose steps are noted one by one, as a call may take several."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.steps: list[tuple[Enum, Enum, bool]] = []
        """From where to where, and whether into a new generation."""
        self._since: dict[str, int] = {}
        super().__init__(*arguments, **named)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("phase", "life"):
            generation = getattr(self, "generation", 1)
            if name in self._since:
                is_new = self._since[name] != generation
                self.steps.append((getattr(self, name), value, is_new))
            self._since[name] = generation
        super().__setattr__(name, value)


class World:
    """A machine, and all that happens to it."""

    def __init__(self, *, extensions: tuple[str, ...] = (), **config: Any) -> None:
        self.clock = ManualClock()
        self.config = SimulatorConfig(**config)
        self.rules = self.config.rules
        self.machine = Watched(self.config, self.clock, extensions=extensions)
        # Read after each call, which may tell more than the machine would keep.
        self.machine.chronicle.history = History(1000)
        self.declared = extensions
        self.waits: list[Wait] = []
        self.awake: list[Wait] = []
        self.arrivals: list[tuple[Peer, Callable[[], None], Callable[[], None]]] = []
        """Answers under way: whose, and what happens if it arrives, or does not."""
        self.peers: list[Peer] = []
        self.members: list[Member] = []
        self.uploads: list[Record] = []
        self.live: list[Process] = []
        self.by_hand: list[Process] = []
        """Processes that somebody is about to start, not the conductor."""
        self.notices: list[Process] = []
        """Processes that were ended, and whose end nobody has told the machine of."""
        self.act: Iterator[None] | None = None
        self.is_stopped = False
        self.is_closed = False
        self.to_report: list[Record] = []
        """What was answered when the shutdown began."""
        self.seen: list[Seen] = []
        self.generation = 1
        self.resets = 0
        self.asked_in = 0
        """The latest generation whose runtime has asked for Next while it was there."""
        self._position = 0
        self._parked = 0
        self._parked_is_told = False
        self._facts: list[tuple[int, telemetry.Fact]] = []
        self._parts = defaultdict[int, set[str]](set)
        """What each generation told of its init, and of its restore."""
        self._count = 0
        self.calls = 0

    # --- Calls ----------------------------------------------------------------------------------

    def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Ask something of the machine.

        :raises Refused: it does not do it; then nothing is other than before.
        """
        self.calls += 1
        before = self.observed()
        try:
            return method(*arguments, **named)
        except REFUSALS as refusal:
            self._assert_unchanged(before, refusal)
            raise Refused(repr(refusal)) from refusal
        finally:
            self.told()

    def _assert_unchanged(self, before: dict[str, Any], why: Exception) -> None:
        after = self.observed()
        changed = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
        assert not changed, f"{why!r}, and yet: {changed}"

    def told(self) -> None:
        """Wake those whose question may have an answer, and read what was recorded."""
        history = self.machine.chronicle.history
        generation = self.machine.generation
        self._facts += [(generation, fact) for fact in history.since(self._position)]
        self._position = history.position
        changes = self.machine.outbox.changes
        self._parked_is_told |= Topic.PARKED in changes
        for wait in self.waits:
            if wait.topic in changes and wait not in self.awake:
                self.awake.append(wait)
        changes.clear()

    def observed(self) -> dict[str, Any]:
        """All that somebody could tell from outside, as values."""
        machine = self.machine
        return {
            "phase": (machine.phase, machine.life, machine.generation, machine.is_ended),
            "init": (machine.init_error, machine.init.phase, machine.init.is_told),
            "snapshot": machine.snapshot.is_wanted,
            "history": machine.chronicle.history.position,
            "records": self._records(),
            "pending": [id(record) for record in machine.ledger.pending],
            "open": [id(record) for record in machine.ledger.open.values()],
            "timers": timers(machine),
            "orders": list(machine.outbox.orders),
            "outgoing": len(machine.outbox.outgoing),
            "runtime": (machine.runtime.stage, set(machine.runtime.polls)),
            "restore": machine.runtime.restore_poll,
            "extensions": [_frozen_extension(one) for one in machine.registry],
            "frost": (machine.frost.epoch, machine.frost.is_frozen),
            "missing": machine.missing_extensions,
        }

    def _records(self) -> list[Any]:
        return [_frozen(record) for record in self.machine.ledger]

    def peer(self, kind: str, process: Process | None = None) -> Peer:
        self._count += 1
        peer = Peer(f"{kind}-{self._count}", process)
        self.peers.append(peer)
        return peer

    # --- Waits ----------------------------------------------------------------------------------

    def park(self, wait: Wait) -> None:
        wait.peer.is_calling = True
        self.waits.append(wait)
        self.look(wait)

    def look(self, wait: Wait) -> None:
        """A waiter asks its question again."""
        if wait in self.awake:
            self.awake.remove(wait)
        try:
            found = wait.find()
        except (PollerGone, WireError):
            self._unpark(wait)
            wait.peer.is_calling = False
            return
        finally:
            self.told()
        if found is None and self.is_closed:
            self._unpark(wait)
            wait.peer.is_calling = False
        elif found is not None:
            self._unpark(wait)
            wait.arrive(found)

    def _unpark(self, wait: Wait) -> None:
        self.waits.remove(wait)
        if wait in self.awake:
            self.awake.remove(wait)
        wait.leave()
        self.told()

    def arrive(self, index: int, *, is_lost: bool) -> None:
        """An answer reaches whoever asked, or does not."""
        peer, reached, lost = self.arrivals.pop(index)
        peer.is_calling = False
        if is_lost or not peer.is_there:
            lost()
        else:
            reached()
        self.told()

    # --- Callers --------------------------------------------------------------------------------

    def called(self, record: Record) -> None:
        """An invocation was taken: its caller waits for the answer, and reads it as it comes."""
        self.seen.append(Seen(record, self.machine.generation))
        self._wait_for_caller(record, record.request_id, lambda: record.is_settled)
        if record.is_streamed:
            self._read_chunk(record, 0)

    def _read_chunk(self, record: Record, index: int) -> None:
        def is_there() -> bool:
            return len(record.chunks) > index or record.is_complete

        def then() -> None:
            if len(record.chunks) > index:
                self._read_chunk(record, index + 1)

        self._wait_for_caller(record, record.stream_topic, is_there, then)

    def _wait_for_caller(
        self,
        record: Record,
        topic: object,
        is_there: Callable[[], bool],
        then: Callable[[], None] = lambda: None,
    ) -> None:
        self.park(
            Wait(
                topic,
                Peer(f"caller of {record.request_id}"),
                lambda: is_there() or None,
                lambda: None,
                lambda _: then(),
                is_there,
            )
        )

    # --- The runtime ----------------------------------------------------------------------------

    def runtime_peer(self, index: int) -> Peer | None:
        """A connection of a runtime that has nothing under way on it, perhaps a new one."""
        processes = [one for one in self.live if one.role is ProcessRole.RUNTIME]
        if self.config.runtime is not None and not processes:
            return None
        process = processes[-1] if processes else None
        found = [
            one
            for one in self.peers
            if one.name.startswith("runtime") and one.is_there and not one.is_calling
            and one.process is process
        ]  # fmt: skip
        return found[index % len(found)] if index < len(found) else self.peer("runtime", process)

    def runtime_next(self, peer: Peer) -> None:
        machine = self.machine
        again = self.call(machine.runtime_asks, peer)
        if machine.life not in (Life.COLD, Life.RESETTING):
            self.asked_in = machine.generation

        def find() -> Record | None:
            if peer.is_gone:
                raise PollerGone
            return machine.handover.take(peer, again=again)

        def peek() -> bool:
            return (
                peer.is_gone
                or peer not in machine.runtime.polls
                or any(
                    one.stage is Stage.RUNNING and (again or not one.is_delivered)
                    for one in machine.ledger.open.values()
                )
            )

        def arrive(record: Record) -> None:
            assert not record.is_complete, "what is complete is handed out"
            self.arrivals.append(
                (
                    peer,
                    lambda: setattr(peer, "held", record),
                    lambda: machine.handover.give_back(record, peer),
                )
            )

        peer.held = None
        self.park(
            Wait(Topic.RUNTIME_NEXT, peer, find, lambda: machine.runtime.leave(peer), arrive, peek)
        )

    def restore_next(self, peer: Peer) -> None:
        machine = self.machine
        parked = machine.runtime.restore_poll
        if isinstance(parked, Peer) and not parked.is_there:
            machine.runtime.leave_restore(parked)
            self.told()
        self.call(machine.runtime_asks_restore, peer)
        if machine.life not in (Life.COLD, Life.RESETTING):
            self.asked_in = machine.generation

        def find() -> bool | None:
            if peer.is_gone:
                raise PollerGone
            return machine.take_restore(peer) or None

        def peek() -> bool:
            is_ours = machine.runtime.restore_poll is peer
            return peer.is_gone or not is_ours or machine.life is Life.RESTORING

        self.park(
            Wait(
                Topic.RUNTIME_NEXT,
                peer,
                find,
                lambda: machine.runtime.leave_restore(peer),
                lambda _: self.arrivals.append(
                    (peer, lambda: None, lambda: machine.runtime.give_back_restore(peer))
                ),
                peek,
            )
        )

    def begin_answer(self, request_id: str, attempt_id: str | None, stage: Stage) -> None:
        known = self.machine.ledger.open.get(request_id)  # type: ignore[call-overload]
        was = (known.is_delivered, known.stage) if known else None
        record = self.call(self.machine.uploads.begin, request_id, attempt_id, stage)
        assert record is known
        assert was == (True, Stage.RUNNING), f"it begins from {was}"
        self.uploads.append(record)

    def end_answer(self, record: Record, kind: str) -> None:
        """An upload is complete, with a body, or by its last chunk, or fails."""
        self.uploads.remove(record)
        was_complete = record.is_complete
        if kind == "fail":
            self.call(self.machine.fail, record, FATAL)
        else:
            body = b"{}" if kind == "respond" else None
            self.call(self.machine.respond, record, "application/json", body)
        expected = InvocationStatus.ERROR if kind == "fail" else InvocationStatus.SUCCESS
        assert not was_complete, "a second answer was taken"
        assert record.status is expected, record

    # --- Extensions -----------------------------------------------------------------------------

    def register(self, name: str, events: tuple[str, ...]) -> None:
        machine = self.machine
        is_open = machine.life is Life.COLD or (
            machine.life is Life.STARTING and self.asked_in != machine.generation
        )
        extension = self.call(machine.register, name, events)
        assert is_open, "registration is closed, and yet one was let in"
        process = next((one for one in self.live if one.name == name), None)
        self.members.append(Member(extension.id, name, machine.generation, process))

    def extension_next(self, member: Member) -> None:
        machine = self.machine
        extension = next((one for one in machine.registry if one.id == member.id), None)
        for poll in list(extension.polls) if extension else ():
            if isinstance(poll, Peer) and not poll.is_there:
                machine.registry.left(member.id, poll)
        peer = self.peer(f"extension-{member.name}", member.process)
        held = list(member.held)
        try:
            self.call(machine.extension_asks, member.id, peer)
        except Refused:
            self.peers.remove(peer)
            raise
        member.done.update(id(record) for record in held)
        member.held = [record for record in member.held if record not in held]
        member.asked += 1

        def find() -> Any:
            if peer.is_gone:
                raise PollerGone
            notice = machine.registry.take_event(member.id, peer)
            if notice is not None and notice.record is not None:
                event, told = notice.event, notice.record
                assert isinstance(event, InvokeEvent)
                assert told.request_id == event.request_id
                is_again = told in member.held or id(told) in member.done
                assert not is_again, f"{event} is sent twice"
                member.held.append(told)
            return notice

        def arrive(notice: Notice) -> None:
            def lost() -> None:
                if notice.holder is not peer:
                    return  # it was given back already
                if notice.record in member.held:
                    member.held.remove(notice.record)
                member.done.discard(id(notice.record))
                machine.registry.give_back(member.id, notice, peer)

            self.arrivals.append((peer, lambda: None, lost))

        def peek() -> bool:
            extension = next((one for one in machine.registry if one.id == member.id), None)
            return peer.is_gone or extension is None or bool(extension.queue)

        def leave() -> None:
            machine.registry.left(member.id, peer)

        self.park(Wait(member.id, peer, find, leave, arrive, peek))

    # --- Connections and processes --------------------------------------------------------------

    def notice(self, peer: Peer, *, was_reset: bool = False) -> None:
        """Somebody notices that a connection is closed."""
        peer.is_there, peer.is_gone = False, True
        last = {member.id: self._last_of(member) for member in self.members}
        self.call(self.machine.hung_up, peer, left_unread=was_reset)
        if was_reset and peer.held is not None and peer.held.holder is not peer:
            peer.held = None  # what it never read is another's
        for member in self.members:
            notice = last[member.id]
            if notice is not None and notice.holder is None and notice.record in member.held:
                member.held.remove(notice.record)  # it comes again

    def _last_of(self, member: Member) -> Notice | None:
        """What an extension was handed last, while it is at it."""
        found = next((one for one in self.machine.registry if one.id == member.id), None)
        return found and found.last

    def launch(self, role: ProcessRole, name: str, *, by_hand: bool = True) -> Process | None:
        """Somebody is about to start a process; None while others are being ended."""
        launch = object() if by_hand else None
        generation = self.call(self.machine.process_started, role, name, launch)
        return None if generation is None else Process(role, name, generation, launch)

    def launched(self, process: Process, *, fails: bool) -> None:
        """It is there, or will not come."""
        if fails:
            self.call(self.machine.crew.left, process.role, process.name)
        else:
            self.live.append(process)
        if process.launch is not None:
            self.call(self.machine.launch_ended, process.launch)

    def ends(self, process: Process) -> None:
        """A process is no more; its connections close, and others will notice."""
        self.live.remove(process)
        self.notices.append(process)
        for peer in self.peers:
            if peer.process is process:
                peer.is_there = False

    def exited(self, process: Process, code: int, *, out_of_memory: bool = False) -> None:
        """The machine is told of it."""
        self.notices.remove(process)
        self.call(
            self.machine.process_exited,
            process.role,
            process.name,
            code,
            process.generation,
            ran_out_of_memory=out_of_memory,
        )

    # --- The conductor --------------------------------------------------------------------------

    @property
    def is_conductor_idle(self) -> bool:
        return self.act is None and not self.machine.outbox.orders

    def conduct(self, *, fails: bool = False) -> None:
        """One thing that the conductor does between two looks at the machine."""
        self.launch_fails = fails
        if self.act is None:
            if self.machine.outbox.orders:
                self.act = self._carry_out(self.machine.outbox.orders.popleft())
            else:
                self.expire()
                return
        if next(self.act, self) is self:
            self.act = None
        self.told()

    def expire(self) -> None:
        """The conductor looks at the clock, which it does between orders only."""
        if self.act is None:
            self.call(self.machine.expire)
            next_at = self.machine.timers.next_at
            assert next_at is None or next_at > self.clock.monotonic(), "what is due was left"

    def _carry_out(self, order: Order) -> Iterator[None]:
        match order:
            case effects.StartExtensions(generation):
                for name in self.declared:
                    yield from self._launch(ProcessRole.EXTENSION, name, generation)
            case effects.StartRuntime(generation):
                yield from self._launch(ProcessRole.RUNTIME, "true", generation)
            case effects.Freeze(epoch):
                if not self.machine.frost.still_stands(epoch):
                    return
                self._assert_idle("frozen")
                yield
                self.is_stopped = True
                yield
                self.machine.frost.frozen(epoch, 1)
            case effects.Thaw():
                self.is_stopped = False
            case effects.Reset(reason):
                yield from self._end_generation(reason)
                if self.had_runtime or self.config.runtime is not None:
                    self.machine.runtime.drop_polls()
                if not self.is_closed:
                    self.resets += self.machine.phase is not SimulatorPhase.SHUTTING_DOWN
                    self.call(self.machine.start_over)
            case effects.Shutdown(reason):
                yield from self._end_generation(reason)
                self.call(self.machine.end)

    def _launch(self, role: ProcessRole, name: str, generation: int) -> Iterator[None]:
        if not self.machine.may_launch(generation):
            return
        process = self.launch(role, name, by_hand=False)
        assert process is not None
        assert process.generation == generation
        yield
        self.launched(process, fails=self.launch_fails)
        if self.launch_fails:
            yield
            why = Failure(error_type="Runtime.InvalidEntrypoint", message="fork/exec")
            self.call(self.machine.launch_failed, role, name, why, "UnknownError")

    def _end_generation(self, reason: ShutdownReason) -> Iterator[None]:
        while self.machine.crew.launches:
            yield
        until = self.clock.monotonic() + self.config.shutdown_timeout
        self.had_runtime = any(one.role is ProcessRole.RUNTIME for one in self.live)
        self.is_stopped = False
        yield
        self._stop(lambda one: one.role is ProcessRole.RUNTIME)
        yield
        self.call(self.machine.announce, reason, 0)
        yield
        while self.machine.registry.lingering() and self.clock.monotonic() < until:
            yield
        self._stop(lambda one: True)
        yield

    def _stop(self, which: Callable[[Process], bool]) -> None:
        for process in [one for one in self.live if which(one)]:
            self.ends(process)

    def shut_down(self, reason: ShutdownReason) -> None:
        """The environment is to end, in AWS's order."""
        if self.machine.phase is not SimulatorPhase.SHUTTING_DOWN:
            self.to_report = [one for one in self.machine.ledger.open.values() if one.is_complete]
        self.call(self.machine.begin_shutdown, reason)

    def serve(self, steps: int) -> None:
        """So much of what a good runtime does: ask, be handed something, begin to answer, end."""
        peer = self.runtime_peer(0)
        if steps > 0 and peer is not None and not self.machine.runtime.polls:
            self.runtime_next(peer)
        if steps > 1:
            while self.awake:
                self.look(self.awake[0])
            while self.arrivals:
                self.arrive(0, is_lost=False)
        running = (one for one in self.machine.ledger.open.values() if one.stage is Stage.RUNNING)
        record = next(running, None)
        if steps > 2 and record is not None and record.is_delivered:
            self.begin_answer(record.request_id, None, Stage.RESPONDING)
            if steps > 3:
                self.end_answer(record, "respond")

    def close(self) -> None:
        """The owner closes: every wait ends, what is there already is handed over."""
        self.call(self.machine.begin_shutdown, None)
        self.is_closed = True
        self.awake = list(self.waits)

    # --- What must be true ----------------------------------------------------------------------

    def check(self) -> None:
        machine = self.machine
        self.told()
        self._check_generation()
        self._check_launches()
        self._check_steps()
        self._read_facts()
        self._check_reported()
        for seen in self.seen:
            self._check_record(seen)
        self._check_ledger()
        self._check_timers()
        self._check_frost()
        self._check_waits()
        self._check_dispatch()
        assert len(machine.registry) <= 10

    def _check_generation(self) -> None:
        machine = self.machine
        assert machine.generation == 1 + self.resets, "a generation that no reset began"
        self.generation = machine.generation

    def _check_launches(self) -> None:
        machine = self.machine
        assert machine.crew.launches == {one.launch for one in self.by_hand}
        for process in [*self.live, *self.by_hand]:
            assert process.generation == machine.generation, f"{process} outlived its generation"

    def _check_steps(self) -> None:
        steps = self.machine.steps
        for was, now, is_new in steps:
            way = "in a new generation" if is_new else "in one generation"
            is_allowed = _RESETS.get(was) is now if is_new else now in _STEPS[was]
            assert is_allowed, f"{was} to {now}, {way}"
            if was is Life.STARTING and now is not Life.RESETTING:
                assert (now is Life.SNAPSHOT) == self.config.is_snap_start, f"{now} after init"
        steps.clear()

    def _read_facts(self) -> None:
        facts, self._facts = self._facts, []
        by_segment = {seen.record.segment_id: seen for seen in self.seen}
        for generation, fact in facts:
            kind = type(fact).__name__
            if isinstance(fact, telemetry.Start | telemetry.RuntimeDone | telemetry.Report):
                seen = by_segment[fact.segment_id]
                assert seen.record.request_id == fact.request_id
                seen.facts.append(kind)
                if isinstance(fact, telemetry.Report):
                    assert fact.duration_ms >= 0, fact
                    assert fact.billed_duration_ms >= 1, fact
            elif kind.startswith("Init"):
                self._check_part("Init", kind, generation)
            elif kind.startswith("Restore"):
                self._check_part("Restore", kind, generation)

    def _check_part(self, part: str, kind: str, generation: int) -> None:
        """Once in a generation: a start, one end, one report; in this order."""
        start, done, report = f"{part}Start", f"{part}RuntimeDone", f"{part}Report"
        told = self._parts[generation]
        assert kind not in told, f"{kind} is told twice of generation {generation}"
        assert kind == start or start in told, f"{kind} of what never began"
        assert kind != report or done in told, f"{report} before {done}"
        told.add(kind)

    def _check_reported(self) -> None:
        """What is over was reported; an init where that is not put off, as by provisioning."""
        told, life = self._parts[self.generation], self.machine.life
        if "RestoreStart" in told and life is not Life.RESTORING:
            assert "RestoreReport" in told, f"no report of the restore, in {life}"
        is_put_off = self.config.is_provisioned or self.config.is_snap_start
        if "InitRuntimeDone" in told and life is not Life.STARTING and not is_put_off:
            assert "InitReport" in told, f"no report of the init, in {life}"

    def _check_record(self, seen: Seen) -> None:
        record = seen.record
        stage = _STAGES[record.stage]
        assert stage >= seen.stage, f"{record.stage} after {seen.stage}"
        seen.stage = stage
        if seen.status.is_complete:
            assert record.status is seen.status, f"{record.status} after {seen.status}"
            assert _final(record) == seen.final, "what is complete changed"
        elif record.status.is_complete:
            seen.final = _final(record)
        else:
            assert _STATUSES[record.status] >= _STATUSES[seen.status]
        seen.status = record.status
        assert record.is_complete == (record.stage is Stage.ANSWERED)
        assert (record.status is InvocationStatus.PENDING) == (record.stage is Stage.QUEUED)
        assert not record.is_reported or record.is_complete, "reported, and not complete"
        expected = ["Start"] if record.started_at is not None else []
        if record.runtime_done is not None and self.rules.tells_runtime_done:
            expected.append("RuntimeDone")
        if record.is_reported:
            expected.append("Report")
        assert seen.facts == expected, f"{seen.facts}, not {expected}"
        assert not record.is_reported or record.runtime_done is not None
        self._check_readiness(seen)

    def _check_readiness(self, seen: Seen) -> None:
        record = seen.record
        awaited = record.readiness.awaited
        seen.awaited |= awaited
        if record.is_reported or seen.generation != self.generation:
            return
        for identifier in seen.awaited - awaited:
            member = next(one for one in self.members if one.id == identifier)
            is_late = self.rules.late_poll_is_ready and record.runtime_done is not None
            assert id(record) in member.done or is_late, (
                f"{member.name} is done with {record.request_id}, which it was not told of"
            )

    def _check_ledger(self) -> None:
        ledger = self.machine.ledger
        pending, opened = list(ledger.pending), list(ledger.open.values())
        assert all(one.request_id == key for key, one in ledger.open.items())
        ids = Counter(one.request_id for one in (*pending, *opened))
        assert all(count == 1 for count in ids.values()), "an id is at work twice"
        for seen in self.seen:
            record = seen.record
            where = (record in pending, record in opened, record.is_reported)
            assert sum(where) == 1, f"{record.request_id} is in {where} (pending, open, settled)"
            assert record.status is InvocationStatus.PENDING or not where[0]
            if not record.is_reported:
                assert ledger.get(record.request_id) is record
        known = list(ledger)
        order = [seen.record for seen in self.seen if seen.record in known]
        assert known == order, "not oldest first"
        settled = [one for one in known if one.is_reported]
        assert len(settled) <= self.config.history_limit
        assert len(known) == len(pending) + len(opened) + len(settled)
        assert pending == [one for one in order if one in pending], "not first come"

    def _check_timers(self) -> None:
        machine = self.machine
        at_work = {one.request_id: one for one in (*machine.ledger.open.values(),)}
        head = machine.ledger.pending[0] if machine.ledger.pending else None
        for name in timers(machine):
            if name == INIT:
                assert machine.life is Life.STARTING, f"init's timer in {machine.life}"
            elif name == RESTORE:
                assert machine.life is Life.RESTORING, f"restore's timer in {machine.life}"
            elif isinstance(name, tuple):
                assert name[0] in at_work, f"{name} is left"
                assert at_work[name[0]].is_complete, f"{name} is there before its time"
            else:
                is_head = head is not None and head.request_id == name
                assert name in at_work or is_head, f"{name} is left"
        if self.rules.enforces_timeouts:
            for name, record in at_work.items():
                assert name in timers(machine), f"nothing ends {record.request_id}"

    def _assert_idle(self, what: str) -> None:
        machine = self.machine
        at_work = [*machine.ledger.open, *machine.ledger.pending]
        assert not at_work, f"{what} at work"
        assert machine.life in (Life.RUNNING, Life.SNAPSHOT), f"{what} in {machine.life}"
        assert machine.phase is not SimulatorPhase.SHUTTING_DOWN, f"{what} at the end"

    def _check_frost(self) -> None:
        machine = self.machine
        assert machine.frost.epoch == len(self.seen), "an epoch is what one enqueue began"
        if machine.frost.is_frozen:
            self._assert_idle("frozen")
            assert self.is_stopped
        if self.is_conductor_idle and not self.is_closed:
            assert self.is_stopped == machine.frost.is_frozen, "a thaw that raced was lost"

    def _check_waits(self) -> None:
        for wait in self.waits:
            assert wait in self.awake or not wait.peek(), f"nobody woke {wait.peer} of {wait.topic}"
        peers = {wait.peer for wait in self.waits}
        ghosts = [one for one in self.machine.runtime.polls if one not in peers]
        for extension in self.machine.registry:
            ghosts += [one for one in extension.polls if one not in peers]
        assert not ghosts, f"{ghosts} are counted as parked, and are not there"
        parked, self._parked = self._parked, self.machine.parked
        assert self._parked <= sum(wait.peer in self.peers for wait in self.waits)
        assert self._parked <= parked or self._parked_is_told, "more are parked, in silence"
        self._parked_is_told = False

    def _check_dispatch(self) -> None:
        machine, ledger = self.machine, self.machine.ledger
        busy = [one for one in ledger.open.values() if one.runtime_done is None]
        limit = self.rules.max_concurrency
        assert limit is None or len(busy) <= limit, "more at work than there may be"
        if machine.is_serial:
            assert len(ledger.open) <= 1, "two at once"
        is_ending = machine.phase is SimulatorPhase.SHUTTING_DOWN
        if not ledger.pending or is_ending:
            return
        assert machine.life not in (Life.COLD, Life.SNAPSHOT), "nothing begins for what waits"
        if machine.life is Life.RUNNING:
            spare = len(machine.runtime.polls) - sum(1 for one in busy if not one.is_delivered)
            if machine.is_serial:
                assert ledger.open, "nothing is at work, and something waits"
            else:
                assert spare <= 0 or len(busy) == limit, "a free worker, and something waits"

    # --- Everybody does their duty --------------------------------------------------------------

    def do_duty(self) -> None:
        """From now on all is well: nothing may be left, however it came to where it is."""
        for _ in range(60 + 3 * len(self.seen)):
            if self._is_done():
                break
            self._one_round()
            self.check()
        assert self._is_done(), f"it stays as it is: {self.story()}"
        machine = self.machine
        if self.is_closed:
            assert not self.waits, "closing left somebody waiting"
        elif machine.phase is SimulatorPhase.SHUTTING_DOWN:
            left = [one for one in self.to_report if not one.is_reported]
            assert not left, "ended before what was answered was reported"
        else:
            for seen in self.seen:
                assert seen.record.is_reported, seen.record

    def story(self) -> str:
        machine = self.machine
        return (
            f"{machine.phase} {machine.life} runtime {machine.runtime.stage} "
            f"polls {machine.runtime.polls} pending {len(machine.ledger.pending)} "
            f"open {[(one.stage, one.holder) for one in machine.ledger.open.values()]} "
            f"orders {list(machine.outbox.orders)} timers {timers(machine)}"
        )

    def _is_done(self) -> bool:
        machine = self.machine
        if self.is_closed:
            return not self.waits and not self.arrivals
        if self.arrivals or self.awake or not self.is_conductor_idle:
            return False
        if machine.phase is SimulatorPhase.SHUTTING_DOWN:
            return machine.is_ended
        return not machine.ledger.pending and not machine.ledger.open and not self.notices

    def _one_round(self) -> None:
        while self.by_hand:
            self.launched(self.by_hand.pop(), fails=False)
        for peer in self.peers:
            if not peer.is_there and not peer.is_gone:
                self.notice(peer)
        for process in list(self.notices):
            self.exited(process, 0)
        while self.awake:
            self.look(self.awake[0])
        while self.arrivals:
            self.arrive(0, is_lost=False)
        if self.is_closed:
            return
        for _ in range(20):
            if not self.is_conductor_idle:
                self.conduct()
        for record in list(self.uploads):
            _try(self.end_answer, record, "respond")
        self._runtime_does_its_duty()
        self._extensions_do_theirs()
        while self.awake:
            self.look(self.awake[0])
        if not self._is_done():
            self.clock.advance(0.7)
        self.expire()

    def _runtime_does_its_duty(self) -> None:
        machine = self.machine
        for peer in [one for one in self.peers if one.name.startswith("runtime")]:
            held = peer.held
            is_alive = peer.process is None or peer.process in self.live
            if held is None or not is_alive or peer.is_calling:
                continue  # who lost the connection answers on another
            peer.held = None
            if held.stage is Stage.RUNNING and held.holder is peer:
                _try(self.begin_answer, held.request_id, held.attempt_id, Stage.RESPONDING)
                if held in self.uploads:
                    _try(self.end_answer, held, "respond")
        if not self.rules.enforces_timeouts:  # nothing else ends what a worker left for another
            for record in list(self.machine.ledger.open.values()):
                if record.is_delivered and record.stage is Stage.RUNNING:
                    _try(self.begin_answer, record.request_id, None, Stage.RESPONDING)
        is_waiting = any(wait.topic is Topic.RUNTIME_NEXT for wait in self.waits)
        if is_waiting and machine.runtime.stage is not RuntimeStage.RESTORING:
            return
        peer = self.runtime_peer(0)
        if peer is None:
            return
        if machine.runtime.stage is RuntimeStage.RESTORE_READY:
            _try(self.restore_next, peer)
        else:
            _try(self.runtime_next, peer)

    def _extensions_do_theirs(self) -> None:
        machine = self.machine
        for name in machine.missing_extensions:
            if any(one.name == name for one in self.live):
                _try(self.register, name, ("SHUTDOWN",))
        parked = {wait.topic for wait in self.waits}
        for extension in list(machine.registry):
            member = next(one for one in self.members if one.id == extension.id)
            is_there = member.process is None or member.process in self.live
            if is_there and extension.id not in parked:
                _try(self.extension_next, member)


def _try(move: Callable[..., None], *arguments: Any) -> None:
    with suppress(Refused):
        move(*arguments)


def timers(machine: Machine) -> dict[Any, float]:
    """What is due, and when."""
    return {name: at for name, (at, _) in machine.timers._due.items()}


def _final(record: Record) -> Any:
    """What may not change once an invocation is complete."""
    return (
        record.status,
        record.failure,
        tuple(record.chunks),
        record.content_type,
        record.answered,
        record.completed_at,
        record.started_at,
        record.deadline_ms,
        record.is_cold,
    )


def _frozen(record: Record) -> Any:
    values = {field.name: getattr(record, field.name) for field in attrs.fields(Record)}
    values["readiness"] = record.readiness.awaited
    values["chunks"], values["facts"] = len(record.chunks), len(record.facts)
    values["invocation"] = id(record)
    return values


def _frozen_extension(extension: Any) -> Any:
    values = dict(vars(extension))
    values["queue"] = list(values["queue"])
    values["polls"] = set(values["polls"])
    return values
