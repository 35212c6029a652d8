"""Runtimes and extensions in threads of the test's own, and all that may go wrong in them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from time import sleep
from types import TracebackType
from typing import Any, Self

from lambda_sim import Simulator, SimulatorPhase
from lambda_sim.errors import ShuttingDown
from lambda_sim.handler.http import Answer, Connection
from lambda_sim.model.protocol import MAX_PAYLOAD_BYTES
from tests.raw import RawConnection
from tests.reliability.chaos import AMPLE
from tests.support import EVENT_NEXT, NEXT

RUNTIME = "/2018-06-01/runtime/invocation"
EXTENSION = "crew"
"""What a crew's extension registers as."""
A_LONG_TIME = 3_600.0
"""What a member waits at most for others, which may lack a processor; a close ends it."""
TOO_LARGE = MAX_PAYLOAD_BYTES + 1


class _Member:
    """A thread that talks to the API on a connection, or on several, one after another."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.simulator = crew.simulator
        self.connection = Connection(self.simulator.runtime_api)

    def reconnect(self) -> None:
        self.connection.close()
        self.connection = Connection(self.simulator.runtime_api)
        if self.crew.is_closing:  # which closed the earlier one, perhaps
            self.connection.close()

    def run(self) -> None:
        try:
            self.work()
        except BaseException as error:
            if self.crew.is_closing and isinstance(error, OSError | ShuttingDown):
                return
            self.simulator.close()  # nobody is to wait for what nobody does
            raise

    def work(self) -> None:
        raise NotImplementedError


class Runtime(_Member):
    """One worker: it does what the event says, {"do": <a method of this class>}."""

    def work(self) -> None:
        self.crew.await_extensions(is_reset=False)
        while True:
            self.next()
            getattr(self, json.loads(self.body)["do"])()

    def next(self) -> None:
        answer = self.connection.request("GET", NEXT)
        assert answer.status == 200, answer
        self.id, self.body = answer.headers["lambda-runtime-aws-request-id"], answer.body

    def post(self, kind: str, body: bytes, request_id: str | None = None) -> int:
        path = f"{RUNTIME}/{request_id or self.id}/{kind}"
        return self.connection.request("POST", path, body=body).status

    def expect(self, status: int, *expected: int) -> None:
        if status not in expected:
            self.crew.wrongs.append(f"{self.id} was answered {status}, not {expected}")

    def answer(self) -> None:
        self.expect(self.post("response", self.body), 202)

    def error(self) -> None:
        told = {"errorType": "Told", "errorMessage": self.id}
        self.expect(self.post("error", json.dumps(told).encode()), 202)

    def twice(self) -> None:
        self.answer()
        self.expect(self.post("response", b'"the second"'), 400, 403)

    def error_after(self) -> None:
        self.answer()
        self.expect(self.post("error", b'{"errorType": "Late"}'), 400, 403)

    def wrong_id(self) -> None:
        self.expect(self.post("response", self.body, "nobody-s"), 400)
        self.answer()

    def ask_again(self) -> None:
        before = self.id, self.body
        self.next()
        if before != (self.id, self.body):
            self.crew.wrongs.append(f"asked again, {self.id} came, and not {before}")
        self.answer()

    def drop(self) -> None:
        self.reconnect()
        self.ask_again()

    def forget(self) -> None:
        """It asks for the next one, and never answers."""

    def in_pieces(self) -> None:
        self._raw().request_chunked(
            "POST", f"{RUNTIME}/{self.id}/response", (), [self.body[:3], self.body[3:]]
        )

    def half(self) -> None:
        """The connection ends in the middle of the answer."""
        link = self._raw()
        head = {"Content-Length": str(len(self.body) * 2)}
        link.send_head("POST", f"{RUNTIME}/{self.id}/response", head)
        link.send(self.body)
        link.close()
        self.simulator.wait_for_invocation_complete(self.id, A_LONG_TIME)

    def too_large(self) -> None:
        self.expect(self.post("response", bytes(TOO_LARGE)), 413)

    def late(self) -> None:
        """It answers when its time is over."""
        self.simulator.wait_for_invocation_complete(self.id, A_LONG_TIME)
        self.expect(self.post("response", self.body), 400, 403, 410)
        self.crew.await_extensions(is_reset=self.simulator.config.rules.timeout_ends_environment)

    def _raw(self) -> RawConnection:
        link = RawConnection(self.simulator)
        self.crew.raw.append(link)
        return link


class Extension(_Member):
    """It joins each generation anew, subscribes, and does what the request id says."""

    def work(self) -> None:
        destinations = itertools.cycle(self.crew.destinations or [None])
        while not self.crew.is_closing:
            if self.register():
                self.subscribe(next(destinations))
                self.serve()

    def register(self) -> bool:
        """Whether it came in time; else it waits for the next generation. A runtime that was
        parked when its invocation's time ran out begins the next one without us."""
        body = b'{"events": ["INVOKE", "SHUTDOWN"]}'
        name = [("Lambda-Extension-Name", EXTENSION)]
        path = "/2020-01-01/extension/register"
        answer = self.connection.request("POST", path, name, body)
        if answer.status != 200:
            assert b"RegistrationClosed" in answer.body, answer
            self.crew.await_reset()
            return False
        identifier = answer.headers["lambda-extension-identifier"]
        self.identity = [("Lambda-Extension-Identifier", identifier)]
        return True

    def subscribe(self, destination: str | None) -> None:
        if destination is None:
            return
        wanted = {
            "schemaVersion": "2022-12-13",
            "types": ["platform"],
            "destination": {"protocol": "HTTP", "URI": destination},
            "buffering": {"timeoutMs": 25, "maxItems": 1000, "maxBytes": 262_144},
        }
        body = json.dumps(wanted).encode()
        answer = self.connection.request("PUT", "/2022-07-01/telemetry", self.identity, body)
        assert answer.status == 200, answer

    def serve(self) -> None:
        """As long as its generation lasts."""
        while (answer := self.next()).status == 200:
            event = json.loads(answer.body)
            if event["eventType"] == "INVOKE":
                getattr(self, event["requestId"].partition(".")[2])()
        assert b"UnknownExtensionIdentifier" in answer.body, answer

    def next(self) -> Answer:
        return self.connection.request("GET", EVENT_NEXT, self.identity)

    def done(self) -> None:
        pass

    def slow(self) -> None:
        """Too slow to be waited for."""
        sleep(self.simulator.config.extension_ready_timeout * 1.5)

    def hang_up(self) -> None:
        self.reconnect()


