"""The Logs API, which the Telemetry API came after: subscribe.

AWS: *Using the Lambda Logs API*.
"""

from __future__ import annotations

from lambda_sim import refusals
from lambda_sim.lifecycle.environment import ExecutionEnvironment
from lambda_sim.lifecycle.registry import Extension
from lambda_sim.model import protocol
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.telemetry import SubscriptionApi, TelemetrySubscription
from lambda_sim.wire import rendering, subscriptions
from lambda_sim.wire.application import Call, Route
from lambda_sim.wire.extensions_api import identifier_of
from lambda_sim.wire.rendering import Answer


class LogsApi:
    """The endpoint by which an extension subscribes, over one environment."""

    def __init__(self, environment: ExecutionEnvironment, config: SimulatorConfig) -> None:
        self._environment = environment
        self._is_checked = config.rules.subscriptions_are_checked
        self._is_managed = config.is_managed

    def routes(self) -> list[Route]:
        return [
            Route("PUT", protocol.LOGS_API, self.subscribe),
            Route("PUT", f"{protocol.LOGS_API}/", self.subscribe),
        ]

    def subscribe(self, call: Call) -> Answer:
        """Subscribe to logs, which managed instances have only the Telemetry API for."""
        identifier = identifier_of(call)
        self._environment.check_extension(identifier)
        if self._is_managed:
            raise refusals.ApiNotSupported(SubscriptionApi.LOGS)
        body = call.body(protocol.MAX_REPORT_BYTES)

        def subscription(extension: Extension) -> TelemetrySubscription:
            return subscriptions.to_logs(body, extension, is_checked=self._is_checked)

        self._environment.subscribe(identifier, SubscriptionApi.LOGS, subscription)
        return rendering.answer(200, b'"OK"')
