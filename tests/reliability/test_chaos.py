"""Invocations while everything around them breaks, at moments that the dice choose."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import unittest
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any

import psutil

from lambda_sim import (
    FreezeMode,
    InvocationStatus,
    ManagedProcess,
    ProcessConfig,
    ProcessRole,
    Simulator,
    SimulatorPhase,
)
from tests.reliability import chaos, crew
from tests.reliability.chaos import (
    AMPLE,
    ANSWERED,
    KILLED,
    SHORT,
    TIMED_OUT,
    Scenario,
    Storm,
    failed,
    shuffled,
)
from tests.reliability.crew import Crew
from tests.reliability.listeners import Audience
from tests.support import PATIENCE, PROGRAMS, SimulatorTest

KILLED_BY_US = failed("Runtime.ExitError", "Extension.Crash", words="signal: killed")
EXITED = failed("Runtime.ExitError", words="exit status 3")
POISONED = failed("Runtime.ExitError", words="exit status 9")
CRASHED = failed("Extension.Crash", words="exit status 7")

KILLED_OUTSIDE = Scenario("hang", KILLED)
KILLED_IDLE = Scenario("answer", ANSWERED)
POISON = Scenario("poison", EXITED)
ENDS_AFTER = (Scenario("die_after"), Scenario("answer", extension="exit_after"))
"""After these it starts over, once it has noticed: the next invocation might come before."""
STOPS = (Scenario("stop_after"), Scenario("answer", extension="stop"))
"""After these a process lies stopped until the environment is frozen and thaws again."""

SCENARIOS = (
    Scenario("answer"),
    Scenario("error", failed("Told")),
    Scenario("exit", EXITED),
    Scenario("die", KILLED),
    Scenario("die_answering", failed("Runtime.ExitError", "Runtime.TruncatedResponse")),
    *ENDS_AFTER,
    Scenario("stop", TIMED_OUT, timeout=SHORT),
    Scenario("hang", TIMED_OUT, timeout=SHORT),
    Scenario("late_clock", TIMED_OUT, timeout=SHORT),
    Scenario("early_clock", failed("NoTime")),
    Scenario("twice"),
    Scenario("wrong_id"),
    Scenario("ask_again"),
    Scenario("drop"),
    Scenario("answer", extension="slow"),
    Scenario("hang", CRASHED, extension="exit"),
    Scenario("hang", failed("Extension.ExitError"), extension="error"),
    Scenario("await_extension", extension="ask_twice"),
    Scenario("answer", extension="hang_up"),
    *STOPS,
    KILLED_OUTSIDE,
    KILLED_IDLE,
    POISON,
)


def child(role: ProcessRole, marks: Path) -> ProcessConfig:
    """Without site-packages: it starts several hundred times."""
    command = [sys.executable, "-SE", str(PROGRAMS / "chaotic.py"), role.value]
    return ProcessConfig(
        command, role, env={"MARKS": str(marks)}, inherit_stdio=False, name="chaotic.py"
    )


class ChaosTest(SimulatorTest):
    """Simulators of both kinds, and what is done to them."""

    def setUp(self) -> None:
        super().setUp()
        self.marks = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.dice = random.Random(chaos.SEED)

    def with_children(self) -> Simulator:
        return self.start(
            runtime=child(ProcessRole.RUNTIME, self.marks),
            extensions=[child(ProcessRole.EXTENSION, self.marks)],
            freeze_mode=FreezeMode.PROCESS,
            init_timeout=PATIENCE,
            extension_ready_timeout=SHORT,
            shutdown_timeout=0.5,
            history_limit=1_000_000,
        )

    def with_doubles(self, **config: Any) -> Simulator:
        return self.start(
            init_timeout=AMPLE,
            extension_ready_timeout=0.05,
            shutdown_timeout=0.05,
            history_limit=1_000_000,
            external_extensions=[crew.EXTENSION],
            **config,
        )

    def play(
        self,
        storm: Storm,
        scenarios: Sequence[Scenario],
        count: int,
        *,
        callers: int,
        dice: random.Random,
    ) -> None:
        """So many invocations, several waiting at a time."""
        deck = enumerate(shuffled(scenarios, count, dice))
        with ThreadPoolExecutor(callers) as threads:
            for job in [threads.submit(storm.play, *one) for one in deck]:
                job.result()

    def pause(self, process: ManagedProcess, dice: random.Random) -> None:
        """Stopped, and after a while not any more."""
        with suppress(psutil.NoSuchProcess):
            target = psutil.Process(process.pid)
            target.suspend()
            sleep(dice.uniform(0, 0.03))
            target.resume()

    def beset(
        self,
        storm: Storm,
        count: int,
        *,
        callers: int,
        dice: random.Random,
        threads: Executor,
    ) -> int:
        """So many invocations, while processes are killed and stopped when the dice say so: a
        kill fails one at most, and none that was answered.

        :returns: how many kills there were.
        """
        scenarios = [Scenario("work", or_else=KILLED_BY_US)]
        job = threads.submit(
            self.play, storm, scenarios, count, callers=callers, dice=random.Random(dice.random())
        )
        killed: list[ManagedProcess] = []
        while wait([job], dice.uniform(0, 0.2)).not_done:
            running = [one for one in storm.simulator.processes if one.is_running]
            if running and dice.random() < 0.5:
                self.pause(dice.choice(running), dice)
            elif running:
                killed.append(dice.choice(running))
                killed[-1].kill()
            self.assertLess(len(killed), 100 * count, "some never end")
        job.result()
        for one in killed:  # the last of them perhaps when all was over
            one.wait(PATIENCE)
        failures = [one for one in storm.ends if one.status is not InvocationStatus.SUCCESS]
        self.assertLessEqual(len(failures), len(killed), storm.verdict())
        for state in failures:
            self.assertFalse((self.marks / f"{state.request_id}.answered").exists(), state)
        self.close(storm, f"{len(killed)} kills, {len(failures)} failures")
        return len(killed)

    def check(self, storm: Storm, crew: Crew) -> None:
        storm.close()
        self.assertEqual(crew.wrongs, [], storm.verdict())
        self.assertEqual(storm.objections, [], storm.verdict())

    def close(self, storm: Storm, title: str) -> None:
        storm.close()
        wrong = [path.name for path in self.marks.glob("*.wrong")]
        self.assertEqual(wrong, [], storm.verdict())
        self.assertEqual(storm.objections, [], storm.verdict())
        chaos.story(title, storm.counts)

    def assert_heard(self, simulators: Mapping[Simulator, Audience]) -> None:
        """All reports, in order, up to where a reset ceased to wait."""
        pairs = [
            pair for one, audience in simulators.items() for pair in audience.told_and_heard(one)
        ]
        for told, heard in pairs:
            self.assertEqual(heard, told[: len(heard)])
        self.assertTrue(any(heard for _, heard in pairs), pairs)


class ChildrenTest(ChaosTest):
    """Real processes, which are killed and stopped."""

    def kill_runtime(self, request_id: str) -> None:
        """As soon as it has begun with an invocation."""
        mark = self.marks / f"{request_id}.begun"
        self.sim.wait_for(mark.exists, PATIENCE)
        os.kill(int(mark.read_text()), signal.SIGKILL)

    def test_each_fault_ends_its_invocation_as_it_must(self) -> None:
        (self.marks / "poison").touch()  # the first init fails, and is tried again
        self.sim = self.with_children()
        storm = Storm(self.sim)
        is_poisoned = False
        for number, scenario in enumerate(shuffled(SCENARIOS, 75 * chaos.TIMES, self.dice)):
            if is_poisoned:
                victim = Scenario("answer", POISONED)
                storm.play(number, victim)
                is_poisoned = False
                continue
            if scenario is KILLED_IDLE:
                self.kill_idle()
            is_killed = scenario is KILLED_OUTSIDE
            storm.play(number, scenario, meanwhile=self.kill_runtime if is_killed else None)
            if scenario in ENDS_AFTER:
                self.sim.wait_for(self.has_started_over_or_waits, PATIENCE)
            if scenario in STOPS:
                self.sim.wait_for_frozen(PATIENCE)
            is_poisoned = scenario is POISON
        (self.marks / "poison").unlink(missing_ok=True)
        self.close(storm, "faults of children")

    def test_a_kill_at_any_moment_fails_one_invocation_at_most(self) -> None:
        storm = Storm(self.with_children())
        count = 80 * chaos.TIMES
        kills = self.beset(storm, count, callers=50, dice=self.dice, threads=self.threads)
        self.assertGreater(kills, 0)

    def kill_idle(self) -> None:
        """A process of an environment in which nothing happens; it starts over."""
        self.sim.wait_for(lambda: self.sim.is_frozen or not self.sim.is_initialized, PATIENCE)
        running = [one for one in self.sim.processes if one.is_running]
        if running:
            self.dice.choice(running).kill()
            self.sim.wait_for(lambda: self.sim.phase is SimulatorPhase.INITIALIZING, PATIENCE)

    def has_started_over_or_waits(self) -> bool:
        """Both wait in Next where the extension came too late to hear of the invocation."""
        return self.sim.phase is SimulatorPhase.INITIALIZING or self.sim.parked == 2


BROKEN = failed("Runtime.TruncatedResponse")
EVERYWHERE = (
    Scenario("answer"),
    Scenario("error", failed("Told")),
    Scenario("twice"),
    Scenario("error_after"),
    Scenario("wrong_id"),
    Scenario("in_pieces"),
    Scenario("half", BROKEN),
    Scenario("late", TIMED_OUT, timeout=SHORT),
    Scenario("too_large", failed("Function.ResponseSizeTooLarge")),
)
SERIAL = (
    *EVERYWHERE,
    Scenario("ask_again"),
    Scenario("drop"),
    Scenario("answer", extension="slow"),
    Scenario("answer", extension="hang_up"),
    Scenario("error", failed("Told"), extension="hang_up"),
)
CONCURRENT = (
    *EVERYWHERE,
    Scenario("forget", TIMED_OUT, timeout=SHORT),
)


class CrewTest(ChaosTest):
    """Threads of our own in the place of processes: many more invocations."""

    def test_one_at_a_time_each_fault_ends_its_invocation_as_it_must(self) -> None:
        audience = self.enterContext(Audience(self.threads))
        simulator = self.with_doubles()
        storm = Storm(simulator)
        with Crew(simulator, self.threads, destinations=audience.destinations) as crew:
            self.play(storm, SERIAL, 500 * chaos.TIMES, callers=3, dice=self.dice)
            self.check(storm, crew)
        self.assert_heard({simulator: audience})
        self.assertGreater(audience.crawler.bites, 0)
        self.assertNotEqual(audience.mortal.batches, [])
        chaos.story("faults of doubles", storm.counts)

    def test_several_at_once_each_fault_ends_its_invocation_as_it_must(self) -> None:
        simulator = self.with_doubles(max_concurrency=4)
        storm = Storm(simulator)
        with Crew(simulator, self.threads, workers=4, has_extension=False) as crew:
            self.play(storm, CONCURRENT, 345 * chaos.TIMES, callers=6, dice=self.dice)
            self.check(storm, crew)
        chaos.story("faults of several workers", storm.counts)


class FiftyTest(ChaosTest):
    """Some with real processes, some with threads of ours, one worker or three."""

    def test_fifty_simulators_in_one_process_do_not_disturb_each_other(self) -> None:
        threads = self.enterContext(ThreadPoolExecutor(50 * 5))
        count = 10 * chaos.TIMES
        counts: Counter[str] = Counter()
        audiences: dict[Simulator, Audience] = {}

        def simulator(index: int) -> Simulator:
            if index % 6 == 0:
                return self.with_children()
            return self.with_doubles(max_concurrency=1 if index % 2 == 0 else 3)

        def run(index: int) -> int:
            kills = 0
            dice = random.Random(f"{chaos.SEED} {index}")
            storm = Storm(simulators[index], prefix=f"{index:02}-")
            if index % 6 == 0:
                kills = self.beset(storm, count, callers=1, dice=dice, threads=threads)
            else:
                play_doubles(storm, dice)
            counts.update(storm.counts)
            return kills

        def play_doubles(storm: Storm, dice: random.Random) -> None:
            is_serial = storm.simulator.config.max_concurrency == 1
            audience = audiences.get(storm.simulator)
            with Crew(
                storm.simulator,
                threads,
                workers=1 if is_serial else 3,
                has_extension=is_serial,
                destinations=audience.destinations if audience else (),
            ) as crew:
                self.play(storm, SERIAL if is_serial else CONCURRENT, count, callers=1, dice=dice)
                self.check(storm, crew)

        simulators = [simulator(index) for index in range(50)]
        for index in range(2, 50, 12):
            audiences[simulators[index]] = self.enterContext(Audience(threads))
        jobs = [threads.submit(run, index) for index in range(50)]
        self.assertGreater(sum(job.result() for job in jobs), 0)
        self.assert_heard(audiences)
        chaos.story("fifty simulators", counts)


if __name__ == "__main__":
    unittest.main()