class Crew:
    """What stands for the processes of one simulator. A context manager.

    :param destinations: where its extension subscribes, by turns, one in each generation.
    """

    def __init__(
        self,
        simulator: Simulator,
        threads: Executor,
        *,
        workers: int = 1,
        has_extension: bool = True,
        destinations: Sequence[str] = (),
    ) -> None:
        self.simulator = simulator
        self.destinations = destinations
        self.wrongs: list[str] = []
        """What the API should not have answered."""
        self.raw: list[RawConnection] = []
        self.is_closing = False
        self._threads = threads
        self._has_extension = has_extension
        self._members: list[_Member] = [Runtime(self) for _ in range(workers)]
        self._jobs: list[Future[Any]] = []
        if has_extension:
            self._members.append(Extension(self))

    def __enter__(self) -> Self:
        self._jobs = [self._threads.submit(member.run) for member in self._members]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.is_closing = True
        for one in (*self.raw, *(member.connection for member in self._members)):
            one.close()
        for job in self._jobs:
            job.result(AMPLE)

    def await_extensions(self, *, is_reset: bool) -> None:
        """The runtime's first Next ends registration: the extension comes first."""
        if is_reset:
            self.await_reset()
        if self._has_extension:
            self.simulator.wait_for_extensions(1, A_LONG_TIME)

    def await_reset(self) -> None:
        initializing, simulator = SimulatorPhase.INITIALIZING, self.simulator
        simulator.wait_for(lambda: self.is_closing or simulator.phase is initializing, A_LONG_TIME)
