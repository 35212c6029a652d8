"""Section 2 of the contract, but for processes: the Extensions API."""

from __future__ import annotations

import json
import uuid
from typing import Any

from lambda_sim import EventType, Invocation, ShutdownReason
from lambda_sim.testing import ManualClock
from tests.conformance.case import ConformanceTest, runtime_of
from tests.raw import EVENT_NEXT, EXTENSION, RawExtension

NOT_ALLOWED = "Error: State transition is not allowed"
MISSING_ID = ("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
INVALID_ID = ("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")


class RegisterTest(ConformanceTest):
    def assert_register_refused(
        self, body: Any, error_type: str, message: str | None = None, *, name: str | None = "inner"
    ) -> None:
        """:param body: bytes, or a JSON value."""
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.extension().ask_to_register(name, encoded)
        self.assert_refused(answer, 403, error_type, message)

    def test_ex_01_a_name_is_required(self) -> None:
        for name in (None, ""):
            with self.subTest(name=name):
                self.assert_register_refused(
                    {}, "Extension.InvalidExtensionName", "Empty extension name", name=name
                )

    def test_ex_02_events_are_optional(self) -> None:
        for number, body in enumerate(
            (b"{}", b'{"events":null}', b'{"events":[]}', b'{"events":["INVOKE","INVOKE"]}')
        ):
            with self.subTest(body=body):
                answer = self.extension().ask_to_register(f"inner-{number}", body)
                self.assertEqual(answer.status, 200)

    def test_ex_03_a_body_that_is_no_json_is_refused(self) -> None:
        for body in (
            b"",
            b"{",
            b"events",
            b"\xff",
            b"[]",
            b'{"events":"INVOKE"}',
            b'{"events":[1]}',
        ):
            with self.subTest(body=body):
                self.assert_register_refused(body, "InvalidRequestFormat")

    def test_ex_04_configuration_keys_are_refused(self) -> None:
        self.assert_register_refused(
            {"events": [], "configurationKeys": ["a"]},
            "InvalidRequestFormat",
            "configurationKeys are deprecated; use environment variables instead",
        )

    def test_ex_04_empty_configuration_keys_are_accepted(self) -> None:
        answer = self.extension().ask_to_register("inner", b'{"configurationKeys":[]}')
        self.assertEqual(answer.status, 200)

    def test_ex_05_events_are_invoke_and_shutdown_in_this_case(self) -> None:
        for event in ("FOO", "invoke", ""):
            with self.subTest(event=event):
                self.assert_register_refused(
                    {"events": ["INVOKE", event]},
                    "Extension.InvalidEventType",
                    f"{event}: ErrorInvalidEventType",
                )

    def test_ex_06_an_internal_extension_gets_no_shutdown(self) -> None:
        self.assert_register_refused(
            {"events": ["INVOKE", "SHUTDOWN"]},
            "Extension.InvalidEventType",
            "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension",
        )

    def test_ex_07_a_name_that_is_external_may_have_shutdown(self) -> None:
        self.extension("watcher", "SHUTDOWN")
        (registered,) = self.simulator.registered_extensions
        self.assertEqual(registered.events, {EventType.SHUTDOWN})

    def test_ex_08_an_external_extension_registers_once(self) -> None:
        self.extension("watcher", "INVOKE")
        message = (
            f"State transition from Registered to Registered failed for extension watcher. "
            f"{NOT_ALLOWED}"
        )
        self.assert_register_refused({}, "Extension.InvalidExtensionState", message, name="watcher")

    def test_ex_08_the_state_named_is_the_extensions(self) -> None:
        self.park(self.extension("watcher"))
        answer = self.extension().ask_to_register("watcher")
        self.assertIn("from Ready to Registered", answer.json["errorMessage"])

    def test_ex_08_an_internal_extension_registers_once(self) -> None:
        self.extension("inner")
        self.assert_register_refused(
            {},
            "Extension.InvalidExtensionState",
            "Extension with this name already registered",
        )

    def test_ex_09_the_eleventh_extension_is_one_too_many(self) -> None:
        self.extension("watcher", "SHUTDOWN")
        for number in range(9):
            self.extension(f"inner-{number}")
        self.assert_register_refused(
            {}, "Extension.TooManyExtensions", "Extension limit (10) reached"
        )
        self.assertEqual(self.simulator.extension_count, 10)

    def test_ex_10_registration_ends_with_the_runtimes_first_next(self) -> None:
        self.park(self.runtime())
        self.assert_registration_is_closed()

    def test_ex_10_registration_ends_while_extensions_still_start(self) -> None:
        self.extension("watcher")
        self.park(self.runtime())
        self.assertFalse(self.simulator.is_initialized)
        self.assert_registration_is_closed()

    def test_ex_10_registration_ends_with_an_init_error(self) -> None:
        self.extension("watcher", "SHUTDOWN")  # so that the environment lingers in its end
        self.runtime().init_error()
        self.assert_registration_is_closed()

    def assert_registration_is_closed(self) -> None:
        self.assert_register_refused(
            {}, "Extension.RegistrationClosed", "Extension registration closed already"
        )

    def test_ex_11_a_refused_registration_leaves_no_trace(self) -> None:
        self.assert_register_refused({"events": ["FOO"]}, "Extension.InvalidEventType")
        self.assertEqual(self.simulator.extension_count, 0)
        self.extension("inner", "INVOKE")
        self.assertEqual(self.simulator.extension_count, 1)

    def test_ex_12_a_registration_is_answered_with_the_function(self) -> None:
        self.simulate(function_name="mine", function_version="7", handler="a.b")
        answer = self.extension().ask_to_register("inner")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer["Content-Type"], "application/json")
        told = {"functionName": "mine", "functionVersion": "7", "handler": "a.b"}
        self.assertEqual(answer.json, told)
        self.assertEqual(uuid.UUID(answer["Lambda-Extension-Identifier"]).version, 4)

    def test_ex_12_identifiers_differ(self) -> None:
        self.assertNotEqual(self.extension("inner").id, self.extension("other").id)

    def test_ex_13_the_account_is_told_to_who_can_take_it(self) -> None:
        for number, (features, expected) in enumerate(
            (
                ("accountId", True),
                (" foo , accountId ,", True),
                ("accountid", False),
                ("foo", False),
                ("", False),
            )
        ):
            with self.subTest(features=features):
                extension = self.extension()
                headers = {"Lambda_Extension_Accept_Feature": features}
                answer = extension.ask_to_register(f"inner-{number}", **headers)
                self.assertEqual("accountId" in answer.json, expected)
                if expected:
                    self.assertEqual(next(iter(answer.json.items())), ("accountId", "123456789012"))

    def test_ex_14_a_suppressed_init_takes_registrations_anew(self) -> None:
        self.simulate(invocation_timeout=0.3, shutdown_timeout=0.0)
        first = self.extension("watcher", "INVOKE")
        runtime = self.park(self.runtime())
        self.park(first)
        runtime.close()
        self.simulator.enqueue_payload({})
        self.telemetry("platform.report")
        self.wait_for(lambda: self.simulator.extension_count == 0)
        self.simulator.enqueue_payload({})
        self.assertEqual(self.telemetry("platform.initStart", 2)["phase"], "invoke")
        second = self.extension("watcher", "INVOKE")
        self.assertNotEqual(second.id, first.id)

    def test_ric_03_gos_sigterm_helper_registers_without_a_content_type(self) -> None:
        extension = self.extension()
        answer = extension.ask_to_register("GoLangEnableSIGTERM", b'{"events":null}')
        self.assertEqual(answer.status, 200)
        self.park(extension)


