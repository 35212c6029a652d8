"""The function's log, in the formats of Lambda's Python runtime: as frames where Lambda takes
them, and else as lines on standard output."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any

from .client import Event
from .failure import ErrorReport
from .frames import FrameSink

__all__ = ["JsonFormatter", "LambdaLog", "TextFormatter", "start_logging", "wants_json"]

_JSON_TIME = "%Y-%m-%dT%H:%M:%SZ"

NO_BREAK = "\u00a0"
_INDENT = re.compile("^ +", re.MULTILINE)

_STANDARD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {
    "asctime",
    "aws_request_id",
    "message",
    "taskName",
    "tenant_id",
}
"""What every record has; the rest came with ``extra=``."""

_STREAM_IS_GONE = (AttributeError, OSError, ValueError)
"""What writing raises when the stream is None, closed, or read by nobody: no reason to end."""


class TextFormatter(logging.Formatter):
    """``[LEVEL]``, time in UTC, request ID and message, with tabs between."""

    def __init__(self) -> None:
        super().__init__(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )
        self.converter = time.gmtime


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what ``extra=`` brought stands beside Lambda's own keys."""

    def format(self, record: logging.LogRecord) -> str:
        is_object = isinstance(record.msg, dict) and not record.args
        fields: dict[str, Any] = {
            "timestamp": time.strftime(_JSON_TIME, time.gmtime(record.created)),
            "level": _level_name(record.levelno),
            "message": record.msg if is_object else record.getMessage(),
            "logger": record.name,
            **_exception_fields(record),
            "requestId": record.__dict__.get("aws_request_id"),
            "tenantId": record.__dict__.get("tenant_id"),
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD_FIELDS:
                fields.setdefault(name, value)
        return _to_json({name: value for name, value in fields.items() if value is not None})


class LambdaLog(logging.Handler):
    """Writes records and errors, each with the invocation's request ID.

    Any thread may log. The thread that runs the handler calls ``begin``.

    :param frames: where events are written whole; ``sys.stdout`` without.
    """

    def __init__(self, *, is_json: bool = False, frames: FrameSink | None = None) -> None:
        super().__init__()
        self._is_json = is_json
        self._frames = frames
        self._request_id = ""
        self._tenant_id: str | None = None
        self.setFormatter(JsonFormatter() if is_json else TextFormatter())

    def begin(self, event: Event) -> None:
        """From here on, what is logged belongs to this invocation."""
        self._request_id = event.request_id
        self._tenant_id = event.tenant_id

    def handle(self, record: logging.LogRecord) -> bool:
        # As the superclass, but it takes the lock and lets go of it in C: a thread that is
        # interrupted at a step of Python's on the way would keep it.
        kept: Any = self.filter(record)
        if kept:
            with self.lock or contextlib.nullcontext():
                # From Python 3.12 on a filter may put another record in its place.
                self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        # Set on the record, as awslambdaric does: authors use %(aws_request_id)s in formats.
        record.__dict__.update(aws_request_id=self._request_id, tenant_id=self._tenant_id)
        try:
            self._write(self.format(record))
        except Exception:
            self.handleError(record)

    def write_error(self, report: ErrorReport) -> None:
        """Log an error that ended an invocation, or Init.

        It is one event where Lambda takes frames, its lines indented with spaces that do not
        break, as by awslambdaric. Else the lines are plain; awslambdaric joins them with carriage
        returns, which are unreadable in a terminal.
        """
        if self._is_json:
            now = time.strftime(_JSON_TIME, time.gmtime())
            text = _to_json({"timestamp": now, "level": "ERROR", **report.as_dict()})
        else:
            text = _error_text(report)
            if self._frames is not None:
                text = _INDENT.sub(lambda indent: NO_BREAK * len(indent[0]), text)
        with contextlib.suppress(*_STREAM_IS_GONE):
            self._write(text)

    def _write(self, text: str) -> None:
        if self._frames is not None:
            self.flush()  # what was printed before stays before
            self._frames.write(text + "\n")
        else:
            _print(text)

    def flush(self) -> None:
        """Hand over what was printed without a line break at its end."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(*_STREAM_IS_GONE):
                stream.flush()


def start_logging(environ: MutableMapping[str, str]) -> LambdaLog:
    """Send the root logger to Lambda's log, and every printed line on at once.

    AWS_LAMBDA_LOG_FORMAT (Text or JSON) and AWS_LAMBDA_LOG_LEVEL are honoured.

    AWS: *Log and monitor Python Lambda functions*, Using Lambda advanced logging controls.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    is_json = wants_json(environ)
    log = LambdaLog(is_json=is_json, frames=FrameSink.of(environ, is_json=is_json))
    root = logging.getLogger()
    root.addHandler(log)
    level = environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    # Lambda's TRACE has no counterpart here.
    level = "DEBUG" if level == "TRACE" else level
    if level in logging.getLevelNamesMapping():
        root.setLevel(level)
    return log


def wants_json(environ: Mapping[str, str]) -> bool:
    """Whether the function is configured to log JSON."""
    return environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


def _print(text: str) -> None:
    # One call, so that lines of several threads stay whole. Half a surrogate pair in somebody's
    # message is no reason to lose the message.
    sys.stdout.write((text + "\n").encode(errors="backslashreplace").decode())


def _to_json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, default=str)


def _error_text(report: ErrorReport) -> str:
    what = ": ".join(filter(None, (report.error_type, report.error_message)))
    lines = [f"[ERROR] {what}"]
    if report.stack_trace:
        lines.append("Traceback (most recent call last):")
        lines += [frame.rstrip("\n") for frame in report.stack_trace]
    return "\n".join(lines)


def _level_name(level: int) -> str:
    """The standard level at or below this one: Lambda filters by these names only."""
    return logging.getLevelName(min(max(level, 0), logging.CRITICAL) // 10 * 10)


def _exception_fields(record: logging.LogRecord) -> dict[str, Any]:
    if not record.exc_info or record.exc_info[0] is None:
        return {}
    kind, error, trace = record.exc_info
    return {
        "stackTrace": traceback.format_tb(trace),
        "errorType": kind.__name__,
        "errorMessage": str(error),
        "location": f"{record.pathname}:{record.funcName}:{record.lineno}",
    }
