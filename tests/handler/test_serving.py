"""serving: a typed handler's process, from setting up to tearing down."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import unittest
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lambda_sim import Invocation, InvocationStatus, ProcessConfig, ProcessRole, Simulator
from lambda_sim.handler.client import RuntimeClient
from lambda_sim.handler.serving import _Sigterm
from tests.support import CHILDREN_PATH, PATIENCE, PROGRAMS, SimulatorTest


class ServingTest(SimulatorTest):
    """Any runtime that serves tests/programs/typed.py."""

    client = ("-m", "lambda_sim.handler", "typed.Store")

    def runtime(self, **env: str) -> ProcessConfig:
        return ProcessConfig(
            [sys.executable, *self.client],
            ProcessRole.RUNTIME,
            env={"PYTHONPATH": CHILDREN_PATH, **env},
            cwd=PROGRAMS,
            inherit_stdio=False,
        )

    def started(self, config: dict[str, Any] | None = None, **env: str) -> Simulator:
        config = {"shutdown_timeout": PATIENCE, "invocation_timeout": PATIENCE} | (config or {})
        return self.start(runtime=self.runtime(**env), **config)

    def said(self, simulator: Simulator) -> list[str]:
        """What the function printed, in order."""
        lines = (line.message for line in simulator.logs if line.source == "function")
        return [line.partition(" ")[0] if line.startswith("setup") else line for line in lines]


class TestLife(ServingTest):
    def test_state_is_shared_and_torn_down_at_the_end(self) -> None:
        simulator = self.started()
        for number, word in enumerate("abc"):
            self.assertEqual(
                simulator.invoke({"word": word}).response.payload, list("abc"[: number + 1])
            )
        simulator.graceful_shutdown()
        self.assertEqual(self.said(simulator), ["setup", "teardown a b c"])

    def test_a_setup_that_fails_is_an_init_error(self) -> None:
        simulator = self.started(FAIL="setup")
        error = simulator.invoke({"word": "a"}).error
        self.assertEqual(
            (error.error_type, error.error_message), ("ConnectionError", "no database")
        )
        self.assertTrue(error.stack_trace[-1].startswith(f'  File "{PROGRAMS}/typed.py"'))

    def test_a_teardown_that_fails_is_logged(self) -> None:
        simulator = self.started(FAIL="teardown")
        simulator.invoke({"word": "a"})
        simulator.graceful_shutdown()
        self.assertIn("ConnectionError: it is gone", "\n".join(self.said(simulator)))

    def test_leaving_tears_down(self) -> None:
        simulator = self.started()
        error = simulator.invoke({"word": "a", "do": "leave"}).error
        self.assertEqual(error.error_type, "Runtime.ExitError")
        self.assertEqual(self.said(simulator), ["setup", "teardown a"])

    def test_an_event_of_another_shape_is_an_error_and_the_next_is_served(self) -> None:
        simulator = self.started()
        error = simulator.invoke(["word"]).error
        self.assertEqual(error.error_type, "EventValidationError")
        self.assertEqual(error.error_message, "the event: expected an object, got an array")
        self.assertEqual(simulator.invoke({"word": "a"}).response.payload, ["a"])

    def test_a_handler_that_sleeps_too_long_fails_in_time_and_serves_on(self) -> None:
        simulator = self.started()
        error = simulator.invoke(Invocation({"word": "a", "do": "sleep"}, timeout=1.0)).error
        self.assertEqual(error.error_type, "DeadlineExceeded")
        self.assertEqual(error.error_message, "Lambda failed by running into a timeout")
        self.assertIn("time.sleep(60)", error.stack_trace[-1])
        self.assertEqual(simulator.invoke({"word": "b"}).response.payload, ["a", "b"])

    def test_a_handler_that_can_t_be_stopped_fails_in_time_and_its_process_ends(self) -> None:
        simulator = self.started()
        error = simulator.invoke(Invocation({"word": "a", "do": "defy"}, timeout=1.0)).error
        self.assertEqual(error.error_type, "DeadlineExceeded")
        self.assertIn("in defy", "".join(error.stack_trace))
        self.assertEqual(simulator.invoke({"word": "b"}).response.payload, ["b"])


@unittest.skipUnless(find_spec("awslambdaric"), "awslambdaric is not installed")
class TestLifeUnderAwslambdaric(TestLife):
    """The same, where AWS's runtime calls an entry point."""

    client = ("-m", "awslambdaric", "typed.entry")

    def runtime(self, **env: str) -> ProcessConfig:
        # From this version on it polls in a thread, so that Python sees signals.
        return super().runtime(AWS_EXECUTION_ENV="AWS_Lambda_python3.12", **env)