class NextTest(ConformanceTest):
    def ready(self, *events: str) -> RawExtension:
        """An external extension and a runtime, both parked in an environment that is ready."""
        extension: RawExtension = self.extension("watcher", *events)
        self.park(extension)
        self.runner = self.park(self.runtime())
        return extension

    def poll_with(self, *headers: tuple[str, str]) -> Any:
        return self.connect().request("GET", EVENT_NEXT, headers)

    def test_ex_20_an_identifier_is_required(self) -> None:
        self.assert_refused(self.poll_with(), 403, *MISSING_ID)

    def test_ex_20_an_identifier_is_a_uuid(self) -> None:
        for text in ("x", str(uuid.uuid4())[:-1], "{}"):
            with self.subTest(text=text):
                answer = self.poll_with(("Lambda-Extension-Identifier", text))
                self.assert_refused(answer, 403, *INVALID_ID)

    def test_ex_20_an_identifier_is_one_that_was_handed_out(self) -> None:
        stranger = str(uuid.uuid4())
        answer = self.poll_with(("Lambda-Extension-Identifier", stranger))
        self.assert_refused(
            answer, 403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {stranger}"
        )

    def test_ex_21_the_first_next_ends_the_extensions_init(self) -> None:
        extension = self.extension("watcher")
        self.park(self.runtime())
        self.assertFalse(self.simulator.is_initialized)
        self.park(extension)
        self.assertTrue(self.simulator.is_initialized)

    def test_ex_21_next_waits_for_an_event(self) -> None:
        extension = self.ready("INVOKE")
        self.assertTrue(extension.is_silent())
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(extension.event()["requestId"], request_id)

    def test_ex_22_a_second_next_meanwhile_is_refused(self) -> None:
        extension = self.ready("INVOKE")
        other = self.extension()
        other.id = extension.id
        message = (
            f"State transition from Ready to Ready failed for extension {extension.id}. "
            f"{NOT_ALLOWED}"
        )
        self.assert_refused(other.poll(), 403, "Extension.InvalidExtensionState", message)
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(extension.event()["requestId"], request_id)

    def test_ex_22_a_next_that_died_is_no_second_one(self) -> None:
        extension = self.ready("INVOKE")
        other = self.extension()
        other.id = extension.id
        extension.close()
        other.ask()
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(other.event()["requestId"], request_id)

    def test_ex_23_invoke_tells_of_the_invocation(self) -> None:
        extension = self.ready("INVOKE")
        arn = "arn:aws:lambda:us-east-1:123456789012:function:test-function:live"
        trace = f"Root=1-{'a' * 8}-{'b' * 24};Parent={'c' * 16};Sampled=1;Lineage=25:abcd:0"
        invocation = Invocation({"a": 1}, invoked_function_arn=arn, trace_id=trace)
        request_id = self.simulator.enqueue(invocation)
        deadline = int(self.runner.event().answer["Lambda-Runtime-Deadline-Ms"])
        expected = {
            "eventType": "INVOKE",
            "deadlineMs": deadline,
            "requestId": request_id,
            "invokedFunctionArn": arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": trace},
        }
        answer = extension.read_answer()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer["Content-Type"], "application/json")
        self.assertEqual(list(answer.json.items()), list(expected.items()))

    def test_ex_23_every_delivery_has_an_id_of_its_own(self) -> None:
        extension = self.ready("INVOKE")
        seen = set()
        for _ in range(2):
            request_id = self.simulator.enqueue_payload({})
            answer = extension.read_answer()
            self.assertEqual(answer["Lambda-Extension-Identifier"], extension.id)
            seen.add(str(uuid.UUID(answer["Lambda-Extension-Event-Identifier"])))
            self.runner.event()
            self.runner.respond(request_id)
            self.park(extension)
            self.park(self.runner)
        self.assertEqual(len(seen), 2)

    def test_ex_24_shutdown_tells_why_and_until_when(self) -> None:
        clock = ManualClock()
        for reason in ShutdownReason:
            with self.subTest(reason=reason):
                self.simulate(clock=clock)
                extension = self.ready("SHUTDOWN")
                done = self.soon(self.simulator.graceful_shutdown, reason)
                answer = extension.read_answer()
                extension.close()
                done.result()
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer["Content-Type"], "application/json")
                uuid.UUID(answer["Lambda-Extension-Event-Identifier"])
                expected = {
                    "eventType": "SHUTDOWN",
                    "deadlineMs": int((clock.time() + 2.0) * 1000),
                    "shutdownReason": reason.value,
                }
                self.assertEqual(answer.json, expected)

    def test_x_04_shutdown_reasons_are_lower_case(self) -> None:
        self.assertEqual(
            {reason.value for reason in ShutdownReason}, {"spindown", "timeout", "failure"}
        )

    def test_ex_25_who_did_not_subscribe_is_not_woken_nor_waited_for(self) -> None:
        extension = self.ready("SHUTDOWN")
        request_id = self.simulator.enqueue_payload({})
        self.runner.event()
        self.runner.respond(request_id)
        self.park(self.runner)
        self.assertEqual(self.telemetry("platform.report")["requestId"], request_id)
        self.assertTrue(extension.is_silent())

    def test_ex_26_after_shutdown_there_are_no_more_events(self) -> None:
        extension = self.ready("INVOKE", "SHUTDOWN")
        done = self.soon(self.simulator.graceful_shutdown)
        self.assertEqual(extension.event()["eventType"], "SHUTDOWN")
        extension.ask()
        done.result()
        self.assertTrue(extension.is_closed_by_peer())

    def test_ex_27_the_next_next_says_done(self) -> None:
        extension = self.ready("INVOKE")
        request_id = self.simulator.enqueue_payload({})
        extension.event()
        self.runner.event()
        self.runner.respond(request_id)
        self.park(self.runner)
        self.assertFalse(self.simulator.are_extensions_ready(request_id))
        self.assertNotIn("platform.report", self.telemetry_types())
        self.park(extension)
        self.assertTrue(self.simulator.are_extensions_ready(request_id))
        self.assertIn("platform.report", self.telemetry_types())

    def test_ex_27_one_invocation_waits_for_the_extensions_of_the_last(self) -> None:
        extension = self.ready("INVOKE")
        first = self.simulator.enqueue_payload(1)
        second = self.simulator.enqueue_payload(2)
        extension.event()
        self.runner.event()
        self.runner.respond(first)
        self.park(self.runner)
        self.assertTrue(self.runner.is_silent())
        extension.ask()
        self.assertEqual(self.runner.event().id, second)
        self.assertEqual(extension.event()["requestId"], second)

    def test_ex_28_an_event_before_the_poll_is_seen_once(self) -> None:
        extension = self.ready("INVOKE")
        first = self.simulator.enqueue_payload(1)
        extension.event()
        self.runner.event()
        self.runner.respond(first)
        self.park(self.runner)
        second = self.simulator.enqueue_payload(2)
        extension.ask()
        self.assertEqual(extension.event()["requestId"], second)
        self.runner.event()
        self.park(extension)
        self.assertTrue(extension.is_silent())

    def test_ex_28_an_event_that_met_a_dead_poll_is_seen_by_the_next(self) -> None:
        extension = self.ready("INVOKE")
        extension.close()
        request_id = self.simulator.enqueue_payload({})
        again = self.extension()
        again.id = extension.id
        self.assertEqual(again.next()["requestId"], request_id)


