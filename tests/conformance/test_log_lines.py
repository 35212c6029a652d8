"""Sections 4.8 and 4.9 of the contract: the log as CloudWatch shows it."""

from __future__ import annotations

import json
from typing import Any

from lambda_sim import ConfigurationError, Invocation, SimulatorConfig
from lambda_sim.testing import ManualClock
from tests.conformance.case import (
    ConformanceTest,
    TelemetryTest,
    extension_of,
    runtime_of,
    subscription,
)
from tests.raw import PATIENCE, TELEMETRY

TAIL = 4096
LOGS = "/2020-08-15/logs"
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8"


class LogTest(ConformanceTest):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()

    def simulate_on_clock(self, **config: Any) -> None:
        self.simulate(clock=self.clock, **config)

    def platform_lines(self) -> list[str]:
        return [one.message for one in self.simulator.logs if one.source == "platform"]

    def line(self, word: str) -> str:
        """The last line of the platform's that begins with a word."""
        return [line for line in self.platform_lines() if line.split()[0] == word][-1]

    def serve(self, init: float, invoke: float) -> str:
        """An invocation that took so many seconds after an init that took so many; its id."""
        runtime = self.runtime()
        self.clock.advance(init)
        self.park(runtime)
        request_id = self.simulator.enqueue_payload({})
        runtime.event()
        self.clock.advance(invoke)
        runtime.respond(request_id)
        self.settle(runtime)
        return request_id


