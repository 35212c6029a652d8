"""The clients: how each is started, and where what it does is its own affair."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lambda_sim import ProcessConfig, ProcessRole
from lambda_sim.process import tree
from tests.interop.build import PROGRAMS, Program

RIC_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
TURN_TIME = 100.0
"""Seconds; the tests of another suite take some twenty, one after the other."""
EXIT_1 = ("Runtime.ExitError", "Runtime exited with error: exit status 1")


@dataclass(frozen=True, kw_only=True)
class Client:
    """A runtime interface client around the function that every language has here.

    What a field does not say is the same for all of them.
    """

    program: Program
    command: Sequence[str | Path]
    """Its first word is a file of the program if it is a path."""
    env: Mapping[str, str] = field(default_factory=dict)
    """What it needs beside Lambda's own variables."""
    module: str | None = None
    """The module of Python that it is."""

    line: str
    """What its logger makes of "to do: echo", as a pattern; <id> is the request's."""
    json_line: Mapping[str, Any] | None = None
    """What of that is there when the log is in JSON; None if its logger does not know of that."""
    error: tuple[str, str]
    """Type and message when the handler fails with "as asked"."""
    error_keys: frozenset[str]
    """What the error's JSON has."""
    init_error: tuple[str, str]
    """Type and message when the function fails with "no init today" before it asks for anything."""
    init_error_type: str
    """The type in telemetry, which is one of Lambda's."""

    survives_refusal: bool = False
    """Whether it goes on after its response was refused for its size."""
    internal_extension: str | None = None
    """What it registers to be asked to end."""
    hears_sigterm: bool = True
    """Whether the function hears of it while the client waits in Next."""
    stream_handler: str = "function.handler"
    prelude: bytes = b""
    """What it sends before a stream's first bytes."""
    stream_type: str = "text/plain"
    is_streamed: bool = True
    """Whether it says that its stream is one."""

    is_alone: bool = False
    """Whether two at one time on a machine break each other, by a file that each writes anew."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for those of other suites, if it has to be alone."""
        folder = os.open(tempfile.gettempdir(), os.O_RDONLY)

        def is_ours() -> bool:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                return False

        try:
            if self.is_alone and not tree.asked_until(is_ours, TURN_TIME):
                raise TimeoutError("the turn of another suite did not end")
            yield
        finally:
            os.close(folder)

    def lacking(self) -> str | None:
        """Why it can't run here, and what would mend that."""
        if self.module is not None and find_spec(self.module) is None:
            return f"{self.module} is not installed"
        return self.program.lacking()

    def runtime(self, work: Path, env: Mapping[str, str]) -> ProcessConfig:
        """:param work: a folder for what it writes down."""
        first, *rest = self.command
        return ProcessConfig(
            [self.program.folder / first if isinstance(first, Path) else first, *rest],
            ProcessRole.RUNTIME,
            env={"WORK": str(work), **self.env, **env},
            cwd=self.program.folder,
            inherit_stdio=False,
        )


PYTHON = Client(
    program=PROGRAMS["python"],
    command=[sys.executable, "-m", "awslambdaric", "function.handler"],
    module="awslambdaric",
    line=rf"\[INFO\]\t{RIC_TIME}\t<id>\tto do: echo",
    json_line={"level": "INFO", "message": "to do: echo", "requestId": "<id>"},
    error=("ValueError", "as asked"),
    error_keys=frozenset({"errorMessage", "errorType", "requestId", "stackTrace"}),
    init_error=("RuntimeError", "no init today"),
    init_error_type="Runtime.Unknown",
    # Python runs signal handlers between its own instructions, and Next is the native client's.
    hears_sigterm=False,
)

EMBEDDED = replace(
    PYTHON,
    command=[sys.executable, "-m", "lambda_sim.handler", "function.handler"],
    module=None,
    hears_sigterm=True,
    survives_refusal=True,
)

NODE = Client(
    program=PROGRAMS["node"],
    command=["node", "node_modules/aws-lambda-ric/index.mjs"],
    # With several workers each poll keeps one thread of libuv's; the function needs some, too.
    env={"UV_THREADPOOL_SIZE": "16"},
    line=rf"{RIC_TIME}\t<id>\tINFO\tto do: echo",
    json_line={"level": "INFO", "message": "to do: echo", "requestId": "<id>"},
    error=("RangeError", "as asked"),
    error_keys=frozenset({"errorType", "errorMessage", "trace"}),
    init_error=("RangeError", "no init today"),
    init_error_type="Runtime.Unknown",
    survives_refusal=True,
    stream_handler="function.stream",
)

GO = Client(
    program=PROGRAMS["go"],
    command=[Path("bin/function")],
    line="to do: echo",
    error=("asked", "as asked"),
    error_keys=frozenset({"errorType", "errorMessage"}),
    # It has no call for an error of init.
    init_error=EXIT_1,
    init_error_type="Runtime.ExitError",
    internal_extension="GoLangEnableSIGTERM",
    # It never says that a reader is a stream.
    is_streamed=False,
    stream_type="application/octet-stream",
)

RUST = Client(
    program=PROGRAMS["rust"],
    command=[Path("target/debug/function")],
    line=r' INFO Lambda runtime invoke\{requestId="<id>" xrayTraceId="[^"]*"\}: to do: echo',
    json_line={"level": "INFO", "fields": {"message": "to do: echo"}},
    # The type of the box that the error came in.
    error=(
        "&alloc::boxed::Box<dyn core::error::Error + core::marker::Send + core::marker::Sync>",
        "as asked",
    ),
    error_keys=frozenset({"errorType", "errorMessage"}),
    # It has no call for an error of init but around snapshots.
    init_error=EXIT_1,
    init_error_type="Runtime.ExitError",
    survives_refusal=True,
    internal_extension="_lambda-rust-runtime-no-op-graceful-shutdown-helper",
    prelude=b'{"statusCode":200,"headers":{"content-type":"application/octet-stream"},"cookies":[]}'
    + bytes(8),
    stream_type="application/vnd.awslambda.http-integration-response",
)

JAVA = Client(
    program=PROGRAMS["java"],
    command=[
        "java",
        *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"),  # a quick start
        *("-cp", "target/function.jar:target/dependency/*"),
        "com.amazonaws.services.lambda.runtime.api.client.AWSLambda",
        "interop.Function",
    ],
    line="to do: echo",
    json_line={"message": "to do: echo\n", "AWSRequestId": "<id>"},
    error=("java.lang.IllegalArgumentException", "as asked"),
    error_keys=frozenset({"errorType", "errorMessage", "stackTrace"}),
    init_error=("java.lang.IllegalStateException", "no init today"),
    init_error_type="Runtime.BadFunctionCode",
    is_alone=True,  # /tmp/.libaws-lambda-jni.so
)

BASH = Client(
    program=PROGRAMS["bash"],
    command=[Path("function")],
    line="to do: echo",
    error=("Function.Asked", "as asked"),
    error_keys=frozenset({"errorType", "errorMessage"}),
    init_error=("Function.NoInit", "no init today"),
    init_error_type="Function.NoInit",
    survives_refusal=True,
)
