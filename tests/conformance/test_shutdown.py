"""Section 4.6 of the contract: how an environment ends."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import psutil

from lambda_sim import ShutdownReason, SimulatorPhase
from lambda_sim.process import tree
from lambda_sim.testing import ManualClock
from tests.conformance.case import ConformanceTest, TelemetryTest, extension_of, runtime_of
from tests.raw import PATIENCE

KILLED = -9


class AcknowledgementTest(ConformanceTest):
    def test_lc_56_a_closed_connection_says_that_an_extension_is_done(self) -> None:
        for attempt in range(20):
            with self.subTest(attempt=attempt):
                # A clock that stands: no deadline ends the wait for the extension.
                self.simulate(clock=ManualClock(), shutdown_timeout=60.0)
                extension = self.park(self.extension("watcher", "SHUTDOWN"))
                self.park(self.runtime())
                done = self.soon(self.simulator.graceful_shutdown)
                self.assertEqual(extension.event()["eventType"], "SHUTDOWN")
                extension.close()
                done.result(PATIENCE)

    def test_lc_50_the_reason_is_the_one_given(self) -> None:
        for reason in ShutdownReason:
            with self.subTest(reason=reason):
                self.simulate(clock=ManualClock())
                extension = self.park(self.extension("watcher", "SHUTDOWN"))
                self.park(self.runtime())
                done = self.soon(self.simulator.graceful_shutdown, reason)
                self.assertEqual(extension.event()["shutdownReason"], reason.value)
                extension.close()
                done.result(PATIENCE)

    def test_lc_50_idleness_is_spindown(self) -> None:
        self.simulate(clock=ManualClock())
        extension = self.park(self.extension("watcher", "SHUTDOWN"))
        self.park(self.runtime())
        done = self.soon(self.simulator.graceful_shutdown)
        self.assertEqual(extension.event()["shutdownReason"], "spindown")
        extension.close()
        done.result(PATIENCE)

    def test_lc_50_a_timeout_is_a_timeout(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock, invocation_timeout=3.0)
        extension = self.park(self.extension("watcher", "SHUTDOWN"))
        _, request_id = self.running()
        clock.advance(3.0)
        self.assertEqual(extension.event()["shutdownReason"], "timeout")
        self.complete(request_id)

    def test_lc_50_an_init_error_is_a_failure(self) -> None:
        extension = self.park(self.extension("watcher", "SHUTDOWN"))
        self.runtime().init_error()
        self.assertEqual(extension.event()["shutdownReason"], "failure")

    def test_lc_58_an_extension_at_work_is_told_when_it_asks(self) -> None:
        self.simulate(clock=ManualClock())
        extension = self.park(self.extension("watcher", "INVOKE", "SHUTDOWN"))
        runtime, request_id = self.running()
        self.assertEqual(extension.event()["requestId"], request_id)
        runtime.respond(request_id)
        self.park(runtime)
        done = self.soon(self.simulator.graceful_shutdown)
        self.simulator.wait_for_phase(SimulatorPhase.SHUTTING_DOWN, PATIENCE)
        self.assertFalse(done.done())
        self.assertEqual(extension.next()["eventType"], "SHUTDOWN")
        extension.close()
        done.result(PATIENCE)


class LastInvocationTest(TelemetryTest):
    """Lambda ends an environment between invocations."""

    def test_lc_12_what_was_answered_is_reported_before_the_end(self) -> None:
        receiver = self.receiver()
        extension = self.subscribed("watcher", "INVOKE", "SHUTDOWN", to=receiver)
        self.park(extension)
        runtime, request_id = self.running()
        extension.event()
        runtime.respond(request_id)
        self.park(runtime)
        done = self.soon(self.simulator.graceful_shutdown)
        self.simulator.wait_for_phase(SimulatorPhase.SHUTTING_DOWN, PATIENCE)
        self.assertEqual(self.simulator.get_telemetry_events_by_type("platform.report"), [])
        self.assertEqual(extension.next()["eventType"], "SHUTDOWN")
        receiver.wait_for("platform.report", PATIENCE)  # delivered while the extension is there
        extension.close()
        done.result(PATIENCE)
        self.assertIn("REPORT", self.simulator.logs[-1].message)

    def test_lc_12_a_runtime_that_does_not_come_back_holds_nothing_up(self) -> None:
        runtime, request_id = self.running()
        runtime.respond(request_id)
        self.simulator.graceful_shutdown()
        self.assertEqual(self.telemetry_types()[-2:], ["platform.runtimeDone", "platform.report"])


class ShutdownTest(ConformanceTest):
    settings = {}  # noqa: RUF012

    def start(self, *runtime: str, watchers: dict[str, tuple[str, ...]], **config: float) -> None:
        """A runtime of these steps, then serving, and extensions; come back when init is over."""
        self.simulate(
            runtime=runtime_of(*runtime, "serve"),
            extensions=[extension_of(name, *steps) for name, steps in watchers.items()],
            **config,
        )
        self.wait_for(lambda: self.simulator.is_initialized)

    def shut_down(self) -> float:
        """End the environment; how many seconds it took."""
        begin = time.monotonic()
        self.simulator.graceful_shutdown()
        return time.monotonic() - begin

    @property
    def returncodes(self) -> dict[str, int | None]:
        return {
            one.name if one.role.value == "extension" else "runtime": one.returncode
            for one in self.simulator.processes
        }

    def test_lc_50_a_crash_is_a_failure(self) -> None:
        self.simulate(
            runtime=runtime_of("next", "exit:1"),
            extensions=[extension_of("watcher", "register:SHUTDOWN", "listen")],
        )
        self.simulator.invoke({}, timeout=PATIENCE)
        self.wait_for_print("watcher SHUTDOWN failure")

    def test_lc_51_without_extensions_the_runtime_is_killed(self) -> None:
        self.start("deafen", watchers={}, shutdown_timeout=60.0)
        self.shut_down()
        self.assertEqual(self.printed(), [])
        self.assertEqual(self.returncodes, {"runtime": KILLED})

    def start_with_internal(self, *runtime: str) -> None:
        marks = self.enterContext(tempfile.TemporaryDirectory())
        self.simulate(runtime=runtime_of(*runtime, "until:go", "serve", MARKS=marks))
        self.park(self.extension("inner"))
        Path(marks, "go").touch()
        self.wait_for(lambda: self.simulator.is_initialized)

    def test_lc_52_with_an_internal_extension_the_runtime_may_end_by_itself(self) -> None:
        self.start_with_internal("trap")
        self.shut_down()
        self.assertEqual(self.printed(), ["runtime SIGTERM"])
        self.assertEqual(self.returncodes, {"runtime": 0})

    def test_lc_52_with_an_internal_extension_the_runtime_has_500_ms(self) -> None:
        self.start_with_internal("deafen")
        self.assertGreaterEqual(self.shut_down(), 0.5)
        self.assertEqual(self.printed(), ["runtime SIGTERM"])
        self.assertEqual(self.returncodes, {"runtime": KILLED})

    def test_lc_53_with_an_external_extension_the_runtime_may_end_by_itself(self) -> None:
        self.start("trap", watchers={"watcher": ("register:SHUTDOWN", "listen")})
        self.shut_down()
        self.assertEqual(self.printed(), ["runtime SIGTERM", "watcher SHUTDOWN spindown"])
        self.assertEqual(self.returncodes, {"watcher": 0, "runtime": 0})

    def test_lc_53_with_an_external_extension_the_runtime_has_300_ms(self) -> None:
        self.start("deafen", watchers={"watcher": ("register:SHUTDOWN", "listen")})
        self.assertGreaterEqual(self.shut_down(), 0.3)
        self.assertEqual(self.printed(), ["runtime SIGTERM", "watcher SHUTDOWN spindown"])
        self.assertEqual(self.returncodes, {"watcher": 0, "runtime": KILLED})

    def test_lc_53_who_did_not_subscribe_is_killed_at_once(self) -> None:
        # The other one never ends by itself: what is killed at once is killed before it.
        watchers = {
            "told": ("deafen", "register:SHUTDOWN", "event", "hang"),
            "untold": ("deafen", "register:INVOKE", "listen"),
        }
        self.start("trap", watchers=watchers, shutdown_timeout=60.0)
        done = self.soon(self.simulator.graceful_shutdown)
        self.wait_for_print("told SHUTDOWN spindown")
        told, untold, _ = self.simulator.processes
        self.assertEqual(untold.wait(PATIENCE), KILLED)
        self.assertTrue(told.is_running)
        told.kill()
        done.result(PATIENCE)
        self.assertEqual(self.printed(), ["runtime SIGTERM", "told SHUTDOWN spindown"])

    def test_lc_53_who_was_told_has_the_rest_of_the_time_then_is_killed(self) -> None:
        watchers = {"watcher": ("deafen", "register:SHUTDOWN", "event", "hang")}
        self.start("trap", watchers=watchers, shutdown_timeout=0.6)
        self.assertGreaterEqual(self.shut_down(), 0.6)
        self.assertEqual(self.printed(), ["runtime SIGTERM", "watcher SHUTDOWN spindown"])
        self.assertEqual(self.returncodes, {"watcher": KILLED, "runtime": 0})

    def test_lc_53_an_extension_that_asks_again_has_the_rest_of_the_time_too(self) -> None:
        watchers = {"watcher": ("register:SHUTDOWN", "listen", "until:go", "exit:0")}
        marks = self.enterContext(tempfile.TemporaryDirectory())
        self.simulate(
            runtime=runtime_of("serve"),
            extensions=[extension_of("watcher", *watchers["watcher"], MARKS=marks)],
            shutdown_timeout=60.0,
        )
        self.wait_for(lambda: self.simulator.is_initialized)
        done = self.soon(self.simulator.graceful_shutdown)
        self.wait_for_print("watcher SHUTDOWN spindown")
        self.assertFalse(done.done())
        Path(marks, "go").touch()
        done.result(PATIENCE)
        self.assertEqual(self.returncodes["watcher"], 0)

    def test_lc_54_the_runtime_has_ended_when_extensions_are_told(self) -> None:
        marks = self.enterContext(tempfile.TemporaryDirectory())
        self.simulate(
            runtime=runtime_of("deafen", "until:go", "serve", MARKS=marks),
            external_extensions=["watcher"],
        )
        extension = self.park(self.extension("watcher", "SHUTDOWN"))
        Path(marks, "go").touch()
        self.wait_for(lambda: self.simulator.is_initialized)
        done = self.soon(self.simulator.graceful_shutdown)
        self.assertEqual(extension.event()["eventType"], "SHUTDOWN")
        self.assertEqual(self.returncodes, {"runtime": KILLED})
        extension.close()
        done.result(PATIENCE)

    def test_lc_55_children_of_processes_end_too(self) -> None:
        self.start("child", watchers={"watcher": ("child", "register:SHUTDOWN", "listen")})
        self.assert_children_end(2)

    def test_lc_55_children_of_a_killed_runtime_end_too(self) -> None:
        self.start("child", watchers={})
        self.assert_children_end(1)

    def children(self) -> list[psutil.Process]:
        """The processes that processes say they started."""
        lines = [line for line in self.printed() if line.startswith("child ")]
        return [psutil.Process(int(line.split()[1])) for line in lines]

    def assert_children_end(self, count: int) -> None:
        self.wait_for(lambda: len(self.children()) == count)
        children = self.children()
        self.assertEqual([tree.is_alive(child) for child in children], [True] * count)
        self.shut_down()
        # They were killed; with a busy machine it takes a moment until they are gone.
        self.assertTrue(tree.asked_until(lambda: not any(map(tree.is_alive, children)), PATIENCE))

    def test_lc_56_whoever_ends_early_is_not_waited_for(self) -> None:
        # With a minute for everybody, only their ends can end it within the test's patience.
        watchers = dict.fromkeys(("watcher", "second"), ("register:SHUTDOWN", "listen"))
        self.start("trap", watchers=watchers, shutdown_timeout=60.0)
        self.soon(self.simulator.graceful_shutdown).result(PATIENCE)
        self.assertEqual(self.returncodes, {"watcher": 0, "second": 0, "runtime": 0})

    def test_lc_57_how_an_extension_exits_at_the_end_does_not_matter(self) -> None:
        self.start(watchers={"watcher": ("register:SHUTDOWN", "listen", "exit:3")})
        before = self.simulator.telemetry_events
        self.shut_down()
        self.assertEqual(self.returncodes["watcher"], 3)
        after = self.simulator.telemetry_events[len(before) :]
        told = [json.dumps(one.record) for one in after if one.type.startswith("platform")]
        self.assertEqual([line for line in told if "Crash" in line or "error" in line], [])

    def test_lc_59_a_second_shutdown_does_nothing(self) -> None:
        self.start(watchers={"watcher": ("register:SHUTDOWN", "listen")})
        self.shut_down()
        printed = self.printed()
        self.shut_down()
        self.simulator.shutdown()
        for process in self.simulator.processes:
            process.terminate()
            process.kill()
        self.assertEqual(self.printed(), printed)
