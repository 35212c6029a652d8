"""The state machine under everything that everybody may do, in any order; see world.py.

Deterministic: the same examples each time. For a search, with fresh seeds:

    LAMBDA_SIM_EXAMPLES=2000 python -m unittest tests.lifecycle.test_properties
"""

from __future__ import annotations

import os
import unittest
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from lambda_sim.errors import ConfigurationError
from lambda_sim.lifecycle import effects
from lambda_sim.lifecycle.effects import Topic
from lambda_sim.lifecycle.ledger import Stage
from lambda_sim.lifecycle.machine import Life, Machine
from lambda_sim.lifecycle.poller import PollerGone
from lambda_sim.lifecycle.registry import ExtensionStage
from lambda_sim.model import telemetry
from lambda_sim.model.config import SimulatorConfig, SimulatorPhase
from lambda_sim.model.extension import ShutdownReason
from lambda_sim.model.invocation import Invocation, InvocationStatus
from lambda_sim.model.process import FreezeMode, ProcessRole
from lambda_sim.model.rules import RELAXED
from lambda_sim.model.telemetry import SubscriptionApi
from lambda_sim.testing.clock import ManualClock
from tests.lifecycle.test_machine import POLL, MachineTest
from tests.lifecycle.world import (
    FATAL,
    NAMES,
    RUNTIME,
    Member,
    Peer,
    Refused,
    World,
)

SEARCH = int(os.environ.get("LAMBDA_SIM_EXAMPLES", "0"))
EXAMPLES = SEARCH or 50
STEPS = 60 if SEARCH else 40

which = st.integers(0, 3)
"""One of those there are."""

EVENTS = st.sampled_from([(), ("INVOKE",), ("SHUTDOWN",), ("INVOKE", "SHUTDOWN"), ("LUNCH",)])
IDS = st.sampled_from([None, "again"])


