"""Sections 3.1 and 3.2 of the contract: how an extension subscribes to telemetry."""

from __future__ import annotations

import uuid
from typing import Any

from lambda_sim.testing import ManualClock
from tests.conformance.case import TelemetryTest, subscription
from tests.raw import PATIENCE, TELEMETRY, RawExtension

NOBODY = 1
"""A port at which nobody listens."""

VALID = subscription(NOBODY)
DELETED: Any = object()


def changed(path: str, value: Any) -> dict[str, Any]:
    """A valid subscription, but for one field of it."""
    wanted = subscription(NOBODY)
    *way, last = path.split(".")
    inner = wanted
    for name in way:
        inner = inner[name]
    if value is DELETED:
        del inner[last]
    else:
        inner[last] = value
    return wanted


def destined(uri: str) -> dict[str, Any]:
    return changed("destination.URI", uri)


class SubscribeTest(TelemetryTest):
    def same(self, extension: RawExtension) -> RawExtension:
        """The same extension on another connection: its own is busy with a poll."""
        other = self.extension()
        other.id = extension.id
        return other

    def assert_closed(self, extension: RawExtension) -> None:
        self.assert_refused(
            self.same(extension).subscribe(VALID),
            403,
            "Telemetry.SubscriptionClosed",
            "Telemetry API subscription is closed already",
        )

    def test_te_01_the_path_may_end_in_a_slash(self) -> None:
        for number, path in enumerate((TELEMETRY, f"{TELEMETRY}/")):
            with self.subTest(path=path):
                extension = self.extension(f"inner-{number}")
                self.assertEqual(extension.subscribe(VALID, path).status, 200)

    def test_te_01_other_methods_are_refused(self) -> None:
        for method in ("GET", "POST", "DELETE"):
            with self.subTest(method=method):
                extension = self.extension()
                answer = extension.request(method, TELEMETRY, extension.headers, b"")
                self.assertEqual((answer.status, answer.body), (405, b""))
                self.assertEqual(answer["Allow"], "PUT")

    def test_te_01_an_identifier_is_required(self) -> None:
        self.assert_refused(
            self.connect().request("PUT", TELEMETRY, (), b"{}"),
            403,
            "Extension.MissingExtensionIdentifier",
            "Missing Lambda-Extension-Identifier header",
        )

    def test_te_01_an_identifier_is_a_uuid(self) -> None:
        extension = self.extension()
        extension.id = "x"
        self.assert_refused(
            extension.subscribe(VALID),
            403,
            "Extension.InvalidExtensionIdentifier",
            "Invalid Lambda-Extension-Identifier",
        )

    def test_te_01_an_identifier_is_one_that_was_handed_out(self) -> None:
        extension = self.extension()
        extension.id = str(uuid.uuid4())
        self.assert_refused(
            extension.subscribe(VALID),
            403,
            "Extension.UnknownExtensionIdentifier",
            f"Unknown extension {extension.id}",
        )

    def test_te_02_a_subscription_is_answered_with_ok(self) -> None:
        answer = self.extension("watcher").subscribe(VALID)
        self.assertEqual((answer.status, answer.body.strip()), (200, b'"OK"'))

    def test_te_04_subscriptions_close_when_everyone_has_asked_for_next(self) -> None:
        first, second = self.extension("watcher"), self.extension("second")
        for poller in (self.runtime(), first):
            self.park(poller)
            self.assertEqual(self.same(first).subscribe(VALID).status, 200)
        self.park(second)
        self.assert_closed(first)
        self.assert_closed(second)

    def test_te_04_subscriptions_stay_closed_during_an_invocation(self) -> None:
        extension = self.park(self.extension("watcher"))
        self.running()
        self.assert_closed(extension)

    def test_te_04_a_new_generation_may_subscribe_again(self) -> None:
        clock = ManualClock()
        self.simulate(clock=clock, shutdown_timeout=0.0)
        extension = self.park(self.extension("watcher"))
        self.running()
        clock.advance(3.0)
        self.wait_for(lambda: self.simulator.extension_count == 0)
        self.simulator.enqueue_payload({})
        self.assert_refused(
            self.same(extension).subscribe(VALID),
            403,
            "Extension.UnknownExtensionIdentifier",
            f"Unknown extension {extension.id}",
        )
        self.assertEqual(self.extension("watcher").subscribe(VALID).status, 200)

    def test_te_05_an_internal_extension_may_subscribe(self) -> None:
        receiver = self.receiver()
        self.subscribed("inner", to=receiver, timeoutMs=25)
        receiver.wait_for("platform.telemetrySubscription", PATIENCE)

    def test_te_07_a_second_subscription_is_told_of_and_changes_nothing(self) -> None:
        for again in ("at the same place", "at another"):
            with self.subTest(again=again):
                self.simulate()
                first, second = self.receiver(), self.receiver()
                extension = self.subscribed("watcher", to=first, timeoutMs=25)
                place = first if again == "at the same place" else second
                answer = extension.subscribe(subscription(place, timeoutMs=25))
                self.assertEqual((answer.status, answer.body), (200, b'"OK"'))
                self.park(extension)
                self.park(self.runtime())
                self.simulator.graceful_shutdown()
                self.assertEqual(
                    [one["type"] for one in first.events + second.events],
                    [
                        "platform.initStart",
                        "platform.telemetrySubscription",
                        "platform.telemetrySubscription",
                        "platform.initRuntimeDone",
                        "platform.extension",
                        "platform.initReport",
                    ],
                )
                states = [one["record"]["state"] for one in first.events[1:3]]
                self.assertEqual(states, ["Subscribed", "Already subscribed"])


