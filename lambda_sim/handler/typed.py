"""What an author writes: a handler with declared types, as a class or from a function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from inspect import Parameter, signature
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    ParamSpec,
    TypeVar,
    cast,
    get_args,
    get_origin,
    overload,
)

from lambda_sim.errors import ConfigurationError

from .declared import annotation, generic_argument, parameters, refuse_async

if TYPE_CHECKING:
    from .codec import Codec
    from .invocation import Invocation

__all__ = ["FunctionHandler", "Handler", "lambda_handler"]

SharedT = TypeVar("SharedT")
EventT = TypeVar("EventT")
ResultT = TypeVar("ResultT")
P = ParamSpec("P")
R = TypeVar("R")


class Handler(ABC, Generic[SharedT, EventT, ResultT]):
    """What a function does: once for its environment, and for each event.

    Written as ``class Orders(Handler[Database, Order, Receipt])``, or without the brackets and
    with ``run`` annotated. Events are decoded to ``Order`` before ``run`` is called, and what it
    returns is encoded. Any type that ``codec`` knows will do, and ``Any`` leaves JSON as it is.
    It runs by ``serve``, ``as_entrypoint``, ``run_local`` or ``python -m lambda_sim.handler``.

    Lambda hands an environment one event at a time, so ``shared`` needs no lock; but whether a
    later event finds it again is up to Lambda.

    :ivar codec: from bytes to values and back; None for the one that knows all types of
        ``TypedCodec``.
    :ivar margin: seconds before its deadline at which an invocation is failed by the guard.
    """

    codec: Codec | None = None
    margin: float = 0.1

    def setup(self) -> SharedT:
        """Make what all invocations share, during Init; None unless overridden."""
        return cast("SharedT", None)

    @abstractmethod
    def run(self, shared: SharedT, invocation: Invocation[EventT]) -> ResultT:
        """Handle one event.

        An iterator of bytes or text, such as a generator makes, is streamed to the caller.
        """

    def teardown(self, shared: SharedT) -> None:
        """Let go of what ``setup`` made: at SIGTERM, or when the process ends by itself."""

    def before_snapshot(self, shared: SharedT) -> None:
        """Let go of what can't be kept in a SnapStart snapshot, such as a connection."""

    def after_restore(self, shared: SharedT) -> SharedT:
        """Make anew what a SnapStart snapshot does not keep, within 10 seconds.

        :returns: what invocations share from then on.
        """
        return shared

    def on_error(self, error: BaseException, invocation: Invocation[EventT]) -> None:
        """Look at what ended an invocation, before it is reported. It is reported in any case."""

    @property
    def event_type(self) -> Any:
        """What events are decoded to; ``Any`` where nothing is declared.

        :raises ConfigurationError: an annotation names what can't be found.
        """
        declared = generic_argument(type(self), Handler, 1)
        if declared is None:
            declared = _inside_invocation(self.run, parameters(self.run)[1])
        return Any if declared is None else declared


class FunctionHandler(Handler[None, Any, Any], Generic[P, R]):
    """A plain function as a handler; ``lambda_handler`` makes it. A call goes to the function."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        event: Any = None,
        codec: Codec | None = None,
        margin: float = Handler.margin,
    ) -> None:
        refuse_async(function)
        self.function = function
        self.codec = codec
        self.margin = margin
        self._first, self._takes_invocation = _first_parameter(function)
        self._event_type = event
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", repr(function))
        self.__wrapped__ = function

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        return self.function(*arguments, **named)

    def __repr__(self) -> str:
        return f"<lambda_handler {self.__name__}>"

    def run(self, shared: None, invocation: Invocation[Any]) -> Any:
        function: Callable[..., Any] = self.function
        if self._takes_invocation:
            return function(invocation)
        return function(invocation.event, invocation.context)

    @property
    def event_type(self) -> Any:
        if self._event_type is not None:
            return self._event_type
        read = _inside_invocation if self._takes_invocation else annotation
        declared = read(self.function, self._first)
        return Any if declared is None else declared


@overload
def lambda_handler(function: Callable[P, R], /) -> FunctionHandler[P, R]: ...
@overload
def lambda_handler(
    *, event: Any = None, codec: Codec | None = None, margin: float = Handler.margin
) -> Callable[[Callable[P, R]], FunctionHandler[P, R]]: ...
def lambda_handler(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a handler of a function of ``(event, context)``, or of ``(invocation)``.

    The event's type is read from the annotation: ``event: Order``, ``invocation:
    Invocation[Order]``. The function may still be called as it is, in tests for instance.

    :param event: the event's type, where no annotation can say it.
    :param codec: from bytes to values and back.
    :param margin: seconds before its deadline at which an invocation is failed.
    :raises ConfigurationError: the function takes something else.
    """
    if function is not None:
        return FunctionHandler(function)
    return lambda function: FunctionHandler(function, **options)


def _first_parameter(function: Callable[..., Any]) -> tuple[Parameter, bool]:
    """What the event arrives by, and whether that is a whole invocation."""
    found = parameters(function)
    needed = [one for one in found if one.default is Parameter.empty]
    if not found or len(needed) > 2:
        shown = f"{getattr(function, '__qualname__', function)}{signature(function)}"
        allowed = "a function of (event, context) or of (invocation)"
        raise ConfigurationError("lambda_handler", shown, allowed)
    return found[0], len(found) == 1


def _inside_invocation(function: Callable[..., Any], parameter: Parameter) -> Any:
    """``Order`` of a parameter that is declared as ``Invocation[Order]``."""
    from .invocation import Invocation  # noqa: PLC0415 - which knows the handlers' context

    declared = annotation(function, parameter)
    if declared is None or declared is Invocation or declared is Any:
        return None
    if get_origin(declared) is not Invocation:
        where = f"{function.__qualname__}({parameter.name})"
        raise ConfigurationError(where, declared, "Invocation[...], with the event's type inside")
    return get_args(declared)[0]
