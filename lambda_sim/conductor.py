"""The conductor: one worker that takes the machine's orders in sequence and acts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from lambda_sim.errors import BinaryNotFound, FreezeError, ProcessError, ShuttingDown, WaitTimeout
from lambda_sim.lifecycle import effects
from lambda_sim.lifecycle.effects import Order, Topic
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.failures import Failure
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.extension import EventType, ShutdownReason
from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.sync import NEVER, SYSTEM_CLOCK, Clock, Deadline, Worker

logger = logging.getLogger(__name__)

EXTERNAL_SHARE = 0.3
"""Seconds a runtime gets after SIGTERM when external extensions are around it.
AWS: *Extensions API*, Shutdown phase."""

INTERNAL_SHARE = 0.5
"""The same with internal extensions only."""

ANSWER_SECONDS = 1.0
"""How long the answer to a process that reports why it ends may hold its end up."""

LAUNCH_SECONDS = 5.0
"""How long a process that somebody starts may hold the end up."""

LAST_WORDS_SECONDS = 0.2
"""How long telemetry of what came before may hold SHUTDOWN up."""

FLUSH_SECONDS = 1.0
"""How long the last telemetry may take."""


class Child(Protocol):
    """A process that the sandbox started."""

    @property
    def name(self) -> str: ...


class Sandbox(Protocol):
    """Where an environment's processes live: local children, a container, a pod."""

    def spawn(
        self,
        config: ProcessConfig,
        variables: Mapping[str, str],
        *,
        generation: int,
        has_log_frames: bool,
        has_log_door: bool,
    ) -> Child:
        """Start a process; a runtime may be given a descriptor for framed log events, or a socket
        where its workers get log streams."""

    def live(self, role: ProcessRole | None = None) -> Sequence[Child]:
        """The processes that run."""

    def stop(self, children: Sequence[Child], grace: float) -> None:
        """End processes and all they started: SIGTERM, so many seconds, SIGKILL."""

    def freeze(self) -> int:
        """Stop every process where it is; how many there were."""

    def thaw(self) -> None:
        """Let them go on."""