class Moves(RuleBasedStateMachine):
    """What everybody may do. Subclasses say in which environment."""

    config: dict[str, Any] = {}  # noqa: RUF012
    declared: tuple[str, ...] = ()

    world: World

    @initialize(freezes=st.booleans(), has_processes=st.booleans(), starts=st.integers(0, 3))
    def begin(self, freezes: bool, has_processes: bool, starts: int) -> None:
        config = dict(self.config)
        if freezes:
            config["freeze_mode"] = FreezeMode.PROCESS
        declared: tuple[str, ...] = ()
        if has_processes:
            config["runtime"] = RUNTIME
            declared = ("one",)
        self.world = World(extensions=declared, history_limit=40, **config)
        if starts:
            self.attempt(self.world.machine.start)

    def attempt(self, method: Any, *arguments: Any, **named: Any) -> Any:
        """A call that may be refused."""
        world = self.world
        try:
            if getattr(method, "__self__", None) is world:
                return method(*arguments, **named)
            return world.call(method, *arguments, **named)
        except Refused:
            return None

    @property
    def is_open(self) -> bool:
        return not self.world.is_closed

    # --- Callers --------------------------------------------------------------------------------

    @precondition(lambda self: self.is_open)
    @rule(timeout=st.sampled_from([None, None, 0.5, 30.0]), request_id=IDS, streams=st.booleans())
    def enqueue(self, timeout: float | None, request_id: str | None, streams: bool) -> None:
        world = self.world
        invocation = Invocation(1, timeout=timeout, request_id=request_id)
        record = self.attempt(world.machine.enqueue, invocation, is_streamed=streams)
        if record is not None:
            world.called(record)

    @rule()
    def start(self) -> None:
        self.attempt(self.world.machine.start)

    @precondition(lambda self: self.is_open and self.world.config.runtime is None)
    @rule(chance=which)
    def mark_initialized(self, chance: int) -> None:
        if chance == 0:
            self.attempt(self.world.machine.mark_initialized)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 2.0, 3.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule()
    def expire(self) -> None:
        self.world.expire()

    # --- The runtime ----------------------------------------------------------------------------

    @precondition(lambda self: self.is_open)
    @rule(index=which)
    def runtime_next(self, index: int) -> None:
        peer = self.world.runtime_peer(index)
        if peer is not None:
            self.attempt(self.world.runtime_next, peer)

    @precondition(lambda self: self.is_open)
    @rule(steps=st.integers(1, 4))
    def serve(self, steps: int) -> None:
        self.attempt(self.world.serve, steps)

    @precondition(lambda self: self.is_open)
    @rule(steps=st.integers(1, 4), streams=st.booleans())
    def enqueue_and_serve(self, steps: int, streams: bool) -> None:
        self.enqueue(None, None, streams)
        self.attempt(self.world.serve, steps)

    @precondition(lambda self: self.is_open and self.world.members)
    @rule(index=which, waits=st.sampled_from([0.0, 0.1, 2.0]))
    def extension_works(self, index: int, waits: float) -> None:
        """It is handed what there is, works for a while, and asks again."""
        world = self.world
        while world.awake:
            world.look(world.awake[0])
        while world.arrivals:
            world.arrive(0, is_lost=False)
        world.clock.advance(waits)
        world.expire()
        self.attempt(world.extension_next, self.member(index))

    @precondition(lambda self: self.is_open)
    @rule(wrong_attempt=st.integers(0, 4), fails=st.booleans(), index=which, first=st.booleans())
    def answer_begins(self, wrong_attempt: int, fails: bool, index: int, first: bool) -> None:
        """Of any invocation there is or was, and of none."""
        records = [one.record for one in self.world.seen]
        if first:
            records = list(self.world.machine.ledger.open.values())
        record = records[-1 - index] if index < len(records) else None
        attempt_id = "another" if wrong_attempt == 0 else None
        if wrong_attempt == 1 and record is not None:
            attempt_id = record.attempt_id
        stage = Stage.REPORTING if fails else Stage.RESPONDING
        request_id = record.request_id if record else "nobody's"
        self.attempt(self.world.begin_answer, request_id, attempt_id, stage)

    @precondition(lambda self: self.is_open and self.world.uploads)
    @rule(index=which, size=st.sampled_from([0, 1, 1000, 6 * 1024 * 1024 + 1]))
    def chunk(self, index: int, size: int) -> None:
        uploads = self.world.uploads
        self.attempt(
            self.world.machine.uploads.add_chunk, uploads[index % len(uploads)], bytes(size)
        )

    @precondition(lambda self: self.is_open and self.world.uploads)
    @rule(index=which, kind=st.sampled_from(["respond", "respond", "stream", "fail"]))
    def answer_ends(self, index: int, kind: str) -> None:
        uploads = self.world.uploads
        self.attempt(self.world.end_answer, uploads[index % len(uploads)], kind)

    @precondition(lambda self: self.is_open and self.world.uploads)
    @rule(index=which)
    def two_answers(self, index: int) -> None:
        """Two answers to one: the first wins, the second is refused."""
        uploads = self.world.uploads
        record = uploads[index % len(uploads)]
        uploads.append(record)
        self.attempt(self.world.end_answer, record, "respond")
        uploads.remove(record)
        before = record.status
        self.attempt(self.world.machine.fail, record, FATAL)
        assert record.status is before

    @precondition(lambda self: self.is_open)
    @rule(chance=which)
    def init_error(self, chance: int) -> None:
        if chance == 0 and self.has_runtime:
            self.attempt(self.world.machine.fail_init, FATAL)

    @property
    def has_runtime(self) -> bool:
        return self.world.runtime_peer(9) is not None

    # --- Extensions -----------------------------------------------------------------------------

    @precondition(lambda self: self.is_open)
    @rule(name=st.sampled_from(NAMES), events=EVENTS, is_external=st.booleans())
    def register(self, name: str, events: tuple[str, ...], is_external: bool) -> None:
        if is_external:
            self.attempt(self.world.machine.expect_external, name)
        self.attempt(self.world.register, name, events)

    @precondition(lambda self: self.is_open and self.world.members)
    @rule(index=which)
    def extension_next(self, index: int) -> None:
        self.attempt(self.world.extension_next, self.member(index))

    def member(self, index: int) -> Member:
        """The latest first; those of earlier generations are there too."""
        members = self.world.members
        return members[-1 - index % len(members)]

    @precondition(lambda self: self.is_open and self.world.members)
    @rule(index=which, chance=which, is_init=st.booleans())
    def extension_fails(self, index: int, chance: int, is_init: bool) -> None:
        if chance:
            return
        target = ExtensionStage.INIT_ERROR if is_init else ExtensionStage.EXIT_ERROR
        identifier = self.member(index).id
        self.attempt(self.world.machine.extension_fails, identifier, target, "Extension.Broken")

    @precondition(lambda self: self.is_open and self.world.members)
    @rule(index=which, api=st.sampled_from(SubscriptionApi), fails=which)
    def subscribe(self, index: int, api: SubscriptionApi, fails: int) -> None:
        class Wanted:
            types = frozenset[Any]()

        Wanted.api = api  # type: ignore[attr-defined]

        def subscription(_: Any) -> Any:
            if fails == 0:
                raise Refused("by a room above")
            return Wanted

        self.attempt(self.world.machine.subscribe, self.member(index).id, api, subscription)

    # --- Connections ----------------------------------------------------------------------------

    @precondition(lambda self: self.world.awake)
    @rule(index=which)
    def look_again(self, index: int) -> None:
        """Somebody who was woken gets the lock."""
        awake = self.world.awake
        self.world.look(awake[index % len(awake)])

    @precondition(lambda self: self.world.arrivals)
    @rule(index=which, fate=which)
    def answer_arrives(self, index: int, fate: int) -> None:
        arrivals = self.world.arrivals
        self.world.arrive(index % len(arrivals), is_lost=fate == 0)

    @precondition(lambda self: self.world.peers)
    @rule(index=st.integers(0, 9), is_noticed=st.booleans(), was_reset=st.booleans())
    def hangs_up(self, index: int, is_noticed: bool, was_reset: bool) -> None:
        there = [one for one in self.world.peers if not one.is_gone]
        if index >= len(there):
            return
        peer = there[-1 - index]
        if is_noticed:
            self.world.notice(peer, was_reset=was_reset)
        else:
            peer.is_there = False

    # --- Processes ------------------------------------------------------------------------------

    @precondition(lambda self: self.is_open and len(self.world.live) < 3)
    @rule(role=st.sampled_from(ProcessRole))
    def spawn(self, role: ProcessRole) -> None:
        """By hand, beside those that are declared."""
        name = "true" if role is ProcessRole.RUNTIME else "two"
        process = self.attempt(self.world.launch, role, name)
        if process is not None:
            self.world.by_hand.append(process)

    @precondition(lambda self: self.world.by_hand)
    @rule(index=which, fails=st.booleans())
    def spawned(self, index: int, fails: bool) -> None:
        by_hand = self.world.by_hand
        self.world.launched(by_hand.pop(index % len(by_hand)), fails=fails)

    @precondition(lambda self: self.world.live)
    @rule(index=which, is_told=st.booleans())
    def process_ends(self, index: int, is_told: bool) -> None:
        world = self.world
        process = world.live[index % len(world.live)]
        world.ends(process)
        if is_told:
            world.exited(process, 1)

    @precondition(lambda self: self.world.notices)
    @rule(index=which, code=st.sampled_from([0, 1, -9]), out_of_memory=st.booleans())
    def exit_is_told(self, index: int, code: int, out_of_memory: bool) -> None:
        world = self.world
        process = world.notices[index % len(world.notices)]
        world.exited(process, code, out_of_memory=out_of_memory)

    @rule(role=st.sampled_from(ProcessRole))
    def log(self, role: ProcessRole) -> None:
        self.attempt(self.world.machine.log, role, "true", "a line of again")

    # --- The conductor --------------------------------------------------------------------------

    @rule(fails=which)
    def conduct(self, fails: int) -> None:
        self.world.conduct(fails=fails == 0)

    @rule(count=st.integers(2, 9))
    def conduct_on(self, count: int) -> None:
        for _ in range(count):
            if not self.world.is_conductor_idle:
                self.world.conduct()
                self.world.check()

    @precondition(lambda self: self.is_open)
    @rule(chance=st.integers(0, 5), reason=st.sampled_from([*ShutdownReason]))
    def shut_down(self, chance: int, reason: ShutdownReason) -> None:
        if chance == 0:
            self.world.shut_down(reason)

    @precondition(lambda self: self.is_open)
    @rule(chance=st.integers(0, 9))
    def close(self, chance: int) -> None:
        if chance == 0:
            self.world.close()

    @precondition(lambda self: self.world.machine.phase is not SimulatorPhase.SHUTTING_DOWN)
    @rule()
    def all_do_their_duty(self) -> None:
        self.world.do_duty()

    # --- What is always true --------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            COUNTS[type(self).__name__] = COUNTS.get(type(self).__name__, 0) + self.world.calls
            self.world.do_duty()


