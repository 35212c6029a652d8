"""typed: which types a handler declares, and what becomes of a plain function."""

from __future__ import annotations

import unittest
from typing import Any, Generic, TypeVar

import attrs

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler import Execution, Handler, Invocation, lambda_handler
from tests.handler.doubles import make_invocation

T = TypeVar("T")
S = TypeVar("S")


@attrs.frozen
class Order:
    id: str


class Declared(Handler[None, Order, str]):
    def run(self, shared: None, invocation: Invocation[Order]) -> str:
        return invocation.event.id


class Annotated(Handler):  # type: ignore[type-arg]
    def run(self, shared: Any, invocation: Invocation[list[Order]]) -> int:
        return len(invocation.event)


class Batch(Handler[S, list[T], int], Generic[T, S]):
    def run(self, shared: S, invocation: Invocation[list[T]]) -> int:
        return len(invocation.event)


class TestEventType(unittest.TestCase):
    def test_it_is_the_second_generic_argument(self) -> None:
        self.assertIs(Declared().event_type, Order)

    def test_subclasses_inherit_it(self) -> None:
        class Child(Declared):
            pass

        self.assertIs(Child().event_type, Order)

    def test_a_generic_class_between_may_fill_a_part_of_it(self) -> None:
        class Orders(Batch[Order, None]):
            pass

        class Nested(Batch[list[T], None], Generic[T]):
            pass

        class NestedOrders(Nested[Order]):
            pass

        self.assertEqual(Orders().event_type, list[Order])
        self.assertEqual(NestedOrders().event_type, list[list[Order]])

    def test_else_it_is_read_from_the_annotation_of_run(self) -> None:
        self.assertEqual(Annotated().event_type, list[Order])

    def test_a_type_may_be_named_before_it_exists(self) -> None:
        class Early(Handler[None, "Order", str]):
            def run(self, shared: None, invocation: Invocation[Order]) -> str:
                return ""

        self.assertIs(Early().event_type, Order)

    def test_so_may_a_part_of_it_and_other_types_need_not_exist_at_all(self) -> None:
        class Early(Handler["Database", list["Order"], None]):  # type: ignore[name-defined]
            def run(self, shared: Any, invocation: Invocation[list[Order]]) -> None: ...

        self.assertEqual(Early().event_type, list[Order])

    def test_without_any_declaration_it_is_any(self) -> None:
        class Bare(Handler):  # type: ignore[type-arg]
            def run(self, shared, invocation):  # type: ignore[no-untyped-def]
                return invocation.event

        class Plain(Handler):  # type: ignore[type-arg]
            def run(self, shared: Any, invocation: Invocation) -> Any:  # type: ignore[type-arg]
                return invocation.event

        self.assertIs(Bare().event_type, Any)
        self.assertIs(Plain().event_type, Any)

    def test_a_name_that_nobody_knows_is_an_error_that_says_where(self) -> None:
        class Wrong(Handler[None, "Nowhere", str]):  # type: ignore[name-defined]
            def run(self, shared: None, invocation: Any) -> str:
                return ""

        with self.assertRaisesRegex(ConfigurationError, r"Wrong: got .*Nowhere"):
            _ = Wrong().event_type

    def test_run_takes_an_invocation_and_nothing_else(self) -> None:
        class Wrong(Handler):  # type: ignore[type-arg]
            def run(self, shared: Any, invocation: Order) -> str:  # type: ignore[override]
                return ""

        with self.assertRaisesRegex(ConfigurationError, r"Invocation\[\.\.\.\]"):
            _ = Wrong().event_type


class TestFunctions(unittest.TestCase):
    def test_a_function_of_event_and_context_says_its_event_type(self) -> None:
        @lambda_handler
        def handler(event: Order, context: Any) -> str:
            """Says the id."""
            return event.id + context.aws_request_id

        self.assertIs(handler.event_type, Order)
        self.assertEqual(handler.__doc__, "Says the id.")
        invocation = make_invocation(Order("a"), request_id="1")
        self.assertEqual(handler.run(None, invocation), "a1")

    def test_a_function_of_an_invocation_gets_one(self) -> None:
        @lambda_handler
        def handler(invocation: Invocation[Order]) -> str:
            return invocation.event.id

        self.assertIs(handler.event_type, Order)
        self.assertEqual(handler.run(None, make_invocation(Order("a"))), "a")

    def test_without_annotations_it_gets_what_the_json_says(self) -> None:
        for function in (lambda event, context: event, lambda invocation: invocation):
            self.assertIs(lambda_handler(function).event_type, Any)

    def test_a_call_goes_to_the_function(self) -> None:
        @lambda_handler(margin=0.5)
        def handler(event: Order, context: Any) -> str:
            return event.id

        self.assertEqual(handler(Order("a"), None), "a")
        self.assertEqual(handler.margin, 0.5)

    def test_the_type_may_be_given_where_no_annotation_can_say_it(self) -> None:
        @attrs.frozen
        class Local:
            id: str

        @lambda_handler(event=Local)
        def handler(event: Local, context: Any) -> str:
            return event.id

        self.assertIs(handler.event_type, Local)

        @lambda_handler
        def without(event: Local, context: Any) -> str:
            return event.id

        with self.assertRaisesRegex(ConfigurationError, r"without\(event\): got 'Local'"):
            _ = without.event_type

    def test_parameters_with_defaults_are_left_to_them(self) -> None:
        @lambda_handler
        def handler(event: Any, context: Any = None, greeting: str = "hi") -> str:
            return f"{greeting} {event} {context.aws_request_id}"

        self.assertEqual(handler.run(None, make_invocation("Ada", request_id="1")), "hi Ada 1")

    def test_what_somebody_would_have_to_await_is_refused(self) -> None:
        async def handler(event: Any, context: Any) -> None: ...

        class Late(Handler[None, Any, None]):
            async def run(self, shared: None, invocation: Invocation[Any]) -> None: ...  # type: ignore[override]

        with self.assertRaisesRegex(ConfigurationError, r"handler: got 'async def'"):
            lambda_handler(handler)
        with self.assertRaisesRegex(ConfigurationError, r"Late.run: got 'async def'"):
            Execution(Late())

    def test_other_functions_are_refused(self) -> None:
        with self.assertRaisesRegex(ConfigurationError, r"\(event, context\) or of \(invocation\)"):
            lambda_handler(lambda: None)
        with self.assertRaises(ConfigurationError):
            lambda_handler(lambda a, b, c: None)


if __name__ == "__main__":
    unittest.main()
