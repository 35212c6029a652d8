"""One init of the environment: how far it is, and what telemetry is told of it. Pure.

AWS: *Understanding the Lambda execution environment lifecycle*, Init phase.
"""

from __future__ import annotations

from collections.abc import Sequence

from lambda_sim.lifecycle import effects
from lambda_sim.lifecycle.chronicle import Chronicle
from lambda_sim.lifecycle.failures import Failure
from lambda_sim.lifecycle.ledger import Record
from lambda_sim.lifecycle.outbox import Outbox
from lambda_sim.lifecycle.registry import Registry
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.sync import Clock

FIRST = "init"
SNAP_START = "snap-start"
SUPPRESSED = "invoke"
"""The phase of an init that happens inside an invocation, and on its time."""


class Init:
    """From the order to start processes to the report.

    :param phase: FIRST or SUPPRESSED.
    :param declared: names of the extensions that must register before the runtime starts.
    """

    def __init__(
        self,
        phase: str,
        declared: Sequence[str],
        generation: int,
        *,
        config: SimulatorConfig,
        clock: Clock,
        outbox: Outbox,
        chronicle: Chronicle,
    ) -> None:
        self.phase = phase
        self.started = clock.monotonic()
        self._config = config
        self._clock = clock
        self._outbox = outbox
        self._chronicle = chronicle
        self._declared = declared
        self._generation = generation
        self._runtime_is_told = False
        self._runtime_is_ordered = False
        self._unreported_ms: float | None = None

    @property
    def _phase_told(self) -> str:
        """AWS: *Telemetry API Event schema reference*, InitPhase."""
        is_snapshot = self.phase == FIRST and self._config.is_snap_start
        return SNAP_START if is_snapshot else self.phase

    @property
    def duration_ms(self) -> float:
        return (self._clock.monotonic() - self.started) * 1000

    @property
    def is_told(self) -> bool:
        """Whether telemetry knows how the runtime's part of it went."""
        return self._runtime_is_told

    def begin(self, registry: Registry) -> None:
        """Extensions first; the runtime when all of them have registered."""
        self._chronicle.init_start(self._phase_told)
        if self._declared:
            self._outbox.order(effects.StartExtensions(self._generation))
        self.extension_registered(registry)

    def missing(self, registry: Registry) -> list[str]:
        """Declared extensions that have not registered: by their names, or, where it does not
        matter who is external, by their number."""
        registered = {extension.name for extension in registry}
        missing = [name for name in self._declared if name not in registered]
        if not self._config.rules.internal_extensions_are_limited:
            return missing[: max(0, len(self._declared) - len(registry))]
        return missing

    def extension_registered(self, registry: Registry) -> None:
        """Start the runtime if it was waiting for this."""
        if self._config.runtime is None or self._runtime_is_ordered:
            return
        if not self.missing(registry):
            self._runtime_is_ordered = True
            self._outbox.order(effects.StartRuntime(self._generation))

    def runtime_done(self, failure: Failure | None) -> None:
        """The runtime asked for its first Next, or never will. Told once."""
        if not self._runtime_is_told:
            self._runtime_is_told = True
            self._chronicle.init_runtime_done(self._phase_told, failure)

    def awaits(self, registry: Registry) -> bool:
        """Whether an extension has yet to ask for its first Next."""
        if not self._config.rules.init_awaits_extensions:
            return False
        return not all(extension.has_asked for extension in registry)

    def succeeded(self, registry: Registry) -> None:
        self.runtime_done(None)
        for extension in registry:
            self._chronicle.extension(extension.name, extension, "Ready")
        self._unreported_ms = self.duration_ms
        # Lambda reports these during the first invocation, and after the restore.
        if not (self._config.is_provisioned or self._config.is_snap_start):
            self.tell_report()

    def tell_report(self) -> None:
        """Report a success that was not reported yet."""
        if self._unreported_ms is not None:
            self._chronicle.init_report(self._phase_told, None, self._unreported_ms)
            self._unreported_ms = None

    def failed(self, failure: Failure, served: Record | None) -> None:
        """:param served: the invocation that it happened inside of, whose log shows it."""
        self.runtime_done(failure)
        self._chronicle.init_report(self._phase_told, failure, self.duration_ms, served)