class Conductor:
    """Carries orders out, and watches the machine's clock for it."""

    def __init__(
        self,
        environment: ExecutionEnvironment,
        sandbox: Sandbox,
        config: SimulatorConfig,
        *,
        extensions: Sequence[ProcessConfig],
        variables: Callable[[ProcessRole], Mapping[str, str]],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._environment = environment
        self._sandbox = sandbox
        self._config = config
        self._extensions = extensions
        self._variables = variables
        self._clock = clock
        self._worker = Worker("conductor", self._run)
        self._actions: Mapping[type[Order], Callable[..., None]] = {
            effects.StartExtensions: self._start_extensions,
            effects.StartRuntime: self._start_runtime,
            effects.Freeze: self._freeze,
            effects.Thaw: self._thaw,
            effects.Reset: self._reset,
            effects.Shutdown: self._shutdown,
        }

    def start(self) -> None:
        self._worker.start()

    def close(self) -> None:
        """Join the worker, and raise what ended it; the environment closed before."""
        self._worker.join()
        if self._worker.failure is not None:
            raise self._worker.failure

    def spawn(self, config: ProcessConfig) -> Child:
        """Start a process in the environment.

        :raises ProcessError: it can't run.
        :raises ShuttingDown: the environment ends.
        """
        launch = object()
        try:
            generation = self._environment.wait_until(
                Topic.PHASE,
                lambda machine: machine.process_started(config.role, config.name, launch),
                NEVER,
                "the reset under way",
            )
            return self._spawn(config, generation)
        finally:
            with self._environment as machine:
                machine.launch_ended(launch)

    def _spawn(self, config: ProcessConfig, generation: int) -> Child:
        try:
            variables = self._variables(config.role)
            return self._sandbox.spawn(
                config,
                variables,
                generation=generation,
                has_log_frames=self._config.workers is None,
                has_log_door=self._config.workers is not None,
            )
        except BaseException:
            with self._environment as machine:
                machine.crew.left(config.role, config.name)
            raise

    def _run(self) -> None:
        try:
            while True:
                order = self._environment.next_order()
                if order is None:
                    self._environment.expire()
                else:
                    self._actions[type(order)](order)
        except ShuttingDown:
            return
        except BaseException:
            logger.exception("the environment ends: its orders can't be carried out any more")
            # Nobody is to wait for what nobody does.
            self._environment.close()
            raise

    # --- Starting -------------------------------------------------------------------------------

    def _start_extensions(self, order: effects.StartExtensions) -> None:
        for config in self._extensions:
            self._launch(config, order.generation, "Extension.LaunchError")

    def _start_runtime(self, order: effects.StartRuntime) -> None:
        if self._config.runtime is not None:
            self._launch(self._config.runtime, order.generation, "Runtime.InvalidEntrypoint")

    def _launch(self, config: ProcessConfig, generation: int, error_type: str) -> None:
        with self._environment as machine:
            if not machine.may_launch(generation):
                return
            machine.process_started(config.role, config.name)
        try:
            self._spawn(config, generation)
        except ProcessError as error:
            failure = Failure(error_type=error_type, message=f"fork/exec {error}")
            reason = "UnknownError"
            if isinstance(error, BinaryNotFound) and error.is_there:
                reason = "PermissionDenied"
            with self._environment as machine:
                machine.launch_failed(config.role, config.name, failure, reason)

    # --- Freeze and thaw ------------------------------------------------------------------------

    def _freeze(self, order: effects.Freeze) -> None:
        with self._environment as machine:
            if not machine.frost.still_stands(order.epoch):
                return
        try:
            count = self._sandbox.freeze()
        except FreezeError as error:
            logger.warning("freezing is inaccurate: %s", error)
            count = 1  # all but those it names are stopped, and have to be woken
        with self._environment as machine:
            machine.frost.frozen(order.epoch, count)

    def _thaw(self, order: effects.Thaw | None = None) -> None:
        try:
            self._sandbox.thaw()
        except FreezeError as error:
            logger.warning("thawing is incomplete: %s", error)

    # --- Ending ---------------------------------------------------------------------------------

    def _reset(self, order: effects.Reset) -> None:
        self._await_launches()
        had_runtime = bool(self._sandbox.live(ProcessRole.RUNTIME))
        self._end_generation(order.reason)
        with self._environment as machine:
            if had_runtime or self._config.runtime is not None:
                machine.runtime.drop_polls()
            machine.start_over()

    def _shutdown(self, order: effects.Shutdown) -> None:
        self._await_launches()
        self._end_generation(order.reason)
        self._environment.flush(Deadline.after(FLUSH_SECONDS))
        with self._environment as machine:
            machine.end()

    def _await_launches(self) -> None:
        """A process that is just being started is of this generation, and is to end with it."""
        try:
            self._environment.wait_until(
                Topic.LAUNCHES,
                lambda machine: not machine.crew.launches or None,
                Deadline.after(LAUNCH_SECONDS),
                "processes that are being started",
            )
        except WaitTimeout as late:
            logger.warning("who comes now stays when the environment ends: %s", late)

    def _end_generation(self, reason: ShutdownReason) -> None:
        """The runtime first, then SHUTDOWN to whoever wants it, time for them, and the end.

        AWS: *Extensions API*, Shutdown phase.
        """
        self._thaw()
        with self._environment as machine:
            machine.chronicle.hurry()
        self._answer_reporters()
        deadline = Deadline.after(self._config.shutdown_timeout, self._clock)
        self._sandbox.stop(self._sandbox.live(ProcessRole.RUNTIME), self._runtime_grace())
        # What happened until now is told before the end is.
        limit = min(LAST_WORDS_SECONDS, self._config.shutdown_timeout)
        self._environment.flush(Deadline.after(limit))
        left = deadline.remaining() or 0.0
        with self._environment as machine:
            machine.announce(reason, int((self._clock.time() + left) * 1000))
            told = {one.name for one in machine.registry.subscribed(EventType.SHUTDOWN)}
        untold = [child for child in self._sandbox.live() if child.name not in told]
        self._answer_reporters()
        self._sandbox.stop(untold, self._grace_without_extensions())
        try:
            self._environment.wait_until(
                Topic.FAREWELL,
                lambda machine: not machine.registry.lingering() or None,
                deadline,
                "extensions to finish",
            )
        except WaitTimeout as late:
            logger.debug("%s", late)
        self._answer_reporters()
        self._sandbox.stop(self._sandbox.live(), 0.0)

    def _answer_reporters(self) -> None:
        """Nobody is ended before it hears that the error it reported was heard."""
        self._environment.answer_reporters(Deadline.after(ANSWER_SECONDS))

    def _runtime_grace(self) -> float:
        with self._environment as machine:
            extensions = list(machine.registry)
        if not extensions:
            return self._grace_without_extensions()
        external = any(extension.is_external for extension in extensions)
        share = EXTERNAL_SHARE if external else INTERNAL_SHARE
        return min(share, self._config.shutdown_timeout)

    def _grace_without_extensions(self) -> float:
        return 0.0 if self._config.rules.sigterm_needs_extensions else EXTERNAL_SHARE
