"""The command line's words, as options. Nothing but argparse is imported."""

from __future__ import annotations

from argparse import (
    REMAINDER,
    SUPPRESS,
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Callable, Sequence
from importlib import import_module

from lambda_sim.version import __version__

__all__ = ["log_format", "parse"]

AddParser = Callable[..., ArgumentParser]

PORT = 9000
"""Where people who know AWS's emulator have mapped it to, in every example of its guide."""

EMULATOR_LEVELS = ("trace", "debug", "info", "warn", "warning", "error", "fatal", "panic")
"""The levels that AWS's emulator knows."""

INITIALIZATION_TYPES = (
    "on-demand",
    "provisioned-concurrency",
    "snap-start",
    "lambda-managed-instances",
)

EPILOG = """\
Exit status: 0 success, or a served function was ended; 1 the function failed, 2 wrong usage,
3 the simulator failed, 128 and its number for a signal that ended an invoke."""


RUN_LOCAL_EPILOG = """\
FILE:
  {"handler": "orders.Orders", "region": "eu-west-1", "env": {"TABLE": "orders"},
   "function": {"name": "orders", "memory": 256, "timeout": 3},
   "invocations": [
     {"id": "1"},
     {"event": {"id": "2"}, "timeout": 0.5, "result": {"order": "2"}},
     {"event": {"id": 3}, "error": "EventValidationError"}]}
Only invocations are needed. Modules are looked for in the current folder, then in FILE's.

Exit status: 0 each invocation went as expected (without an error, if nothing is said);
1 one did not, 2 wrong usage, 3 a fault of the command's own."""


def parse(words: Sequence[str]) -> Namespace:
    """The options, with ``command`` for what stands behind ``--`` and ``run`` to run it all.

    :raises SystemExit: for wrong usage, and after --help and --version.
    """
    parser = ArgumentParser(
        prog="lambda-sim",
        description="AWS Lambda on your own machine.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lambda-sim {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_invoke(commands.add_parser)
    _add_serve(commands.add_parser)
    _add_run_local(commands.add_parser)
    _add_event(commands.add_parser, is_wanted="event" in words[:1])
    # Behind the first -- nothing is ours, whatever it looks like.
    words = list(words)
    split = words.index("--") if "--" in words else len(words)
    options, strange = parser.parse_known_args(words[:split])
    if strange:
        hint = "" if words[0] in ("event", "run-local") else " (a command stands behind --)"
        parser.error(f"unrecognized arguments: {' '.join(strange)}{hint}")
    options.command = [*getattr(options, "command", []), *words[split + 1 :]]
    return options


def address(text: str) -> tuple[str, int]:
    """``HOST:PORT``; without a host, all addresses of this machine."""
    host, _, number = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", port(number)


def port(text: str) -> int:
    """The number of a port; 0 is any that is free."""
    if not (text.isascii() and text.isdecimal() and int(text) <= 65_535):
        raise ArgumentTypeError(f"{text!r} is no port: they go from 0 to 65535")
    return int(text)


def log_format(text: str) -> str:
    """Text or JSON in AWS's spelling, whatever the user's."""
    return {"text": "Text", "json": "JSON"}.get(text.lower(), text)


def _add_invoke(add_parser: AddParser) -> None:
    parser = _add_command(
        add_parser,
        "invoke",
        "Call a function once.",
        "The result goes to standard output, the log to standard error.",
    )
    parser.add_argument(
        "--event",
        default="{}",
        metavar="JSON|FILE|-",
        help="the event: JSON, a file of it, or - for standard input (default: {})",
    )
    parser.add_argument("--client-context", metavar="JSON", help="what the caller says of itself")
    _add_output(
        parser, "text: what the function returned; json: that, its times and its log in one object"
    )


def _add_serve(add_parser: AddParser) -> None:
    parser = _add_command(
        add_parser,
        "serve",
        "Serve a function over HTTP, as AWS's Runtime Interface Emulator does.",
        "The log goes to standard error. AWS_LAMBDA_FUNCTION_NAME, _VERSION, _MEMORY_SIZE,\n"
        "_TIMEOUT and _HANDLER are the defaults of options;\n"
        "AWS_LAMBDA_MAX_CONCURRENCY makes it an environment of a managed instance.\n"
        "Ctrl-C, SIGTERM and a terminal that goes away end it as Lambda ends an environment; in a\n"
        "script's background Ctrl-C is not for it, and under nohup neither is the terminal.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="where to listen (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=port, default=PORT, help="0 for any that is free (default: %(default)s)"
    )
    parser.add_argument(
        "--runtime-interface-emulator-address",
        type=address,
        metavar="HOST:PORT",
        help="--host and --port in one, as the emulator has it",
    )
    parser.add_argument(
        "--runtime-api-address",
        type=address,
        default=("127.0.0.1", 0),
        metavar="HOST:PORT",
        help="where the Runtime API listens (default: 127.0.0.1 and any free port)",
    )
    parser.add_argument(
        "--log-level",
        choices=EMULATOR_LEVELS,
        help="how much the simulator says of its own work (default: warning)",
    )
    parser.add_argument(
        "--enable-init-caching", action="store_true", help="accepted, as the emulator has it"
    )
    # The emulator takes its command without the dashes, too.
    parser.add_argument("command", nargs=REMAINDER, help=SUPPRESS)


def _add_run_local(add_parser: AddParser) -> None:
    what = "Run a Python handler with the events of a file, in this process."
    parser = add_parser(
        "run-local",
        help=what,
        description=f"{what}\nEach result goes to standard output, the log to standard error.",
        epilog=RUN_LOCAL_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=lambda options: _run("run_local", options))
    add = parser.add_argument
    add("file", metavar="FILE", help="JSON of test data, or - for standard input")
    add("--handler", metavar="M.F", help="a handler, its class, or a function (default: FILE's)")
    add(
        "--keep-going",
        action="store_true",
        help="run what is left after an invocation that failed, too",
    )
    _add_variables(parser)
    _add_output(parser, "text: what each invocation returned, a line each; json: one object of all")


def _add_event(add_parser: AddParser, *, is_wanted: bool) -> None:
    what = "Print an event as one of AWS's services would send it."
    parser = add_parser(
        "event",
        help=what,
        description=f"{what}\nIn a pipe: lambda-sim event sqs | lambda-sim invoke --event - ...",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=lambda options: _run("event", options))
    if is_wanted:
        import_module("lambda_sim.cli.event").add_sources(parser)


def _add_command(add_parser: AddParser, name: str, what: str, more: str) -> ArgumentParser:
    parser = add_parser(
        name,
        usage="%(prog)s [options] (--handler M.F | -- COMMAND...)",
        help=what,
        description=f"{what}\n{more}",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=lambda options: _run(name, options))
    add = parser.add_argument
    add("--handler", metavar="M.F", help="a Python function to run, or a COMMAND's _HANDLER")
    add("--function-name", metavar="NAME", help="(default: test-function)")
    add("--function-version", metavar="V", help="(default: $LATEST)")
    add(
        "--timeout",
        dest="invocation_timeout",
        type=float,
        metavar="S",
        help="seconds an invocation may take (default: 3)",
    )
    add("--memory", dest="memory_size_mb", type=int, metavar="MB", help="(default: 128)")
    add("--region", help="(default: us-east-1)")
    _add_variables(parser)
    add(
        "--extension",
        action="append",
        default=[],
        metavar="PATH",
        help="an external extension; may be repeated",
    )
    add("--extensions-dir", metavar="D", help="a directory of them, like /opt/extensions")
    add(
        "--initialization-type",
        choices=INITIALIZATION_TYPES,
        help="snap-start restores after init (default: on-demand)",
    )
    add(
        "--max-concurrency",
        type=int,
        metavar="N",
        help="invocations at once, as on a managed instance (default: 1)",
    )
    add("--log-format", type=log_format, choices=("Text", "JSON"), help="(default: Text)")
    return parser


def _add_variables(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="K=V",
        help="a variable of the function; may be repeated, and wins over --env-file",
    )
    parser.add_argument(
        "--env-file", action="append", default=[], metavar="F", help="a file of such lines"
    )


def _add_output(parser: ArgumentParser, what: str) -> None:
    parser.add_argument("--output", choices=("text", "json"), default="text", help=what)


def _run(name: str, options: Namespace) -> int:
    status: int = import_module(f"lambda_sim.cli.{name}").run(options)
    return status
