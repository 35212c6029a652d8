"""AWS Lambda on one's own machine, for people who test.

Public names are fetched on first use, so that ``lambda_sim.handler`` pulls in no simulator.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambda_sim.errors import (
        BinaryNotFound,
        ConfigurationError,
        FreezeError,
        InvocationNotFound,
        LambdaSimError,
        ProcessError,
        ProcessExited,
        ShuttingDown,
        SpawnFailed,
        StartError,
        WaitTimeout,
    )
    from lambda_sim.model.config import SimulatorConfig, SimulatorPhase
    from lambda_sim.model.extension import EventType, RegisteredExtension, ShutdownReason
    from lambda_sim.model.invocation import (
        Invocation,
        InvocationError,
        InvocationResponse,
        InvocationState,
        InvocationStatus,
    )
    from lambda_sim.model.process import FreezeMode, ProcessConfig, ProcessRole
    from lambda_sim.model.rules import AWS, RELAXED, Rules
    from lambda_sim.model.telemetry import (
        LogRecord,
        TelemetryEvent,
        TelemetryEventType,
        TelemetrySubscription,
    )
    from lambda_sim.process.child import ManagedProcess
    from lambda_sim.simulator import Simulator
    from lambda_sim.streams import InvocationStream

__all__ = [
    "AWS",
    "RELAXED",
    "BinaryNotFound",
    "ConfigurationError",
    "EventType",
    "FreezeError",
    "FreezeMode",
    "Invocation",
    "InvocationError",
    "InvocationNotFound",
    "InvocationResponse",
    "InvocationState",
    "InvocationStatus",
    "InvocationStream",
    "LambdaSimError",
    "LogRecord",
    "ManagedProcess",
    "ProcessConfig",
    "ProcessError",
    "ProcessExited",
    "ProcessRole",
    "RegisteredExtension",
    "Rules",
    "ShutdownReason",
    "ShuttingDown",
    "Simulator",
    "SimulatorConfig",
    "SimulatorPhase",
    "SpawnFailed",
    "StartError",
    "TelemetryEvent",
    "TelemetryEventType",
    "TelemetrySubscription",
    "WaitTimeout",
]

_ROOMS = (
    "errors",
    "model.config",
    "model.extension",
    "model.invocation",
    "model.process",
    "model.rules",
    "model.telemetry",
    "process.child",
    "simulator",
    "streams",
)


def __getattr__(name: str) -> object:
    if name in __all__:
        for room in _ROOMS:
            module = import_module(f"lambda_sim.{room}")
            if name in module.__all__:
                found = globals()[name] = getattr(module, name)
                return found
    raise AttributeError(f"module 'lambda_sim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
