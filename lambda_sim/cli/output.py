"""Standard output, which somebody may have closed: ``lambda-sim ... | head``."""

from __future__ import annotations

import os
import sys

__all__ = ["write_out"]


def write_out(data: bytes) -> None:
    """Put bytes on standard output, if anybody reads it."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # What is left must not be tried once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
