"""What is under fire: a whole environment with its processes, its endpoints, and its callers."""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import threading
from collections import Counter
from contextlib import ExitStack, suppress
from ctypes import CDLL
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, NamedTuple, Self

import psutil

from lambda_sim import (
    RELAXED,
    FreezeMode,
    Invocation,
    InvocationState,
    InvocationStatus,
    ProcessRole,
    Simulator,
)
from lambda_sim.handler.http import Connection
from lambda_sim.process.tree import asked_until
from lambda_sim.wire.application import Application
from lambda_sim.wire.invoke_api import InvokeApi
from lambda_sim.wire.server import WireServer
from tests.fuzz import grammar
from tests.fuzz.cases import Case, Door
from tests.support import handler_runtime, program

KINDS: dict[str, dict[str, Any]] = {
    "on demand": {},
    "frozen": {"freeze_mode": FreezeMode.PROCESS},
    "snap-start": {"initialization_type": "snap-start"},
    "managed": {"initialization_type": "lambda-managed-instances", "max_concurrency": 4},
    "relaxed": {"rules": RELAXED},
    "unready": {"external_extensions": ("watcher",)},
}
"""All have a runtime and an extension in processes of their own but for ``unready``, whose init
never ends, so that registrations and subscriptions are open."""

NO_TIMEOUTS = {"invocation_timeout": 60.0, "init_timeout": 900.0}
SHORT_TIMEOUTS = {
    "invocation_timeout": 0.5,
    "init_timeout": 2.0,
    "extension_ready_timeout": 0.2,
    "shutdown_timeout": 0.2,
}
BELLS = "anon_inode:[eventfd]"
KEPT = 2
"""Connections that stay open, of the runtime and of the extension: each may get a bell at any time,
when it is first lent to a caller."""
MEMORY_SLACK = 64 * 1024 * 1024
"""Bytes that the process may have more in the end: a first world takes some 30 MB for good."""
SETTLE = 30.0
TRIES = 30
"""Invocations after which an environment that was treated roughly must serve again."""


class Footprint(NamedTuple):
    """What this process holds."""

    threads: Counter[str]
    """Of the simulator, by name."""
    files: Counter[str]
    """By what they are: a kind such as ``socket``, or a path."""
    memory: int

    @classmethod
    def now(cls) -> Self:
        memory = _memory()
        names = (one.name for one in threading.enumerate())
        ours = Counter(name for name in names if name.startswith("lambda-sim:"))
        return cls(ours, _files(), memory)

    @classmethod
    def settled(cls, before: Footprint, *, bells: int = 0) -> Self:
        """When it leaks nothing any more, or never will: connections that we closed are closed on
        the other side a moment later."""
        found: list[Self] = []

        def is_settled() -> bool:
            found[:] = [cls.now()]
            return not found[0].leaks(before, bells=bells)

        asked_until(is_settled, SETTLE)
        return found[0]

    def leaks(self, before: Footprint, *, bells: int = 0) -> list[str]:
        """What is held that was not before, in words.

        :param bells: how many may be there that were not.
        """
        files = self.files - before.files
        if files[BELLS] <= bells:
            del files[BELLS]
        words = []
        # Not by name: the servers' threads are numbered.
        if self.threads.total() > before.threads.total():
            words.append(f"leaks threads: {dict(self.threads - before.threads)}")
        if files:
            words.append(f"leaks files: {dict(files)}")
        if self.memory > before.memory + MEMORY_SLACK:
            words.append(f"leaks memory: {before}; then {self}")
        return words

    def __str__(self) -> str:
        return f"{self.threads.total()} threads, {self.files.total()} files, {self.memory >> 20} MB"


def _memory() -> int:
    """Bytes, without those that the allocator keeps of what was freed, where it can let go."""
    gc.collect()
    if trim := getattr(CDLL(None), "malloc_trim", None):
        trim(0)
    return int(psutil.Process().memory_info().rss)


def _files() -> Counter[str]:
    """Open files but for those by which processes are measured, kept from when they first are."""
    links = Path("/proc/self/fd")
    if not links.is_dir():
        return Counter(some=psutil.Process().num_fds())
    found: Counter[str] = Counter()
    for link in links.iterdir():
        with suppress(OSError):  # the one that lists them
            found[re.sub(r"[0-9]+", "", os.readlink(link))] += 1
    return Counter({name: many for name, many in found.items() if not name.startswith("/proc/")})


