"""What both commands stand on."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

from lambda_sim import ProcessRole, SimulatorConfig
from lambda_sim.cli.session import running
from tests.support import PATIENCE, SimulatorTest, handler_runtime, program


class RunningTest(SimulatorTest):
    def end(self, error: BaseException | None) -> str:
        """The log of a session in which something is raised, or nothing."""
        extension = program("extension.py", "keen", role=ProcessRole.EXTENSION, name="keen")
        config = SimulatorConfig(
            runtime=handler_runtime("functions.echo"), extensions=[extension], shutdown_timeout=60
        )
        with redirect_stderr(io.StringIO()) as log, running(config) as simulator:
            simulator.wait_for_parked(2, PATIENCE)
            if error is not None:
                raise error
        return log.getvalue()

    def test_it_ends_gracefully(self) -> None:
        self.assertIn("keen SHUTDOWN spindown\nkeen is clean\n", self.end(None))

    def test_what_is_raised_ends_it_at_once(self) -> None:
        log = io.StringIO()
        with redirect_stderr(log), self.assertRaises(KeyboardInterrupt):
            self.end(KeyboardInterrupt())
        self.assertNotIn("SHUTDOWN", log.getvalue())
