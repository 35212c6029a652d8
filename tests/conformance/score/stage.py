"""What a case stands on: an emulator of its own, and hands to play everybody around it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from tests.conformance.score.emulators import Address, Emulator, Kind
from tests.raw import Event, RawAnswer, RawConnection, RawExtension, RawRuntime

INVOKE = "/2015-03-31/functions/function/invocations"
STREAM = "/2021-11-15/functions/function/response-streaming-invocations"
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
ACCEPTED = (202, b'{"status":"OK"}\n')

ACTOR = Path(__file__).parents[1] / "programs" / "actor.py"

SHELL = shutil.which("sh") or "/bin/sh"
"""AWS's emulator finds absolute paths only, in its mode for managed instances."""

PATIENCE = 10.0
"""How long an emulator may take for anything; a right answer never takes so long."""

T = TypeVar("T")

NOTHING: Mapping[str, str] = {}


class NothingCame(TimeoutError):
    """What a case waited for."""


def same(actual: T, expected: T) -> None:
    """Fail and show both, unless they are equal."""
    if actual != expected:
        raise AssertionError(f"{_short(actual)} is not {_short(expected)}")


def holds(condition: object, *evidence: object) -> None:
    """Fail and show the evidence, unless the condition is true."""
    if not condition:
        raise AssertionError(" ".join(map(_short, evidence)) or "it does not hold")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 600 else f"{text[:300]} … {text[-250:]}"


def refused(answer: RawAnswer, status: int, error_type: str, message: str | None = None) -> None:
    """:param message: None where AWS's words are some decoder's."""
    same((answer.status, answer.json.get("errorType")), (status, error_type))
    told = answer.json["errorMessage"] if message is None else message
    same(answer.json, {"errorMessage": told, "errorType": error_type})


def forbidden(answer: RawAnswer, state: str, target: str) -> None:
    """The refusal of a move that the runtime's state has no way to."""
    text = f"State transition from {state} to {target} failed for runtime. "
    text += "Error: State transition is not allowed"
    refused(answer, 403, "InvalidStateTransition", text)


def accepted(answer: RawAnswer) -> None:
    same((answer.status, answer.body), ACCEPTED)


