"""ScriptedRuntime and ScriptedExtension, under Lambda's rules and under relaxed ones."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, ClassVar
from unittest import mock

from lambda_sim import RELAXED, EventType, Invocation, ShutdownReason, ShuttingDown, WaitTimeout
from lambda_sim.handler import ErrorReport, RuntimeApiError, RuntimeClient
from lambda_sim.testing import (
    LambdaTestCase,
    ScriptedExtension,
    ScriptedRuntime,
    TelemetryReceiver,
)

PATIENCE = 20.0
"""Seconds a broken test hangs, never how long a good one takes."""


def echo(event: Any, context: Any) -> Any:
    return event


class DoublesTest(LambdaTestCase):
    """What is the same under any rules; these are Lambda's."""

    lambda_config: ClassVar[dict[str, Any]] = {
        "function_name": "doubled",
        "invocation_timeout": PATIENCE,
        "extension_ready_timeout": PATIENCE,
        "shutdown_timeout": PATIENCE,
    }
    patience = PATIENCE

    def serve(self, handler: Any = echo) -> ScriptedRuntime:
        runtime = self.enterContext(ScriptedRuntime(self.simulator, handler))
        self.wait_until_idle()
        return runtime

    def wait_until_idle(self) -> None:
        """Until the runtime and every extension are parked."""
        self.simulator.wait_for_parked(1 + self.simulator.extension_count, PATIENCE)

    def extend(self, name: str = "spy", *arguments: Any, **options: Any) -> ScriptedExtension:
        return self.enterContext(ScriptedExtension(self.simulator, name, *arguments, **options))

    # The runtime

    def test_a_value_is_answered_as_json(self) -> None:
        self.serve()
        self.assertResponse(self.invoke({"a": [1, None]}), {"a": [1, None]})

    def test_bytes_are_answered_as_they_are(self) -> None:
        self.serve(lambda event, context: b"\x00\xff")
        self.assertResponse(self.invoke({}), b"\x00\xff")

    def test_other_content_reaches_the_handler_as_bytes(self) -> None:
        seen: list[object] = []
        self.serve(lambda event, context: seen.append(event))
        self.invoke(Invocation.from_bytes(b"<a/>", "text/xml"))
        self.assertEqual(seen, [b"<a/>"])

    def test_an_exception_is_posted_as_the_functions_error(self) -> None:
        def handler(event: Any, context: Any) -> Any:
            raise LookupError("nothing there")

        self.serve(handler)
        state = self.invoke({})
        self.assertFailed(state, "LookupError")
        assert state.error is not None
        self.assertEqual(state.error.error_message, "nothing there")
        [frame] = state.error.stack_trace or []
        self.assertIn("in handler", frame)

    def test_a_result_without_json_is_an_error_too(self) -> None:
        self.serve(lambda event, context: object())
        self.assertFailed(self.invoke({}), "Runtime.MarshalError")

    def test_the_context_is_that_of_the_simulated_function(self) -> None:
        def handler(event: Any, context: Any) -> Any:
            return [
                context.function_name,
                context.function_version,
                context.memory_limit_in_mb,
                context.log_group_name,
                context.aws_request_id,
                context.tenant_id,
                context.get_remaining_time_in_millis() > 0,
            ]

        self.serve(handler)
        state = self.invoke(Invocation({}, tenant_id="blue"))
        request_id = state.request_id
        group = "/aws/lambda/doubled"
        expected = ["doubled", "$LATEST", "128", group, request_id, "blue", True]
        self.assertResponse(state, expected)

    def test_invocations_are_kept_as_they_came(self) -> None:
        runtime = self.serve()
        states = [self.invoke({"number": number}) for number in range(3)]
        self.assertEqual(
            [(one.request_id, json.loads(one.body)) for one in runtime.invocations],
            [(state.request_id, state.invocation.payload) for state in states],
        )

    def test_closing_hangs_up_a_parked_poll(self) -> None:
        with ScriptedRuntime(self.simulator, echo) as runtime:
            self.simulator.wait_for_parked(1, PATIENCE)
        self.assertFalse(runtime._worker.is_alive)

    def test_a_simulator_that_ends_first_ends_them_quietly(self) -> None:
        with ScriptedExtension(self.simulator, "spy"), ScriptedRuntime(self.simulator, echo):
            self.simulator.wait_for_parked(2, PATIENCE)
            self.simulator.close()

    def test_what_ends_the_thread_is_raised_at_the_end(self) -> None:
        def handler(event: Any, context: Any) -> Any:
            raise SystemExit("on its own")

        runtime = ScriptedRuntime(self.simulator, handler).__enter__()
        self.simulator.enqueue_payload({})
        self.simulator.wait_for(lambda: runtime.invocations, PATIENCE)
        with self.assertRaisesRegex(SystemExit, "on its own"):
            runtime.close()
        runtime.close()  # once is enough

    def test_a_next_that_is_refused_is_raised_at_the_end(self) -> None:
        with RuntimeClient(self.simulator.runtime_api) as client:
            client.fail_init(ErrorReport("Runtime.Unknown", "can't start"))
        with (
            self.assertRaisesRegex(RuntimeApiError, "invocation/next was answered with 403"),
            ScriptedRuntime(self.simulator, echo) as runtime,
        ):
            self.simulator.wait_for(lambda: not runtime._worker.is_alive, PATIENCE)

    def test_a_test_that_failed_keeps_its_own_failure_in_front(self) -> None:
        with RuntimeClient(self.simulator.runtime_api) as client:
            client.fail_init(ErrorReport("Runtime.Unknown", "can't start"))
        with (
            self.assertRaisesRegex(KeyError, "the reason") as caught,
            ScriptedRuntime(self.simulator, echo) as runtime,
        ):
            self.simulator.wait_for(lambda: not runtime._worker.is_alive, PATIENCE)
            raise KeyError("the reason")
        [note] = caught.exception.__notes__
        self.assertIn("the scripted runtime failed: RuntimeApiError", note)

    def test_a_handler_that_does_not_return_is_told_of(self) -> None:
        go_on = threading.Event()
        runtime = ScriptedRuntime(self.simulator, lambda event, context: go_on.wait(PATIENCE))
        runtime.__enter__()
        self.simulator.enqueue_payload({})
        self.simulator.wait_for(lambda: runtime.invocations, PATIENCE)
        with (
            mock.patch("lambda_sim.testing.doubles.CLOSE_SECONDS", 0.02),
            self.assertRaisesRegex(WaitTimeout, "the code in the scripted runtime to return"),
        ):
            runtime.close()
        go_on.set()
        runtime.close()

    # The extension

    def test_it_registers_as_an_external_one(self) -> None:
        spy = self.extend(events=[EventType.INVOKE, "SHUTDOWN"])
        [registered] = self.simulator.registered_extensions
        self.assertEqual((registered.id, registered.name), (spy.identifier, "spy"))
        self.assertEqual(registered.events, {EventType.INVOKE, EventType.SHUTDOWN})

    def test_a_registration_that_is_refused_is_an_error_with_the_answer(self) -> None:
        with self.assertRaises(RuntimeApiError) as caught:
            self.extend(events=["BREAKFAST"])
        self.assertEqual(caught.exception.status, 403)
        self.assertEqual(
            json.loads(caught.exception.body)["errorType"], "Extension.InvalidEventType"
        )
        self.assertEqual(self.simulator.extension_count, 0)

    def test_it_gets_an_event_for_each_invocation(self) -> None:
        heard: list[str] = []
        spy = self.extend(
            on_event=lambda event: heard.append(event["requestId"]), events=["INVOKE"]
        )
        self.serve()
        ids = [self.invoke({}).request_id]
        self.wait_until_idle()
        ids += [self.invoke({}).request_id]
        second = spy.wait_for_event("INVOKE", PATIENCE, 2)
        self.assertEqual(second["requestId"], ids[1])
        self.assertEqual([event["requestId"] for event in spy.events], ids)
        self.simulator.wait_for_extensions_ready(ids[1], PATIENCE)
        self.assertEqual(heard, ids)

    def test_several_are_ready_before_the_environment_is(self) -> None:
        for name in ("one", "two", "three"):
            self.extend(name)
        self.serve()
        self.assertSucceeded(self.invoke({}))

    def test_it_acknowledges_shutdown(self) -> None:
        heard: list[str] = []
        spy = self.extend(on_event=lambda event: heard.append(event["eventType"]))
        self.serve()
        began = time.monotonic()
        self.simulator.graceful_shutdown(ShutdownReason.SPINDOWN)
        self.assertLess(time.monotonic() - began, PATIENCE / 2)
        self.assertEqual(spy.wait_for_event("SHUTDOWN")["shutdownReason"], "spindown")
        self.assertEqual(heard, ["SHUTDOWN"])
        self.assertFalse(spy.was_reset)

    def test_shutdown_waits_for_what_it_does_with_it(self) -> None:
        order: list[str] = []
        flushed = threading.Event()

        def flush(event: Any) -> None:
            flushed.wait(PATIENCE)
            order.append("flushed")

        spy = self.extend("spy", ["SHUTDOWN"], flush)
        self.serve()
        ending = threading.Thread(target=self.simulator.graceful_shutdown, name="ending")
        ending.start()
        spy.wait_for_event("SHUTDOWN", PATIENCE)
        self.assertTrue(ending.is_alive())
        flushed.set()
        ending.join(PATIENCE)
        self.assertEqual(order, ["flushed"])

    def test_what_on_event_raises_is_raised_at_the_end(self) -> None:
        def fail(event: Any) -> None:
            raise LookupError(event["eventType"])

        spy = ScriptedExtension(self.simulator, "spy", ["INVOKE"], fail).__enter__()
        self.serve()
        self.simulator.enqueue_payload({})
        with self.assertRaisesRegex(ShuttingDown, "2 of INVOKE at the scripted extension spy"):
            spy.wait_for_event("INVOKE", PATIENCE, 2)
        with self.assertRaisesRegex(LookupError, "INVOKE"):
            spy.close()

    def test_a_wait_for_an_event_says_what_did_come(self) -> None:
        spy = self.extend()
        self.serve()
        self.invoke({})
        spy.wait_for_event("INVOKE", PATIENCE)
        with self.assertRaisesRegex(WaitTimeout, "1 of SHUTDOWN .*scripted extension spy") as late:
            spy.wait_for_event("SHUTDOWN", timeout=0.02)
        self.assertEqual(late.exception.__notes__, ["what came: INVOKE"])

    def test_it_subscribes_a_receiver(self) -> None:
        receiver = self.enterContext(TelemetryReceiver())
        spy = self.extend()
        spy.subscribe(receiver, ["platform"])
        self.serve()
        state = self.invoke({})
        [report] = receiver.wait_for("platform.report", PATIENCE)
        self.assertEqual(report["record"]["requestId"], state.request_id)
        self.assertTelemetry("platform.telemetrySubscription", name="spy", types=["platform"])

    def test_a_subscription_that_is_refused_is_an_error(self) -> None:
        with self.assertRaises(RuntimeApiError) as caught:
            self.extend().subscribe("ftp://sandbox.localdomain:1/")
        self.assertEqual(caught.exception.status, 400)


