"""Ids, ARNs and trace headers: how Lambda names things, and how new names are made."""

from __future__ import annotations

import os
import random
import re
import uuid
from typing import NewType

RequestId = NewType("RequestId", str)
ExtensionId = NewType("ExtensionId", str)


# Names need be different, not secret, and asking the system for each costs more than all the rest.
_random = random.Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)  # else a copy of us makes the same

VERSION_4 = 0x4000 << 64 | 0x8000 << 48
VERSION_BITS = 0xF000 << 64 | 0xC000 << 48


USUAL_TRACE = re.compile(r"Root=([0-9a-f-]+);Parent=[0-9a-f]{16};Sampled=([01])")


def new_id() -> str:
    """A fresh UUID, version 4, as text; written here as it is made twice an invocation."""
    text = f"{_random.getrandbits(128) & ~VERSION_BITS | VERSION_4:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_uuid(text: str) -> bool:
    """Whether AWS would read the text as a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return len(text) == 36


def new_trace_id(epoch: float) -> str:
    """A trace header for an invocation that came without one; unsampled, as X-Ray is off.

    AWS: *X-Ray concepts*, Tracing header.
    """
    root, parent = _random.getrandbits(96), _random.getrandbits(64)
    return f"Root=1-{int(epoch):08x}-{root:024x};Parent={parent:016x};Sampled=0"


def new_segment_id() -> str:
    """The name of one part of a trace."""
    return f"{_random.getrandbits(64):016x}"


def with_parent(trace_id: str, segment_id: str) -> str:
    """A trace header whose parent is a segment of the trace; one without a root stays as it is.

    Keys may stand in any order, and those that X-Ray does not know are left out.
    """
    if (usual := USUAL_TRACE.fullmatch(trace_id)) is not None:
        root, sampled = usual.groups()
        return f"Root={root};Parent={segment_id};Sampled={sampled}"
    parts = trace_parts(trace_id)
    if not parts.get("Root"):
        return trace_id
    kept = {"Root": parts["Root"], "Parent": segment_id}
    kept |= {key: parts[key] for key in ("Sampled", "Lineage") if key in parts}
    return ";".join(f"{key}={value}" for key, value in kept.items())


def trace_parts(trace_id: str) -> dict[str, str]:
    """The keys and values of a trace header."""
    pairs = (part.partition("=") for part in trace_id.split(";"))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def partition(region: str) -> str:
    """The ARN partition a region lies in."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def function_arn(region: str, account_id: str, name: str) -> str:
    """A function's unqualified ARN."""
    return f"arn:{partition(region)}:lambda:{region}:{account_id}:function:{name}"
