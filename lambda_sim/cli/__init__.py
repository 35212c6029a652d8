"""The command ``lambda-sim``: arguments in, exit status out.

Only arguments are dealt with here; what a command needs is imported when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from lambda_sim.cli.arguments import parse
from lambda_sim.errors import ConfigurationError, LambdaSimError

__all__ = ["main"]

FAILED = 1
WRONG_USAGE = 2
SIMULATOR_FAILED = 3
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    :param arguments: without the program's name; those of the process by default.
    :returns: 0 for success, 1 when the function failed, 2 for wrong usage, 3 when the simulator
        itself failed, 128 and the signal's number when a signal ended it.
    """
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        status: int = options.run(options)
        return status
    except SystemExit as end:  # --help, --version, and words that can't be understood
        return _status_of(end)
    except ConfigurationError as error:
        return _told(WRONG_USAGE, [str(error)])
    except KeyboardInterrupt:
        return INTERRUPTED
    except LambdaSimError as error:
        return _told(SIMULATOR_FAILED, [str(error), *getattr(error, "__notes__", ())])
    except Exception:
        import traceback  # noqa: PLC0415 - only a fault of ours needs it

        return _told(SIMULATOR_FAILED, ["a fault of its own:", traceback.format_exc()])
    finally:
        _flush(sys.stdout)
        _flush(sys.stderr)


def _status_of(end: SystemExit) -> int:
    """That of the process, if Python were told."""
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    from lambda_sim.cli.output import say  # noqa: PLC0415 - as below

    say(str(end.code), sys.stderr)
    return FAILED


def _told(status: int, lines: Sequence[str]) -> int:
    from lambda_sim.cli.output import say  # noqa: PLC0415 - --help needs no output but argparse's

    say("lambda-sim: " + "\n".join(lines), sys.stderr)
    return status


def _flush(stream: TextIO | None) -> None:
    """What argparse or logging could not write would be tried once more when the interpreter ends,
    and make its status 120."""
    if stream is None:
        return
    try:
        stream.flush()
    except (OSError, ValueError) as error:
        if stream is sys.stderr or isinstance(error, BrokenPipeError):
            from lambda_sim.cli.output import give_up  # noqa: PLC0415 - few lose their reader

            give_up(stream)
