"""A SnapStart function whose hooks say that they ran; FAIL names the one that fails."""

import os

from snapshot_restore_py import register_after_restore, register_before_snapshot


def note(name):
    print("hook", name)
    if os.environ.get("FAIL") == name:
        raise ValueError(f"{name} failed")


for number in (1, 2, 3):
    register_before_snapshot(note, f"before {number}")
    register_after_restore(note, f"after {number}")


def handler(event, context):
    return event
