"""Rules, and their two values: AWS, and RELAXED for tests that attach half an environment."""

from __future__ import annotations

import attrs

from lambda_sim.model import protocol

__all__ = ["AWS", "RELAXED", "Rules"]


@attrs.frozen(kw_only=True)
class Rules:
    """What the state machine asks before it decides. The wire format is the same under any."""

    name: str

    max_concurrency: int | None = 1
    """Invocations in flight at once; None for as many as there are polls."""

    timeout_ends_environment: bool = True
    """Whether an invocation that runs out of time takes the environment with it; else it alone
    fails, and its late answer is refused."""

    tells_runtime_done: bool = True
    """Whether telemetry has platform.runtimeDone, and a report with what it cost."""

    extensions_see_invocations: bool = True
    """Whether extensions may register for INVOKE, and internal ones for anything."""

    enforces_memory: bool = True
    """Whether processes that use more memory than the function has are killed."""

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

    def for_instances(self, max_concurrency: int | None, *, is_managed: bool) -> Rules:
        """These rules in an environment that takes so many invocations at once; None for as many
        as they say.

        AWS: *Lambda managed instances*.
        """
        limit = self.max_concurrency if max_concurrency is None else max_concurrency
        if is_managed and max_concurrency is None and limit == 1:
            limit = protocol.MANAGED_CONCURRENCY
        is_alone = self.timeout_ends_environment and limit == 1
        rules = attrs.evolve(self, max_concurrency=limit, timeout_ends_environment=is_alone)
        if is_managed:
            rules = attrs.evolve(
                rules,
                timeout_ends_environment=False,
                tells_runtime_done=False,
                extensions_see_invocations=False,
            )
        return self if rules == self else rules


AWS = Rules(name="AWS")
"""Lambda, on demand."""

RELAXED = Rules(
    name="RELAXED",
    max_concurrency=None,
    timeout_ends_environment=False,
    enforces_memory=False,
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