class TestOfInstances(ServingTest):
    def test_an_instance_an_entry_point_and_a_function_are_served_likewise(self) -> None:
        for name in ("instance", "entry"):
            with self.subTest(name):
                self.client = ("-m", "lambda_sim.handler", f"typed.{name}")
                simulator = self.started()
                self.assertEqual(simulator.invoke({"word": "a"}).response.payload, ["a"])
                simulator.graceful_shutdown()
                self.assertEqual(self.said(simulator), ["setup", "teardown a"])

    def test_serve_makes_a_runtime_of_a_script(self) -> None:
        script = (
            "import sys, typed; from lambda_sim.handler import serve\n"
            "sys.exit(serve(typed.instance))"
        )
        self.client = ("-c", script)
        simulator = self.started()
        self.assertEqual(simulator.invoke({"word": "a"}).response.payload, ["a"])
        simulator.graceful_shutdown()
        self.assertIn("teardown a", self.said(simulator))

    def test_a_generator_is_streamed(self) -> None:
        self.client = ("-m", "lambda_sim.handler", "typed.streamed")
        simulator = self.started()
        stream = simulator.invoke_stream(["a", "b"], timeout=PATIENCE)
        self.assertEqual(b"".join(stream), b"ab")
        state = simulator.invoke(["a", "boom"])
        self.assertEqual(
            (state.error.error_type, state.error.error_message), ("ValueError", "boom")
        )
        self.assertEqual(simulator.invoke(["c"]).response.body, b"c")


class TestSigterm(ServingTest):
    def test_an_invocation_at_work_is_answered_before_sigterm_tears_down(self) -> None:
        simulator = self.started()
        self.assertEqual(self.answer_after_sigterm(simulator), ["a"])
        simulator.wait_for(lambda: "teardown a" in self.said(simulator), PATIENCE)

    def test_so_it_is_where_teardown_exits_which_is_logged(self) -> None:
        simulator = self.started(FAIL="exit")
        self.assertEqual(self.answer_after_sigterm(simulator), ["a"])
        told = "teardown failed"
        simulator.wait_for(lambda: told in "\n".join(self.said(simulator)), PATIENCE)

    def answer_after_sigterm(self, simulator: Simulator) -> Any:
        """What comes of an invocation that SIGTERM found at work."""
        with tempfile.TemporaryDirectory() as folder:
            fifo = Path(folder) / "fifo"
            os.mkfifo(fifo)
            request_id = simulator.enqueue_payload({"word": "a", "do": "meet", "fifo": str(fifo)})
            ends: list[int] = []

            def is_met() -> bool:
                with suppress(OSError):
                    ends.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
                return bool(ends)

            simulator.wait_for(is_met, PATIENCE)
            os.kill(simulator.processes[0].pid, signal.SIGTERM)
            os.close(ends[0])
            state = simulator.wait_for_invocation_complete(request_id, PATIENCE)
        return state.response and state.response.payload


@unittest.skipUnless(find_spec("awslambdaric"), "awslambdaric is not installed")
class TestSigtermUnderAwslambdaric(TestSigterm):
    client = ("-m", "awslambdaric", "typed.entry")


class TestWorkers(ServingTest):
    def test_each_worker_sets_up_and_tears_down_for_itself(self) -> None:
        simulator = self.started({"max_concurrency": 2})
        simulator.wait_for_parked(3, PATIENCE)  # both workers, and the extension of the first
        self.assertIs(simulator.invoke({"word": "a"}).status, InvocationStatus.SUCCESS)
        simulator.graceful_shutdown()
        said = sorted(self.said(simulator))
        self.assertEqual(said, ["setup", "setup", "teardown", "teardown a"])

    def test_each_worker_hears_of_sigterm_once(self) -> None:
        simulator = self.started({"max_concurrency": 2}, HEARS="sigterm")
        simulator.wait_for_parked(3, PATIENCE)
        simulator.graceful_shutdown()
        said = self.said(simulator)
        self.assertEqual((said.count("sigterm"), said.count("teardown")), (2, 2))

    def test_what_the_parent_hands_on_late_finds_nobody(self) -> None:
        heard: list[int] = []
        before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        with _Sigterm(RuntimeClient("127.0.0.1:9"), ends_us=False, is_worker=True):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        self.assertEqual(heard, [signal.SIGTERM])

    def test_a_handler_without_teardown_registers_nothing(self) -> None:
        self.client = ("-m", "lambda_sim.handler", "typed.streamed")
        simulator = self.started()
        simulator.invoke(["a"])
        self.assertEqual(simulator.extension_count, 0)


class TestSnapStart(ServingTest):
    def test_a_handlers_own_hooks_run_around_the_snapshot(self) -> None:
        simulator = self.started({"initialization_type": "snap-start"})
        told = simulator.invoke({"word": "a"}).response.payload
        self.assertEqual(told, ["snapshot", "restored", "a"])


@unittest.skipUnless(find_spec("awslambdaric"), "awslambdaric is not installed")
class TestSnapStartUnderAwslambdaric(TestSnapStart):
    client = ("-m", "awslambdaric", "typed.entry")


if __name__ == "__main__":
    unittest.main()
