"""``lambda-sim serve``: a function behind the URL of AWS's Runtime Interface Emulator."""

from __future__ import annotations

import os
import sys
from argparse import Namespace

from lambda_sim.cli.output import say
from lambda_sim.cli.session import Bell, running
from lambda_sim.cli.settings import EMULATOR_VARIABLES, simulator_config
from lambda_sim.model.protocol import INVOKE_PATH
from lambda_sim.wire.application import Application
from lambda_sim.wire.invoke_api import ANY_FUNCTION, InvokeApi
from lambda_sim.wire.server import WireServer

__all__ = ["run"]

LEVELS = {"trace": "DEBUG", "warn": "WARNING", "fatal": "CRITICAL", "panic": "CRITICAL"}
"""What AWS's emulator calls otherwise than ``logging`` does."""


def run(options: Namespace) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP comes, then end gracefully."""
    runtime_host, runtime_port = options.runtime_api_address
    config = simulator_config(
        options, EMULATOR_VARIABLES, os.environ, host=runtime_host, port=runtime_port
    )
    if options.log_level is not None:
        _log(LEVELS.get(options.log_level, options.log_level.upper()))
    host, port = options.runtime_interface_emulator_address or (options.host, options.port)
    with Bell() as bell, running(config) as simulator:
        app = Application(InvokeApi(simulator).routes())
        with WireServer(app, name="invoke-api", host=host, port=port, is_eager=True) as server:
            _announce(*server.address)
            bell.wait()
            # First, so that nobody waits for an answer any more when the server closes.
            simulator.graceful_shutdown()
    return 0


def _announce(host: str, port: int) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    path = INVOKE_PATH.format(name=ANY_FUNCTION)
    say(f"lambda-sim: listening on {url}, try: curl -d '{{}}' {url}{path}", sys.stderr)


def _log(level: str) -> None:
    import logging  # noqa: PLC0415 - only who asks for it

    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