COUNTS: dict[str, int] = {}
"""How many calls each machine had, for whoever searches."""


class Snapshots:
    """What a runtime with restore hooks does besides."""

    @precondition(lambda self: self.is_open)
    @rule(index=which)
    def restore_next(self: Any, index: int) -> None:
        peer: Peer | None = self.world.runtime_peer(index)
        if peer is not None:
            self.attempt(self.world.restore_next, peer)

    @precondition(lambda self: self.is_open)
    @rule()
    def restore(self: Any) -> None:
        self.attempt(self.world.machine.restore)

    @precondition(lambda self: self.is_open)
    @rule(chance=which)
    def restore_error(self: Any, chance: int) -> None:
        if chance == 0 and self.has_runtime:
            self.attempt(self.world.machine.fail_restore, FATAL)


class OnDemand(Moves):
    pass


class Relaxed(Moves):
    config = {"rules": RELAXED}  # noqa: RUF012


class Concurrent(Moves):
    config = {"max_concurrency": 3}  # noqa: RUF012


class Managed(Moves):
    config = {"initialization_type": "lambda-managed-instances", "max_concurrency": 3}  # noqa: RUF012


class Provisioned(Moves):
    config = {"initialization_type": "provisioned-concurrency"}  # noqa: RUF012


class SnapStart(Snapshots, Moves):
    config = {"initialization_type": "snap-start"}  # noqa: RUF012


