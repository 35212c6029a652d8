"""A telemetry pipeline of real processes: nothing is lost, nothing comes twice, order is kept."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psutil

from lambda_sim import FreezeMode, InvocationStatus, ProcessConfig, ProcessRole, Simulator
from lambda_sim.telemetry.patience import PATIENCE_SECONDS
from tests.support import CHILDREN_PATH, PATIENCE, SimulatorTest

PROGRAMS = Path(__file__).resolve().parent / "programs"
NAME = "pipeline"
PROTOCOLS = ("http", "tcp")
DROPPED = "platform.logsDropped"
TALKING = ProcessConfig(
    [sys.executable, "-m", "lambda_sim.handler", "talking.talk"],
    ProcessRole.RUNTIME,
    cwd=PROGRAMS,
    env={"PYTHONPATH": CHILDREN_PATH},
    inherit_stdio=False,
)
SETTINGS: dict[str, Any] = {"invocation_timeout": 60, "shutdown_timeout": PATIENCE}


class PipelineTestCase(SimulatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.told: dict[str, int] = {}
        """Lines of each invocation."""

    def pipeline(self, protocol: str, *options: str, **config: Any) -> Simulator:
        """A simulator with a pipeline of its own."""
        for old in self.folder.iterdir():
            old.unlink()
        self.told.clear()
        extension = ProcessConfig(
            self.command(protocol, *options), ProcessRole.EXTENSION, name=NAME, inherit_stdio=False
        )
        return self.start(runtime=TALKING, extensions=[extension], **SETTINGS, **config)

    def command(self, protocol: str, *options: str) -> list[str]:
        program = str(PROGRAMS / "pipeline_extension.py")
        return [sys.executable, program, str(self.folder), protocol, *options]

    def talk(self, simulator: Simulator, lines: int, **event: Any) -> None:
        state = simulator.invoke({"lines": lines, **event})
        self.assertIs(InvocationStatus.SUCCESS, state.status, state.error)
        self.told[state.request_id] = lines

    def written(self, life: int = 0) -> list[tuple[str, Any]]:
        *lines, _ = (self.folder / f"{life}.jsonl").read_bytes().split(b"\n")  # the last is begun
        return [(event["type"], event["record"]) for event in map(json.loads, lines)]

    def captured(self, simulator: Simulator) -> list[tuple[str, Any]]:
        return [(event.type, event.record) for event in simulator.telemetry_events]

    def assert_whole(self, simulator: Simulator, *, is_heard: bool = True) -> None:
        """What was written is what was captured, event by event, and all that was said."""
        written, captured = self.written(), self.captured(simulator)
        for place, (found, expected) in enumerate(zip(written, captured, strict=False)):
            self.assertEqual(expected, found, f"event {place}")
        self.assertEqual(len(captured), len(written))
        self.assert_said(written, is_heard=is_heard)

    def assert_said(self, written: list[tuple[str, Any]], *, is_heard: bool) -> None:
        """Every line of every invocation, each with its start and its end, in order.

        :param is_heard: whether the pipeline's own output comes to the simulator, too.
        """
        records: defaultdict[str, list[Any]] = defaultdict(list)
        for kind, record in written:
            records[kind].append(record)
        numbers = [int(line.split()[0]) for line in records["function"]]
        self.assertEqual([n for lines in self.told.values() for n in range(lines)], numbers)
        for kind in ("platform.start", "platform.runtimeDone", "platform.report"):
            self.assertEqual(list(self.told), [record["requestId"] for record in records[kind]])
        said = [line.rstrip() for line in records["extension"]]
        spoken = [f"{NAME} {request_id}" for request_id in self.told]
        self.assertEqual(spoken if is_heard else [], said)


class PipelineTest(PipelineTestCase):
    def test_many_invocations_arrive_whole(self) -> None:
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                simulator = self.pipeline(protocol)
                for number in range(50):
                    self.talk(simulator, number)
                simulator.graceful_shutdown()
                self.assert_whole(simulator)

    def test_bursts_arrive_whole(self) -> None:
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                simulator = self.pipeline(protocol, history_limit=100_000)
                for _ in range(3):
                    self.talk(simulator, 15_000)
                self.talk(simulator, 300, size=10_000)
                simulator.graceful_shutdown()
                self.assert_whole(simulator)

    def test_what_waits_for_its_batch_is_flushed_at_the_end(self) -> None:
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                simulator = self.pipeline(protocol, "timeoutMs=30000")
                self.talk(simulator, 10)
                self.assertEqual([], self.written())
                simulator.graceful_shutdown()
                self.assert_whole(simulator)

    def test_a_pipeline_that_is_frozen_between_invocations_gets_all_once(self) -> None:
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                simulator = self.pipeline(protocol, freeze_mode=FreezeMode.PROCESS)
                for number in range(30):
                    self.talk(simulator, number)
                    simulator.wait_for_frozen(PATIENCE)
                simulator.graceful_shutdown()
                self.assert_whole(simulator)

    def test_what_is_due_in_a_long_freeze_comes_once(self) -> None:
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                simulator = self.pipeline(protocol, freeze_mode=FreezeMode.PROCESS)
                self.talk(simulator, 10)
                simulator.wait_for_frozen(PATIENCE)
                time.sleep(1.5 * PATIENCE_SECONDS)  # for longer than a listener is waited for
                self.talk(simulator, 10)
                simulator.graceful_shutdown()
                self.assert_whole(simulator)

    def test_a_pipeline_that_somebody_else_started_is_frozen_and_gets_all_once(self) -> None:
        simulator = self.start(
            freeze_mode=FreezeMode.PROCESS, external_extensions=[NAME], **SETTINGS
        )
        variables = {"PYTHONPATH": CHILDREN_PATH, **simulator.lambda_env_vars()}
        with subprocess.Popen(self.command("http"), env=variables, stdout=subprocess.DEVNULL) as it:
            self.addCleanup(it.kill)
            simulator.register_freeze_pid(it.pid)
            simulator.wait_for_parked(1, PATIENCE)
            simulator.spawn_process_with_config(TALKING)
            for number in range(10):
                self.talk(simulator, number)
                simulator.wait_for_frozen(PATIENCE)
                self.assertEqual(psutil.STATUS_STOPPED, psutil.Process(it.pid).status())
            simulator.graceful_shutdown()
            self.assertEqual(0, it.wait(PATIENCE))
        self.assert_whole(simulator, is_heard=False)

    def test_what_a_slow_pipeline_loses_is_accounted_for(self) -> None:
        simulator = self.pipeline("http", "slow=0.5", history_limit=200_000)
        for _ in range(3):
            self.talk(simulator, 30_000)
        last = self.captured(simulator)[-1]
        simulator.wait_for(lambda: last in self.written()[-10:], PATIENCE)
        simulator.graceful_shutdown()
        captured = [event for event in self.captured(simulator) if event[0] != DROPPED]
        dropped = [record for kind, record in self.written() if kind == DROPPED]
        arrived = [event for event in self.written() if event[0] != DROPPED]
        self.assertGreater(len(dropped), 0)
        lost = sum(record["droppedRecords"] for record in dropped)
        self.assertEqual(len(captured), len(arrived) + lost)
        rest = iter(captured)
        self.assertTrue(all(event in rest for event in arrived), "the order is not kept")

    def test_a_pipeline_that_crashed_subscribes_again(self) -> None:
        simulator = self.pipeline("http", "crash=3")
        for end in ("answer", "answer", "wait"):
            state = simulator.invoke({"lines": 10, "end": end})
        assert state.error is not None
        self.assertEqual("Extension.Crash", state.error.error_type)
        for _ in range(2):
            self.talk(simulator, 10)
        simulator.graceful_shutdown()
        captured = self.captured(simulator)
        first, second = self.written(0), self.written(1)
        self.assertEqual(captured[: len(first)], first)
        (again,) = (n for n, (kind, _) in enumerate(captured) if n and kind == "platform.initStart")
        self.assertEqual(captured[again:], second)

    def test_a_runtime_that_crashed_costs_the_pipeline_nothing(self) -> None:
        simulator = self.pipeline("http")
        self.talk(simulator, 10)
        self.assertIs(InvocationStatus.ERROR, simulator.invoke({"lines": 10, "end": "exit"}).status)
        self.talk(simulator, 10)
        simulator.graceful_shutdown()
        self.assertEqual(self.captured(simulator), self.written(0) + self.written(1))
