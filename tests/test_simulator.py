"""The blocking API: what callers get, and how waits end."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

import psutil

from lambda_sim import (
    RELAXED,
    BinaryNotFound,
    ConfigurationError,
    FreezeError,
    FreezeMode,
    Invocation,
    InvocationNotFound,
    InvocationStatus,
    ProcessConfig,
    ProcessRole,
    ShutdownReason,
    ShuttingDown,
    Simulator,
    SimulatorConfig,
    SimulatorPhase,
    StartError,
    WaitTimeout,
)
from lambda_sim.closing import Steps
from lambda_sim.conductor import Conductor
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.machine import Life, Machine
from lambda_sim.process import sandbox
from lambda_sim.process.logs import Output
from lambda_sim.process.sandbox import LocalSandbox
from lambda_sim.router import Router
from lambda_sim.telemetry.dispatcher import Dispatcher
from lambda_sim.testing.leftovers import Census
from lambda_sim.wire.server import WireServer
from tests.conformance.case import subscription
from tests.raw import RawExtension
from tests.support import (
    NEXT,
    PATIENCE,
    HandExtension,
    HandRuntime,
    SimulatorTest,
    handler_runtime,
    is_alive,
    program,
)


def pressed_once(close: Callable[..., None]) -> Callable[..., None]:
    """A close into whose first step Ctrl-C comes, the first time."""
    presses = iter([KeyboardInterrupt()])

    def pressed(*arguments: Any) -> None:
        for press in presses:
            raise press
        close(*arguments)

    return pressed


class ConfigTest(SimulatorTest):
    def test_a_keyword_that_is_nobody_s_is_refused_with_the_one_that_was_meant(self) -> None:
        for name, meant in (("memory", "memory_size_mb"), ("max_concurency", "max_concurrency")):
            with self.assertRaisesRegex(TypeError, f"'{name}'; did you mean {meant}"):
                Simulator(**{name: 1})
        with self.assertRaisesRegex(TypeError, "argument 'xyz'$"):
            Simulator(xyz=1)

    def test_what_is_no_config_and_no_phase_is_refused(self) -> None:
        with self.assertRaisesRegex(ConfigurationError, "^config: got {}; allowed is"):
            Simulator({})  # type: ignore[arg-type]
        with self.assertRaisesRegex(ConfigurationError, "^phase: got 'ready'; allowed is"):
            self.start().wait_for_phase("ready")  # type: ignore[arg-type]


class StartTest(SimulatorTest):
    def test_a_busy_port_is_a_start_error_that_names_it(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with self.assertRaises(StartError) as caught:
                self.start(port=port)
        self.assertIn(str(port), str(caught.exception))
        self.assertIsInstance(caught.exception, OSError)

    def test_starting_twice_is_fine(self) -> None:
        simulator = self.start()
        address = simulator.addr
        self.assertIs(simulator.start(), simulator)
        self.assertEqual(simulator.addr, address)

    def test_closing_twice_is_fine(self) -> None:
        simulator = self.start()
        simulator.close()
        simulator.shutdown()
        simulator.graceful_shutdown()

    def test_what_was_not_started_says_so(self) -> None:
        simulator = Simulator()
        self.assertIs(simulator.phase, SimulatorPhase.INITIALIZING)
        for use in (
            lambda: simulator.addr,
            lambda: simulator.invoke({}),
            lambda: simulator.enqueue_payload({}),
            lambda: simulator.spawn_process("/bin/true", ProcessRole.RUNTIME),
            lambda: simulator.wait_for_phase(SimulatorPhase.READY),
        ):
            with self.assertRaises(ShuttingDown) as caught:
                use()
            self.assertIn("not started", str(caught.exception))

    def test_after_close_readings_work_and_the_rest_is_refused(self) -> None:
        simulator = self.start()
        simulator.close()
        self.assertIs(simulator.phase, SimulatorPhase.SHUTTING_DOWN)
        self.assertEqual(simulator.telemetry_events[0].type, "platform.initStart")
        self.assertEqual(simulator.invocation_states, [])
        self.assertGreater(simulator.addr[1], 0)
        for use in (
            lambda: simulator.invoke({}),
            lambda: simulator.enqueue_payload({}),
            lambda: simulator.spawn_process("/bin/true", ProcessRole.RUNTIME),
            lambda: simulator.wait_for_parked(1),
            lambda: simulator.wait_for(lambda: False),
            simulator.start,
        ):
            with self.assertRaises(ShuttingDown):
                use()

    def test_close_without_start_is_fine(self) -> None:
        Simulator().close()

    def test_a_failed_start_leaves_nothing(self) -> None:
        with self.assertRaises(FreezeError):
            self.start(runtime_pid=os.getpid())

    def test_a_start_that_is_cut_short_ends_all_the_same(self) -> None:
        for owner in (Router, Conductor, Machine):
            with self.subTest(owner.__name__):
                simulator = Simulator()
                error = RuntimeError("can't start new thread")
                with mock.patch.object(owner, "start", side_effect=error):
                    start = self.soon(simulator.start)
                    with self.assertRaises(RuntimeError):
                        start.result(PATIENCE)
                with self.assertRaises(ShuttingDown):
                    simulator.start()

    def test_a_close_that_ctrl_c_cut_short_is_made_good_by_the_next(self) -> None:
        for owner in (Router, Dispatcher, WireServer, LocalSandbox, ExecutionEnvironment):
            with self.subTest(owner.__name__):
                before = Census.now()
                # In its place from the start, as who closes it is known then.
                with mock.patch.object(owner, "close", pressed_once(owner.close)):
                    simulator = Simulator().start()
                    extension = self.subscriber(simulator)
                    with self.assertRaises(KeyboardInterrupt):
                        simulator.close()
                    simulator.close()
                self.assertTrue(extension.is_closed_by_peer())
                self.assertEqual(before.newcomers(), [])

    def subscriber(self, simulator: Simulator) -> RawExtension:
        """An extension to which telemetry is delivered, though it never reads any."""
        extension = RawExtension(simulator)
        self.addCleanup(extension.close)
        extension.register("one")
        listener = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        wanted = subscription(listener.getsockname()[1])
        self.assertEqual(200, extension.subscribe(wanted).status)
        return extension

    @unittest.skipIf(sys.platform == "win32", "signals")
    def test_a_signals_handler_may_close_what_is_being_closed_or_started(self) -> None:
        def again() -> None:
            signal.raise_signal(signal.SIGUSR1)

        closings: list[Simulator] = []
        before = signal.signal(signal.SIGUSR1, lambda *_: closings[-1].close())
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        simulator = Simulator().start()
        closings.append(simulator)
        simulator._undo.add(again)
        simulator.close()
        self.assertIs(simulator.phase, SimulatorPhase.SHUTTING_DOWN)
        open_it = Simulator._open

        def closed_before(simulator: Simulator, undo: Steps) -> None:
            again()
            open_it(simulator, undo)

        def closed_after(simulator: Simulator, undo: Steps) -> None:
            open_it(simulator, undo)
            again()

        for opened in (closed_before, closed_after):
            closings.append(Simulator())
            with (
                self.subTest(opened.__name__),
                mock.patch.object(Simulator, "_open", opened),
                self.assertRaises(ShuttingDown),
            ):
                closings[-1].start()

    def test_fields_may_follow_a_config(self) -> None:
        config = SimulatorConfig(function_name="one")
        self.assertEqual(Simulator(config, memory_size_mb=256).config.function_name, "one")

    def test_closing_releases_every_wait(self) -> None:
        simulator = self.start()
        polls = [self.soon(self.call, simulator, "GET", NEXT) for _ in range(3)]
        simulator.wait_for_parked(3)
        request_id = simulator.enqueue_payload({})
        simulator.wait_for_parked(2)
        waits = [
            self.soon(simulator.wait_for_invocation_complete, request_id, PATIENCE),
            self.soon(simulator.wait_for_extensions, 1, PATIENCE),
            self.soon(simulator.wait_for_frozen, PATIENCE),
            self.soon(simulator.wait_for_telemetry, "platform.report", timeout=PATIENCE),
            self.soon(simulator.wait_for, lambda: False, PATIENCE),
        ]
        simulator.close()
        for wait in waits:
            with self.assertRaises(ShuttingDown):
                wait.result(PATIENCE)
        ends = sorted(type(poll.exception(PATIENCE)).__name__ for poll in polls)
        self.assertEqual(ends, ["ConnectionClosed", "ConnectionClosed", "NoneType"])


class InvokeTest(SimulatorTest):
    def test_a_function_answers(self) -> None:
        simulator = self.start(runtime=handler_runtime("functions.echo"))
        state = simulator.invoke({"name": "Ada"})
        self.assertIs(state.status, InvocationStatus.SUCCESS)
        self.assertEqual(state.response.payload, {"name": "Ada"})
        self.assertEqual(state.response.content_type, "application/json")
        self.assertTrue(state.is_cold)
        self.assertFalse(simulator.invoke({}).is_cold)

    def test_telemetry_is_complete_when_the_answer_is_there(self) -> None:
        simulator = self.start(runtime=handler_runtime("functions.echo"))
        for _ in range(20):
            simulator.clear_telemetry_events()
            request_id = simulator.invoke({}).request_id
            told = [event for event in simulator.telemetry_events if event.type != "function"]
            self.assertEqual(
                [event.type for event in told][-3:],
                ["platform.start", "platform.runtimeDone", "platform.report"],
            )
            self.assertEqual({event.record["requestId"] for event in told[-3:]}, {request_id})

    def test_the_log_tail_runs_from_start_to_report(self) -> None:
        simulator = self.start(runtime=handler_runtime("functions.echo"))
        lines = simulator.invoke({"name": "Ada"}).log_tail.splitlines()
        self.assertTrue(lines[0].startswith("START RequestId: "))
        self.assertIn("echo {'name': 'Ada'}", lines)
        self.assertTrue(lines[-2].startswith("END RequestId: "))
        self.assertIn("Init Duration", lines[-1])

    def test_the_log_tail_stays_what_it_was(self) -> None:
        simulator = self.start(runtime=handler_runtime("functions.echo"))
        state = simulator.invoke({"name": "Ada"})
        for again in (
            simulator.get_invocation_state(state.request_id),
            *simulator.invocation_states,
        ):
            self.assertEqual(again.log_tail, state.log_tail)

    def test_a_function_error_is_a_result(self) -> None:
        simulator = self.start(runtime=handler_runtime("functions.trouble"))
        state = simulator.invoke({"kind": "raise"})
        self.assertIs(state.status, InvocationStatus.ERROR)
        self.assertEqual(state.error.error_type, "ValueError")
        self.assertEqual(state.error.error_message, "as asked")

    def test_a_crash_ends_the_invocation_and_the_next_starts_anew(self) -> None:
        simulator = self.start(runtime=handler_runtime("functions.trouble"))
        pid = simulator.invoke({}).response.payload["pid"]
        state = simulator.invoke({"kind": "exit", "code": 3})
        self.assertEqual(state.error.error_type, "Runtime.ExitError")
        self.assertIn("exit status 3", state.error.error_message)
        self.assertNotEqual(simulator.invoke({}).response.payload["pid"], pid)

    def test_a_timeout_ends_the_invocation_and_its_runtime(self) -> None:
        runtime = handler_runtime("functions.trouble")
        simulator = self.start(runtime=runtime, invocation_timeout=PATIENCE)
        pid = simulator.invoke({}).response.payload["pid"]
        state = simulator.invoke(Invocation({"kind": "sleep", "seconds": 60}, timeout=0.5))
        self.assertIs(state.status, InvocationStatus.TIMEOUT)
        self.assertEqual(state.error.error_type, "Sandbox.Timedout")
        self.assertIn("Task timed out after 0.50 seconds", state.error.error_message)
        self.assertTrue(simulator.invoke({}).response.payload["pid"] != pid)
        self.assertFalse(is_alive(pid))

    def test_memory_is_measured(self) -> None:
        simulator = self.start(runtime=handler_runtime("functions.trouble"))
        simulator.invoke({"kind": "memory", "bytes": 80 * 1024 * 1024})
        (report,) = simulator.get_telemetry_events_by_type("platform.report")
        self.assertGreater(report.record["metrics"]["maxMemoryUsedMB"], 80)
        self.assertLess(report.record["metrics"]["maxMemoryUsedMB"], 200)

    def test_the_callers_patience_is_its_own(self) -> None:
        simulator = self.start(runtime=handler_runtime("functions.trouble"))
        with self.assertRaises(WaitTimeout):
            simulator.invoke({"kind": "sleep", "seconds": 60}, timeout=0.1)

    def test_many_callers_queue(self) -> None:
        simulator = self.start(runtime=handler_runtime("functions.echo"))
        answers = [self.soon(simulator.invoke, number) for number in range(40)]
        self.assertEqual(
            [answer.result(PATIENCE).response.payload for answer in answers], list(range(40))
        )

    def test_bytes_go_through_as_they_are(self) -> None:
        simulator = self.start()
        runtime = HandRuntime(self, simulator)
        waiting = self.soon(simulator.invoke, Invocation.from_bytes(b"\xff\x00", "text/odd"))
        answer = runtime.connection.request("GET", NEXT)
        self.assertEqual((answer.body, answer.headers["content-type"]), (b"\xff\x00", "text/odd"))
        runtime.respond(answer.headers["lambda-runtime-aws-request-id"], b"\x00\xfe")
        self.assertEqual(waiting.result(PATIENCE).response.body, b"\x00\xfe")

    def test_a_payload_that_is_no_json_names_the_field(self) -> None:
        simulator = self.start()
        for payload in ({1, 2}, b"bytes", float("nan"), object()):
            with self.assertRaises(ConfigurationError) as caught:
                simulator.invoke(payload)
            self.assertEqual(caught.exception.field, "payload")

    def test_an_unknown_id_is_not_found(self) -> None:
        simulator = self.start()
        self.assertIsNone(simulator.get_invocation_state("nobody's"))
        for ask in (
            simulator.wait_for_invocation_complete,
            simulator.are_extensions_ready,
            simulator.get_extension_overhead_ms,
            simulator.wait_for_extensions_ready,
        ):
            with self.assertRaises(InvocationNotFound):
                ask("nobody's")

    def test_a_stream_is_read_while_it_arrives(self) -> None:
        simulator = self.start()
        runtime = HandRuntime(self, simulator)
        polled = self.soon(runtime.next)
        stream = simulator.invoke_stream({}, timeout=PATIENCE)
        request_id = polled.result(PATIENCE)
        with socket.create_connection(simulator.addr) as upload:
            upload.sendall(
                f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\n"
                "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
                "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n".encode()
            )
            self.assertEqual(next(stream), b"first")
            upload.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
            self.assertEqual(list(stream), [b"second"])
        self.assertIs(stream.state.status, InvocationStatus.SUCCESS)
        self.assertEqual(stream.state.response.chunks, (b"first", b"second"))


class WaitTest(SimulatorTest):
    def test_a_wait_that_fails_carries_evidence(self) -> None:
        missing = program("extension.py", "misnamed", role=ProcessRole.EXTENSION)
        simulator = self.start(extensions=[missing])
        simulator.wait_for(lambda: simulator.logs, PATIENCE)
        with self.assertRaises(WaitTimeout) as caught:
            simulator.wait_for_phase(SimulatorPhase.READY, 0.05)
        evidence = "\n".join([str(caught.exception), *caught.exception.__notes__])
        for words in (
            "phase READY",
            "0.05 s",
            "INITIALIZING",
            "ProcessConfig.name",
            os.path.basename(sys.executable),
        ):
            self.assertIn(words, evidence)

    def test_a_condition_is_asked_without_the_lock(self) -> None:
        simulator = self.start()
        simulator.wait_for(lambda: simulator.phase is SimulatorPhase.INITIALIZING, PATIENCE)

    def test_a_condition_may_look_at_the_world_outside(self) -> None:
        simulator = self.start()
        flag = threading.Event()
        waiting = self.soon(simulator.wait_for, flag.is_set, PATIENCE)
        flag.set()
        waiting.result(PATIENCE)

    def test_a_condition_is_asked_at_least_once(self) -> None:
        self.start().wait_for(lambda: True, 0)

    def test_what_a_condition_raises_is_seen(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            self.start().wait_for(lambda: 1 / 0, PATIENCE)

    def test_a_phase_that_was_passed_is_not_missed(self) -> None:
        simulator = self.start()
        simulator.mark_initialized()
        simulator.wait_for_phase(SimulatorPhase.INITIALIZING, 0)
        simulator.wait_for_phase(SimulatorPhase.READY, 0)

    def test_telemetry_is_waited_for_by_count(self) -> None:
        simulator = self.start(runtime=handler_runtime("functions.echo"))
        waiting = self.soon(
            simulator.wait_for_telemetry, "platform.report", count=2, timeout=PATIENCE
        )
        simulator.invoke(1)
        simulator.invoke(2)
        self.assertEqual(len(waiting.result(PATIENCE)), 2)

    def test_extension_overhead_is_measured_and_kept(self) -> None:
        """BUG12 of the model system: the reading vanished with the report."""
        simulator = self.start()
        extension = HandExtension(self, simulator, "inner", "INVOKE")
        runtime = HandRuntime(self, simulator)
        event = self.soon(extension.next)
        polled = self.soon(runtime.next)
        request_id = simulator.enqueue_payload({})
        event.result(PATIENCE)
        runtime.respond(polled.result(PATIENCE))
        self.soon(runtime.next)
        state = simulator.wait_for_invocation_complete(request_id, PATIENCE)
        self.assertIs(state.status, InvocationStatus.SUCCESS)
        self.assertFalse(simulator.are_extensions_ready(request_id))
        self.assertIsNone(simulator.get_extension_overhead_ms(request_id))
        self.soon(extension.next)
        simulator.wait_for_extensions_ready(request_id, PATIENCE)
        simulator.wait_for_telemetry("platform.report", timeout=PATIENCE)
        overhead = simulator.get_extension_overhead_ms(request_id)
        self.assertGreater(overhead, 0)
        (report,) = simulator.get_telemetry_events_by_type("platform.report")
        (span,) = report.record["spans"]
        self.assertEqual(span["name"], "extensionOverhead")
        self.assertAlmostEqual(span["durationMs"], overhead, delta=0.01)


class ProcessTest(SimulatorTest):
    def test_a_missing_binary_is_named(self) -> None:
        simulator = self.start()
        with self.assertRaises(BinaryNotFound) as caught:
            simulator.spawn_process("/no/such/runtime", ProcessRole.RUNTIME)
        self.assertIn("/no/such/runtime", str(caught.exception))

    def test_a_declared_binary_that_is_missing_fails_the_init(self) -> None:
        runtime = ProcessConfig("/no/such/runtime", ProcessRole.RUNTIME)
        state = self.start(runtime=runtime).invoke({})
        self.assertEqual(state.error.error_type, "Runtime.InvalidEntrypoint")
        self.assertIn("/no/such/runtime", state.error.error_message)

    def test_a_spawned_process_is_the_callers_and_ends_with_the_simulator(self) -> None:
        simulator = self.start()
        child = simulator.spawn_process(["sleep", "600"], ProcessRole.EXTENSION)
        self.assertTrue(child.is_running)
        self.assertEqual(simulator.processes, [child])
        simulator.close()
        self.assertFalse(child.is_running)
        self.assertLess(child.returncode, 0)

    def test_the_whole_tree_ends_with_the_simulator(self) -> None:
        for mode in FreezeMode:
            with (
                self.subTest(mode),
                Simulator(
                    runtime=handler_runtime("functions.trouble"), freeze_mode=mode
                ) as simulator,
            ):
                pid = simulator.invoke({"kind": "child"}).response.payload["pid"]
                self.assertTrue(is_alive(pid))
                if mode is FreezeMode.PROCESS:
                    simulator.wait_for_frozen(PATIENCE)
                    self.assertEqual(psutil.Process(pid).status(), psutil.STATUS_STOPPED)
            self.assertFalse(is_alive(pid))

    def test_what_was_printed_before_an_answer_is_heard_though_nobody_asks_for_next(self) -> None:
        work = (
            "import http.client, os, time\n"
            "api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n"
            f"api.request('GET', '{NEXT}')\n"
            "answer = api.getresponse()\n"
            "answer.read()\n"
            "print('printed', flush=True)\n"
            "name = answer.getheader('Lambda-Runtime-Aws-Request-Id')\n"
            "api.request('POST', f'/2018-06-01/runtime/invocation/{name}/response', b'1')\n"
            "api.getresponse().read()\n"
            "time.sleep(600)\n"
        )
        runtime = ProcessConfig(
            [sys.executable, "-c", work], ProcessRole.RUNTIME, inherit_stdio=False
        )
        for is_lent in (True, False):
            # Nobody listens but who is just about to answer.
            with (
                self.subTest(is_lent=is_lent),
                mock.patch.object(Output, "_run", return_value=None),
            ):
                simulator = self.start(runtime=runtime)
                if is_lent:
                    simulator.wait_for_parked(1, PATIENCE)
                simulator.invoke({})
                printed = [line.message for line in simulator.logs if line.source == "function"]
                self.assertEqual(["printed"], printed)
                simulator.close()

    def test_children_see_lambdas_variables_and_none_of_ours(self) -> None:
        os.environ["DEVELOPERS_SECRET"] = "hush"
        self.addCleanup(os.environ.pop, "DEVELOPERS_SECRET")
        simulator = self.start(environment={"OWN": "yes"}, handler="a.b")
        printer = [sys.executable, "-c", "import os, json; print(json.dumps(dict(os.environ)))"]
        seen = {}
        for role in ProcessRole:
            config = ProcessConfig(printer, role, inherit_stdio=False, env={"EXTRA": "1"})
            simulator.spawn_process_with_config(config).wait(PATIENCE)
            printed = [line for line in simulator.logs if line.source != "platform"]
            seen[role] = json.loads(printed[-1].message)
        runtime, extension = seen[ProcessRole.RUNTIME], seen[ProcessRole.EXTENSION]
        self.assertLessEqual(
            set(simulator.lambda_env_vars().items()) - set(runtime.items()),
            {("PATH", simulator.lambda_env_vars()["PATH"]), ("LAMBDA_TASK_ROOT", "/var/task")},
        )
        self.assertEqual(runtime["_HANDLER"], "a.b")
        for variables in (runtime, extension):
            self.assertEqual((variables["OWN"], variables["EXTRA"]), ("yes", "1"))
            self.assertNotIn("DEVELOPERS_SECRET", variables)
            self.assertEqual(variables["AWS_LAMBDA_RUNTIME_API"], simulator.runtime_api)
        for name in ("_HANDLER", "AWS_LAMBDA_LOG_GROUP_NAME", "LAMBDA_TASK_ROOT"):
            self.assertNotIn(name, extension)

    def test_graceful_shutdown_gives_extensions_their_time(self) -> None:
        extension = program(
            "extension.py", "cleaner", "0.3", role=ProcessRole.EXTENSION, name="cleaner"
        )
        simulator = self.start(
            runtime=handler_runtime("functions.echo"), extensions=[extension], shutdown_timeout=10
        )
        simulator.invoke({})
        simulator.graceful_shutdown(ShutdownReason.SPINDOWN)
        said = [line.message for line in simulator.logs if line.source == "extension"]
        self.assertEqual(said, ["cleaner INVOKE ", "cleaner SHUTDOWN spindown", "cleaner is clean"])

    def test_what_is_being_started_when_the_environment_is_reset_ends_with_it(self) -> None:
        simulator = self.start(external_extensions=["sad"])
        extension = HandExtension(self, simulator, "sad")
        launch, is_launching, is_ending = sandbox.launch, threading.Event(), threading.Event()

        def slow(*arguments: Any, **named: Any) -> Any:
            is_launching.set()
            is_ending.wait(PATIENCE)
            return launch(*arguments, **named)

        with mock.patch.object(sandbox, "launch", slow):
            spawning = self.soon(simulator.spawn_process, ["sleep", "600"], ProcessRole.RUNTIME)
            is_launching.wait(PATIENCE)
            self.assertEqual(extension.fail("init").status, 202)
            simulator.wait_for(lambda: _life(simulator) is Life.RESETTING, PATIENCE)
            is_ending.set()
            child = spawning.result(PATIENCE)
        child.wait(PATIENCE)
        simulator.wait_for(lambda: _life(simulator) is not Life.RESETTING, PATIENCE)
        child = simulator.spawn_process(["sleep", "600"], ProcessRole.RUNTIME)
        simulator.enqueue_payload({})
        child.kill()
        state = simulator.wait_for_invocation_complete(simulator.invocation_states[0].request_id)
        assert state.error is not None
        self.assertEqual(state.error.error_type, "Runtime.ExitError")

    def test_a_dead_extension_ends_the_invocation(self) -> None:
        extension = program("extension.py", "mortal", role=ProcessRole.EXTENSION, name="mortal")
        simulator = self.start(
            runtime=handler_runtime("functions.trouble"),
            extensions=[extension],
            invocation_timeout=60,
        )
        simulator.wait_for_phase(SimulatorPhase.READY, PATIENCE)
        waiting = self.soon(simulator.invoke, {"kind": "sleep", "seconds": 60})
        simulator.wait_for_telemetry("extension", timeout=PATIENCE)
        (child,) = (one for one in simulator.processes if one.name == "mortal")
        child.kill()
        error = waiting.result(PATIENCE).error
        self.assertEqual(error.error_type, "Extension.Crash")
        self.assertIn("signal: killed", error.error_message)
        self.assertIs(simulator.invoke({}).status, InvocationStatus.SUCCESS)


class FreezeTest(SimulatorTest):
    def test_idle_processes_are_stopped_and_go_on_with_the_next_invocation(self) -> None:
        simulator = self.start(
            runtime=handler_runtime("functions.trouble"), freeze_mode=FreezeMode.PROCESS
        )
        for _ in range(5):
            pid = simulator.invoke({}).response.payload["pid"]
            simulator.wait_for_frozen(PATIENCE)
            self.assertEqual(psutil.Process(pid).status(), psutil.STATUS_STOPPED)
        self.assertEqual(simulator.freeze_epoch, 5)

    def test_a_foreign_process_is_frozen_too_and_forgotten_when_dead(self) -> None:
        simulator = self.start(freeze_mode=FreezeMode.PROCESS)
        other = psutil.Popen(["sleep", "600"])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        simulator.register_freeze_pid(other.pid)
        runtime = HandRuntime(self, simulator)
        polled = self.soon(runtime.next)
        simulator.enqueue_payload({})
        runtime.respond(polled.result(PATIENCE))
        polled = self.soon(runtime.next)
        simulator.wait_for_frozen(PATIENCE)
        self.assertEqual(other.status(), psutil.STATUS_STOPPED)
        simulator.enqueue_payload({})
        self.assertFalse(simulator.is_frozen)
        polled.result(PATIENCE)
        simulator.wait_for(lambda: other.status() == psutil.STATUS_SLEEPING, PATIENCE)

    def test_nothing_is_frozen_before_the_start_or_after_the_close(self) -> None:
        before = Census.now()
        simulator = Simulator()
        with self.assertRaisesRegex(ShuttingDown, "not started"):
            simulator.register_freeze_pid(os.getppid())
        with simulator:
            pass
        with self.assertRaisesRegex(ShuttingDown, "closed"):
            simulator.register_freeze_pid(os.getppid())
        self.assertEqual(before.newcomers(), [])

    def test_ourselves_can_not_be_frozen(self) -> None:
        simulator = self.start()
        for pid in (os.getpid(), 0, -1):
            with self.subTest(pid), self.assertRaises(FreezeError):
                simulator.register_freeze_pid(pid)


class RelaxedTest(SimulatorTest):
    def test_an_extension_needs_no_runtime(self) -> None:
        simulator = self.start(rules=RELAXED)
        extension = HandExtension(self, simulator, "alone", "INVOKE", "SHUTDOWN")
        simulator.mark_initialized()
        request_id = simulator.enqueue_payload({})
        event = extension.next()
        self.assertEqual((event["eventType"], event["requestId"]), ("INVOKE", request_id))
        farewell = self.soon(extension.next)
        simulator.wait_for_parked(1)
        ending = self.soon(simulator.graceful_shutdown, ShutdownReason.FAILURE)
        self.assertEqual(farewell.result(PATIENCE)["shutdownReason"], "failure")
        self.soon(extension.connection.request, "GET", "/2020-01-01/extension/event/next")
        extension.connection.close()
        ending.result(PATIENCE)

    def test_a_relaxed_answer_completes_the_telemetry_without_another_next(self) -> None:
        simulator = self.start(rules=RELAXED)
        runtime = HandRuntime(self, simulator)
        request_id = simulator.enqueue_payload({})
        runtime.next()
        runtime.respond(request_id)
        simulator.wait_for_invocation_complete(request_id)
        types = [event.type for event in simulator.telemetry_events]
        self.assertEqual(types[-2:], ["platform.runtimeDone", "platform.report"])


def _life(simulator: Simulator) -> Life:
    with simulator._environment as machine:
        return machine.life


if __name__ == "__main__":
    unittest.main()
