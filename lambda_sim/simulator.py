"""Simulator: the blocking public API over one execution environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

from lambda_sim import evidence
from lambda_sim.closing import Steps
from lambda_sim.conductor import Conductor
from lambda_sim.errors import ConfigurationError, ShuttingDown, WaitTimeout
from lambda_sim.lifecycle.effects import Topic
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.handover import Borrowed
from lambda_sim.lifecycle.history import written
from lambda_sim.lifecycle.ledger import Record
from lambda_sim.lifecycle.machine import Machine
from lambda_sim.model import variables
from lambda_sim.model.config import SimulatorConfig, SimulatorPhase
from lambda_sim.model.extension import RegisteredExtension, ShutdownReason
from lambda_sim.model.identifiers import new_id
from lambda_sim.model.invocation import Invocation, InvocationState
from lambda_sim.model.late import Late
from lambda_sim.model.process import FreezeMode, ProcessConfig, ProcessRole
from lambda_sim.model.telemetry import Fact, LogRecord, TelemetryEvent
from lambda_sim.process.child import ManagedProcess
from lambda_sim.process.discovery import found_extensions
from lambda_sim.process.sandbox import LocalSandbox
from lambda_sim.router import Router
from lambda_sim.streams import InvocationStream
from lambda_sim.sync import NEVER, SYSTEM_CLOCK, Clock, Deadline, Monitor, this_thread
from lambda_sim.telemetry import schema, text
from lambda_sim.telemetry.dispatcher import Dispatcher
from lambda_sim.wire.application import Application
from lambda_sim.wire.attendance import attend, give_back
from lambda_sim.wire.credentials_api import CredentialsApi
from lambda_sim.wire.extensions_api import ExtensionsApi
from lambda_sim.wire.logs_api import LogsApi
from lambda_sim.wire.runtime_api import RuntimeApi
from lambda_sim.wire.server import WireServer
from lambda_sim.wire.telemetry_api import TelemetryApi

__all__ = ["Simulator"]

T = TypeVar("T")

CLOSE_GRACE = 0.3
"""Seconds between SIGTERM and SIGKILL when a simulator closes at once."""

SHUTDOWN_SLACK = 5.0
"""Seconds beyond the configured time that a graceful shutdown may take before it is cut."""


class Simulator:
    """One execution environment of a Lambda function, on this machine.

    A context manager: entering starts it, leaving closes it. Any thread may call any method.
    Every wait has a timeout in seconds and raises WaitTimeout, or ShuttingDown if the simulator
    closes meanwhile.

    :param config: the settings; keywords are those that differ from it, or all of them.
    :param clock: where time comes from; a ManualClock in tests of time itself.
    :raises ConfigurationError: a setting can't be used; it names the field.

    AWS: *Understanding the Lambda execution environment lifecycle*.
    """

    def __init__(
        self,
        config: SimulatorConfig | None = None,
        /,
        *,
        clock: Clock = SYSTEM_CLOCK,
        **config_fields: Any,
    ) -> None:
        _refuse_strangers(config_fields)
        if config is None:
            config = SimulatorConfig(**config_fields)
        elif not isinstance(config, SimulatorConfig):
            raise ConfigurationError(
                "config", config, "a SimulatorConfig, or its fields as keywords"
            )
        elif config_fields:
            config = attrs.evolve(config, **config_fields)
        self.config = config
        self._clock = clock
        self._extensions = [*config.extensions, *found_extensions(config.extensions_dir)]
        self._environment = ExecutionEnvironment(
            config, clock=clock, extensions=[one.name for one in self._extensions]
        )
        self._runtime_api = RuntimeApi(self._environment, config)
        self._sandbox = LocalSandbox(
            on_line=self._on_line,
            on_exit=self._on_exit,
            memory_limit_bytes=config.memory_limit_bytes,
        )
        self._conductor = Conductor(
            self._environment,
            self._sandbox,
            config,
            extensions=self._extensions,
            variables=self._variables,
            clock=clock,
        )
        self._credentials_token = new_id()
        self._server: WireServer | None = None
        self._doors = Monitor()
        # Guarded by _doors:
        self._whose_turn = 0
        # Touched by the thread whose turn it is:
        self._undo = Steps()
        self._cleared_at = 0
        self._owner = os.getpid()

    # --- Starting and ending --------------------------------------------------------------------

    def start(self) -> Self:
        """Listen, and begin the init phase. A second call does nothing.

        :raises StartError: the port is taken, or the host is not ours.
        :raises FreezeError: a process to freeze is not there.
        :raises ShuttingDown: it was closed; make another.
        """
        self._in_turn(self._begin)
        return self

    def _begin(self) -> None:
        self._refuse_closed()
        if self._server is None:
            try:
                self._open(self._undo)
                self._refuse_closed()  # as a signal's handler may have done meanwhile
            except BaseException:
                self._environment.close()  # before those are joined who wait in it
                self._undo.close()
                raise

    def _refuse_closed(self) -> None:
        if self.phase is SimulatorPhase.SHUTTING_DOWN:
            raise ShuttingDown("the simulator is closed; make another to start again")

    def _open(self, undo: Steps) -> None:
        environment = self._environment
        server = WireServer(
            Application(self._routes()),
            name="runtime-api",
            host=self.config.host,
            port=self.config.port,
            on_hangup=environment.hung_up,
        )
        undo.add(server.close)
        self._server = server.start()
        # Closed below already, unless this start fails.
        undo.add(partial(self._sandbox.close, CLOSE_GRACE))
        for pid in (self.config.runtime_pid, *self.config.extension_pids):
            if pid is not None:
                self._sandbox.register_pid(pid)
        dispatcher = Dispatcher(
            self.config,
            clock=self._clock,
            on_dropped=environment.dropped,
            awake_since=lambda: self._sandbox.awake_since,
        )
        router = Router(environment, dispatcher)
        undo.add(router.close)
        router.start()
        undo.add(self._conductor.close)
        self._conductor.start()
        # Before the server, so that parked polls are gone before their handlers are joined.
        undo.add(environment.close)
        # First of all, so that no process sees its API go away, and complains.
        undo.add(partial(self._sandbox.close, CLOSE_GRACE))
        environment.gauges = self._sandbox
        with environment as machine:
            machine.start()

    def _in_turn(self, work: Callable[[], None]) -> None:
        """One thread at a time starts or closes. Nothing is done for a signal's handler that comes
        into its own thread's turn: what is under way goes on when it returns."""
        us = this_thread()
        if self._whose_turn == us:
            return
        try:  # no context manager of Python's, which Ctrl-C would leave in the middle
            with (doors := self._doors):
                what = "a start or close under way"
                doors.wait_until("turn", lambda: not self._whose_turn or None, NEVER, what=what)
                self._whose_turn = us
            work()
        finally:
            if self._whose_turn == us:
                with (doors := self._doors):
                    self._whose_turn = 0
                    doors.changed("turn")

    def close(self) -> None:
        """End at once: processes, connections, threads and waits. A second call does nothing.

        A signal's handler may call it, too. If that interrupts a start or close of its own thread,
        it is that which ends it all, a moment later.
        """
        if os.getpid() != self._owner:
            return  # a copy of us, made by fork, owns nothing of this
        # At once, so that a start under way gives up.
        with self._environment as machine:
            machine.begin_shutdown(None)
        self._in_turn(self._end)

    def _end(self) -> None:
        self._undo.close()
        self._environment.close()

    def shutdown(self) -> None:
        """The same as :meth:`close`."""
        self.close()

    def graceful_shutdown(self, reason: ShutdownReason = ShutdownReason.SPINDOWN) -> None:
        """End as Lambda does, then close: the runtime first, then SHUTDOWN to extensions, time
        for them to clean up, the last telemetry. A second call does nothing.

        AWS: *Extensions API*, Shutdown phase.
        """
        reason = ShutdownReason(reason)
        if self._server is not None:
            with self._environment as machine:
                machine.begin_shutdown(reason)
            config = self.config
            limit = config.extension_ready_timeout + config.shutdown_timeout + SHUTDOWN_SLACK
            # Whatever holds it up beyond that is cut by close.
            with suppress(WaitTimeout, ShuttingDown):
                self._wait(Topic.PHASE, _if(lambda machine: machine.is_ended), limit, "the end")
        self.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- Readings -------------------------------------------------------------------------------

    @property
    def addr(self) -> tuple[str, int]:
        """Where it listens.

        :raises ShuttingDown: it was not started.
        """
        if self._server is None:
            raise ShuttingDown("the simulator was not started: use it in a with statement")
        return self._server.address

    @property
    def runtime_api(self) -> str:
        """``host:port``, as in ``AWS_LAMBDA_RUNTIME_API``."""
        host, port = self.addr
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def runtime_api_url(self) -> str:
        return f"http://{self.runtime_api}"

    @property
    def phase(self) -> SimulatorPhase:
        return self._read(lambda machine: machine.phase)

    @property
    def is_initialized(self) -> bool:
        """Whether the current generation's init is over."""
        return self._read(lambda machine: machine.is_initialized)

    @property
    def init_error(self) -> str | None:
        """``type: message`` of the last init that failed."""
        return self._read(lambda machine: machine.init_error)

    @property
    def registered_extensions(self) -> list[RegisteredExtension]:
        """The current generation's extensions, in the order they registered."""
        return self._read(lambda machine: [one.registered for one in machine.registry])

    @property
    def extension_count(self) -> int:
        return self._read(lambda machine: len(machine.registry))

    @property
    def invocation_states(self) -> list[InvocationState]:
        """Every invocation that history holds, oldest first."""
        records = self._read(lambda machine: list(machine.ledger))
        return [self._state(record) for record in records]

    @property
    def is_frozen(self) -> bool:
        """Whether the processes are stopped just now."""
        return self._read(lambda machine: machine.frost.is_frozen)

    @property
    def freeze_mode(self) -> FreezeMode:
        return self.config.freeze_mode

    @property
    def freeze_epoch(self) -> int:
        """How many thaw orders there were: one for each enqueue, in any mode."""
        return self._read(lambda machine: machine.frost.epoch)

    @property
    def parked(self) -> int:
        """Callers waiting in a Next, the runtime's and the extensions'; who has something to take
        already is not counted."""
        return self._read(lambda machine: machine.parked)

    @property
    def telemetry_events(self) -> list[TelemetryEvent]:
        """Captured events in the order they were emitted, since the last clearing."""
        return self._events(
            self._read(lambda machine: machine.chronicle.history.since(self._cleared_at))
        )

    @property
    def processes(self) -> list[ManagedProcess]:
        """The processes that were spawned or declared; ended ones for a while."""
        return list(self._sandbox.processes)

    @property
    def logs(self) -> list[LogRecord]:
        """The environment's log, oldest first, as far as history holds it."""
        facts = self._read(lambda machine: machine.chronicle.history.since(0))
        return [line for fact in facts for line in text.log_records(fact, self.config)]

    def evidence(self, *, log_lines: int = 10) -> list[str]:
        """What the environment looks like, in lines for people: its phase, extensions, unfinished
        invocations and processes, and the last lines of its log. A wait that fails shows it."""
        last = self.logs[-log_lines:] if log_lines else []
        return [
            *self._read(evidence.of_machine),
            *evidence.of_processes(self.processes),
            *evidence.of_log(last),
        ]

    # --- Invoking -------------------------------------------------------------------------------

    def enqueue(self, invocation: Invocation) -> str:
        """Put an invocation in the queue; its request id.

        :raises ConfigurationError: its id belongs to an invocation that is not over.
        :raises ShuttingDown: the simulator was not started, or is ending.
        """
        self._require_started()
        return self._environment.enqueue(invocation).request_id

    def enqueue_payload(self, payload: Any) -> str:
        """Put an invocation of any JSON value in the queue; its request id.

        :raises ConfigurationError: the payload is no JSON value, or too large.
        """
        return self.enqueue(Invocation(payload))

    def invoke(self, payload: Any | Invocation, *, timeout: float | None = None) -> InvocationState:
        """Enqueue, and wait for the answer. A function error is a result, not an exception.

        :param timeout: seconds that the caller waits; None leaves it to the function's own
            timeout, which the AWS rule set enforces.
        """
        invocation = payload if isinstance(payload, Invocation) else Invocation(payload)
        self._require_started()
        deadline = self._patience(invocation, timeout)
        held: list[Borrowed] = []
        try:
            record = self._environment.enqueue_and_borrow(invocation, held)
            for borrowed in held:
                state = attend(self._environment, borrowed, deadline, self._state)
                if state is not None:  # and what follows soon was waited for
                    return state
        except BaseException:
            give_back(self._environment, held)
            raise
        return self._complete(record, deadline, timeout)

    def invoke_stream(
        self, payload: Any | Invocation, *, timeout: float | None = None
    ) -> InvocationStream:
        """Enqueue, and hand out the response's pieces as they come.

        :param timeout: seconds that the caller waits for the whole of it.
        """
        self._require_started()
        invocation = payload if isinstance(payload, Invocation) else Invocation(payload)
        record = self._environment.enqueue(invocation, is_streamed=True)
        deadline = self._patience(invocation, timeout)
        return InvocationStream(
            record.request_id,
            lambda index: self._environment.wait_for_chunk(record, index, deadline),
            lambda: self._complete(record, deadline, timeout),
        )

    def get_invocation_state(self, request_id: str) -> InvocationState | None:
        """What is known of an invocation now; None for an unknown id."""
        record = self._read(lambda machine: machine.ledger.get(request_id))
        return None if record is None else self._state(record)

    # --- Waiting --------------------------------------------------------------------------------

    def wait_for_invocation_complete(
        self, request_id: str, timeout: float = 5.0
    ) -> InvocationState:
        """Block until the caller of Invoke would have its answer. Extensions are not waited for.

        :raises InvocationNotFound: the id is unknown.
        """
        record = self._environment.record(request_id)
        return self._complete(record, Deadline.after(timeout), timeout)

    def wait_for(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        """Block until a condition holds. It is called with no lock held, after every change and
        at least every 20 ms, so it may look at the outside world."""
        with self._evidence(timeout):
            what = f"condition {getattr(condition, '__qualname__', condition)!r}"
            self._environment.wait_for(condition, Deadline.after(timeout), what)

    def wait_for_phase(self, phase: SimulatorPhase, timeout: float = 5.0) -> None:
        """Block until the environment has got as far as a phase, or beyond: INITIALIZING is there
        from the first, so who waits for a reset asks :attr:`phase` in :meth:`wait_for`."""
        order = list(SimulatorPhase)
        if phase not in order:
            raise ConfigurationError("phase", phase, "a SimulatorPhase")
        self._wait(
            Topic.PHASE,
            _if(lambda machine: order.index(machine.phase) >= order.index(phase)),
            timeout,
            f"phase {phase.name}",
        )

    def wait_for_frozen(self, timeout: float = 5.0) -> None:
        """Block until the processes are stopped."""
        frozen = _if(lambda machine: machine.frost.is_frozen)
        mode = self.config.freeze_mode.name
        self._wait(
            Topic.FROZEN, frozen, timeout, f"the processes to be frozen (freeze_mode is {mode})"
        )

    def wait_for_extensions(self, count: int, timeout: float = 5.0) -> None:
        """Block until so many extensions have registered."""
        enough = _if(lambda machine: len(machine.registry) >= count)
        self._wait(Topic.EXTENSIONS, enough, timeout, f"{count} extensions to register")

    def wait_for_parked(self, count: int, timeout: float = 5.0) -> None:
        """Block until so many callers wait in a Next."""
        enough = _if(lambda machine: machine.parked >= count)
        self._wait(Topic.PARKED, enough, timeout, f"{count} callers parked in Next")

    def wait_for_extensions_ready(self, request_id: str, timeout: float = 5.0) -> None:
        """Block until every extension that got an invocation's INVOKE has asked for Next.

        :raises InvocationNotFound: the id is unknown.
        """
        record = self._environment.record(request_id)
        ready = _if(lambda machine: _is_ready(record))
        self._wait(Topic.READINESS, ready, timeout, f"extensions to be ready after {request_id}")

    def wait_for_telemetry(
        self, event_type: str, *, count: int = 1, timeout: float = 5.0
    ) -> list[TelemetryEvent]:
        """Block until so many events of a type were captured since the last clearing; all of
        them."""

        found: list[Fact] = []
        position = self._cleared_at

        def find(machine: Machine) -> list[Fact] | None:
            nonlocal position
            history = machine.chronicle.history
            found.extend(f for f in history.since(position) if schema.type_of(f) == event_type)
            position = history.position
            return found if len(found) >= count else None

        what = f"{count} telemetry events of type {event_type}"
        return self._events(self._wait(Topic.TELEMETRY, find, timeout, what))

    def are_extensions_ready(self, request_id: str) -> bool:
        """Whether no extension is at work on an invocation any more.

        :raises InvocationNotFound: the id is unknown.
        """
        record = self._environment.record(request_id)
        return self._read(lambda machine: _is_ready(record))

    def get_extension_overhead_ms(self, request_id: str) -> float | None:
        """Milliseconds from the runtime's end to the last extension's; None until that is known.

        :raises InvocationNotFound: the id is unknown.
        """
        record = self._environment.record(request_id)
        return self._read(lambda machine: record.extension_overhead_ms)

    def mark_initialized(self) -> None:
        """End the init phase by hand, and with it registration."""
        self._require_started()
        with self._environment as machine:
            machine.mark_initialized()

    def restore(self) -> None:
        """Let a SnapStart environment be restored from its snapshot, now or as soon as init is
        over: the runtime's restore/next returns. An invocation does the same by itself, and a
        second call does nothing.

        :raises ConfigurationError: ``initialization_type`` is another.

        AWS: *Improving startup performance with Lambda SnapStart*.
        """
        self._require_started()
        with self._environment as machine:
            machine.restore()

    # --- Telemetry ------------------------------------------------------------------------------

    def enable_telemetry_capture(self) -> None:
        """Nothing: events are captured from the start. Here for those who know the crate."""

    def clear_telemetry_events(self) -> None:
        """Forget the events captured so far; the log keeps its lines."""
        self._cleared_at = self._read(lambda machine: machine.chronicle.history.position)

    def get_telemetry_events_by_type(self, event_type: str) -> list[TelemetryEvent]:
        """Captured events of one type, such as ``platform.start``."""
        return [event for event in self.telemetry_events if event.type == event_type]

    def follow_logs(self, *, gathered: float = 0.0) -> Iterator[LogRecord]:
        """The log's records from the first on, as they come, until the simulator closes.

        :param gathered: seconds for which those that come after one are awaited, to be handed over
            together: who prints them all is woken less often, and holds invocations up less.
        """
        position = 0

        def find(machine: Machine) -> bool | None:
            return machine.chronicle.history.position > position or None

        while True:
            try:
                self._environment.wait_until(Topic.TELEMETRY, find, NEVER, "log records")
            except ShuttingDown:
                return
            self._environment.pause(gathered)
            with self._environment as machine:
                facts, position = machine.chronicle.history.read(position)
            for fact in facts:
                yield from text.log_records(fact, self.config)

    # --- Processes and freezing -----------------------------------------------------------------

    def spawn_process(
        self, command: str | os.PathLike[str] | Sequence[str], role: ProcessRole
    ) -> ManagedProcess:
        """Start a process with Lambda's variables, watched and frozen with the environment; one
        that starts while that is frozen runs until the next freeze.

        :raises BinaryNotFound, SpawnFailed: it can't run.
        """
        return self.spawn_process_with_config(ProcessConfig(command, role))

    def spawn_process_with_config(self, config: ProcessConfig) -> ManagedProcess:
        """Start a process as its config says.

        :raises BinaryNotFound, SpawnFailed: it can't run.
        """
        self._require_started()
        child = self._conductor.spawn(config)
        assert isinstance(child, ManagedProcess)
        return child

    def expect_external_extension(self, name: str) -> None:
        """Count an extension of this name as external, though no process of ours carries it."""
        with self._environment as machine:
            machine.expect_external(name)

    def register_freeze_pid(self, pid: int) -> None:
        """Freeze one more process, and its children, with the environment.

        :raises FreezeError: there is no such process, or it is our own.
        :raises ShuttingDown: the simulator was not started, or is closed.
        """
        self._require_started()
        self._sandbox.register_pid(pid)

    def lambda_env_vars(self) -> dict[str, str]:
        """The variables that Lambda sets for a runtime, and the function's own.

        AWS: *Working with Lambda environment variables*.
        """
        return self._variables(ProcessRole.RUNTIME)

    # --- Within ---------------------------------------------------------------------------------

    def _routes(self) -> list[Any]:
        environment = self._environment
        return [
            *self._runtime_api.routes(),
            *self._credentials_routes(),
            *ExtensionsApi(environment, self.config).routes(),
            *TelemetryApi(environment, self.config).routes(),
            *LogsApi(environment, self.config).routes(),
        ]

    def _credentials_routes(self) -> list[Any]:
        if not self.config.is_snap_start:
            return []
        api = CredentialsApi(variables.CREDENTIALS, self._credentials_token, self._clock.time)
        return api.routes()

    def _variables(self, role: ProcessRole) -> dict[str, str]:
        is_runtime = role is ProcessRole.RUNTIME
        of = variables.runtime_variables if is_runtime else variables.extension_variables
        return of(self.config, self.runtime_api, self._credentials_token)

    def _on_line(self, child: ManagedProcess, line: str) -> None:
        self._environment.log(child.role, child.name, line)

    def _on_exit(self, child: ManagedProcess) -> None:
        self._environment.process_exited(
            child.role,
            child.name,
            child.returncode or 0,
            child.generation,
            dumped_core=child.dumped_core,
            ran_out_of_memory=child.ran_out_of_memory,
        )

    def _require_started(self) -> None:
        if self._server is None:
            if self.phase is SimulatorPhase.SHUTTING_DOWN:
                raise ShuttingDown("the simulator is closed")
            raise ShuttingDown("the simulator was not started: use it in a with statement")

    def _read(self, question: Callable[[Machine], T]) -> T:
        with self._environment as machine:
            return question(machine)

    def _state(self, record: Record) -> InvocationState:
        if record.is_complete:  # which is all that changes until then, but for the log
            return record.snapshot(Late(self._log_tail, record))
        with self._environment:
            return record.snapshot(self._log_tail_locked(record))

    def _log_tail(self, record: Record) -> str:
        return self._read(lambda machine: self._log_tail_locked(record))

    def _log_tail_locked(self, record: Record) -> str:
        if record.tail is None:
            facts = [written(entry) for entry in record.facts]
            record.keep_tail(tail := text.tail(facts, self.config))
            return tail
        return record.tail

    def _events(self, facts: Sequence[Fact]) -> list[TelemetryEvent]:
        return [schema.event_of(fact, self.config) for fact in facts]

    def _patience(self, invocation: Invocation, timeout: float | None) -> Deadline:
        if timeout is not None:
            return Deadline.after(timeout)
        if self.config.rules.enforces_timeouts:
            return NEVER
        own = invocation.timeout or self.config.invocation_timeout
        return Deadline.after(self.config.init_timeout + own)

    def _complete(
        self, record: Record, deadline: Deadline, timeout: float | None
    ) -> InvocationState:
        try:
            self._environment.wait_for_answer(record, deadline)
        except WaitTimeout as error:
            raise self._with_evidence(error, timeout) from None
        return self._state(record)

    def _wait(
        self, topic: Topic, find: Callable[[Machine], T | None], timeout: float, what: str
    ) -> T:
        self._require_started()
        with self._evidence(timeout):
            return self._environment.wait_until(topic, find, Deadline.after(timeout), what)

    @contextmanager
    def _evidence(self, timeout: float | None) -> Iterator[None]:
        """A wait that fails says what it waited for, and what the environment looked like."""
        try:
            yield
        except WaitTimeout as error:
            raise self._with_evidence(error, timeout) from None

    def _with_evidence(self, error: WaitTimeout, timeout: float | None) -> WaitTimeout:
        late = WaitTimeout(error.what, timeout)
        for note in self.evidence():
            late.add_note(note)
        return late


def _refuse_strangers(config_fields: Mapping[str, object]) -> None:
    """A keyword that is nobody's, with those that may have been meant."""
    known = [field.alias for field in attrs.fields(SimulatorConfig) if field.init and field.alias]
    for name in set(config_fields).difference(known):
        # Here, as it costs a millisecond that those who type well need not pay.
        from difflib import get_close_matches  # noqa: PLC0415

        near = [one for one in known if name in one] or get_close_matches(name, known)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise TypeError(f"Simulator() got an unexpected keyword argument {name!r}{hint}")


def _if(question: Callable[[Machine], bool]) -> Callable[[Machine], bool | None]:
    """A question whose answer no means wait."""
    return lambda machine: question(machine) or None


def _is_ready(record: Record) -> bool:
    return record.readiness.is_complete and (record.is_complete or not record.had_extensions)
