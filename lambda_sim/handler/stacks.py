"""Where code was, as Python prints it, with the frames of this package left out."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable
from types import FrameType, TracebackType

__all__ = ["of_frame", "of_traceback", "without_ours"]

_OUR_FOLDER = os.path.dirname(__file__) + os.sep


def of_traceback(trace: TracebackType | None, *, also_last: bool = False) -> list[str]:
    """The frames an error went through, the innermost last.

    Ours that led to the author's code are left out; ``also_last``, those it led to as well.
    """
    frames = traceback.extract_tb(trace)
    return _format(frames, also_last=also_last)


def of_frame(frame: FrameType | None, outermost: FrameType | None = None) -> list[str]:
    """The frames that a thread is in, the innermost last, without what called the outermost."""
    frames = traceback.StackSummary()
    while frame is not None:
        frames.extend(traceback.extract_stack(frame, 1))
        frame = None if frame is outermost else frame.f_back
    frames.reverse()
    return _format(frames, also_last=True)


def without_ours(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without our frames that led to the author's code, and that it led to."""
    steps = []
    while trace is not None:
        steps.append(trace)
        trace = trace.tb_next
    while steps and _is_ours(steps[0]):
        del steps[0]
    while steps and _is_ours(steps[-1]):
        del steps[-1]
    found: TracebackType | None = None
    for step in reversed(steps):
        found = TracebackType(found, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return found


def _is_ours(trace: TracebackType) -> bool:
    return trace.tb_frame.f_code.co_filename.startswith(_OUR_FOLDER)


def _format(found: Iterable[traceback.FrameSummary], *, also_last: bool) -> list[str]:
    frames = list(found)
    while frames and frames[0].filename.startswith(_OUR_FOLDER):
        del frames[0]
    while also_last and frames and frames[-1].filename.startswith(_OUR_FOLDER):
        del frames[-1]
    # As plain tuples, frames are printed without the ^^^^ that Lambda's callers never see.
    return traceback.format_list([(f.filename, f.lineno or 0, f.name, f.line) for f in frames])
