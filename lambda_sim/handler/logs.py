"""The function's log on standard output, in the formats of Lambda's Python runtime."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

from .client import Event
from .failure import ErrorReport

__all__ = ["JsonFormatter", "LambdaLog", "TextFormatter", "start_logging"]

_JSON_TIME = "%Y-%m-%dT%H:%M:%SZ"

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
    """Writes records and errors to ``sys.stdout``, each with the invocation's request ID.

    Any thread may log. The thread that runs the handler calls ``begin``.
    """

    def __init__(self, *, is_json: bool = False) -> None:
        super().__init__()
        self._is_json = is_json
        self._request_id = ""
        self._tenant_id: str | None = None
        self.setFormatter(JsonFormatter() if is_json else TextFormatter())

    def begin(self, event: Event) -> None:
        """From here on, what is logged belongs to this invocation."""
        self._request_id = event.request_id
        self._tenant_id = event.tenant_id

    def emit(self, record: logging.LogRecord) -> None:
        # Set on the record, as awslambdaric does: authors use %(aws_request_id)s in formats.
        record.__dict__.update(aws_request_id=self._request_id, tenant_id=self._tenant_id)
        try:
            _write(self.format(record))
        except Exception:
            self.handleError(record)

    def write_error(self, report: ErrorReport) -> None:
        """Log an error that ended an invocation, or Init.

        In text the lines are plain; awslambdaric joins them with carriage returns, which keeps
        them one event in CloudWatch and unreadable in a terminal.
        """
        if self._is_json:
            now = time.strftime(_JSON_TIME, time.gmtime())
            text = _to_json({"timestamp": now, "level": "ERROR", **report.as_dict()})
        else:
            text = _error_text(report)
        with contextlib.suppress(*_STREAM_IS_GONE):
            _write(text)

    def flush(self) -> None:
        """Hand over what was printed without a line break at its end."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(*_STREAM_IS_GONE):
                stream.flush()


def start_logging(environ: Mapping[str, str]) -> LambdaLog:
    """Send the root logger to standard output, and every printed line on at once.

    AWS_LAMBDA_LOG_FORMAT (Text or JSON) and AWS_LAMBDA_LOG_LEVEL are honoured.

    AWS: *Log and monitor Python Lambda functions*, Using Lambda advanced logging controls.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    log = LambdaLog(is_json=environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON")
    root = logging.getLogger()
    root.addHandler(log)
    level = environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    # Lambda's TRACE has no counterpart here.
    level = "DEBUG" if level == "TRACE" else level
    if level in logging.getLevelNamesMapping():
        root.setLevel(level)
    return log


def _write(text: str) -> None:
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
