"""Rules, and their two values: AWS, and RELAXED for tests that attach half an environment."""

from __future__ import annotations

import attrs

__all__ = ["AWS", "RELAXED", "Rules"]


@attrs.frozen(kw_only=True)
class Rules:
    """What the state machine asks before it decides. The wire format is the same under any."""

    name: str

    max_concurrency: int | None = 1
    """Invocations in flight at once; None for as many as there are polls."""

    enforces_timeouts: bool = True
    """Whether an init or an invocation that runs out of time is ended."""

    deadline_counts_from_creation: bool = False
    """Whether an invocation with a timeout of its own is due ``created_at + timeout``."""

    init_awaits_extensions: bool = True
    """Whether init lasts until every registered extension has asked for Next."""

    invoke_sent_at_enqueue: bool = False
    """Whether INVOKE goes to extensions at once, rather than when the invocation is dispatched."""

    runtime_done_at_response: bool = False
    """Whether the runtime is done when it answers, rather than when it asks for Next."""

    late_poll_is_ready: bool = False
    """Whether an extension's poll counts that comes after the runtime was done, though the
    extension was never handed this invocation's INVOKE."""

    parallel_extension_polls: bool = False
    """Whether an extension may have several Next calls parked."""

    internal_extensions_are_limited: bool = True
    """Whether an internal extension is refused SHUTDOWN events."""

    subscriptions_are_checked: bool = True
    """Whether a telemetry subscription must name its schema, keep AWS's ranges and stay in the
    sandbox."""

    subscriptions_close_with_init: bool = True
    """Whether a subscription that comes after init is refused."""

    sigterm_needs_extensions: bool = True
    """Whether a runtime without extensions around it is killed with no SIGTERM first."""


AWS = Rules(name="AWS")
"""Lambda, on demand."""

RELAXED = Rules(
    name="RELAXED",
    max_concurrency=None,
    enforces_timeouts=False,
    deadline_counts_from_creation=True,
    init_awaits_extensions=False,
    invoke_sent_at_enqueue=True,
    runtime_done_at_response=True,
    late_poll_is_ready=True,
    parallel_extension_polls=True,
    internal_extensions_are_limited=False,
    subscriptions_are_checked=False,
    subscriptions_close_with_init=False,
    sigterm_needs_extensions=False,
)
"""For tests that attach half an environment, such as an extension without a runtime."""
