"""Ctrl-C at a chosen step: at one of the places where CPython looks for signals, counted."""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import lambda_sim

OURS = (str(Path(lambda_sim.__file__).parent), "contextlib.py")
"""Whose steps are counted: ours, and those of the context managers that we use."""


def interrupted(work: Callable[[], object], at: int) -> bool:
    """Do something in this thread, and press Ctrl-C at that step of it, counted from 1; whether
    there was one."""
    return _watched(work, at).is_pressed


def count_of(work: Callable[[], object]) -> int:
    """How many steps something has."""
    return _watched(work, 0).passed


def _watched(work: Callable[[], object], at: int) -> _Key:
    key = _Key(at)
    before = sys.gettrace()
    sys.settrace(key.enter)
    try:
        work()
    except KeyboardInterrupt:
        if not key.is_pressed:
            raise
    finally:
        sys.settrace(before)
    return key


class _Key:
    def __init__(self, at: int) -> None:
        self.is_pressed = False
        self.passed = 0
        self._at = at

    def enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(OURS[0]) and not file.endswith(OURS[1]):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode" and not self.is_pressed and frame.f_lasti in _looks(frame.f_code):
            self.passed += 1
            if self.passed == self._at:
                self.is_pressed = True
                raise KeyboardInterrupt
        return self._step


@cache
def _looks(code: CodeType) -> frozenset[int]:
    """Where a signal's handler is run: behind calls, on entering a function and looping back. What
    it raises is raised by the call, so where the next step has another handler it is not the place
    to raise it instead."""
    parsed = dis.Bytecode(code)
    ranges: list[Any] = parsed.exception_entries  # type: ignore[attr-defined]

    def handler(offset: int) -> object:
        return next((one.target for one in ranges if one.start <= offset < one.end), None)

    found: set[tuple[int, int]] = set()
    call: int | None = None
    for step in parsed:
        if call is not None:
            found.add((call, step.offset))
        is_call = step.opname in ("CALL", "CALL_KW", "CALL_FUNCTION_EX", "RESUME")
        call = step.offset if is_call else None
        if step.opname.startswith("JUMP_BACKWARD"):
            found.add((step.offset, step.argval))
    return frozenset(place for at, place in found if handler(at) == handler(place))
