"""The Telemetry API: subscribe.

AWS: *Lambda Telemetry API reference*.
"""

from __future__ import annotations

from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.registry import Extension
from lambda_sim.model import protocol
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.telemetry import SubscriptionApi, TelemetrySubscription
from lambda_sim.wire import rendering, subscriptions
from lambda_sim.wire.application import Call, Route
from lambda_sim.wire.extensions_api import identifier_of
from lambda_sim.wire.rendering import Answer


class TelemetryApi:
    """The endpoint by which an extension subscribes, over one environment."""

    def __init__(self, environment: ExecutionEnvironment, config: SimulatorConfig) -> None:
        self._environment = environment
        self._is_checked = config.rules.subscriptions_are_checked
        is_managed = config.is_managed
        self._versions = (
            protocol.MANAGED_SCHEMA_VERSIONS if is_managed else protocol.SCHEMA_VERSIONS
        )

    def routes(self) -> list[Route]:
        # AWS's guide writes the path both ways.
        return [
            Route("PUT", protocol.TELEMETRY_API, self.subscribe),
            Route("PUT", f"{protocol.TELEMETRY_API}/", self.subscribe),
        ]

    def subscribe(self, call: Call) -> Answer:
        identifier = identifier_of(call)
        self._environment.check_extension(identifier)
        body = call.body(protocol.MAX_REPORT_BYTES)

        def subscription(extension: Extension) -> TelemetrySubscription:
            return subscriptions.to_telemetry(
                body, extension, versions=self._versions, is_checked=self._is_checked
            )

        self._environment.subscribe(identifier, SubscriptionApi.TELEMETRY, subscription)
        return rendering.answer(200, b'"OK"')