class RelaxedSnapStart(Snapshots, Moves):
    config = {"initialization_type": "snap-start", "rules": RELAXED}  # noqa: RUF012


MACHINES = (OnDemand, Relaxed, Concurrent, Managed, Provisioned, SnapStart, RelaxedSnapStart)
BOUNDED = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    derandomize=not SEARCH,
    database=None,
    deadline=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


def _case(machine: type[Moves]) -> type[unittest.TestCase]:
    case: type[unittest.TestCase] = machine.TestCase
    case.settings = BOUNDED  # type: ignore[attr-defined]
    case.__name__ = case.__qualname__ = f"{machine.__name__}PropertiesTest"
    case.__module__ = __name__
    return case


OnDemandTest, RelaxedTest, ConcurrentTest = map(_case, MACHINES[:3])
ManagedTest, ProvisionedTest, SnapStartTest, RelaxedSnapStartTest = map(_case, MACHINES[3:])


class DefectsTest(MachineTest):
    """What the properties found, each as short as it gets."""

    def test_a_refused_id_leaves_the_order_of_records(self) -> None:
        machine = self.machine()
        first = machine.enqueue(Invocation(1, request_id="again"))
        second = machine.enqueue(Invocation(2))
        with self.assertRaises(ConfigurationError):
            machine.enqueue(Invocation(3, request_id="again"))
        self.assertEqual(list(machine.ledger), [first, second])

    def test_a_shutdown_that_waits_for_a_report_comes_after_a_timeout_too(self) -> None:
        machine = self.ready(invocation_timeout=0.2)
        record = machine.enqueue(Invocation(1))
        self.taken(machine)
        self.respond(machine, record)
        machine.begin_shutdown(ShutdownReason.SPINDOWN)
        self.advance(machine, 0.2)
        self.assertTrue(record.is_reported)
        self.assertIn(effects.Shutdown(ShutdownReason.SPINDOWN), self.orders(machine))

    def test_marking_a_cold_one_lets_a_runtime_in_that_failed_before(self) -> None:
        machine = self.machine(max_concurrency=3)
        machine.fail_init(FATAL)
        machine.start_over()
        machine.mark_initialized()
        machine.runtime_asks(POLL)

    def test_a_poll_that_made_room_for_another_is_told_so(self) -> None:
        machine = self.machine()
        one = self.extension(machine, "one")
        machine.extension_asks(one, "lost")
        machine.outbox.changes.clear()
        machine.registry.left(one, "lost")
        self.assertIn(one, machine.outbox.changes)
        machine.extension_asks(one, "here")
        with self.assertRaises(PollerGone):
            machine.registry.take_event(one, "lost")

    def test_a_restore_poll_that_made_room_for_another_is_told_so(self) -> None:
        machine = self.machine(initialization_type="snap-start")
        machine.runtime_asks_restore("lost")
        machine.outbox.changes.clear()
        machine.runtime.leave_restore("lost")
        self.assertIn(Topic.RUNTIME_NEXT, machine.outbox.changes)

    def test_an_event_that_is_given_back_late_is_not_that_of_an_id_that_came_again(self) -> None:
        machine = self.machine(extension_ready_timeout=1)
        one = self.extension(machine, "one", "INVOKE")
        machine.extension_asks(one, "lost")
        machine.runtime_asks(POLL)
        first = machine.enqueue(Invocation(1, request_id="again"))
        notice = machine.registry.take_event(one, "lost")
        assert notice is not None
        machine.registry.left(one, "lost")
        self.taken(machine)
        self.respond(machine, first)
        self.advance(machine, 1)
        machine.runtime_asks(POLL)
        machine.enqueue(Invocation(1, request_id="again"))
        machine.registry.give_back(one, notice, "lost")
        self.assertEqual(len(machine.registry.get(one).queue), 1)

    def test_an_init_that_was_over_is_not_told_of_again_when_the_time_is_up(self) -> None:
        machine = self.machine(max_concurrency=3, runtime=RUNTIME, invocation_timeout=3)
        machine.process_exited(ProcessRole.RUNTIME, "true", 1, 1)
        machine.start_over()
        record = machine.enqueue(Invocation(1))
        one = self.extension(machine, "one")
        machine.runtime_asks(POLL)
        machine.runtime.leave(POLL)  # it hung up
        machine.extension_asks(one, "poll")
        self.assertIs(machine.life, Life.RUNNING)
        self.advance(machine, 3)
        self.assertIs(record.status, InvocationStatus.TIMEOUT)
        self.assertIs(machine.life, Life.RUNNING)
        self.assertEqual(len(self.facts(machine, telemetry.InitReport)), 2)

    def test_a_runtime_that_left_before_init_began_does_not_end_it(self) -> None:
        machine = Machine(SimulatorConfig(runtime=RUNTIME), ManualClock(), extensions=("one",))
        machine.process_started(ProcessRole.RUNTIME, "by hand")
        machine.runtime_asks(POLL)
        machine.runtime.leave(POLL)
        machine.process_exited(ProcessRole.RUNTIME, "by hand", 0, 1)
        machine.enqueue(Invocation(1))
        self.assertIs(machine.life, Life.STARTING)
        machine.register("one", [])


if __name__ == "__main__":
    unittest.main()