class RelaxedDoublesTest(DoublesTest):
    """The same, and what only relaxed rules allow."""

    lambda_config: ClassVar[dict[str, Any]] = {**DoublesTest.lambda_config, "rules": RELAXED}

    def test_an_extension_needs_no_runtime(self) -> None:
        spy = self.extend()
        request_id = self.simulator.enqueue_payload({})
        self.assertEqual(spy.wait_for_event("INVOKE", PATIENCE)["requestId"], request_id)

    def test_an_internal_one_may_ask_for_shutdown(self) -> None:
        self.extend(internal=True)
        self.assertEqual(self.simulator.extension_count, 1)

    def test_it_subscribes_late(self) -> None:
        spy = self.extend()
        self.serve()
        self.invoke({})
        spy.subscribe(self.enterContext(TelemetryReceiver()))


class AwsDoublesTest(LambdaTestCase):
    """What Lambda's rules alone bring about."""

    lambda_config: ClassVar[dict[str, Any]] = {"invocation_timeout": 0.2}

    def setUp(self) -> None:
        super().setUp()
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)

    def sometimes_late(self, event: Any, context: Any) -> Any:
        if event == "late":
            self.go_on.wait(PATIENCE)
        return event

    def test_an_internal_one_is_refused_shutdown(self) -> None:
        with (
            self.assertRaisesRegex(RuntimeApiError, "SHUTDOWN"),
            ScriptedExtension(self.simulator, "spy", internal=True),
        ):
            self.fail("it was registered")
        with ScriptedExtension(self.simulator, "spy", ["INVOKE"], internal=True):
            self.assertEqual(self.simulator.extension_count, 1)

    def test_the_runtime_goes_on_after_a_timeout(self) -> None:
        with ScriptedRuntime(self.simulator, self.sometimes_late) as runtime:
            self.simulator.wait_for_parked(1, PATIENCE)
            self.assertTimedOut(self.invoke("late"))
            self.go_on.set()
            self.simulator.wait_for_parked(1, PATIENCE)
            self.assertResponse(self.invoke("again"), "again")
            [refusal] = runtime.refusals
            self.assertEqual(refusal.status, 400)

    def test_a_reset_ends_an_extension_quietly(self) -> None:
        with (
            ScriptedExtension(self.simulator, "told") as told,
            ScriptedExtension(self.simulator, "untold", ["INVOKE"]) as untold,
            ScriptedRuntime(self.simulator, self.sometimes_late),
        ):
            self.simulator.wait_for_parked(3, PATIENCE)
            self.assertTimedOut(self.invoke("late"))
            self.simulator.wait_for(lambda: told.was_reset and untold.was_reset, PATIENCE)
            self.assertEqual(told.events[-1]["shutdownReason"], "timeout")
            self.assertEqual([event["eventType"] for event in untold.events], ["INVOKE"])
            with self.assertRaises(ShuttingDown):
                untold.wait_for_event("SHUTDOWN", PATIENCE)
            self.go_on.set()

    def test_a_subscription_after_init_is_refused(self) -> None:
        with (
            TelemetryReceiver() as receiver,
            ScriptedExtension(self.simulator, "spy") as spy,
            ScriptedRuntime(self.simulator, echo),
        ):
            self.simulator.wait_for(lambda: self.simulator.is_initialized, PATIENCE)
            with self.assertRaisesRegex(RuntimeApiError, "Telemetry.SubscriptionClosed"):
                spy.subscribe(receiver)
