"""The Extensions API: register, Next, init error and exit error.

AWS: *Using the Lambda Extensions API to create extensions*.
"""

from __future__ import annotations

import json
from typing import Any

from lambda_sim import refusals
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.poller import PollerGone
from lambda_sim.lifecycle.registry import ExtensionStage
from lambda_sim.model import protocol
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.extension import InvokeEvent, LifecycleEvent, ShutdownEvent
from lambda_sim.model.identifiers import is_uuid, new_id
from lambda_sim.wire import rendering
from lambda_sim.wire.answers import Lines
from lambda_sim.wire.application import Call, Route
from lambda_sim.wire.rendering import Answer

NAME = "HTTP_LAMBDA_EXTENSION_NAME"
IDENTIFIER = "HTTP_LAMBDA_EXTENSION_IDENTIFIER"
ERROR_TYPE = "HTTP_LAMBDA_EXTENSION_FUNCTION_ERROR_TYPE"
FEATURES = "HTTP_LAMBDA_EXTENSION_ACCEPT_FEATURE"

NO_CONFIGURATION_KEYS = "configurationKeys are deprecated; use environment variables instead"


class ExtensionsApi:
    """The endpoints that an extension calls, over one environment."""

    def __init__(self, environment: ExecutionEnvironment, config: SimulatorConfig) -> None:
        self._environment = environment
        self._config = config
        self._reported = rendering.ACCEPTED._replace(afterwards=environment.reporter_answered)

    def routes(self) -> list[Route]:
        base = f"{protocol.EXTENSIONS_API}/extension"
        return [
            Route("POST", f"{base}/register", self.register),
            Route("GET", f"{base}/event/next", self.next),
            Route("POST", f"{base}/init/error", self.init_error),
            Route("POST", f"{base}/exit/error", self.exit_error),
        ]

    def register(self, call: Call) -> Answer:
        name = call.header(NAME)
        if not name:
            raise refusals.InvalidExtensionName
        events = _events(call.body(protocol.MAX_REPORT_BYTES))
        registered = self._environment.register(name, events, call.poller)
        config = self._config
        told = {
            "functionName": config.function_name,
            "functionVersion": config.function_version,
            "handler": config.handler or "handler",
        }
        features = (call.header(FEATURES) or "").split(",")
        if "accountId" in (feature.strip() for feature in features):
            told = {"accountId": config.account_id, **told}
        return rendering.json_answer(200, told, [(protocol.EXTENSION_ID, registered.id)])

    def next(self, call: Call) -> Answer:
        """Blocks without limit until something that the extension registered for."""
        identifier = identifier_of(call)
        poller = call.poller
        notice = self._environment.next_event(identifier, poller)

        def undelivered() -> None:
            self._environment.give_back_event(identifier, notice, poller)

        if not poller.is_connected():
            undelivered()
            raise PollerGone
        body = event_body(notice.event)
        return Answer(rendering.OK, event_lines(identifier, body), body, undelivered)

    def init_error(self, call: Call) -> Answer:
        return self._fail(call, ExtensionStage.INIT_ERROR)

    def exit_error(self, call: Call) -> Answer:
        return self._fail(call, ExtensionStage.EXIT_ERROR)

    def _fail(self, call: Call, target: ExtensionStage) -> Answer:
        identifier = identifier_of(call)
        error_type = call.header(ERROR_TYPE)
        if not error_type:
            raise refusals.MissingHeader
        call.body(protocol.MAX_REPORT_BYTES)
        try:
            self._environment.extension_fails(identifier, target, error_type)
        except refusals.UnknownExtensionIdentifier as unknown:
            raise refusals.UnknownReporter(identifier) from unknown
        return self._reported


def identifier_of(call: Call) -> str:
    """Whose call it is.

    :raises WireError: it does not say, or not with a UUID.
    """
    identifier = call.header(IDENTIFIER)
    if not identifier:
        raise refusals.MissingExtensionIdentifier
    if not is_uuid(identifier):
        raise refusals.InvalidExtensionIdentifier
    return identifier


def event_body(event: LifecycleEvent) -> bytes:
    """What Next answers with: the same for all extensions that are told of it."""
    return json.dumps(_told(event), separators=(",", ":"), ensure_ascii=False).encode()


def event_lines(identifier: str, body: bytes) -> Lines:
    """The headers to it."""
    return Lines(
        f"Content-Type: {protocol.JSON_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"{protocol.EXTENSION_ID}: {identifier}\r\n"
        f"{protocol.EXTENSION_EVENT_ID}: {new_id()}\r\n"
    )


def _events(body: bytes) -> list[str]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise refusals.InvalidRequestFormat(str(error)) from error
    if not isinstance(asked, dict):
        raise refusals.InvalidRequestFormat("the body is not a JSON object")
    if asked.get("configurationKeys"):
        raise refusals.InvalidRequestFormat(NO_CONFIGURATION_KEYS)
    events = asked.get("events") or []
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        raise refusals.InvalidRequestFormat("events is not an array of strings")
    return events


def _told(event: LifecycleEvent) -> dict[str, Any]:
    if isinstance(event, InvokeEvent):
        return {
            "eventType": "INVOKE",
            "deadlineMs": event.deadline_ms,
            "requestId": event.request_id,
            "invokedFunctionArn": event.invoked_function_arn,
            "tracing": {"type": protocol.TRACING_TYPE, "value": event.trace_id},
        }
    assert isinstance(event, ShutdownEvent)
    return {
        "eventType": "SHUTDOWN",
        "deadlineMs": event.deadline_ms,
        "shutdownReason": event.reason.value,
    }
