"""What chaos is made of: what may be done to an invocation, how it must end then, and the count.

Seeded: LAMBDA_SIM_SEED says which seed, LAMBDA_SIM_CHAOS how many times as much as in the suite.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from lambda_sim import Invocation, InvocationState, InvocationStatus, Simulator, SimulatorPhase
from tests.support import PATIENCE

SEED = int(os.environ.get("LAMBDA_SIM_SEED", "1"))
TIMES = int(os.environ.get("LAMBDA_SIM_CHAOS", "1"))

AMPLE = 60.0
"""Seconds that an invocation has which is not to time out, however busy the machine is."""
SHORT = 0.1
"""Seconds that one has which is to time out."""


@attrs.frozen
class Verdict:
    """How an invocation must end."""

    status: InvocationStatus
    error_types: Sequence[str] = ()
    words: str = ""
    """What the error's message says somewhere."""

    def objection(self, state: InvocationState) -> str | None:
        """What is wrong with how it ended."""
        if state.status is not self.status:
            return f"{state.status} {state.error}, not {self}"
        if self.status is InvocationStatus.SUCCESS:
            response = state.response
            echo = response.payload if response is not None else None
            return None if echo == state.invocation.payload else f"the answer is {echo}"
        error = state.error
        assert error is not None
        if error.error_type not in self.error_types or self.words not in error.error_message:
            return f"{error.error_type}: {error.error_message}, not {self}"
        return None


def failed(*error_types: str, words: str = "") -> Verdict:
    return Verdict(InvocationStatus.ERROR, error_types, words)


ANSWERED = Verdict(InvocationStatus.SUCCESS)
TIMED_OUT = Verdict(InvocationStatus.TIMEOUT, ["Sandbox.Timedout"], "Task timed out after")
KILLED = failed("Runtime.ExitError", words="signal: killed")


@attrs.frozen
class Scenario:
    """What the runtime and an extension do during one invocation, and how that must end."""

    runtime: str
    verdict: Verdict = ANSWERED
    extension: str = "done"
    timeout: float = AMPLE
    or_else: Verdict | None = None
    """The other end that it may come to, where moments decide."""

    def objection(self, state: InvocationState) -> str | None:
        """What is wrong with how it ended."""
        objection = self.verdict.objection(state)
        if objection is None or self.or_else is None:
            return objection
        return self.or_else.objection(state)

    @property
    def name(self) -> str:
        return self.runtime if self.extension == "done" else f"{self.runtime}, {self.extension}"


def shuffled(scenarios: Sequence[Scenario], count: int, dice: random.Random) -> Iterator[Scenario]:
    """So many, each as often as any other, in an order that the dice say."""
    deck: list[Scenario] = []
    for _ in range(count):
        if not deck:
            deck = list(scenarios)
            dice.shuffle(deck)
        yield deck.pop()


class Storm:
    """Invocations of one simulator, whose ends are judged one by one and all together."""

    def __init__(self, simulator: Simulator, *, prefix: str = "") -> None:
        self.simulator = simulator
        self.counts: Counter[str] = Counter()
        self.objections: list[str] = []
        self._prefix = prefix
        self._ended: dict[str, tuple[Scenario, InvocationState]] = {}

    @property
    def ends(self) -> list[InvocationState]:
        return [state for _, state in self._ended.values()]

    def play(
        self, number: int, scenario: Scenario, meanwhile: Callable[[str], None] | None = None
    ) -> InvocationState:
        """Invoke, wait for the end, and note whether it was the right one.

        :param meanwhile: what is done while it is under way, by its request id.
        """
        request_id = f"{self._prefix}{number:05}.{scenario.extension}"
        event = {"do": scenario.runtime, "number": number, "of": self._prefix}
        invocation = Invocation(event, request_id=request_id, timeout=scenario.timeout)
        if meanwhile is None and number % 2:  # whoever waits helps; who asks later can't
            state = self.simulator.invoke(invocation)
        else:
            self.simulator.enqueue(invocation)
            if meanwhile is not None:
                meanwhile(request_id)
            state = self.simulator.wait_for_invocation_complete(request_id, AMPLE + PATIENCE)
        self.counts[scenario.name] += 1
        self._ended[request_id] = (scenario, state)
        objection = scenario.objection(state)
        if objection is not None:
            self.objections.append(f"{request_id} ({scenario.name}): {objection}")
        return state

    def close(self) -> None:
        """The environment comes back, and each invocation was told of as one that ended once."""
        last = Scenario("answer")
        self.play(99_999, last)
        simulator = self.simulator
        count = len(self._ended)
        reports = simulator.wait_for_telemetry("platform.report", count=count, timeout=AMPLE)
        if simulator.phase is not SimulatorPhase.READY:
            self.objections.append(f"at the end it is {simulator.phase}")
        told: dict[str, Counter[str]] = {one: Counter() for one in self._ended}
        events: list[Any] = simulator.telemetry_events
        for event in events:
            request_id = event.record.get("requestId") if isinstance(event.record, dict) else None
            if request_id in told and event.type.startswith("platform."):
                told[request_id][event.type] += 1
        once = {"platform.start": 1, "platform.runtimeDone": 1, "platform.report": 1}
        for request_id, kinds in told.items():
            if kinds != once:
                self.objections.append(f"{request_id} was told of as {dict(kinds)}")
        if len(reports) != count:
            self.objections.append(f"{len(reports)} reports of {count} invocations")
        for request_id, (scenario, before) in self._ended.items():
            now = simulator.get_invocation_state(request_id)
            if now is None or _end(now) != _end(before):
                self.objections.append(f"{request_id} ({scenario.name}) changed: {before}, {now}")

    def verdict(self) -> str:
        """For the test's message: what went wrong, and how to see it again."""
        printed = [f"{one.time} {one.message}" for one in self.simulator.logs[-500:]]
        return "\n".join([f"LAMBDA_SIM_SEED={SEED}", *self.objections[:20], *printed])


def _end(state: InvocationState) -> object:
    """What may not change once an invocation is complete."""
    answer = None if state.response is None else state.response.body
    return state.status, answer, state.error and state.error.body, state.completed_at


def story(title: str, counts: Counter[str]) -> None:
    """Of the long form: what was done."""
    if TIMES > 1:
        told = json.dumps(dict(sorted(counts.items())))
        line = f"{title}: seed {SEED}, {counts.total()} invocations, {told}"
        print(line, file=sys.stderr, flush=True)  # noqa: T201