class ErrorReportTest(ConformanceTest):
    KINDS = ("init", "exit")

    def state_refusal(self, state: str, target: str, extension: RawExtension) -> tuple[str, str]:
        told = f"State transition from {state} to {target} failed for extension {extension.id}. "
        return "Extension.InvalidExtensionState", told + NOT_ALLOWED

    def test_ex_30_an_identifier_is_required_and_a_uuid(self) -> None:
        for kind in self.KINDS:
            for headers, refused in (
                ((), MISSING_ID),
                ([("Lambda-Extension-Identifier", "x")], INVALID_ID),
            ):
                with self.subTest(kind=kind, headers=headers):
                    path = f"{EXTENSION}/{kind}/error"
                    answer = self.connect().request("POST", path, headers, b"")
                    self.assert_refused(answer, 403, *refused)

    def test_ex_30_an_unknown_identifier_is_refused(self) -> None:
        for kind in self.KINDS:
            with self.subTest(kind=kind):
                extension = self.extension()
                extension.id = str(uuid.uuid4())
                self.assert_refused(
                    extension.report(kind, "Extension.Sad"),
                    403,
                    "Extension.UnknownExtensionIdentifier",
                    "Unknown Lambda-Extension-Identifier",
                )

    def test_ex_31_an_error_type_is_required_even_of_the_unknown(self) -> None:
        extension = self.extension()
        extension.id = str(uuid.uuid4())
        for kind in self.KINDS:
            for error_type in (None, ""):
                with self.subTest(kind=kind, error_type=error_type):
                    self.assert_refused(
                        extension.report(kind, error_type),
                        403,
                        "Extension.MissingHeader",
                        "Lambda-Extension-Function-Error-Type not found",
                    )

    def test_ex_32_a_report_is_accepted_whatever_its_body(self) -> None:
        for kind in self.KINDS:
            for body in (b"", b"{}", b"\xff not json"):
                with self.subTest(kind=kind, body=body):
                    self.simulate(shutdown_timeout=0.0)
                    extension = self.extension("watcher")
                    self.assert_accepted(extension.report(kind, "Extension.Sad", body))

    def lingering(self) -> RawExtension:
        """An extension in an environment that another one, told to shut down, keeps alive."""
        self.simulate(shutdown_timeout=60.0)
        self.keeper = self.extension("second", "SHUTDOWN")
        extension: RawExtension = self.extension("watcher", "INVOKE")
        return extension

    def test_ex_33_registered_may_report_either_and_again(self) -> None:
        for kind in self.KINDS:
            with self.subTest(kind=kind):
                extension = self.lingering()
                self.assert_accepted(extension.report(kind, "Extension.Sad"))
                self.assert_accepted(extension.report(kind, "Extension.Sad"))

    def test_ex_33_ready_may_report_its_exit_only(self) -> None:
        extension = self.lingering()
        self.park(extension)
        other = self.extension()
        other.id = extension.id
        refused = self.state_refusal("Ready", "InitError", extension)
        self.assert_refused(other.report("init", "Extension.Sad"), 403, *refused)
        self.assert_accepted(other.report("exit", "Extension.Sad"))

    def test_ex_33_running_may_report_its_exit_only(self) -> None:
        extension = self.lingering()
        self.park(extension)
        self.park(self.keeper)
        self.park(self.runtime())
        self.simulator.enqueue_payload({})
        extension.event()
        refused = self.state_refusal("Running", "InitError", extension)
        self.assert_refused(extension.report("init", "Extension.Sad"), 403, *refused)
        self.assert_accepted(extension.report("exit", "Extension.Sad"))

    def test_ex_33_who_failed_one_way_may_not_fail_the_other(self) -> None:
        for first, second, state, target in (
            ("init", "exit", "InitError", "Exited"),
            ("exit", "init", "ExitError", "InitError"),
        ):
            with self.subTest(first=first):
                extension = self.lingering()
                extension.report(first, "Extension.Sad")
                refused = self.state_refusal(state, target, extension)
                self.assert_refused(extension.report(second, "Extension.Sad"), 403, *refused)

    def test_ex_34_next_after_a_report_is_refused(self) -> None:
        for kind, state in (("init", "InitError"), ("exit", "ExitError")):
            with self.subTest(kind=kind):
                extension = self.lingering()
                extension.report(kind, "Extension.Sad")
                refused = self.state_refusal(state, "Ready", extension)
                self.assert_refused(extension.poll(), 403, *refused)

    def test_ex_35_an_init_error_fails_the_init(self) -> None:
        self.simulate(shutdown_timeout=0.0)
        self.extension("watcher").report("init", "Extension.Sad")
        report = self.telemetry("platform.initReport")
        self.assertEqual((report["status"], report["errorType"]), ("error", "Extension.InitError"))

    def test_ex_35_an_exit_error_fails_the_invocation(self) -> None:
        self.simulate(shutdown_timeout=0.0)
        extension = self.park(self.extension("watcher", "INVOKE"))
        self.park(self.runtime())
        request_id = self.simulator.enqueue_payload({})
        extension.event()
        extension.report("exit", "Extension.Sad")
        self.assertEqual(self.complete(request_id).error.error_type, "Extension.ExitError")

    def test_ex_35_the_first_fatal_error_wins(self) -> None:
        self.simulate(runtime=runtime_of("next", "hang"), shutdown_timeout=60.0)
        extension = self.extension("watcher", "INVOKE")
        keeper = self.park(self.extension("second", "INVOKE", "SHUTDOWN"))
        self.park(extension)
        request_id = self.simulator.enqueue_payload({})
        extension.event()
        keeper.event()
        extension.report("exit", "Extension.Sad")
        keeper.report("exit", "Extension.Other")
        self.assertEqual(self.complete(request_id).error.error_type, "Extension.ExitError")
        self.assertEqual(len(self.simulator.get_telemetry_events_by_type("platform.report")), 1)
