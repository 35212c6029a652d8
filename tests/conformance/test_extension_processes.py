"""Sections 2.3 and 2.5 of the contract, with real processes: external extensions."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from lambda_sim import InvocationStatus, ProcessConfig, ProcessRole
from tests.conformance.case import ACTOR, ConformanceTest, extension_of, runtime_of


class ProcessTest(ConformanceTest):
    settings = {}  # noqa: RUF012

    def lines_of(self, name: str) -> list[str]:
        return [one.message for one in self.simulator.logs if one.name == name]


class DiscoveryTest(ProcessTest):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def add(self, path: str, *steps: str, mode: int = 0o755) -> None:
        """An executable in the directory that acts as an extension of its own file name."""
        file = self.directory / path
        file.parent.mkdir(exist_ok=True)
        words = " ".join([sys.executable, "-I", "-S", str(ACTOR), file.name, *steps])
        file.write_text(f"#!/bin/sh\nexec {words}\n")
        file.chmod(mode)

    def names(self) -> list[str]:
        return [one.name for one in self.simulator.processes if one.role is ProcessRole.EXTENSION]

    def test_ex_40_files_are_started_in_the_order_of_their_names(self) -> None:
        for name in ("c", "a.sh", "b"):
            self.add(name, "register", "event")
        self.simulate(extensions_dir=self.directory)
        self.simulator.wait_for_extensions(3, 20.0)
        self.assertEqual(self.names(), ["a.sh", "b", "c"])

    def test_ex_40_directories_are_not_searched(self) -> None:
        self.add("a", "register", "event")
        self.add("lib/b", "register", "event")
        self.simulate(extensions_dir=self.directory)
        self.simulator.wait_for_extensions(1, 20.0)
        self.assertEqual(self.names(), ["a"])

    def test_ex_40_an_empty_directory_holds_none(self) -> None:
        self.simulate(extensions_dir=self.directory)
        self.park(self.runtime())
        self.assertTrue(self.simulator.is_initialized)

    def test_ex_40_a_missing_directory_holds_none(self) -> None:
        self.simulate(extensions_dir=self.directory / "missing")
        self.park(self.runtime())
        self.assertTrue(self.simulator.is_initialized)

    def test_ex_40_a_file_that_is_not_executable_fails_the_init(self) -> None:
        self.add("a", "register", mode=0o644)
        self.simulate(extensions_dir=self.directory)
        report = self.telemetry("platform.initReport")
        self.assertEqual(report["errorType"], "Extension.LaunchError")

    def test_ex_07_the_full_file_name_makes_an_extension_external(self) -> None:
        self.add("a.sh", "hang")
        self.simulate(extensions_dir=self.directory)
        body = b'{"events":["SHUTDOWN"]}'
        answer = self.extension().ask_to_register("a", body)
        self.assert_refused(
            answer,
            403,
            "Extension.InvalidEventType",
            "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension",
        )
        self.assertEqual(self.extension().ask_to_register("a.sh", body).status, 200)


class InitTest(ProcessTest):
    def test_ex_35_launch_errors_are_told(self) -> None:
        with tempfile.NamedTemporaryFile(prefix="mute") as file:
            mute = ProcessConfig(file.name, ProcessRole.EXTENSION, name="mute")
            self.simulate(extensions=[mute])
            report = self.telemetry("platform.initReport")
            self.assertEqual(report["errorType"], "Extension.LaunchError")
            told = self.telemetry("platform.extension")
            self.assertEqual(
                (told["name"], told["state"], told["errorType"]),
                ("mute", "LaunchError", "PermissionDenied"),
            )

    def test_ex_35_an_exit_after_an_exit_error_is_an_exit_error(self) -> None:
        steps = ("register:INVOKE", "event", "exit-error", "exit:3")
        self.simulate(extensions=[extension_of("watcher", *steps)], runtime=runtime_of("serve"))
        self.wait_for_ready()
        self.simulator.enqueue_payload({})
        self.assertEqual(self.telemetry("platform.report")["errorType"], "Extension.ExitError")

    def test_ex_35_an_exit_after_an_init_error_is_an_init_error(self) -> None:
        steps = ("register", "init-error-of", "exit:3")
        self.simulate(extensions=[extension_of("watcher", *steps)])
        report = self.telemetry("platform.initReport")
        self.assertEqual(report["errorType"], "Extension.InitError")

    def test_ex_41_each_leads_a_process_group(self) -> None:
        self.simulate(extensions=[extension_of("watcher", "group", "register", "event")])
        self.wait_for_print("leads: True")

    def test_ex_41_both_streams_are_extension_logs(self) -> None:
        steps = ("print:out", "complain:err", "register", "event")
        self.simulate(extensions=[extension_of("watcher", *steps)])
        found = self.simulator.wait_for_telemetry("extension", count=2, timeout=20.0)
        self.assertEqual({event.record for event in found}, {"out\n", "err\n"})
        self.assertEqual(set(self.lines_of("watcher")), {"out", "err"})

    def test_ex_42_the_runtime_starts_when_all_externals_have_registered(self) -> None:
        names = ("watcher", "second")
        self.simulate(
            extensions=[extension_of(name, "register", "print:in", "event") for name in names],
            runtime=runtime_of("print:runtime", "serve"),
        )
        self.wait_for_ready()
        started = [one.name for one in self.simulator.processes]
        self.assertEqual(started, ["watcher", "second", Path(sys.executable).name])

    def test_ex_42_init_waits_for_every_external(self) -> None:
        self.simulate(
            extensions=[extension_of("watcher", "register", "event")],
            runtime=runtime_of("serve"),
        )
        self.wait_for_ready()
        self.assertEqual(self.simulator.parked, 2)

    def test_ex_43_the_runtime_does_not_start_without_every_registration(self) -> None:
        for steps in (("print:up", "hang"), ("print:up", "exit:1")):
            with self.subTest(steps=steps):
                self.simulate(
                    extensions=[extension_of("watcher", *steps)],
                    runtime=runtime_of("print:runtime", "serve"),
                    init_timeout=0.4,
                )
                self.telemetry("platform.initReport")
                self.assertEqual(
                    [one.role for one in self.simulator.processes], [ProcessRole.EXTENSION]
                )

    def test_ex_47_each_extension_is_told_of_when_init_ends(self) -> None:
        self.simulate(
            extensions=[extension_of("watcher", "register:INVOKE,SHUTDOWN", "listen")],
            runtime=runtime_of("serve"),
        )
        inner = self.extension()
        self.assertEqual(inner.ask_to_register("inner").status, 200)
        self.park(inner)
        self.wait_for_ready()
        told = {
            one.record["name"]: one.record
            for one in self.simulator.get_telemetry_events_by_type("platform.extension")
        }
        self.assertEqual(set(told), {"watcher", "inner"})
        self.assertEqual(set(told["watcher"]["events"]), {"INVOKE", "SHUTDOWN"})
        self.assertEqual((told["inner"]["state"], told["inner"]["events"]), ("Ready", []))
        lines = [one.message for one in self.simulator.logs if one.source == "platform"]
        self.assertIn("EXTENSION\tName: inner\tState: Ready\tEvents: []", lines)
        self.assertIn("EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]", lines)

    def wait_for_ready(self) -> None:
        self.wait_for(lambda: self.simulator.is_initialized)


class CrashTest(ProcessTest):
    def test_ex_44_an_exit_during_init_fails_it_even_with_code_0(self) -> None:
        for status in (0, 1):
            with self.subTest(status=status):
                self.simulate(extensions=[extension_of("watcher", f"exit:{status}")])
                report = self.telemetry("platform.initReport")
                self.assertEqual(report["errorType"], "Extension.Crash")

    def test_ex_44_a_failed_init_is_tried_again_at_the_first_invocation(self) -> None:
        marks = self.enterContext(tempfile.TemporaryDirectory())
        steps = ("once:exit:1", "register", "event")
        self.simulate(
            extensions=[extension_of("watcher", *steps, MARKS=marks)],
            runtime=runtime_of("serve"),
        )
        self.telemetry("platform.initReport")
        state = self.simulator.invoke({"a": 1}, timeout=20.0)
        self.assertEqual(state.response.payload, {"a": 1})
        self.assertEqual(self.telemetry("platform.initReport", 2)["phase"], "invoke")

    def invoke_with(self, *steps: str, runtime: tuple[str, ...] = ("next", "hang")) -> Any:
        """The state of an invocation during which an extension takes these steps."""
        self.simulate(
            extensions=[extension_of("watcher", "register:INVOKE", "event", *steps)],
            runtime=runtime_of(*runtime),
        )
        return self.simulator.invoke({}, timeout=20.0)

    def test_ex_44_an_exit_during_the_invocation_fails_it(self) -> None:
        for status in (0, 5):
            with self.subTest(status=status):
                state = self.invoke_with(f"exit:{status}")
                self.assertEqual(state.error.error_type, "Extension.Crash")

    def test_ex_44_a_response_that_was_sent_stands(self) -> None:
        marks = self.enterContext(tempfile.TemporaryDirectory())
        wait = ("until:answered", "exit:1")
        self.simulate(
            extensions=[extension_of("watcher", "register:INVOKE", "event", *wait, MARKS=marks)],
            runtime=runtime_of("serve"),
        )
        state = self.simulator.invoke({"a": 1}, timeout=20.0)
        self.assertEqual(state.response.payload, {"a": 1})
        Path(marks, "answered").touch()
        self.assertEqual(self.telemetry("platform.report")["errorType"], "Extension.Crash")
        self.assertEqual(self.complete(state.request_id).response.payload, {"a": 1})

    def test_ex_44_an_exit_between_invocations_is_found_at_the_next(self) -> None:
        self.simulate(
            extensions=[extension_of("watcher", "register", "event")],
            runtime=runtime_of("serve"),
        )
        self.wait_for(lambda: self.simulator.is_initialized)
        self.simulator.processes[0].kill()
        self.wait_for(lambda: not self.simulator.is_initialized)
        state = self.simulator.invoke({"a": 1}, timeout=20.0)
        self.assertEqual(state.response.payload, {"a": 1})
        self.assertEqual(self.telemetry("platform.initStart", 2)["phase"], "invoke")

    def test_ex_45_after_a_crash_everything_is_started_again(self) -> None:
        state = self.invoke_with("exit:1")
        first = {one.pid for one in self.simulator.processes}
        self.assertIs(state.status, InvocationStatus.ERROR)
        again = self.simulator.invoke({}, timeout=20.0)
        self.assertEqual(again.error.error_type, "Extension.Crash")
        later = {one.pid for one in self.simulator.processes} - first
        self.assertEqual(len(later), 2)


class SignalTest(ProcessTest):
    def test_ex_46_extensions_get_no_sigterm(self) -> None:
        for events in ("INVOKE", "INVOKE,SHUTDOWN"):
            with self.subTest(events=events):
                steps = ("deafen", f"register:{events}", "listen")
                self.simulate(
                    extensions=[extension_of("watcher", *steps)], runtime=runtime_of("serve")
                )
                self.wait_for(lambda: self.simulator.is_initialized)
                self.simulator.graceful_shutdown()
                expected = ["watcher SHUTDOWN spindown"] if "SHUTDOWN" in events else []
                self.assertEqual(self.lines_of("watcher"), expected)

    def test_ex_46_the_runtime_gets_sigterm_if_there_is_an_extension(self) -> None:
        self.simulate(
            extensions=[extension_of("watcher", "register", "event")],
            runtime=runtime_of("trap", "serve"),
        )
        self.wait_for(lambda: self.simulator.is_initialized)
        self.simulator.graceful_shutdown()
        self.assertEqual(self.printed(), ["runtime SIGTERM"])

    def test_ex_46_an_internal_extension_will_do(self) -> None:
        marks = self.enterContext(tempfile.TemporaryDirectory())
        self.simulate(runtime=runtime_of("trap", "until:go", "serve", MARKS=marks))
        self.park(self.extension("inner"))
        Path(marks, "go").touch()
        self.wait_for(lambda: self.simulator.is_initialized)
        self.simulator.graceful_shutdown()
        self.assertEqual(self.printed(), ["runtime SIGTERM"])

    def test_ex_46_without_extensions_the_runtime_is_killed_at_once(self) -> None:
        self.simulate(runtime=runtime_of("deafen", "serve"))
        self.wait_for(lambda: self.simulator.is_initialized)
        self.simulator.graceful_shutdown()
        self.assertEqual(self.printed(), [])
        self.assertEqual(self.simulator.processes[0].returncode, -9)
