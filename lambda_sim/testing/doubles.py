"""Doubles: a runtime and an extension in a thread of the test's own, over the real HTTP API."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from lambda_sim.errors import WaitTimeout
from lambda_sim.handler.client import Event, RuntimeApiError, RuntimeClient
from lambda_sim.handler.context import LambdaContext
from lambda_sim.handler.failure import ErrorReport
from lambda_sim.handler.http import Answer, Connection
from lambda_sim.handler.payloads import Payload, decode, encode
from lambda_sim.model import protocol
from lambda_sim.model.config import SimulatorPhase
from lambda_sim.model.extension import EventType
from lambda_sim.simulator import Simulator
from lambda_sim.sync import Monitor, Worker
from lambda_sim.testing.inbox import Inbox, Json
from lambda_sim.testing.receiver import TelemetryReceiver
from lambda_sim.testing.tcp_receiver import TcpTelemetryReceiver

__all__ = ["ScriptedExtension", "ScriptedRuntime"]

T = TypeVar("T")

CLOSE_SECONDS = 5.0
"""How long the test's own code in a double's thread may still take when the double is closed."""

PROMPT: Mapping[str, int] = {"timeoutMs": 25, "maxItems": 1_000, "maxBytes": 262_144}
"""The buffering that delivers soonest. AWS: *Telemetry API reference*, Buffering."""


class _Double(ABC):
    """A thread that polls the API until it is closed, or the simulator ends.

    Entered once, closed once, by any thread. What the thread raises is raised when it is closed.
    """

    def __init__(self, simulator: Simulator, name: str) -> None:
        self._simulator = simulator
        self._name = name
        self._worker = Worker(name.replace(" ", "-"), self._run)
        # Set before the connection is closed, which is how the thread comes to look at it.
        self._is_closing = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except Exception as own:
            if error is None:
                raise
            # The test failed already, perhaps because of this; its own failure stays in front.
            error.add_note(f"the {self._name} failed: {own!r}")

    def close(self) -> None:
        """End the thread; a poll that is parked is hung up. What the thread raised comes here.

        :raises WaitTimeout: the test's code in it does not return.
        """
        self._is_closing = True
        self._hang_up()
        if not self._worker.join(CLOSE_SECONDS):
            raise WaitTimeout(f"the code in the {self._name} to return", CLOSE_SECONDS)
        failure, self._worker.failure = self._worker.failure, None
        if failure is not None:
            raise failure

    def _run(self) -> None:
        try:
            self._poll()
        finally:
            self._hang_up()

    def _ask(self, ask: Callable[[], T]) -> T | None:
        """What the API says; None when this is closed or the simulator over, as both may be."""
        try:
            return ask()
        except OSError:
            is_over = self._simulator.phase is SimulatorPhase.SHUTTING_DOWN
            if self._is_closing or is_over:
                return None
            raise

    @abstractmethod
    def _poll(self) -> None:
        """What the thread does."""

    @abstractmethod
    def _hang_up(self) -> None:
        """End the connection, and with it a poll. From any thread, more than once."""


class ScriptedRuntime(_Double):
    """A runtime whose function is a callable of the test's, in a thread of its own.

    A context manager. Enter extensions first, as Lambda starts them first: the first Next of a
    runtime ends registration. Like Lambda's own runtime it goes on when an answer is refused,
    after a timeout for instance; see :attr:`refusals`.

    :param handler: ``handler(event, context)``. It returns any JSON value, or bytes that are sent
        as they are; what it raises is posted as the function's error.
    """

    def __init__(self, simulator: Simulator, handler: Callable[[Any, LambdaContext], Any]) -> None:
        super().__init__(simulator, "scripted runtime")
        self._handler = handler
        self._monitor = Monitor()
        # Guarded by _monitor, both:
        self._invocations: list[Event] = []
        self._refusals: list[RuntimeApiError] = []

    def __enter__(self) -> Self:
        self._client = RuntimeClient(self._simulator.runtime_api)
        self._worker.start()
        return self

    @property
    def invocations(self) -> list[Event]:
        """What Next returned so far: ids, deadlines, headers and bodies, oldest first."""
        with self._monitor:
            return list(self._invocations)

    @property
    def refusals(self) -> list[RuntimeApiError]:
        """The answers that the API refused, each as its error, oldest first."""
        with self._monitor:
            return list(self._refusals)

    def _hang_up(self) -> None:
        self._client.close()

    def _poll(self) -> None:
        while (event := self._ask(self._client.next)) is not None:
            with self._monitor:
                self._invocations.append(event)
            self._serve(event)

    def _serve(self, event: Event) -> None:
        outcome = self._outcome(event)
        try:
            if isinstance(outcome, ErrorReport):
                report = outcome
                self._ask(lambda: self._client.fail(event, report))
            else:
                body, content_type = outcome
                self._ask(lambda: self._client.respond(event, body, content_type))
        except RuntimeApiError as refusal:
            with self._monitor:
                self._refusals.append(refusal)

    def _outcome(self, event: Event) -> Payload | ErrorReport:
        try:
            return encode(self._handler(decode(event), self._context(event)))
        except Exception as error:
            trace = error.__traceback__
            if trace is not None:
                error = error.with_traceback(trace.tb_next)  # without this method's own frame
            return ErrorReport.from_exception(error, event.request_id)

    def _context(self, event: Event) -> LambdaContext:
        """The context, with what a function in Lambda has in its environment, and we have not."""
        context = LambdaContext.from_event(event)
        config = self._simulator.config
        context.function_name = config.function_name
        context.function_version = config.function_version
        context.memory_limit_in_mb = str(config.memory_size_mb)
        context.log_group_name = config.log_group_name
        context.log_stream_name = config.log_stream_name
        return context


class ScriptedExtension(_Double):
    """An extension that registers when it is entered, and then polls in a thread of its own.

    A context manager. After SHUTDOWN it asks for Next once more, which tells Lambda that it is
    done, and ends. It also ends when a reset made its registration void: see :attr:`was_reset`.

    :param name: what it registers as.
    :param events: what it registers for; an internal one is refused SHUTDOWN by Lambda.
    :param on_event: called in the thread with each event, before the next is asked for.
    :param internal: it counts as one inside the runtime's process; else it is an external one.

    AWS: *Using the Lambda Extensions API to create extensions*.
    """

    def __init__(
        self,
        simulator: Simulator,
        name: str,
        events: Collection[str | EventType] = ("INVOKE", "SHUTDOWN"),
        on_event: Callable[[Json], object] | None = None,
        *,
        internal: bool = False,
    ) -> None:
        super().__init__(simulator, f"scripted extension {name}")
        self.name = name
        self.identifier = ""
        """What Lambda knows it by; empty before it is registered."""
        self.was_reset = False
        """Whether it ended because the environment started over without it."""
        self._wanted = [one.value if isinstance(one, EventType) else one for one in events]
        self._on_event = on_event
        self._is_internal = internal
        self._inbox = Inbox(f"the {self._name}", "eventType")

    def __enter__(self) -> Self:
        """Register.

        :raises RuntimeApiError: it is refused; ``status`` and ``body`` are the answer.
        """
        if not self._is_internal:
            self._simulator.expect_external_extension(self.name)
        with Connection(self._simulator.runtime_api) as connection:
            asked = json.dumps({"events": self._wanted}).encode()
            path = f"{protocol.EXTENSIONS_API}/extension/register"
            headers = [(protocol.EXTENSION_NAME, self.name)]
            answer = _accepted(connection, "POST", path, headers, asked)
        self.identifier = answer.headers[protocol.EXTENSION_ID.lower()]
        self._connection = Connection(self._simulator.runtime_api)
        self._worker.start()
        return self

    @property
    def events(self) -> list[Json]:
        """The events so far, as Lambda sends them, oldest first."""
        return self._inbox.events

    def wait_for_event(self, event_type: str, timeout: float = 5.0, count: int = 1) -> Json:
        """Block until so many events of a type, INVOKE or SHUTDOWN, have come; the last of these.

        :param timeout: seconds.
        :raises WaitTimeout: fewer came in time; a note says what did come.
        :raises ShuttingDown: its thread ended first.
        """
        return self._inbox.wait_for(event_type, timeout, count)[count - 1]

    def subscribe(
        self,
        destination: TelemetryReceiver | TcpTelemetryReceiver | str,
        types: Collection[str] = ("platform", "function", "extension"),
        buffering: Mapping[str, int] | None = None,
    ) -> None:
        """Subscribe to telemetry; to be done before the runtime's first Next ends the init phase.

        :param destination: a receiver, or a URL whose host is ``sandbox.localdomain``.
        :param buffering: ``timeoutMs``, ``maxItems`` and ``maxBytes``. None delivers as soon as
            Lambda can be made to; an empty mapping leaves Lambda's defaults.
        :raises RuntimeApiError: it is refused; ``status`` and ``body`` are the answer.

        AWS: *Lambda Telemetry API reference*, Subscribe.
        """
        place: Json
        if isinstance(destination, str):
            place = {"protocol": "HTTP", "URI": destination}
        else:
            place = destination.destination
        asked = {
            "schemaVersion": "2022-12-13",
            "destination": place,
            "types": list(types),
            "buffering": dict(PROMPT if buffering is None else buffering),
        }
        body = json.dumps(asked).encode()
        # The thread's own connection is busy with its poll.
        with Connection(self._simulator.runtime_api) as connection:
            _accepted(connection, "PUT", protocol.TELEMETRY_API, self._signature, body)

    @property
    def _signature(self) -> list[tuple[str, str]]:
        return [(protocol.EXTENSION_ID, self.identifier)]

    def _hang_up(self) -> None:
        self._connection.close()

    def _poll(self) -> None:
        try:
            while (event := self._next()) is not None:
                self._inbox.add([event])
                if self._on_event is not None:
                    self._on_event(event)
                if event["eventType"] == EventType.SHUTDOWN.value:
                    self._next()
                    return
        finally:
            self._inbox.close()

    def _next(self) -> Json | None:
        path = f"{protocol.EXTENSIONS_API}/extension/event/next"
        try:
            answer = self._ask(lambda: _accepted(self._connection, "GET", path, self._signature))
        except RuntimeApiError as refusal:
            if b"Extension.UnknownExtensionIdentifier" not in refusal.body:
                raise
            self.was_reset = True
            return None
        return None if answer is None else dict(json.loads(answer.body))


def _accepted(
    connection: Connection,
    method: str,
    path: str,
    headers: Collection[tuple[str, str]],
    body: bytes = b"",
) -> Answer:
    """The answer to a request.

    :raises RuntimeApiError: it is not 200.
    """
    answer = connection.request(method, path, headers, body)
    if answer.status != 200:
        raise RuntimeApiError(f"{method} {path}", answer.status, answer.body)
    return answer