class TextTest(LogTest):
    def test_log_01_an_environment_begins_with_the_runtimes_version(self) -> None:
        version = "python:3.13.v60"
        self.simulate(runtime_version=version, region="eu-west-1")
        first, *others = self.platform_lines()
        self.assertRegex(
            first,
            rf"\AINIT_START Runtime Version: {version}\t"
            r"Runtime Version ARN: arn:aws:lambda:eu-west-1::runtime:[0-9a-f]{64}\Z",
        )
        self.assertEqual(others, [])

    def test_log_01_a_runtime_of_ones_own_has_a_version_too(self) -> None:
        self.simulate()
        self.assertRegex(self.line("INIT_START"), r"\AINIT_START Runtime Version: provided:\S+\t")

    def test_log_01_an_init_inside_an_invocation_has_no_line(self) -> None:
        self.simulate(runtime=runtime_of("exit:3"))
        self.simulator.invoke({}, timeout=PATIENCE)
        self.telemetry("platform.initStart", 2)
        words = [line.split()[0] for line in self.platform_lines()]
        self.assertEqual(words.count("INIT_START"), 1)

    def test_log_02_start_names_the_request_and_the_version(self) -> None:
        for version in ("$LATEST", "7"):
            with self.subTest(version=version):
                self.simulate(function_version=version)
                _, request_id = self.running()
                expected = f"START RequestId: {request_id} Version: {version}"
                self.assertEqual(self.platform_lines()[1:], [expected])

    def test_log_03_end_names_the_request(self) -> None:
        self.simulate_on_clock()
        request_id = self.serve(0.1, 0.1)
        self.assertEqual(self.line("END"), f"END RequestId: {request_id}")

    def test_log_03_end_comes_between_start_and_report(self) -> None:
        self.simulate_on_clock()
        self.serve(0.1, 0.1)
        words = [line.split()[0] for line in self.platform_lines()]
        self.assertEqual(words, ["INIT_START", "START", "END", "REPORT"])

    def test_log_04_the_report_of_a_cold_start(self) -> None:
        self.simulate_on_clock()
        request_id = self.serve(0.1101, 0.00301)
        self.assertEqual(
            self.line("REPORT"),
            f"REPORT RequestId: {request_id}\tDuration: 3.01 ms\tBilled Duration: 114 ms\t"
            "Memory Size: 128 MB\tMax Memory Used: 128 MB\tInit Duration: 110.10 ms\t",
        )

    def test_log_04_the_report_of_a_warm_start(self) -> None:
        self.simulate_on_clock(memory_size_mb=512)
        self.serve(0.1101, 0.00301)
        request_id = self.serve(0.0, 0.00301)
        self.assertEqual(
            self.line("REPORT"),
            f"REPORT RequestId: {request_id}\tDuration: 3.01 ms\tBilled Duration: 4 ms\t"
            "Memory Size: 512 MB\tMax Memory Used: 512 MB\t",
        )

    def test_log_04_the_report_of_a_timeout(self) -> None:
        self.simulate_on_clock(invocation_timeout=3.0)
        self.serve(0.1101, 0.1)
        _, request_id = self.running()
        self.clock.advance(3.0)
        self.complete(request_id)
        self.assertRegex(
            self.line("REPORT"),
            rf"\AREPORT RequestId: {request_id}\tDuration: 3000\.00 ms\tBilled Duration: \d+ ms\t"
            r"Memory Size: 128 MB\tMax Memory Used: 128 MB\tStatus: timeout\Z",
        )

    def test_log_04_the_report_of_an_exit(self) -> None:
        self.simulate(external_extensions=(), runtime=runtime_of("next", "exit:1"))
        state = self.simulator.invoke({}, timeout=PATIENCE)
        self.assertRegex(
            self.line("REPORT"),
            rf"\AREPORT RequestId: {state.request_id}\tDuration: \d+\.\d\d ms\t"
            r"Billed Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t"
            r"Init Duration: \d+\.\d\d ms\tStatus: error\tError Type: Runtime\.ExitError\Z",
        )

    def test_log_04_the_report_of_a_handlers_error_names_no_status(self) -> None:
        runtime, request_id = self.running()
        runtime.fail(request_id, b'{"errorType":"Sad"}')
        self.settle(runtime)
        self.assertNotIn("Status", self.line("REPORT"))

    def test_log_04_a_sampled_trace_is_named_after_the_report(self) -> None:
        runtime = self.runtime()
        request_id = self.simulator.enqueue(Invocation({}, trace_id=f"{TRACE};Sampled=1"))
        runtime.next()
        runtime.respond(request_id)
        self.settle(runtime)
        span = self.telemetry("platform.report")["tracing"]["spanId"]
        self.assertRegex(span, r"\A[0-9a-f]{16}\Z")
        report, xray = self.platform_lines()[-2:]
        self.assertTrue(report.startswith(f"REPORT RequestId: {request_id}\t"), report)
        root = "1-5759e988-bd862e3fe1be46a994272793"
        self.assertEqual(xray, f"XRAY TraceId: {root}\tSegmentId: {span}\tSampled: true")

    def test_log_04_a_trace_that_is_not_sampled_is_not_named(self) -> None:
        for trace in (TRACE, f"{TRACE};Sampled=0"):
            with self.subTest(trace=trace):
                self.simulate()
                runtime = self.runtime()
                request_id = self.simulator.enqueue(Invocation({}, trace_id=trace))
                runtime.next()
                runtime.respond(request_id)
                self.settle(runtime)
                self.assertTrue(self.platform_lines()[-1].startswith("REPORT "))

    def test_log_04_memory_is_measured(self) -> None:
        self.simulate(runtime=runtime_of("serve"), memory_size_mb=10_240)
        self.simulator.invoke({}, timeout=PATIENCE)
        fields = dict(field.split(": ", 1) for field in self.line("REPORT").split("\t") if field)
        used = int(fields["Max Memory Used"].removesuffix(" MB"))
        self.assertTrue(1 < used < 1000, used)

    def test_log_04_memory_that_nobody_saw_is_not_called_none(self) -> None:
        self.simulate(runtime=runtime_of("exit:3"))
        self.simulator.invoke({}, timeout=PATIENCE)
        self.assertNotIn("Max Memory Used: 0 MB", self.line("REPORT"))

    def test_log_05_an_init_that_failed(self) -> None:
        self.simulate(runtime=runtime_of("exit:3"))
        self.telemetry("platform.initReport")
        self.assertRegex(
            self.line("INIT_REPORT"),
            r"\AINIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\t"
            r"Status: error\tError Type: Runtime\.ExitError\Z",
        )

    def test_log_05_an_init_that_failed_in_the_invocation_too(self) -> None:
        self.simulate(runtime=runtime_of("exit:3"))
        self.simulator.invoke({}, timeout=PATIENCE)
        self.assertRegex(
            self.line("INIT_REPORT"),
            r"\AINIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: invoke\t"
            r"Status: error\tError Type: Runtime\.ExitError\Z",
        )

    def test_log_05_an_init_that_took_too_long(self) -> None:
        self.simulate_on_clock(init_timeout=10.0)
        self.clock.advance(10.0)
        self.telemetry("platform.initReport")
        self.assertEqual(
            self.line("INIT_REPORT"),
            "INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout",
        )

    def test_log_05_an_init_that_succeeded_has_no_line(self) -> None:
        self.simulate_on_clock()
        self.serve(0.1, 0.1)
        self.assertNotIn("INIT_REPORT", "\n".join(self.platform_lines()))

    def test_log_05_provisioned_concurrency_always_has_the_line(self) -> None:
        self.simulate_on_clock(initialization_type="provisioned-concurrency")
        self.serve(0.15403, 0.1)
        lines = [line for line in self.platform_lines() if line.startswith("INIT_REPORT")]
        self.assertEqual(lines, ["INIT_REPORT Init Duration: 154.03 ms\tPhase: init"])

    def test_log_11_init_is_billed(self) -> None:
        for duration, init, billed in (
            (1233.96, 463.512, 1698),
            (133.61, 80.0, 214),
            (3016.78, 84.0, 3101),
        ):
            with self.subTest(duration=duration):
                self.clock = ManualClock()
                self.simulate_on_clock(invocation_timeout=900.0)
                self.serve(init / 1000, duration / 1000)
                self.assertIn(f"\tBilled Duration: {billed} ms\t", self.line("REPORT"))

    def test_log_11_a_warm_start_is_billed_for_itself(self) -> None:
        self.simulate_on_clock()
        self.serve(0.4, 0.1)
        self.serve(0.0, 0.00301)
        self.assertIn("\tDuration: 3.01 ms\tBilled Duration: 4 ms\t", self.line("REPORT"))

    def test_log_11_whole_milliseconds_are_billed_as_they_are(self) -> None:
        self.simulate_on_clock()
        self.serve(0.4, 0.1)
        for whole in (4, 7, 100, 250):
            with self.subTest(whole=whole):
                self.serve(0.0, whole / 1000)
                expected = f"\tDuration: {whole}.00 ms\tBilled Duration: {whole} ms\t"
                self.assertIn(expected, self.line("REPORT"))


