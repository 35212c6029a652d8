"""Invocations while everything around them breaks, at moments that the dice choose."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import unittest
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
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
from lambda_sim.testing import TelemetryReceiver
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
from tests.reliability.listeners import Crawler, vanished
from tests.support import PATIENCE, PROGRAMS, SimulatorTest

KILLED_BY_US = failed("Runtime.ExitError", "Extension.Crash", words="signal: killed")
EXITED = failed("Runtime.ExitError", words="exit status 3")
POISONED = failed("Runtime.ExitError", words="exit status 9")
CRASHED = failed("Extension.Crash", words="exit status 7")

KILLED_OUTSIDE = Scenario("hang", KILLED)
KILLED_IDLE = Scenario("answer", ANSWERED)
POISON = Scenario("poison", EXITED)
STOPS = (Scenario("stop_after"), Scenario("answer", extension="stop"))
"""After these a process lies stopped until the environment is frozen and thaws again."""

SCENARIOS = (
    Scenario("answer"),
    Scenario("error", failed("Told")),
    Scenario("exit", EXITED),
    Scenario("die", KILLED),
    Scenario("die_answering", failed("Runtime.ExitError", "Runtime.TruncatedResponse")),
    Scenario("die_after"),
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
    Scenario("answer", extension="exit_after"),
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


class ChildrenTest(SimulatorTest):
    """Real processes, which are killed and stopped."""

    def setUp(self) -> None:
        super().setUp()
        self.marks = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.dice = random.Random(chaos.SEED)

    def simulator(self) -> Simulator:
        return self.start(
            runtime=child(ProcessRole.RUNTIME, self.marks),
            extensions=[child(ProcessRole.EXTENSION, self.marks)],
            freeze_mode=FreezeMode.PROCESS,
            init_timeout=PATIENCE,
            extension_ready_timeout=SHORT,
            shutdown_timeout=0.5,
            history_limit=1_000_000,
        )

    def kill_runtime(self, request_id: str) -> None:
        """As soon as it has begun with an invocation."""
        mark = self.marks / f"{request_id}.begun"
        self.sim.wait_for(mark.exists, PATIENCE)
        os.kill(int(mark.read_text()), signal.SIGKILL)

    def test_each_fault_ends_its_invocation_as_it_must(self) -> None:
        (self.marks / "poison").touch()  # the first init fails, and is tried again
        self.sim = self.simulator()
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
            if scenario in STOPS:
                self.sim.wait_for_frozen(PATIENCE)
            is_poisoned = scenario is POISON
        (self.marks / "poison").unlink(missing_ok=True)
        self.close(storm, "faults of children")

    def test_a_kill_at_any_moment_fails_one_invocation_at_most(self) -> None:
        self.sim = self.simulator()
        storm = Storm(self.sim)
        scenario = Scenario("work", or_else=KILLED_BY_US)
        jobs = [self.soon(storm.play, number, scenario) for number in range(80 * chaos.TIMES)]
        kills = 0
        while unfinished := wait(jobs, self.dice.uniform(0, 0.2)).not_done:
            running = [one for one in self.sim.processes if one.is_running]
            if running and self.dice.random() < 0.5:
                self.pause(self.dice.choice(running))
            elif running:
                self.dice.choice(running).kill()
                kills += 1
            self.assertLess(kills, 100 * len(jobs), f"{len(unfinished)} never end")
        states = [job.result() for job in jobs]
        failures = [one for one in states if one.status is not InvocationStatus.SUCCESS]
        self.assertLessEqual(len(failures), kills, storm.verdict())
        for one in failures:
            self.assertFalse((self.marks / f"{one.request_id}.answered").exists(), one)
        self.close(storm, f"{kills} kills, {len(failures)} failures")

    def pause(self, process: ManagedProcess) -> None:
        """Stopped, and after a while not any more."""
        with suppress(psutil.NoSuchProcess):
            target = psutil.Process(process.pid)
            target.suspend()
            sleep(self.dice.uniform(0, 0.03))
            target.resume()

    def kill_idle(self) -> None:
        """A process of an environment in which nothing happens; it starts over."""
        self.sim.wait_for(lambda: self.sim.is_frozen or not self.sim.is_initialized, PATIENCE)
        running = [one for one in self.sim.processes if one.is_running]
        if running:
            self.dice.choice(running).kill()
            self.sim.wait_for(lambda: self.sim.phase is SimulatorPhase.INITIALIZING, PATIENCE)

    def close(self, storm: Storm, title: str) -> None:
        storm.close()
        wrong = [path.name for path in self.marks.glob("*.wrong")]
        self.assertEqual(wrong, [], storm.verdict())
        self.assertEqual(storm.objections, [], storm.verdict())
        chaos.story(title, storm.counts)


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


class CrewTest(SimulatorTest):
    """Threads of our own in the place of processes: many more invocations."""

    def setUp(self) -> None:
        super().setUp()
        self.dice = random.Random(chaos.SEED)

    def simulator(self, **config: Any) -> Simulator:
        return self.start(
            init_timeout=AMPLE,
            extension_ready_timeout=0.05,
            shutdown_timeout=0.05,
            history_limit=1_000_000,
            external_extensions=[crew.EXTENSION],
            **config,
        )

    def play(self, storm: Storm, scenarios: Sequence[Scenario], count: int, callers: int) -> None:
        """So many invocations, several waiting at a time."""
        deck = enumerate(shuffled(scenarios, count, self.dice))
        with ThreadPoolExecutor(callers) as threads:
            for job in [threads.submit(storm.play, *one) for one in deck]:
                job.result()

    def check(self, storm: Storm, crew: Crew) -> None:
        storm.close()
        self.assertEqual(crew.wrongs, [], storm.verdict())
        self.assertEqual(storm.objections, [], storm.verdict())

    def test_one_at_a_time_each_fault_ends_its_invocation_as_it_must(self) -> None:
        receiver = self.enterContext(TelemetryReceiver())
        crawler = self.enterContext(Crawler(self.threads))
        simulator = self.simulator()
        storm = Storm(simulator)
        destinations = [receiver.url, crawler.url, vanished()]
        with Crew(simulator, self.threads, destinations=destinations) as crew:
            self.play(storm, SERIAL, 500 * chaos.TIMES, callers=3)
            self.check(storm, crew)
        reports = Counter(
            event["record"]["requestId"]
            for event in receiver.events
            if event["type"] == "platform.report"
        )
        self.assertEqual([one for one, count in reports.items() if count > 1], [])
        chaos.story("faults of doubles", storm.counts)

    def test_several_at_once_each_fault_ends_its_invocation_as_it_must(self) -> None:
        simulator = self.simulator(max_concurrency=4)
        storm = Storm(simulator)
        with Crew(simulator, self.threads, workers=4, has_extension=False) as crew:
            self.play(storm, CONCURRENT, 345 * chaos.TIMES, callers=6)
            self.check(storm, crew)
        chaos.story("faults of several workers", storm.counts)

    def test_fifty_simulators_in_one_process_do_not_disturb_each_other(self) -> None:
        threads = self.enterContext(ThreadPoolExecutor(50 * 5))
        counts: Counter[str] = Counter()

        def run(index: int) -> None:
            dice = random.Random(f"{chaos.SEED} {index}")
            is_serial = index % 2 == 0
            storm = Storm(simulators[index], prefix=f"{index:02}-")
            workers = 1 if is_serial else 3
            with Crew(storm.simulator, threads, workers=workers, has_extension=is_serial) as crew:
                scenarios = SERIAL if is_serial else CONCURRENT
                for number, scenario in enumerate(shuffled(scenarios, 10 * chaos.TIMES, dice)):
                    storm.play(number, scenario)
                self.check(storm, crew)
            counts.update(storm.counts)

        simulators = [self.simulator(max_concurrency=(1, 3)[index % 2]) for index in range(50)]
        for job in [threads.submit(run, index) for index in range(50)]:
            job.result()
        chaos.story("fifty simulators", counts)


if __name__ == "__main__":
    unittest.main()
