"""The two rule sets, rule by rule: what Lambda does, and what RELAXED does instead."""

from __future__ import annotations

import unittest
from typing import Any

import attrs

from lambda_sim import (
    AWS,
    RELAXED,
    Invocation,
    InvocationStatus,
    Rules,
    SimulatorConfig,
    SimulatorPhase,
)
from lambda_sim.testing import ManualClock
from tests.conformance.case import TelemetryTest, runtime_of, subscription
from tests.raw import PATIENCE, RawExtension

NOBODY = 1
"""A port at which nobody listens."""


ELSEWHERE = {
    "tells_runtime_done",  # only managed instances change these two: test_managed_instances
    "extensions_see_invocations",
    "enforces_memory",  # it takes processes that grow: tests of the memory limit
}


class RuleTest(TelemetryTest):
    def relax(self, **config: Any) -> None:
        self.simulate(rules=RELAXED, **config)

    def same(self, extension: RawExtension) -> RawExtension:
        """The same extension on another connection."""
        other = self.extension()
        other.id = extension.id
        return other

    def status_of(self, request_id: str) -> InvocationStatus:
        state = self.simulator.get_invocation_state(request_id)
        assert state is not None
        return state.status


class ConcurrencyTest(RuleTest):
    """max_concurrency"""

    def two(self) -> list[str]:
        """The ids of two invocations that meet two parked polls."""
        self.polls = [self.park(self.runtime()) for _ in range(2)]
        return [self.simulator.enqueue_payload(number) for number in range(2)]

    def test_aws_has_one_invocation_at_a_time(self) -> None:
        first, second = self.two()
        self.assertIs(self.status_of(first), InvocationStatus.IN_PROGRESS)
        self.assertIs(self.status_of(second), InvocationStatus.PENDING)

    def test_relaxed_has_as_many_as_there_are_polls(self) -> None:
        self.relax()
        ids = self.two()
        for request_id in ids:
            self.assertIs(self.status_of(request_id), InvocationStatus.IN_PROGRESS)
        self.assertEqual({poll.event().id for poll in self.polls}, set(ids))
        third = self.simulator.enqueue_payload(3)
        self.assertIs(self.status_of(third), InvocationStatus.PENDING)
        self.assertEqual(self.runtime().next().id, third)

    def test_relaxed_answers_come_in_any_order(self) -> None:
        self.relax()
        runtimes = [self.park(self.runtime()) for _ in range(2)]
        for number in range(2):
            self.simulator.enqueue_payload(number)
        for runtime in reversed(runtimes):
            event = runtime.event()
            self.assert_accepted(runtime.respond(event.id, event.body))
        for state in self.simulator.invocation_states:
            self.assertEqual(self.complete(state.request_id).response.body, state.invocation.body)

    def test_a_number_is_a_limit(self) -> None:
        self.simulate(rules=attrs.evolve(RELAXED, max_concurrency=2))
        for _ in range(3):
            self.park(self.runtime())
        ids = [self.simulator.enqueue_payload(number) for number in range(3)]
        statuses = [self.status_of(request_id) for request_id in ids]
        in_progress, pending = InvocationStatus.IN_PROGRESS, InvocationStatus.PENDING
        self.assertEqual(statuses, [in_progress, in_progress, pending])


class TimeoutTest(RuleTest):
    """enforces_timeouts"""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()

    def test_aws_ends_an_invocation_in_time(self) -> None:
        self.simulate(clock=self.clock, shutdown_timeout=0.0)
        runtime, request_id = self.running()
        self.clock.advance(3.0)
        self.assertIs(self.complete(request_id).status, InvocationStatus.TIMEOUT)
        self.assertEqual(runtime.respond(request_id).status, 400)

    def test_relaxed_waits_for_an_answer(self) -> None:
        self.relax(clock=self.clock)
        runtime, request_id = self.running()
        self.clock.advance(1_000.0)
        self.assert_accepted(runtime.respond(request_id))
        self.assertIs(self.complete(request_id).status, InvocationStatus.SUCCESS)

    def test_aws_ends_an_init_in_time(self) -> None:
        self.simulate(clock=self.clock)
        self.clock.advance(10.0)
        self.assertEqual(self.telemetry("platform.initReport")["status"], "timeout")

    def test_relaxed_waits_for_the_init(self) -> None:
        self.relax(clock=self.clock)
        self.clock.advance(1_000.0)
        self.park(self.runtime())
        self.assertEqual(self.telemetry("platform.initReport")["status"], "success")