class ExtensionLineTest(TelemetryTest):
    def lines(self, word: str) -> list[str]:
        lines = [one.message for one in self.simulator.logs if one.source == "platform"]
        return [line for line in lines if line.startswith(word)]

    def test_log_07_an_extension_is_told_of_with_its_events(self) -> None:
        self.park(self.extension("watcher", "SHUTDOWN", "INVOKE"))
        self.park(self.extension("inner"))
        self.park(self.runtime())
        self.assertEqual(
            self.lines("EXTENSION"),
            [
                "EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
                "EXTENSION\tName: inner\tState: Ready\tEvents: []",
            ],
        )

    def test_log_07_a_subscription_is_told_of_with_its_types(self) -> None:
        for path, version, word in (
            (TELEMETRY, "2022-12-13", "TELEMETRY"),
            (LOGS, "2021-03-18", "LOGS"),
        ):
            for types, told in (
                (("extension", "platform", "function"), "[Platform, Function, Extension]"),
                (("function",), "[Function]"),
            ):
                with self.subTest(word=word, types=types):
                    self.simulate()
                    wanted = subscription(1, types=types, version=version)
                    self.assertEqual(self.extension("watcher").subscribe(wanted, path).status, 200)
                    self.assertEqual(
                        self.lines(word),
                        [f"{word}\tName: watcher\tState: Subscribed\tTypes: {told}"],
                    )


