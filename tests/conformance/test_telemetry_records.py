"""Section 3.4 of the contract: what each event of telemetry says."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from lambda_sim import Invocation, InvocationStatus, ProcessConfig, ProcessRole
from lambda_sim.testing import ManualClock
from tests.conformance.case import TelemetryTest, runtime_of
from tests.raw import PATIENCE, RawRuntime, response_path

NOON = 1_700_000_000.0
"""When the tests' clocks start, as text in STAMP."""
STAMP = "2023-11-14T22:13:{:06.3f}Z"
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
TRACING = {"type": "X-Amzn-Trace-Id", "value": TRACE}
ERROR_TYPE = "Function.Sad"
METRICS = {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB"}


def at(seconds: float) -> str:
    """So many seconds after the clock started, as events print it."""
    return STAMP.format(20 + seconds)


class RecordTest(TelemetryTest):
    """Time stands still but where a test moves it."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock(NOON)
        self.start()

    def start(self, **config: Any) -> None:
        self.clock = ManualClock(NOON)
        self.simulate(clock=self.clock, shutdown_timeout=0.0, **config)

    def handed(self, invocation: Invocation | None = None) -> tuple[RawRuntime, str]:
        """A runtime that was handed an invocation, and its id."""
        runtime = self.runtime()
        request_id = self.simulator.enqueue(invocation or Invocation({}))
        self.assertEqual(runtime.next().id, request_id)
        return runtime, request_id

    def serve(self, seconds: float = 0.0, invocation: Invocation | None = None) -> str:
        """One invocation that takes the runtime so long, and is over."""
        runtime, request_id = self.handed(invocation)
        self.clock.advance(seconds)
        self.assert_accepted(runtime.respond(request_id))
        self.settle(runtime)
        return request_id

    def assert_keys(
        self, record: Any, required: Collection[str], optional: Collection[str] = ()
    ) -> None:
        self.assertLessEqual(set(required), set(record))
        self.assertLessEqual(set(record), {*required, *optional})


class InitRecordTest(RecordTest):
    def test_te_40_init_start(self) -> None:
        function = {"function_name": "f", "function_version": "7", "runtime_version": "java:21.v7"}
        self.start(**function, memory_size_mb=256, instance_id="i")
        record = self.telemetry("platform.initStart")
        self.assert_keys(
            record,
            {"initializationType", "phase", "functionName", "functionVersion"},
            {
                "runtimeVersion",
                "runtimeVersionArn",
                "functionArn",
                "instanceId",
                "instanceMaxMemory",
                "tracing",
            },
        )
        self.assertEqual((record["initializationType"], record["phase"]), ("on-demand", "init"))
        self.assertEqual((record["functionName"], record["functionVersion"]), ("f", "7"))
        self.assertEqual((record["instanceId"], record["instanceMaxMemory"]), ("i", 268_435_456))
        self.assertEqual(record["runtimeVersion"], "java:21.v7")
        arn = r"\Aarn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}\Z"
        self.assertRegex(record["runtimeVersionArn"], arn)

    def test_te_40_init_runtime_done(self) -> None:
        self.park(self.runtime())
        record = self.telemetry("platform.initRuntimeDone")
        self.assert_keys(
            record, {"initializationType", "phase", "status"}, {"errorType", "spans", "tracing"}
        )
        told = (record["initializationType"], record["phase"], record["status"])
        self.assertEqual(told, ("on-demand", "init", "success"))

    def test_te_40_init_report(self) -> None:
        self.clock.advance(0.5)
        self.park(self.runtime())
        record = self.telemetry("platform.initReport")
        self.assert_keys(
            record,
            {"initializationType", "phase", "status", "metrics"},
            {"errorType", "spans", "tracing"},
        )
        told = (record["initializationType"], record["phase"], record["status"])
        self.assertEqual(told, ("on-demand", "init", "success"))
        self.assertEqual(record["metrics"], {"durationMs": 500.0})

    def test_te_40_provisioned_concurrency_is_named(self) -> None:
        self.start(initialization_type="provisioned-concurrency")
        self.serve()
        for event_type in ("initStart", "initRuntimeDone", "initReport"):
            record = self.telemetry(f"platform.{event_type}")
            self.assertEqual(record["initializationType"], "provisioned-concurrency")

    def test_te_40_an_extension_is_told_of(self) -> None:
        self.park(self.extension("watcher", "SHUTDOWN", "INVOKE"))
        self.park(self.runtime())
        record = self.telemetry("platform.extension")
        self.assert_keys(record, {"name", "state", "events"}, {"errorType"})
        self.assertEqual((record["name"], record["state"]), ("watcher", "Ready"))

    def test_te_53_an_extensions_events_are_a_set(self) -> None:
        self.park(self.extension("watcher", "SHUTDOWN", "INVOKE"))
        self.park(self.runtime())
        events = self.telemetry("platform.extension")["events"]
        self.assertEqual((set(events), len(events)), ({"INVOKE", "SHUTDOWN"}, 2))

    def test_te_40_a_subscription_is_told_of(self) -> None:
        self.subscribed("watcher", to=self.receiver(), types=["function", "platform"])
        record = self.telemetry("platform.telemetrySubscription")
        self.assertEqual(set(record), {"name", "state", "types"})
        self.assertEqual((record["name"], record["state"]), ("watcher", "Subscribed"))
        self.assertEqual(set(record["types"]), {"function", "platform"})

    def test_te_49_an_init_error_is_told_with_its_type(self) -> None:
        self.runtime().init_error(Lambda_Runtime_Function_Error_Type="Runtime.ImportModuleError")
        for event_type in ("platform.initRuntimeDone", "platform.initReport"):
            record = self.telemetry(event_type)
            told = (record["status"], record["errorType"])
            self.assertEqual(told, ("error", "Runtime.ImportModuleError"))

    def test_te_49_an_init_timeout_is_told_without_a_type(self) -> None:
        self.clock.advance(10.0)
        for event_type in ("platform.initRuntimeDone", "platform.initReport"):
            record = self.telemetry(event_type)
            self.assertEqual(record["status"], "timeout")
            self.assertNotIn("errorType", record)


class StartRecordTest(RecordTest):
    def test_te_40_start(self) -> None:
        request_id = self.serve(invocation=Invocation({}, trace_id=TRACE))
        record = self.telemetry("platform.start")
        self.assert_keys(record, {"requestId"}, {"functionArn", "version", "tracing"})
        self.assertEqual((record["requestId"], record["version"]), (request_id, "$LATEST"))
        arn = "arn:aws:lambda:us-east-1:123456789012:function:test-function"
        self.assertEqual(record["functionArn"], arn)
        self.assertLessEqual(TRACING.items(), record["tracing"].items())

    def test_te_40_a_tenant_is_named(self) -> None:
        self.serve(invocation=Invocation({}, tenant_id="blue"))
        for event_type in ("platform.start", "platform.runtimeDone", "platform.report"):
            self.assertEqual(self.telemetry(event_type)["tenantId"], "blue")

    def test_te_43_the_trace_is_named_throughout(self) -> None:
        self.serve(invocation=Invocation({}, trace_id=TRACE))
        found = [
            self.telemetry(event_type)["tracing"]
            for event_type in ("platform.start", "platform.runtimeDone", "platform.report")
        ]
        self.assertEqual(found, [found[0]] * 3)
        self.assertLessEqual(TRACING.items(), found[0].items())

    def test_te_43_the_functions_part_of_the_trace_is_named(self) -> None:
        spans = []
        for count in (1, 2):
            runtime, request_id = self.handed(Invocation({}, trace_id=TRACE))
            runtime.respond(request_id)
            self.settle(runtime)
            spans.append(self.telemetry("platform.start", count)["tracing"]["spanId"])
        for span in spans:
            self.assertRegex(span, r"\A[0-9a-f]{16}\Z")
        self.assertNotEqual(*spans)


class EndRecordTest(RecordTest):
    DONE_OPTIONAL = ("errorType", "tenantId", "spans", "tracing")

    def status_of(self, event_type: str, count: int = 1) -> tuple[str, str | None]:
        record = self.telemetry(event_type, count)
        return record["status"], record.get("errorType")

    def assert_both(self, status: str, error_type: str | None) -> None:
        """What runtimeDone and report say of how it ended, errorType and all."""
        for event_type in ("platform.runtimeDone", "platform.report"):
            self.assertEqual(self.status_of(event_type), (status, error_type), event_type)

    def test_te_40_runtime_done(self) -> None:
        runtime, request_id = self.handed()
        self.clock.advance(0.5)
        runtime.respond(request_id, b"12345")
        self.settle(runtime)
        record = self.telemetry("platform.runtimeDone")
        self.assert_keys(record, {"requestId", "status", "metrics"}, self.DONE_OPTIONAL)
        self.assertEqual((record["requestId"], record["status"]), (request_id, "success"))
        self.assertEqual(record["metrics"], {"durationMs": 500.0, "producedBytes": 5})

    def test_te_40_report(self) -> None:
        self.serve()
        request_id = self.serve(0.5)
        record = self.telemetry("platform.report", 2)
        self.assert_keys(record, {"requestId", "status", "metrics"}, self.DONE_OPTIONAL)
        self.assertEqual((record["requestId"], record["status"]), (request_id, "success"))
        self.assert_keys(record["metrics"], METRICS)
        self.assertEqual(record["metrics"]["memorySizeMB"], 128)
        self.assertIsInstance(record["metrics"]["maxMemoryUsedMB"], int)

    def test_te_41_success_has_no_error_type(self) -> None:
        self.serve()
        self.assert_both("success", None)

    def test_te_42_no_bytes_are_told_as_none(self) -> None:
        runtime, request_id = self.handed()
        runtime.respond(request_id, b"")
        self.settle(runtime)
        metrics = self.telemetry("platform.runtimeDone")["metrics"]
        self.assertEqual(metrics["producedBytes"], 0)

    def test_te_44_durations_are_cut_to_microseconds(self) -> None:
        self.clock.advance(0.4635128)
        self.serve(0.0111856)
        init = self.telemetry("platform.initReport")["metrics"]["durationMs"]
        done = self.telemetry("platform.runtimeDone")["metrics"]["durationMs"]
        report = self.telemetry("platform.report")["metrics"]
        self.assertEqual((init, done), (463.512, 11.185))
        self.assertEqual((report["durationMs"], report["initDurationMs"]), (11.185, 463.512))
        self.assertIsInstance(report["billedDurationMs"], int)

    def test_x_08_init_is_billed(self) -> None:
        for init, work, billed in (
            (0.463512, 1.23396, 1698),
            (0.08, 0.13361, 214),
            (0.084, 2.91678, 3001),
        ):
            with self.subTest(billed=billed):
                self.start()
                self.clock.advance(init)
                self.serve(work)
                metrics = self.telemetry("platform.report")["metrics"]
                self.assertEqual(metrics["billedDurationMs"], billed)

    def test_x_08_a_warm_start_bills_its_own_time(self) -> None:
        self.clock.advance(0.5)
        self.serve()
        self.serve(0.0101)
        metrics = self.telemetry("platform.report", 2)["metrics"]
        self.assertEqual(metrics["billedDurationMs"], 11)

    def test_te_45_spans_say_where_the_time_went(self) -> None:
        runtime = self.runtime()
        stream = self.simulator.invoke_stream({}, timeout=PATIENCE)
        runtime.next()
        headers = {
            "Lambda-Runtime-Function-Response-Mode": "streaming",
            "Transfer-Encoding": "chunked",
        }
        runtime.send_head("POST", response_path(stream.request_id), headers)
        self.clock.advance(0.25)
        runtime.send_chunk(b"a")
        next(stream)
        self.clock.advance(0.5)
        runtime.end_chunks()
        self.assert_accepted(runtime.read_answer())
        self.clock.advance(1.0)
        self.settle(runtime)
        record = self.telemetry("platform.runtimeDone")
        self.assertEqual(
            record["spans"],
            [
                {"name": "responseLatency", "start": at(0.0), "durationMs": 250.0},
                {"name": "responseDuration", "start": at(0.25), "durationMs": 500.0},
                {"name": "runtimeOverhead", "start": at(0.75), "durationMs": 1000.0},
            ],
        )
        self.assertEqual(record["metrics"]["durationMs"], 1750.0)

    def test_te_46_the_runtimes_time_ends_when_it_asks_for_next(self) -> None:
        runtime, request_id = self.handed()
        self.clock.advance(0.25)
        runtime.respond(request_id)
        self.clock.advance(0.5)
        self.settle(runtime)
        done = self.telemetry("platform.runtimeDone")["metrics"]["durationMs"]
        self.assertEqual(done, 750.0)

    def test_te_46_the_report_adds_what_extensions_took(self) -> None:
        watcher = self.park(self.extension("watcher", "INVOKE"))
        runtime, request_id = self.handed()
        watcher.event()
        self.clock.advance(0.25)
        runtime.respond(request_id)
        self.settle(runtime)
        self.clock.advance(0.5)
        self.park(watcher)
        record = self.telemetry("platform.report")
        self.assertEqual(record["metrics"]["durationMs"], 750.0)
        overhead = {"name": "extensionOverhead", "start": at(0.25), "durationMs": 500.0}
        self.assertEqual(record["spans"], [overhead])
        done = self.telemetry("platform.runtimeDone")["metrics"]["durationMs"]
        self.assertEqual(done, 250.0)

    def test_te_47_an_error_produces_nothing(self) -> None:
        runtime, request_id = self.handed()
        self.clock.advance(0.25)
        runtime.fail(request_id, b'{"errorMessage":"m","errorType":"E"}')
        self.settle(runtime)
        record = self.telemetry("platform.runtimeDone")
        self.assertEqual(record.get("spans", []), [])
        self.assertEqual(record["metrics"], {"durationMs": 250.0, "producedBytes": 0})

    def test_x_15_an_error_is_told_with_its_type(self) -> None:
        runtime, request_id = self.handed()
        runtime.fail(request_id, Lambda_Runtime_Function_Error_Type=ERROR_TYPE)
        self.settle(runtime)
        self.assert_both("error", ERROR_TYPE)

    def test_te_48_a_crash_is_an_error(self) -> None:
        self.simulate(runtime=runtime_of("next", "exit:3"))
        self.complete(self.simulator.enqueue_payload({}))
        self.assert_both("error", "Runtime.ExitError")

    def test_te_48_a_timeout_has_no_error_type(self) -> None:
        self.handed()
        self.clock.advance(3.0)
        self.assert_both("timeout", None)

    def test_te_48_the_end_is_told_before_shutdown_begins(self) -> None:
        self.clock = ManualClock(NOON)
        self.simulate(clock=self.clock)
        watcher = self.park(self.extension("watcher", "SHUTDOWN"))
        self.handed()
        self.clock.advance(3.0)
        self.assertEqual(watcher.event()["shutdownReason"], "timeout")
        self.assertIn("platform.runtimeDone", self.telemetry_types())
        watcher.close()

    def test_te_50_only_a_cold_start_tells_of_init(self) -> None:
        self.clock.advance(0.25)
        self.serve()
        self.serve()
        found = self.simulator.get_telemetry_events_by_type("platform.report")
        told = [event.record["metrics"].get("initDurationMs") for event in found]
        self.assertEqual(told, [250.0, None])

    def test_te_50_a_suppressed_init_is_part_of_the_duration(self) -> None:
        self.handed()
        self.clock.advance(3.0)
        self.wait_for(lambda: not self.simulator.is_initialized)
        self.simulator.wait_for_telemetry("platform.report", timeout=PATIENCE)
        request_id = self.simulator.enqueue_payload({})
        self.telemetry("platform.initStart", 2)
        self.clock.advance(0.25)
        runtime = self.runtime()
        self.assertEqual(runtime.next().id, request_id)
        self.clock.advance(0.5)
        runtime.respond(request_id)
        self.settle(runtime)
        metrics = self.telemetry("platform.report", 2)["metrics"]
        self.assert_keys(metrics, METRICS)
        self.assertEqual((metrics["durationMs"], metrics["billedDurationMs"]), (750.0, 750))

    def test_te_51_a_timeout_leaves_its_two_records(self) -> None:
        self.serve()
        _, request_id = self.handed(Invocation({}, trace_id=TRACE))
        self.clock.advance(3.001182)
        self.assertIs(self.complete(request_id).status, InvocationStatus.TIMEOUT)
        done = self.telemetry("platform.runtimeDone", 2)
        self.assert_keys(done, {"requestId", "status", "metrics"}, {"tracing"})
        self.assertEqual((done["requestId"], done["status"]), (request_id, "timeout"))
        self.assertEqual(done["metrics"], {"durationMs": 3001.182, "producedBytes": 0})
        report = self.telemetry("platform.report", 2)
        self.assert_keys(report, {"requestId", "status", "metrics"}, {"tracing"})
        self.assertEqual((report["requestId"], report["status"]), (request_id, "timeout"))
        self.assert_keys(report["metrics"], METRICS)
        self.assertGreaterEqual(report["metrics"]["durationMs"], 3000.0)
        self.assertGreaterEqual(report["metrics"]["billedDurationMs"], 3000)


class LineRecordTest(TelemetryTest):
    SHAPES = ('{"a": 1}', "[1]", "text", '{"a": 1', "1")
    AS_TEXT = (*(f"{shape}\n" for shape in SHAPES),)
    AS_OBJECT = ({"a": 1}, *AS_TEXT[1:])

    def records(self, version: str, log_format: str) -> list[Any]:
        """What a subscriber to function logs is sent of lines in several shapes."""
        self.simulate(log_format=log_format)
        receiver = self.receiver()
        wanted = {"types": ["function"], "version": version}
        self.park(self.subscribed("watcher", to=receiver, timeoutMs=25, **wanted))
        printing = [f"print:{shape}" for shape in self.SHAPES]
        self.simulator.spawn_process_with_config(runtime_of(*printing, "serve"))
        found = receiver.wait_for("function", PATIENCE, len(self.SHAPES))
        return [event["record"] for event in found]

    def test_te_13_an_old_schema_has_text_only(self) -> None:
        for log_format in ("Text", "JSON"):
            with self.subTest(log_format=log_format):
                self.assertEqual(self.records("2022-07-01", log_format), list(self.AS_TEXT))

    def test_te_13_a_newer_one_has_objects_where_the_log_is_json(self) -> None:
        for version in ("2022-12-13", "2025-01-29"):
            with self.subTest(version=version):
                self.assertEqual(self.records(version, "JSON"), list(self.AS_OBJECT))

    def test_te_13_text_logs_stay_text(self) -> None:
        for version in ("2022-12-13", "2025-01-29"):
            with self.subTest(version=version):
                self.assertEqual(self.records(version, "Text"), list(self.AS_TEXT))

    def test_te_13_a_line_is_sent_as_it_was_written(self) -> None:
        script = r"printf 'one\n\ntw\303\266 \n  three'"
        command = ProcessConfig(["sh", "-c", script], ProcessRole.RUNTIME, inherit_stdio=False)
        self.simulate(runtime=command)
        found = self.simulator.wait_for_telemetry("function", count=4, timeout=PATIENCE)
        records = [event.record for event in found]
        self.assertEqual(records, ["one\n", "\n", "twö \n", "  three"])