class TimeoutEndTest(RuleTest):
    """timeout_ends_environment"""

    def timed_out(self, **config: Any) -> None:
        """Have one of two invocations run out of time."""
        clock = ManualClock()
        self.simulate(clock=clock, shutdown_timeout=0.0, **config)
        _, request_id = self.running()
        clock.advance(3.0)
        self.assertIs(self.complete(request_id).status, InvocationStatus.TIMEOUT)

    def test_aws_takes_the_environment_along(self) -> None:
        self.timed_out()
        self.wait_for(lambda: self.simulator.phase is SimulatorPhase.INITIALIZING)
        self.assertFalse(self.simulator.is_initialized)

    def test_relaxed_that_enforces_timeouts_leaves_it_alone(self) -> None:
        self.timed_out(rules=attrs.evolve(RELAXED, enforces_timeouts=True))
        runtime, request_id = self.running()
        self.assert_accepted(runtime.respond(request_id))
        self.assertIs(self.simulator.phase, SimulatorPhase.READY)
        self.assertEqual(self.telemetry_types().count("platform.initStart"), 1)


class DeadlineTest(RuleTest):
    """deadline_counts_from_creation"""

    def deadline(self, invocation: Invocation) -> int:
        """What the runtime is told, in milliseconds since the epoch."""
        self.simulator.enqueue(invocation)
        return int(self.runtime().next().answer["Lambda-Runtime-Deadline-Ms"])

    def test_aws_counts_from_the_dispatch(self) -> None:
        self.simulate(clock=ManualClock(1_700_000_000.0))
        self.assertEqual(self.deadline(Invocation({}, timeout=5.0)), 1_700_000_005_000)

    def test_relaxed_counts_from_the_creation(self) -> None:
        self.relax(clock=ManualClock(1_700_000_000.0))
        invocation = Invocation({}, timeout=5.0)
        due = invocation.created_at.timestamp() + 5.0
        self.assertAlmostEqual(self.deadline(invocation) / 1000, due, places=2)

    def test_relaxed_counts_from_the_dispatch_without_a_timeout(self) -> None:
        self.relax(clock=ManualClock(1_700_000_000.0))
        self.assertEqual(self.deadline(Invocation({})), 1_700_000_003_000)


class InitTest(RuleTest):
    """init_awaits_extensions"""

    def test_aws_waits_for_extensions(self) -> None:
        self.extension("watcher")
        self.park(self.runtime())
        self.assertIs(self.simulator.phase, SimulatorPhase.INITIALIZING)

    def test_relaxed_waits_for_the_runtime_only(self) -> None:
        self.relax()
        self.extension("watcher")
        self.park(self.runtime())
        self.assertIs(self.simulator.phase, SimulatorPhase.READY)


class EnqueueTest(RuleTest):
    """invoke_sent_at_enqueue"""

    def test_aws_sends_invoke_when_there_is_a_runtime(self) -> None:
        watcher = self.park(self.extension("watcher", "INVOKE"))
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(self.simulator.parked, 1)
        self.assertTrue(watcher.is_silent())
        self.assertEqual(self.runtime().next().id, request_id)
        self.assertEqual(watcher.event()["requestId"], request_id)

    def test_relaxed_sends_it_at_once(self) -> None:
        self.relax()
        watcher = self.park(self.extension("watcher", "INVOKE"))
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(watcher.event()["requestId"], request_id)
        self.assertIs(self.status_of(request_id), InvocationStatus.PENDING)


class RuntimeDoneTest(RuleTest):
    """runtime_done_at_response"""

    def answered(self) -> list[str]:
        """The types of events once the runtime has answered, and not asked for Next."""
        runtime, request_id = self.running()
        self.assert_accepted(runtime.respond(request_id))
        return self.telemetry_types()

    def test_aws_calls_the_runtime_done_when_it_asks_for_next(self) -> None:
        self.simulate(clock=ManualClock())
        self.assertEqual(self.answered()[-1], "platform.start")
        self.park(self.runtime())
        self.assertEqual(self.telemetry_types()[-2:], ["platform.runtimeDone", "platform.report"])

    def test_relaxed_calls_it_done_when_it_answers(self) -> None:
        self.relax(clock=ManualClock())
        self.assertEqual(self.answered()[-2:], ["platform.runtimeDone", "platform.report"])