class TailTest(LogTest):
    settings = {}  # noqa: RUF012

    def tail_of(self, *runtime: str, payload: Any = None) -> tuple[str, str]:
        """An invocation's id, and its tail."""
        self.simulate(runtime=runtime_of(*runtime))
        state = self.simulator.invoke(payload, timeout=PATIENCE)
        return state.request_id, state.log_tail

    def test_log_10_a_tail_goes_from_start_to_report(self) -> None:
        request_id, tail = self.tail_of("print:init", "next", "print:in", "respond", "next")
        start, printed, end, report = tail.split("\n", 3)
        self.assertEqual(start, f"START RequestId: {request_id} Version: $LATEST")
        self.assertEqual(printed, "in")
        self.assertEqual(end, f"END RequestId: {request_id}")
        self.assertTrue(report.startswith(f"REPORT RequestId: {request_id}\t"), report)
        self.assertTrue(report.endswith("\t\n"), report)

    def test_log_10_a_tail_is_of_its_own_invocation(self) -> None:
        self.simulate(runtime=runtime_of("next", "print:one", "respond", "serve"))
        self.simulator.invoke({}, timeout=PATIENCE)
        state = self.simulator.invoke({}, timeout=PATIENCE)
        words = [line.split()[0] for line in state.log_tail.splitlines()]
        self.assertEqual(words, ["START", "END", "REPORT"])

    def test_log_10_a_tail_keeps_the_last_4_kb(self) -> None:
        request_id, tail = self.tail_of("next", "print:early", "flood:6000", "respond", "next")
        self.assertEqual(len(tail.encode()), TAIL)
        self.assertTrue(tail.startswith("xxx"))
        self.assertIn(f"\nEND RequestId: {request_id}\nREPORT RequestId: {request_id}\t", tail)
        self.assertTrue(tail.endswith("\t\n"))

    def test_log_10_the_tail_of_a_crash_reports_it(self) -> None:
        request_id, tail = self.tail_of("next", "print:in", "exit:1")
        self.assertTrue(tail.startswith(f"START RequestId: {request_id} "))
        self.assertIn("\nin\n", tail)
        self.assertTrue(tail.endswith("\tStatus: error\tError Type: Runtime.ExitError\n"))

    def test_log_10_after_a_failed_init_the_tail_begins_with_the_next(self) -> None:
        request_id, tail = self.tail_of("print:init", "exit:3")
        lines = tail.splitlines()
        self.assertEqual(lines[0], "init", tail)
        self.assertIn("INIT_REPORT Init Duration", tail)
        before, _, _ = tail.partition(f"START RequestId: {request_id}")
        self.assertIn("\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError\n", before)


