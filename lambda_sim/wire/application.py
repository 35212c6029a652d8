"""A WSGI application over a table of routes: one dictionary look-up a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from lambda_sim.errors import ShuttingDown, WireError
from lambda_sim.lifecycle.poller import AnsweredElsewhere, NeedsOwnThread, Poller, PollerGone
from lambda_sim.wire import bodies, rendering
from lambda_sim.wire.answers import Lines
from lambda_sim.wire.rendering import Answer
from lambda_sim.wire.server import Connection, HangUp, NotForAttendants, Unanswered

if TYPE_CHECKING:
    from werkzeug.routing import MapAdapter

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class Call:
    """One request, looked at only as far as its endpoint does."""

    __slots__ = ("_environ", "argument")

    def __init__(self, environ: Environ, argument: str) -> None:
        self._environ = environ
        self.argument = argument
        """What stands in the path's variable part."""

    def header(self, key: str) -> str | None:
        """A header by its WSGI key, such as HTTP_ACCEPT; bytes beyond ASCII read as UTF-8."""
        value = self._environ.get(key)
        if value is None or value.isascii():
            return value
        return value.encode("latin-1").decode(errors="replace")  # type: ignore[no-any-return]

    def body(self, limit: int) -> bytes:
        """The whole body; refused while it is read when it is larger than the limit."""
        return bodies.read(self._environ, limit)

    def chunks(self) -> Iterator[bytes]:
        """The body in the pieces in which it arrives, however slowly they come."""
        return bodies.chunks(self._environ)

    @property
    def trailers(self) -> dict[str, str]:
        """What followed a chunked body, names in lower case."""
        return getattr(self._environ["wsgi.input"], "trailers", {})

    @property
    def poller(self) -> Poller:
        """Whoever waits for the answer."""
        return self._environ.get("lambda_sim.connection") or _Unseen()


class _Unseen:
    """A caller behind a server that does not show its connections."""

    is_gone = False
    was_reset = False
    may_be_lent = False
    is_attended = False

    def is_connected(self) -> bool:
        return True

    def ring(self) -> None:
        """Nobody else attends to it."""


Endpoint = Callable[[Call], Answer]


@attrs.frozen
class Route:
    """An endpoint's method and path, at most one segment of which is variable: ``<id>``."""

    method: str
    path: str
    endpoint: Endpoint


class Application:
    """Finds the endpoint, and renders what it answers or raises.

    Werkzeug's map says what is wrong with a request that the dictionary does not know.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._table = table = list(routes)
        self._exact = {
            (route.method, route.path): route.endpoint for route in table if "<" not in route.path
        }
        self._nested = {
            (route.method, *_around_variable(route.path)): route.endpoint
            for route in table
            if "<" in route.path
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            answer = self._answer(environ)
        except WireError as refusal:
            answer = rendering.refusal(refusal)
        except AnsweredElsewhere as elsewhere:
            raise Unanswered from elsewhere
        except NeedsOwnThread as other:
            raise NotForAttendants from other
        except (PollerGone, ShuttingDown) as end:
            if "lambda_sim.connection" in environ:
                raise HangUp from end
            answer = rendering.unavailable()
        connection = environ.get("lambda_sim.connection")
        headers = answer.headers
        if connection is None and isinstance(headers, Lines):
            headers = headers.parsed()
        start_response(answer.status, headers)
        if answer.pieces is not None:
            return answer.pieces
        if answer.undelivered is None and answer.afterwards is None:
            return [answer.body]
        return _Delivery(answer, connection)

    def _answer(self, environ: Environ) -> Answer:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        endpoint = self._exact.get((method, path))
        if endpoint is not None:
            return endpoint(Call(environ, ""))
        before, _, after = path.rpartition("/")
        before, _, variable = before.rpartition("/")
        endpoint = self._nested.get((method, before, after))
        if endpoint is not None and variable:
            return endpoint(Call(environ, variable))
        allowed = [name for name in self._map.allowed_methods(path) if name != "HEAD"]
        # Werkzeug's map overlooks a second slash in front, and ours does not.
        is_wrong = bool(allowed) and method not in allowed
        return rendering.wrong_method(allowed) if is_wrong else rendering.not_found()

    @cached_property
    def _map(self) -> MapAdapter:
        """Made, and Werkzeug imported, when it is first needed: well-behaved clients never do."""
        from werkzeug.routing import Map, Rule  # noqa: PLC0415

        rules = [
            Rule(route.path, endpoint=route.path, methods=[route.method]) for route in self._table
        ]
        return Map(rules, merge_slashes=False).bind("localhost")


class _Delivery(list[bytes]):
    """A body after which something is to be done."""

    def __init__(self, answer: Answer, connection: Connection | None) -> None:
        super().__init__((answer.body,))
        self._answer = answer
        self._connection = connection

    def close(self) -> None:
        """The server is done with it, well or not."""
        answer, connection = self._answer, self._connection
        if connection is not None and connection.send_failed and answer.undelivered is not None:
            answer.undelivered()
        if answer.afterwards is not None:
            answer.afterwards()


def _around_variable(path: str) -> tuple[str, str]:
    before, _, after = path.partition("/<")
    return before, after.partition(">/")[2]