class LatePollTest(RuleTest):
    """late_poll_is_ready"""

    def test_aws_needs_a_poll_after_the_event(self) -> None:
        self.simulate(clock=ManualClock())
        first = self.park(self.extension("watcher", "INVOKE"))
        runtime = self.park(self.runtime())
        # Its poll is gone before the event comes.
        first.close()
        self.simulator.wait_for(lambda: self.simulator.parked == 1, PATIENCE)
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(runtime.event().id, request_id)
        runtime.respond(request_id)
        self.park(runtime)
        watcher = self.same(first)
        self.assertEqual(watcher.next()["requestId"], request_id)
        self.assertFalse(self.simulator.are_extensions_ready(request_id))
        self.park(watcher)
        self.assertTrue(self.simulator.are_extensions_ready(request_id))

    def test_relaxed_takes_the_first_poll(self) -> None:
        self.relax(clock=ManualClock())
        watcher = self.extension("watcher", "INVOKE")
        runtime, request_id = self.running()
        runtime.respond(request_id)
        self.assertFalse(self.simulator.are_extensions_ready(request_id))
        self.assertEqual(watcher.next()["requestId"], request_id)
        self.assertTrue(self.simulator.are_extensions_ready(request_id))
        self.telemetry("platform.report")


class ParallelPollTest(RuleTest):
    """parallel_extension_polls"""

    def test_aws_refuses_a_second_poll(self) -> None:
        watcher = self.park(self.extension("watcher", "INVOKE"))
        self.assert_refused(
            self.same(watcher).poll(),
            403,
            "Extension.InvalidExtensionState",
            f"State transition from Ready to Ready failed for extension {watcher.id}. "
            "Error: State transition is not allowed",
        )

    def test_relaxed_takes_several_and_each_event_goes_to_one(self) -> None:
        self.relax()
        watcher = self.park(self.extension("watcher", "INVOKE"))
        polls = [watcher, self.park(self.same(watcher))]
        ids = {self.simulator.enqueue_payload(number) for number in range(2)}
        self.assertEqual({poll.event()["requestId"] for poll in polls}, ids)


class InternalExtensionTest(RuleTest):
    """internal_extensions_are_limited"""

    BODY = b'{"events":["INVOKE","SHUTDOWN"]}'

    def test_aws_keeps_shutdown_from_internal_extensions(self) -> None:
        self.assert_refused(
            self.extension().ask_to_register("inner", self.BODY),
            403,
            "Extension.InvalidEventType",
            "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension",
        )

    def test_relaxed_does_not_ask(self) -> None:
        self.relax()
        extension = self.extension("inner", "INVOKE", "SHUTDOWN")
        self.park(extension)
        ended = self.soon(self.simulator.graceful_shutdown)
        self.assertEqual(extension.event()["eventType"], "SHUTDOWN")
        extension.close()
        ended.result(PATIENCE)


