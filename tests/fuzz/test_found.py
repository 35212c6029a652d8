"""What the fuzzer found, each in the few bytes that did it."""

from __future__ import annotations

from tests.raw import INIT_ERROR, RawConnection, RawExtension, RawRuntime
from tests.support import PATIENCE, SimulatorTest

HALF_A_PAIR = rb'"\ud800"'


class HalfASurrogatePairTest(SimulatorTest):
    """JSON can name it, and UTF-8 has no bytes for it: it was an Internal Server Error."""

    def test_in_an_event_to_register_for_it_is_refused(self) -> None:
        extension = RawExtension(self.start(external_extensions=("watcher",)))
        self.addCleanup(extension.close)
        answer = extension.ask_to_register("watcher", rb'{"events": [%b]}' % HALF_A_PAIR)
        self.assertEqual(answer.status, 403)
        self.assertEqual(answer.json["errorMessage"], "?: ErrorInvalidEventType")

    def test_in_an_error_with_a_cause_it_is_told_to_the_caller(self) -> None:
        simulator = self.start()
        runtime = RawRuntime(simulator)
        self.addCleanup(runtime.close)
        invoking = self.soon(simulator.invoke, {})
        event = runtime.next()
        answer = runtime.fail(
            event.id,
            rb'{"errorType": %b, "errorMessage": "m"}' % HALF_A_PAIR,
            Content_Type="application/vnd.aws.lambda.error.cause+json",
        )
        self.assertEqual(answer.status, 202)
        runtime.ask()
        error = invoking.result(PATIENCE).error
        self.assertEqual(error.body, b'{"errorMessage":"m","errorType":"?"}')


class TransferCodingTest(SimulatorTest):
    def test_a_coding_that_is_not_chunked_is_the_clients_mistake(self) -> None:
        """It was 501, where RFC 9112, 6.3 has 400."""
        simulator = self.start()
        for coding in ("identity", "chunked, chunked", "chunked, gzip"):
            with self.subTest(coding):
                connection = RawConnection(simulator)
                self.addCleanup(connection.close)
                answer = connection.request("POST", INIT_ERROR, {"Transfer-Encoding": coding})
                self.assertEqual(answer.status, 400)
                self.assertTrue(connection.is_closed_by_peer())