class World:
    """A simulator, and the endpoint that its callers use. A context manager.

    :param is_rough: whether the fuzzer may do what a runtime and extensions may: take events,
        answer them, report errors that end the environment. Else every invocation must succeed.
    """

    def __init__(self, kind: str, *, is_rough: bool) -> None:
        self.kind = kind
        self.serves = kind != "unready"
        self.is_rough = is_rough
        self.touched: set[str] = set()
        """Ids of invocations that the fuzzer had its hands on."""
        self.complaints: list[str] = []
        """What went wrong beside the connections; anyone may add."""
        self.outcomes: Counter[str] = Counter()
        self._random = Random(0)
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        config = {"memory_size_mb": 1024, "history_limit": 50, **KINDS[self.kind]}
        config |= SHORT_TIMEOUTS if self.is_rough and self.serves else NO_TIMEOUTS
        if self.serves:
            config["runtime"] = handler_runtime("functions.mirror")
        if self.serves and self.kind != "managed":  # where extensions are told of no invocation
            config["extensions"] = [
                program("extension.py", "watcher", role=ProcessRole.EXTENSION, name="watcher")
            ]
        with ExitStack() as undo:
            undo.enter_context(_Listening(self.complaints))
            self.simulator = undo.enter_context(Simulator(**config))
            app = Application(InvokeApi(self.simulator).routes())
            self._server = undo.enter_context(WireServer(app, name="invoke-api"))
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def address(self, door: Door) -> tuple[str, int]:
        # Where nobody serves, a caller would wait for ever.
        is_callers = door is Door.INVOKE and self.serves
        return self._server.address if is_callers else self.simulator.addr

    def filled(self, case: Case) -> bytes:
        """A case's bytes, with real ids for names: of what is over, or of all if it is rough."""
        data = case.data
        if grammar.REQUEST_ID in data:
            data = data.replace(grammar.REQUEST_ID, self._request_id().encode())
        if grammar.TOKEN in data:
            variables = self.simulator.lambda_env_vars()
            token = variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
            data = data.replace(grammar.TOKEN, token.encode())
        if grammar.EXTENSION_ID in data:
            data = data.replace(grammar.EXTENSION_ID, self._extension_id().encode())
        return data

    def _request_id(self) -> str:
        for state in reversed(self.simulator.invocation_states):
            if state.is_complete != self.is_rough:
                if self.is_rough:
                    self.touched.add(state.request_id)
                return state.request_id
        return grammar.some_id(self._random).decode()

    def _extension_id(self) -> str:
        known = self.simulator.registered_extensions if self.is_rough else []
        return self._random.choice(known).id if known else grammar.some_id(self._random).decode()

    # --- Callers --------------------------------------------------------------------------------

    def warm_up(self) -> None:
        """Init is over, and what is opened once is open."""
        with self.connection() as connection:
            for number in range(-3, 0):
                self.call(number)
                self.call_over_http(connection, number)

    def call(self, number: int) -> None:
        """One invocation through the library; what is wrong with its end is a complaint."""
        payload = {"library": number}
        state = self._streamed(payload) if number % 3 == 0 else self.simulator.invoke(payload)
        self.outcomes[state.status.name] += 1
        if problem := self._problem(state, payload):
            self.complaints.append(problem)

    def _streamed(self, payload: Any) -> InvocationState:
        """Invoke, and read the answer as it comes; the pieces are the whole."""
        stream = self.simulator.invoke_stream(payload)
        body = b"".join(stream)
        assert stream.state is not None
        if (response := stream.state.response) is not None and response.body != body:
            self.complaints.append(f"a stream of other pieces than {stream.state}: {body!r}")
        return stream.state

    def call_over_http(self, connection: Connection, number: int) -> None:
        """The same at the endpoint."""
        sent = json.dumps({"endpoint": number}).encode()
        answer = connection.request("POST", grammar.INVOKE.decode(), body=sent)
        failed = "x-amz-function-error" in answer.headers
        self.outcomes["over HTTP, " + ("failed" if failed else "succeeded")] += 1
        if self.is_rough and answer.headers.get("x-amzn-errortype", "").startswith("SnapStart"):
            return
        if answer.status != 200:
            self.complaints.append(f"an invocation over HTTP: {answer.status} {answer.body!r}")
        elif self.is_rough and (failed or answer.headers["x-amzn-requestid"] in self.touched):
            return
        elif failed or json.loads(answer.body) != json.loads(sent):
            self.complaints.append(f"an invocation over HTTP: {answer}")

    def connection(self) -> Connection:
        host, port = self._server.address
        return Connection(f"{host}:{port}", timeout=2 * SETTLE)

    def comes_back(self) -> None:
        """Everything that was begun ends, and what is begun now succeeds."""
        if not self.serves:
            return
        unfinished = [1]

        def is_quiet() -> bool:
            states = self.simulator.invocation_states
            unfinished[:] = [state.request_id for state in states if not state.is_complete]
            return not unfinished

        try:
            self.simulator.wait_for(is_quiet, SETTLE)
        except TimeoutError:
            self.complaints.append(f"invocations that never end: {unfinished}")
            return
        in_a_row = 0
        for number in range(TRIES if self.is_rough else 3):
            # With time to start processes in, also on a machine that is busy.
            state = self.simulator.invoke(Invocation({"calm": number}, timeout=SETTLE))
            is_right = state.status is InvocationStatus.SUCCESS
            is_right = is_right and state.response.payload == {"calm": number}
            in_a_row = in_a_row + 1 if is_right else 0
            if in_a_row == 3:
                return
        evidence = "\n".join(self.simulator.evidence())
        self.complaints.append(f"the environment does not come back: {state}\n{evidence}")

    def _problem(self, state: InvocationState, payload: Any) -> str | None:
        if not state.is_complete:
            return f"not complete, but answered: {state}"
        if state.status is not InvocationStatus.SUCCESS:
            return None if self.is_rough else f"an invocation failed: {state}"
        assert state.response is not None
        if state.request_id in self.touched or state.response.payload == payload:
            return None
        return f"another's answer: {state}, not {payload}"


class _Listening(logging.Handler):
    """What the library logs as a warning or worse is a complaint."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._complaints = complaints
        self._logger = logging.getLogger("lambda_sim")

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        self._propagates, self._logger.propagate = self._logger.propagate, False
        return self

    def __exit__(self, *error: object) -> None:
        self._logger.propagate = self._propagates
        self._logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        text = logging.Formatter("log: %(levelname)s %(message)s").format(record)
        self._complaints.append(text)