class SubscriptionTest(RuleTest):
    """subscriptions_are_checked"""

    def oddities(self) -> list[dict[str, Any]]:
        """Subscriptions that AWS has something against, each for a reason of its own."""
        without_schema = subscription(NOBODY)
        del without_schema["schemaVersion"]
        elsewhere = subscription(NOBODY)
        elsewhere["destination"]["URI"] = "http://127.0.0.1:1/"
        without_port = subscription(NOBODY)
        without_port["destination"]["URI"] = "http://sandbox.localdomain/"
        return [
            without_schema,
            elsewhere,
            without_port,
            *(
                subscription(NOBODY, **{name: value})
                for name in ("maxBytes", "maxItems", "timeoutMs")
                for value in (0, 1, 2**31)
            ),
        ]

    def test_aws_checks_schema_host_and_ranges(self) -> None:
        watcher = self.extension("watcher")
        for wanted in self.oddities():
            with self.subTest(wanted=wanted):
                self.assert_refused(watcher.subscribe(wanted), 400, "ValidationError")

    def test_relaxed_does_not(self) -> None:
        for wanted in self.oddities():
            with self.subTest(wanted=wanted):
                self.relax()
                answer = self.extension("watcher").subscribe(wanted)
                self.assertEqual((answer.status, answer.body), (200, b'"OK"'))

    def test_relaxed_delivers_to_any_host_and_at_once(self) -> None:
        self.relax(clock=ManualClock())
        receiver = self.receiver()
        wanted = subscription(receiver, timeoutMs=0)
        url = receiver.url.replace("sandbox.localdomain", "127.0.0.1")
        wanted["destination"]["URI"] = url
        self.extension("watcher").subscribe(wanted)
        receiver.wait_for("platform.telemetrySubscription", PATIENCE)

    def test_relaxed_still_needs_to_know_what_and_where(self) -> None:
        self.relax()
        nowhere = subscription(NOBODY)
        del nowhere["destination"]
        watcher = self.extension("watcher")
        for wanted in (subscription(NOBODY, types=()), nowhere, b"{"):
            with self.subTest(wanted=wanted):
                self.assert_refused(watcher.subscribe(wanted), 400, "ValidationError")

    def twice(self) -> list[list[str]]:
        """The types of what two places get, the second of which was named later."""
        first, second = self.receiver(), self.receiver()
        watcher = self.subscribed("watcher", to=first, timeoutMs=25)
        first.wait_for("platform.telemetrySubscription", PATIENCE)
        self.assertEqual(watcher.subscribe(subscription(second, timeoutMs=25)).status, 200)
        self.park(watcher)
        self.park(self.runtime())
        self.simulator.graceful_shutdown()
        return [[event["type"] for event in one.events] for one in (first, second)]

    def test_aws_keeps_the_first_of_two_subscriptions(self) -> None:
        first, second = self.twice()
        self.assertIn("platform.initReport", first)
        self.assertEqual(second, [])

    def test_relaxed_keeps_the_second(self) -> None:
        self.relax()
        first, second = self.twice()
        self.assertNotIn("platform.initReport", first)
        self.assertIn("platform.initReport", second)


class SubscriptionTimeTest(RuleTest):
    """subscriptions_close_with_init"""

    def late(self, wanted: Any) -> Any:
        """What a subscription that comes after init is answered."""
        watcher = self.park(self.extension("watcher"))
        self.park(self.runtime())
        return self.same(watcher).subscribe(wanted)

    def test_aws_refuses_a_subscription_after_init(self) -> None:
        self.assert_refused(
            self.late(subscription(NOBODY)),
            403,
            "Telemetry.SubscriptionClosed",
            "Telemetry API subscription is closed already",
        )

    def test_relaxed_delivers_from_then_on(self) -> None:
        self.relax()
        receiver = self.receiver()
        answer = self.late(subscription(receiver, timeoutMs=25))
        self.assertEqual((answer.status, answer.body), (200, b'"OK"'))
        self.simulator.enqueue_payload({})
        receiver.wait_for("platform.start", PATIENCE)
        self.assertEqual(
            [event["type"] for event in receiver.events],
            ["platform.telemetrySubscription", "platform.start"],
        )


class SigtermTest(RuleTest):
    """sigterm_needs_extensions"""

    def end(self) -> tuple[list[str], int | None]:
        """What a runtime with no extension around it prints at the end, and its exit status."""
        self.simulator.wait_for_phase(SimulatorPhase.READY, PATIENCE)
        self.simulator.graceful_shutdown()
        return self.printed(), self.simulator.processes[0].returncode

    def test_aws_kills_a_runtime_without_extensions(self) -> None:
        self.simulate(runtime=runtime_of("trap", "serve"))
        self.assertEqual(self.end(), ([], -9))

    def test_relaxed_asks_it_to_end_first(self) -> None:
        self.relax(runtime=runtime_of("trap", "serve"))
        self.assertEqual(self.end(), (["runtime SIGTERM"], 0))


class EveryRuleTest(unittest.TestCase):
    def test_every_rule_has_its_tests_here_or_where_it_matters(self) -> None:
        rules = {field.name for field in attrs.fields(Rules)} - {"name"}
        tested = {str(one.__doc__) for one in RuleTest.__subclasses__()}
        self.assertEqual(tested | ELSEWHERE, rules)
        self.assertEqual(tested & ELSEWHERE, set())

    def test_aws_is_what_a_simulator_follows_unless_told_otherwise(self) -> None:
        self.assertIs(SimulatorConfig().rules, AWS)