class JsonTest(LogTest):
    settings = {"log_format": "JSON"}  # noqa: RUF012

    def events(self) -> list[Any]:
        return [json.loads(line) for line in self.platform_lines()]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events()]

    def test_log_20_the_platforms_lines_are_its_events(self) -> None:
        self.simulate_on_clock()
        request_id = self.serve(0.1, 0.1)
        _, start, report = self.events()
        self.assertEqual(list(start), ["time", "type", "record"])
        self.assertRegex(start["time"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
        self.assertEqual(start["record"]["requestId"], request_id)
        self.assertEqual(report["record"], self.telemetry("platform.report"))

    def test_log_20_a_line_is_one_line(self) -> None:
        self.simulate_on_clock()
        self.serve(0.1, 0.1)
        self.assertNotIn("\n", "".join(self.platform_lines()))

    def test_log_20_what_the_function_logs_stays_as_it_is(self) -> None:
        line = '{"timestamp": "2026-01-02T03:04:05Z", "level": "INFO", "message": "a", "n": 1.0}'
        self.simulate(runtime=runtime_of("next", f"print:{line}", "respond", "next"))
        self.simulator.invoke({}, timeout=PATIENCE)
        self.assertEqual(self.printed(), [line])

    def test_log_20_a_tail_is_json_too(self) -> None:
        self.simulate(runtime=runtime_of("serve"))
        state = self.simulator.invoke({}, timeout=PATIENCE)
        types = [json.loads(line)["type"] for line in state.log_tail.splitlines()]
        self.assertEqual(types, ["platform.start", "platform.report"])

    def test_log_21_text_has_no_levels(self) -> None:
        with self.assertRaises(ConfigurationError):
            SimulatorConfig(log_format="Text", log_level="INFO")

    def test_log_21_lines_below_the_level_are_left_out(self) -> None:
        lines = [json.dumps({"level": level, "message": "a"}) for level in ("info", "Error")]
        steps = [f"print:{line}" for line in lines]
        self.simulate(runtime=runtime_of("next", *steps, "respond", "next"), log_level="WARN")
        self.simulator.invoke({}, timeout=PATIENCE)
        self.assertEqual(self.printed(), lines[1:])

    def test_log_22_what_went_well_in_detail_is_left_out(self) -> None:
        self.simulate_on_clock()
        self.serve(0.1, 0.1)
        self.assertNotIn("platform.initRuntimeDone", self.types())
        self.assertNotIn("platform.initReport", self.types())
        self.assertNotIn("platform.runtimeDone", self.types())

    def test_log_22_what_failed_is_in(self) -> None:
        self.simulate(runtime=runtime_of("exit:3"))
        self.simulator.invoke({}, timeout=PATIENCE)
        inits = ["platform.initStart", "platform.initRuntimeDone", "platform.initReport"]
        expected = [*inits, *inits, "platform.start", "platform.runtimeDone", "platform.report"]
        self.assertEqual(self.types(), expected)

    def test_log_22_the_init_report_of_other_types_is_in(self) -> None:
        self.simulate_on_clock(initialization_type="provisioned-concurrency")
        self.serve(0.1, 0.1)
        self.assertIn("platform.initReport", self.types())

    def test_log_22_the_start_of_an_init_is_in_as_it_names_a_version(self) -> None:
        self.simulate(runtime_version="python:3.13.v60")
        (start,) = self.events()
        self.assertEqual(start["type"], "platform.initStart")
        self.assertEqual(start["record"]["runtimeVersion"], "python:3.13.v60")

    def test_log_22_extensions_are_in(self) -> None:
        self.simulate(
            extensions=[extension_of("watcher", "register", "event")],
            runtime=runtime_of("serve"),
        )
        self.wait_for(lambda: self.simulator.is_initialized)
        self.assertEqual(self.types(), ["platform.initStart", "platform.extension"])

    def test_log_22_subscriptions_are_in(self) -> None:
        for path, version, kind in (
            (TELEMETRY, "2022-12-13", "platform.telemetrySubscription"),
            (LOGS, "2021-03-18", "platform.logsSubscription"),
        ):
            with self.subTest(kind):
                self.simulate()
                wanted = subscription(1, version=version)
                self.assertEqual(self.extension("inner").subscribe(wanted, path).status, 200)
                self.assertEqual(self.types(), ["platform.initStart", kind])

    def test_log_23_an_ordinary_invocation_leaves_start_and_report(self) -> None:
        self.simulate_on_clock()
        for init in (0.1, 0.0):
            self.serve(init, 0.1)
        expected = ["platform.initStart", *["platform.start", "platform.report"] * 2]
        self.assertEqual(self.types(), expected)
