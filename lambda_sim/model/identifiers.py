"""Ids, ARNs and trace headers: how Lambda names things, and how new names are made."""

from __future__ import annotations

import os
import re
from typing import NewType

RequestId = NewType("RequestId", str)
ExtensionId = NewType("ExtensionId", str)


UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
USUAL_TRACE = re.compile(r"Root=([0-9a-f-]+);Parent=[0-9a-f]{16};Sampled=([01])")


# Names are made four times an invocation, and asking the system for each takes longer than all the
# rest. Any thread takes from the end; a copy of us, made by fork, must not make the same names.
_drawn: list[str] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drawn.clear)


def _forty_digits() -> str:
    try:
        return _drawn.pop()
    except IndexError:
        text = os.urandom(64 * 20).hex()
        _drawn.extend(text[at : at + 40] for at in range(0, len(text), 40))
        return os.urandom(20).hex()


def new_id() -> str:
    """A fresh UUID, version 4, as text; written here as it is made twice an invocation."""
    text = _forty_digits()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def is_uuid(text: str) -> bool:
    """Whether AWS would read the text as a UUID."""
    return UUID.fullmatch(text) is not None


def new_trace_id(epoch: float) -> str:
    """A trace header for an invocation that came without one; unsampled, as X-Ray is off.

    AWS: *X-Ray concepts*, Tracing header.
    """
    text = _forty_digits()
    return f"Root=1-{int(epoch):08x}-{text[:24]};Parent={text[24:]};Sampled=0"


def new_segment_id() -> str:
    """The name of one part of a trace."""
    return _forty_digits()[:16]


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
