"""The answers with which Lambda refuses a request: status, error type and words, a class each.

AWS: *Using the Lambda runtime API for custom runtimes*; *Using the Lambda Extensions API to create
extensions*; *Lambda Telemetry API reference*; *Using the Lambda Logs API*. Words that the guide
leaves out are those that AWS's own emulator answers with.
"""

from __future__ import annotations

from typing import Any, ClassVar

from lambda_sim.errors import WireError
from lambda_sim.model.protocol import EXTENSION_ERROR_TYPE, MAX_EXTENSIONS, MAX_PAYLOAD_BYTES
from lambda_sim.model.telemetry import SubscriptionApi

NOT_ALLOWED = "State transition is not allowed"


class InvalidRequestId(WireError):
    """The id is not that of the invocation in progress."""

    status = 400
    error_type = "InvalidRequestID"

    def __init__(self) -> None:
        super().__init__("Invalid request ID")


class InvalidStateTransition(WireError):
    """The runtime asked for something that its state has no way to."""

    error_type = "InvalidStateTransition"

    def __init__(self, state: str, target: str) -> None:
        super().__init__(
            f"State transition from {state} to {target} failed for runtime. Error: {NOT_ALLOWED}"
        )


class InvokeTimeout(WireError):
    """The answer belongs to an earlier attempt. AWS names it in the runtime clients only."""

    status = 410
    error_type = "InvokeTimeout"

    def __init__(self) -> None:
        super().__init__("Invoke timeout")


class FailsInvocation(WireError):
    """A refusal that also ends the invocation, with an error type of Lambda's own."""

    invocation_error: ClassVar[str]

    def told(self) -> str:
        """What the caller of the function reads."""
        return self.message


class PayloadTooLarge(FailsInvocation):
    """A body beyond the limit."""

    status = 413
    error_type = "RequestEntityTooLarge"
    invocation_error = "Function.ResponseSizeTooLarge"

    def __init__(self, limit: int = MAX_PAYLOAD_BYTES) -> None:
        self.limit = limit
        super().__init__(f"Exceeded maximum allowed payload size ({limit} bytes).")

    def told(self) -> str:
        return f"Response payload size exceeded maximum allowed payload size ({self.limit} bytes)."


class TruncatedRequest(FailsInvocation):
    """A body that ended before its announced end."""

    status = 400
    error_type = "TruncatedHTTPRequest"
    invocation_error = "Runtime.TruncatedResponse"

    def __init__(self) -> None:
        super().__init__("HTTP request detected as truncated")


class InvalidResponseMode(FailsInvocation):
    """A response mode other than streaming."""

    status = 400
    error_type = "InvalidFunctionResponseMode"
    invocation_error = "Runtime.InvalidResponseModeHeader"

    def __init__(self) -> None:
        super().__init__("Invalid function response mode")


class InvalidExtensionName(WireError):
    """Registration without a name."""

    error_type = "Extension.InvalidExtensionName"

    def __init__(self) -> None:
        super().__init__("Empty extension name")


class InvalidRequestFormat(WireError):
    """A registration whose body can't be read."""

    error_type = "InvalidRequestFormat"


class InvalidEventType(WireError):
    """An event that extensions, or this one, can't have."""

    error_type = "Extension.InvalidEventType"

    def __init__(self, event: str, why: str = "ErrorInvalidEventType") -> None:
        super().__init__(f"{event}: {why}")


class NoEventsAllowed(WireError):
    """An internal extension of a managed instance, that wants any."""

    error_type = "Extension.InvalidEventType"

    def __init__(self) -> None:
        super().__init__("No events allowed for internal extensions")


class RegistrationClosed(WireError):
    """Registration after the runtime was ready."""

    error_type = "Extension.RegistrationClosed"

    def __init__(self) -> None:
        super().__init__("Extension registration closed already")


class TooManyExtensions(WireError):
    """One registration more than an environment holds."""

    error_type = "Extension.TooManyExtensions"

    def __init__(self) -> None:
        super().__init__(f"Extension limit ({MAX_EXTENSIONS}) reached")


class InvalidExtensionState(WireError):
    """The extension asked for something that its state has no way to."""

    error_type = "Extension.InvalidExtensionState"

    @classmethod
    def between(cls, state: str, target: str, extension: str) -> InvalidExtensionState:
        return cls(
            f"State transition from {state} to {target} failed for extension {extension}. "
            f"Error: {NOT_ALLOWED}"
        )


class MissingExtensionIdentifier(WireError):
    """A call that does not say whose it is."""

    error_type = "Extension.MissingExtensionIdentifier"

    def __init__(self) -> None:
        super().__init__("Missing Lambda-Extension-Identifier header")


class InvalidExtensionIdentifier(WireError):
    """An identifier that is no UUID."""

    error_type = "Extension.InvalidExtensionIdentifier"

    def __init__(self) -> None:
        super().__init__("Invalid Lambda-Extension-Identifier")


class UnknownExtensionIdentifier(WireError):
    """An identifier that this generation never handed out."""

    error_type = "Extension.UnknownExtensionIdentifier"

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier
        super().__init__(f"Unknown extension {identifier}")


class UnknownReporter(UnknownExtensionIdentifier):
    """An error report under an identifier that this generation never handed out."""

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.message = "Unknown Lambda-Extension-Identifier"


class MissingHeader(WireError):
    """An extension's error report without its type."""

    error_type = "Extension.MissingHeader"

    def __init__(self) -> None:
        super().__init__(f"{EXTENSION_ERROR_TYPE} not found")


class SubscriptionRefused(WireError):
    """A subscription to an API that is not to be had; its type begins with the API's name."""

    kind: ClassVar[str]

    def __init__(self, api: SubscriptionApi, message: str) -> None:
        self.api = api
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        return {**super().body(), "errorType": f"{self.api.value}.{self.kind}"}


class SubscriptionClosed(SubscriptionRefused):
    """A subscription after init."""

    kind = "SubscriptionClosed"

    def __init__(self, api: SubscriptionApi) -> None:
        super().__init__(api, f"{api.value} API subscription is closed already")


class OtherApiSubscribed(SubscriptionRefused):
    """A subscription of an extension that uses the other API. The words are ours: AWS's guide
    says only that it is an error."""

    kind = "OtherApiSubscribed"

    def __init__(self, api: SubscriptionApi, other: SubscriptionApi) -> None:
        super().__init__(
            api,
            f"{api.value} API subscription is refused: "
            f"the extension is subscribed to the {other.value} API already",
        )


class ApiNotSupported(SubscriptionRefused):
    """An API that this kind of environment does not have: AWS's emulator says it with a 202."""

    status = 202
    kind = "NotSupported"

    def __init__(self, api: SubscriptionApi) -> None:
        super().__init__(api, f"{api.value} API is not supported")


class InvalidSubscription(WireError):
    """A telemetry subscription that can't be read; its problems joined with semicolons."""

    status = 400
    error_type = "ValidationError"


class InvalidLogsSubscription(InvalidSubscription):
    """The same of the Logs API."""

    error_type = "Logs.ValidationError"
