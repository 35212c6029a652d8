"""Section 3 of the contract, as far as an internal extension and its listener can tell."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.conformance.score.listener import Listener
from tests.conformance.score.stage import Extension, Running, Stage, holds, refused, same
from tests.raw import TELEMETRY, RawAnswer

LOGS = "/2020-08-15/logs"
NOWHERE = "http://sandbox.localdomain:9/"
"""Where nobody listens."""


def subscription(
    url: str = NOWHERE,
    version: str = "2022-12-13",
    types: Sequence[str] = ("platform", "function", "extension"),
) -> dict[str, Any]:
    """The body of a subscription that wants its events at once."""
    return {
        "schemaVersion": version,
        "types": types,
        "destination": {"protocol": "HTTP", "URI": url},
        "buffering": {"timeoutMs": 25},
    }


def _subscribing(stage: Stage, wanted: Any, path: str = TELEMETRY) -> RawAnswer:
    stage.initialising()
    return stage.extension("inner").subscribe(wanted, path)


def te_01_an_identifier_is_required(stage: Stage) -> None:
    stage.initialising()
    answer = stage.connect().request("PUT", TELEMETRY, (), b"{}")
    text = "Missing Lambda-Extension-Identifier header"
    refused(answer, 403, "Extension.MissingExtensionIdentifier", text)


def te_01_the_identifier_is_known(stage: Stage) -> None:
    stage.initialising()
    unknown = str(uuid.uuid4())
    headers = {"Lambda-Extension-Identifier": unknown}
    answer = stage.connect().request("PUT", TELEMETRY, headers, b"{}")
    refused(answer, 403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {unknown}")


def te_01_other_methods_are_refused(stage: Stage) -> None:
    same(stage.connect().request("POST", TELEMETRY, (), b"").status, 405)


def te_02_a_subscription_is_answered_with_ok(stage: Stage) -> None:
    answer = _subscribing(stage, subscription())
    same((answer.status, answer.body), (200, b'"OK"'))


def te_04_subscriptions_close_with_init(stage: Stage) -> None:
    stage.initialising()
    extension = stage.extension("inner")
    extension.ask()
    stage.runtime().next()
    late = stage.extension()
    late.id = extension.id
    text = "Telemetry API subscription is closed already"
    answer = late.subscribe(subscription())
    refused(answer, 403, "Telemetry.SubscriptionClosed", text)


def te_05_an_internal_extension_may_subscribe(stage: Stage) -> None:
    same(_subscribing(stage, subscription()).status, 200)


def te_07_a_second_subscription_is_accepted(stage: Stage) -> None:
    stage.initialising()
    extension = stage.extension("inner")
    for _ in range(2):
        answer = extension.subscribe(subscription())
        same((answer.status, answer.body), (200, b'"OK"'))


def te_11_a_subscription_without_types_is_refused(stage: Stage) -> None:
    answer = _subscribing(stage, subscription(types=()))
    same((answer.status, answer.json["errorType"]), (400, "ValidationError"))


def te_11_a_subscription_that_is_no_json_is_refused(stage: Stage) -> None:
    answer = _subscribing(stage, b"{no")
    same((answer.status, answer.json["errorType"]), (400, "ValidationError"))


def te_11_the_host_is_the_sandbox(stage: Stage) -> None:
    wanted = subscription()
    wanted["destination"]["URI"] = "http://example.com:80/"
    same(_subscribing(stage, wanted).status, 400)


def te_12_every_schema_version_is_accepted(stage: Stage) -> None:
    stage.initialising()
    for version in ("2022-07-01", "2022-12-13", "2025-01-29"):
        extension = stage.extension(f"inner-{version}")
        same(extension.subscribe(subscription(version=version)).status, 200)


# --- Delivery


@contextmanager
def _listening(stage: Stage, *, timeout: int = 60) -> Iterator[tuple[Running, Listener]]:
    """An invocation, and the receiver of an extension that subscribed to everything."""
    with Listener() as listener:
        stage.start(timeout=timeout)
        reply = stage.initialising()
        extension = stage.extension("inner")
        answer = extension.subscribe(subscription(listener.url))
        same((answer.status, answer.body), (200, b'"OK"'))
        yield _begun(stage, extension, reply), listener


def _begun(stage: Stage, extension: Extension, reply: Any) -> Running:
    extension.ask()
    runtime = stage.runtime()
    return Running(runtime, runtime.next(), reply)


def te_20_events_are_posted(stage: Stage) -> None:
    with _listening(stage) as (running, listener):
        same(listener.record("platform.start")["requestId"], running.id)


def te_26_who_subscribes_is_sent_this_init_from_its_start(stage: Stage) -> None:
    with _listening(stage) as (_, listener):
        record = listener.record("platform.initStart")
        same(record["initializationType"], "on-demand")
        same(listener.record("platform.telemetrySubscription")["state"], "Subscribed")


def te_40_report_has_its_metrics(stage: Stage) -> None:
    with _listening(stage) as (running, listener):
        running.finish()
        record = listener.record("platform.report")
        same((record["requestId"], record["status"]), (running.id, "success"))
        names = {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB"}
        holds(names <= set(record["metrics"]), record)


def te_42_runtime_done_tells_the_bytes(stage: Stage) -> None:
    with _listening(stage) as (running, listener):
        running.finish(b"1234567")
        same(listener.record("platform.runtimeDone")["metrics"]["producedBytes"], 7)


def te_48_an_error_is_told_of_what_broke(stage: Stage) -> None:
    with _listening(stage) as (running, listener):
        stage.order("exit 3")
        record = listener.record("platform.runtimeDone")
        same((record["requestId"], record["status"]), (running.id, "error"))
        same(record["errorType"], "Runtime.ExitError")


def te_13_what_the_function_prints_is_delivered(stage: Stage) -> None:
    with _listening(stage) as (_, listener):
        same(listener.record("function"), "bootstrapped\n")


def x_15_a_reported_error_is_an_error_in_telemetry(stage: Stage) -> None:
    with _listening(stage) as (running, listener):
        headers = {"Lambda_Runtime_Function_Error_Type": "Function.Sad"}
        running.runtime.fail(running.id, b"{}", **headers)
        running.done()
        record = listener.record("platform.runtimeDone")
        same((record["status"], record["errorType"]), ("error", "Function.Sad"))


def te_51_a_timeout_is_told(stage: Stage) -> None:
    with _listening(stage, timeout=1) as (running, listener):
        record = listener.record("platform.runtimeDone")
        same((record["requestId"], record["status"]), (running.id, "timeout"))
        same("errorType" in record, False)