class SchemaTest(TelemetryTest):
    def assert_valid(self, *subscriptions: Any) -> None:
        for number, wanted in enumerate(subscriptions):
            with self.subTest(wanted=wanted):
                answer = self.extension(f"inner-{number}").subscribe(wanted)
                self.assertEqual((answer.status, answer.body), (200, b'"OK"'))

    def assert_invalid(self, *subscriptions: Any) -> None:
        extension = self.extension("watcher")
        for wanted in subscriptions:
            with self.subTest(wanted=wanted):
                self.assert_refused(extension.subscribe(wanted), 400, "ValidationError")
        self.assertNotIn("platform.telemetrySubscription", self.telemetry_types())

    def test_te_11_every_schema_version_is_accepted(self) -> None:
        versions = ("2022-07-01", "2022-12-13", "2025-01-29")
        self.assert_valid(*(changed("schemaVersion", version) for version in versions))

    def test_te_11_a_schema_version_is_required(self) -> None:
        wrong = (DELETED, None, "", 20221213, "2021-03-18", "2022-12-14")
        self.assert_invalid(*(changed("schemaVersion", version) for version in wrong))

    def test_te_11_any_of_the_three_streams_is_accepted(self) -> None:
        streams = ("platform", "function", "extension")
        self.assert_valid(*(changed("types", [name]) for name in streams))

    def test_te_11_types_are_required_and_known(self) -> None:
        wrong = (DELETED, None, [], "platform", ["metrics"], ["platform", "Function"], [1])
        self.assert_invalid(*(changed("types", types) for types in wrong))

    def test_te_11_a_destination_is_required(self) -> None:
        self.assert_invalid(*(changed("destination", value) for value in (DELETED, None, {}, "x")))

    def test_te_11_a_destination_has_a_known_protocol(self) -> None:
        wrong = (DELETED, None, "", "HTTPS", "UDP")
        self.assert_invalid(*(changed("destination.protocol", name) for name in wrong))

    def test_te_11_a_destination_has_a_uri_in_the_sandbox(self) -> None:
        self.assert_invalid(
            changed("destination.URI", DELETED),
            destined(""),
            destined("sandbox.localdomain"),
            destined("http://sandbox.localdomain/path"),
            destined("http://sandbox.localdomain:0"),
            destined("http://sandbox.localdomain:65536"),
            destined("https://sandbox.localdomain:4243"),
            destined("http://127.0.0.1:4243"),
            destined("http://example.com:4243"),
        )

    def test_te_11_a_uri_may_have_a_path_or_none(self) -> None:
        self.assert_valid(
            destined("http://sandbox.localdomain:4243"),
            destined("http://sandbox.localdomain:4243/"),
            destined("http://sandbox.localdomain:4243/a/b"),
            destined("http://sandbox:4243"),
        )

    def test_te_11_buffering_may_be_left_out(self) -> None:
        self.assert_valid(changed("buffering", DELETED), changed("buffering", {}))

    def test_te_11_the_limits_of_buffering_are_accepted(self) -> None:
        self.assert_valid(
            *(
                changed(f"buffering.{name}", value)
                for name, least, most in LIMITS
                for value in (least, most)
            )
        )

    def test_te_11_buffering_beyond_its_limits_is_refused(self) -> None:
        self.assert_invalid(
            *(
                changed(f"buffering.{name}", value)
                for name, least, most in LIMITS
                for value in (least - 1, most + 1, 0, -1, str(least), True)
            )
        )

    def test_te_11_what_is_no_json_object_is_refused(self) -> None:
        self.assert_invalid(b"", b"not json", b"[]", b'"x"', b"{", b"\xff")

    def test_te_11_what_can_not_be_parsed_is_said(self) -> None:
        told = self.extension("watcher").subscribe(b"not json").json["errorMessage"]
        self.assertTrue(told.startswith("failed to parse JSON: "), told)

    def test_te_11_all_problems_are_told_at_once(self) -> None:
        wanted = destined("http://sandbox.localdomain/") | {"types": []}
        self.assert_refused(
            self.extension("watcher").subscribe(wanted),
            400,
            "ValidationError",
            "URI port is not provided; types should not be empty",
        )

    def test_te_11_another_host_is_told(self) -> None:
        self.assert_refused(
            self.extension("watcher").subscribe(destined("http://example.com:4243/")),
            400,
            "ValidationError",
            "Invalid destination: destination.URI host must be sandbox.localdomain",
        )

    def test_te_11_a_refused_subscription_is_none(self) -> None:
        receiver = self.receiver()
        extension = self.extension("watcher")
        extension.subscribe(subscription(receiver, types=()))
        self.assertEqual(extension.subscribe(subscription(receiver, timeoutMs=25)).status, 200)
        told = receiver.wait_for("platform.telemetrySubscription", PATIENCE)
        self.assertEqual([one["record"]["state"] for one in told], ["Subscribed"])


LIMITS = (
    ("maxBytes", 262_144, 1_048_576),
    ("maxItems", 1_000, 10_000),
    ("timeoutMs", 25, 30_000),
)