class _Link(RawConnection):
    """A raw connection with less patience, which takes answers in chunks, too."""

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._socket.settimeout(PATIENCE)

    def read_answer(self, *, has_body: bool = True) -> RawAnswer:
        head = self._until(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        _, status, reason = first.split(" ", 2)
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        answer = RawAnswer(int(status), reason, headers, b"")
        if answer.status < 200 or answer.status == 204 or not has_body:
            return answer
        if not answer.has("Transfer-Encoding"):
            return replace(answer, body=self._exactly(int(answer["Content-Length"])))
        return replace(answer, body=b"".join(self._chunks()))

    def _chunks(self) -> list[bytes]:
        chunks = []
        while size := int(self._until(b"\r\n"), 16):
            chunks.append(self._exactly(size))
            self._exactly(2)
        self._exactly(2)
        return chunks


L = TypeVar("L", bound=_Link)


class Connection(_Link):
    """Anything that a case says."""

    def read_until(self, mark: bytes) -> None:
        """Take in what comes, up to and with this."""
        self._until(mark)


class Runtime(_Link, RawRuntime):
    """A runtime played by hand."""


class Extension(_Link, RawExtension):
    """An extension played by hand."""


@dataclass(frozen=True)
class Reply:
    """What the invoker got."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def tail(self) -> str:
        """The log that came along."""
        return base64.b64decode(self.headers["X-Amz-Log-Result"] or "").decode()

    def failed(self, error_type: str, message: str | None = None) -> None:
        """Assert that its body is Lambda's own error object; of status and headers others tell.

        :param message: with ``<id>`` for the request's.
        """
        same(self.json.get("errorType"), error_type)
        if message is not None:
            form = re.escape(message).replace("<id>", "[0-9a-f-]{36}")
            holds(re.fullmatch(form, self.json["errorMessage"]), self.body)

    def unhandled(self) -> None:
        """Assert that it is told for a function error, whatever the error."""
        same((self.status, self.headers["X-Amz-Function-Error"]), (200, "Unhandled"))


class Running(NamedTuple):
    """An invocation that its runtime has taken."""

    runtime: Runtime
    event: Event
    reply: Future[Reply]

    @property
    def id(self) -> str:
        return self.event.id

    def respond(self, body: bytes = b"{}", **headers: str) -> RawAnswer:
        return self.runtime.respond(self.id, body, **headers)

    def finish(self, body: bytes = b"{}", **headers: str) -> Reply:
        """Respond, ask for Next, and see what the invoker got."""
        accepted(self.respond(body, **headers))
        return self.done()

    def done(self) -> Reply:
        """The invoker's answer, the runtime having asked for Next."""
        self.runtime.ask()
        return self.reply.result(PATIENCE)


class Stage:
    """One case's emulator, and all that it opened; the end of the ``with`` block ends it all.

    The process that the emulator starts prints ``bootstrapped``, and then does what it is ordered;
    the case speaks for it. So it is with external extensions.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._emulator: Emulator | None = None
        self._undo = ExitStack()
        self._orders: dict[str, int] = {}

    def __enter__(self) -> Self:
        folder = tempfile.TemporaryDirectory(prefix="score-")
        self.folder = Path(self._undo.enter_context(folder))
        self._threads = self._undo.enter_context(ThreadPoolExecutor(30))
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    # --- The emulator ---------------------------------------------------------------------------

    def start(
        self,
        bootstrap: str | None = None,
        *,
        actor: Sequence[str] = (),
        extensions: Sequence[str] = (),
        mode: int = 0o755,
        command: Sequence[str] = (),
        timeout: int = 60,
        environ: Mapping[str, str] = NOTHING,
    ) -> Emulator:
        """
        :param bootstrap: what the runtime's shell does instead of waiting for orders.
        :param actor: steps of programs/actor.py, which is started instead.
        :param extensions: names of external extensions, and ``mode`` of their files.
        :param command: what is started as the runtime, instead of all that.
        """
        script = "echo bootstrapped; " + (bootstrap or self._obey("bootstrap"))
        if actor:
            command = [sys.executable, "-I", "-S", str(ACTOR), "runtime", *actor, "hang"]
        layers = self._layers(extensions, mode) if extensions else None
        variables = {"AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout), **environ}
        words = [*(command or [SHELL, "-c", script]), "app.handler"]
        while True:
            self._emulator = Emulator(self._kind, words, variables, layers, PATIENCE)
            self._undo.callback(self._emulator.close)
            try:
                self._emulator.wait_until_listening()
                return self._emulator
            except TimeoutError:
                if not self._emulator.was_too_slow:
                    raise

    @property
    def emulator(self) -> Emulator:
        return self._emulator or self.start()

    @property
    def printed(self) -> str:
        """The end of what the emulator printed."""
        return self._emulator.output[-1000:] if self._emulator else ""

    def _layers(self, names: Sequence[str], mode: int) -> Path:
        """A directory that is /opt, with these extensions."""
        layers = self.folder / "opt"
        (layers / "extensions").mkdir(parents=True)
        for name in names:
            path = layers / "extensions" / name
            path.write_text(f"#!/bin/sh\necho {name} is up; {self._obey(name)}\n")
            path.chmod(mode)
        return layers

    def _obey(self, name: str) -> str:
        """Shell code that does what the process of this name is ordered."""
        path = self.folder / name
        os.mkfifo(path)
        self._orders[name] = os.open(path, os.O_RDWR)
        self._undo.callback(os.close, self._orders[name])
        return f'while read -r order < {path}; do eval "$order"; done'

    def order(self, what: str, whom: str = "bootstrap") -> None:
        """Have the bootstrap, or an extension's process, run a line of shell."""
        os.write(self._orders[whom], f"{what}\n".encode())

    def booted(self, count: int = 1) -> None:
        """Block until the bootstrap has been started so many times."""
        self.emulator.wait_for("^bootstrapped$", count)

    # --- Who speaks to it -----------------------------------------------------------------------

    def invoke(
        self, body: bytes = b"{}", path: str = INVOKE, method: str = "POST", **headers: str
    ) -> Reply:
        """Invoke, and wait for the answer; header names are given with underscores."""
        link = http.client.HTTPConnection(*self.emulator.front, timeout=2 * PATIENCE)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            link.request(method, path, body, named)
            answer = link.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            link.close()

    def soon(self, body: bytes = b"{}", path: str = INVOKE, **headers: str) -> Future[Reply]:
        """Invoke on a thread of its own."""
        address = self.emulator.front
        assert address
        return self._threads.submit(self.invoke, body, path, **headers)

    def connect(self, address: Address | None = None) -> Connection:
        return self._closing(Connection(address or self.emulator.api))

    def runtime(self) -> Runtime:
        return self._closing(Runtime(self.emulator.api))

    def extension(self, name: str | None = None, *events: str) -> Extension:
        """An extension; registered if it is given a name."""
        extension = self._closing(Extension(self.emulator.api))
        if name is not None:
            extension.register(name, *events)
        return extension

    def external(self, name: str, *events: str) -> Extension:
        """An external extension, registered for its process as soon as that is up."""
        self.emulator.wait_for(f"^{name} is up$")
        return self.extension(name, *events)

    def initialising_alone(self) -> None:
        """Come back when the bootstrap has been started, if possible without an invocation.

        One that waits would have a failed init tried again at once.
        """
        if self._kind.is_eager:
            self.start()
            self.booted()
        else:
            self.initialising()

    def initialising(self, body: bytes = b"{}", **headers: str) -> Future[Reply]:
        """Invoke, and come back when the bootstrap has been started."""
        reply = self.soon(body, **headers)
        self.booted()
        return reply

    def running(self, body: bytes = b"{}", **headers: str) -> Running:
        """Invoke, and take the invocation."""
        reply = self.initialising(body, **headers)
        runtime = self.runtime()
        return Running(runtime, runtime.next(), reply)

    def again(self, running: Running, body: bytes = b"{}", **headers: str) -> Running:
        """Invoke once more while the runtime waits in Next."""
        reply = self.soon(body, **headers)
        return Running(running.runtime, running.runtime.event(), reply)

    def _closing(self, link: L) -> L:
        self._undo.callback(link.close)
        return link
