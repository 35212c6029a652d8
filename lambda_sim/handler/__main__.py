"""``python -m lambda_sim.handler [module.name]``: a Lambda runtime for functions and handlers."""

from __future__ import annotations

import os
import sys

from lambda_sim.errors import ConfigurationError

from .client import RuntimeClient
from .loading import add_function_folders, load
from .logs import start_logging
from .outcome import Executor
from .plain import executor_of
from .serving import complain, live

__all__ = ["main"]

_USAGE = "usage: python -m lambda_sim.handler [module.name]   (default: what _HANDLER says)"


def main(arguments: list[str]) -> int:
    """Load what has this name and serve invocations until the Runtime API is gone.

    It is a function of ``(event, context)``, a ``Handler``, its class, or what ``as_entrypoint``
    or ``lambda_handler`` made.

    :returns: the exit status: 2 for wrong usage, 130 after Ctrl-C, and else what ``live`` says.
    """
    names = arguments or [os.environ.get("_HANDLER", "")]
    if len(names) != 1 or not names[0] or names[0].startswith("-"):
        return complain(_USAGE, 2)
    try:
        client = RuntimeClient()
    except ConfigurationError as error:
        return complain(str(error), 2)
    with client:
        try:
            return live(lambda: _load(names[0]), client, start_logging(os.environ))
        except KeyboardInterrupt:
            return 130


def _load(name: str) -> Executor:
    add_function_folders(os.environ)
    return executor_of(load(name))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
