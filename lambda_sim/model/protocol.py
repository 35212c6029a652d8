"""API versions, header names and size limits, each with the AWS page it comes from."""

from __future__ import annotations

from typing import Final

# AWS: "Using the Lambda runtime API for custom runtimes".
RUNTIME_API: Final = "/2018-06-01"
# AWS: "Using the Lambda Extensions API to create extensions".
EXTENSIONS_API: Final = "/2020-01-01"
# AWS: "Lambda Telemetry API reference".
TELEMETRY_API: Final = "/2022-07-01/telemetry"
# AWS: "Using the Lambda Logs API".
LOGS_API: Final = "/2020-08-15/logs"
# AWS: "Activating and managing Lambda SnapStart", credentials of the function.
CREDENTIALS_API: Final = "/2021-04-23/credentials"
# AWS API reference, "Invoke"; the name is the one AWS's own emulator answers to.
INVOKE_PATH: Final = "/2015-03-31/functions/{name}/invocations"

REQUEST_ID: Final = "Lambda-Runtime-Aws-Request-Id"
DEADLINE_MS: Final = "Lambda-Runtime-Deadline-Ms"
INVOKED_FUNCTION_ARN: Final = "Lambda-Runtime-Invoked-Function-Arn"
TRACE_ID: Final = "Lambda-Runtime-Trace-Id"
CLIENT_CONTEXT: Final = "Lambda-Runtime-Client-Context"
COGNITO_IDENTITY: Final = "Lambda-Runtime-Cognito-Identity"
TENANT_ID: Final = "Lambda-Runtime-Aws-Tenant-Id"
INVOCATION_ID: Final = "Lambda-Runtime-Invocation-Id"
FUNCTION_ERROR_TYPE: Final = "Lambda-Runtime-Function-Error-Type"
FUNCTION_ERROR_BODY: Final = "Lambda-Runtime-Function-Error-Body"
RESPONSE_MODE: Final = "Lambda-Runtime-Function-Response-Mode"

EXTENSION_NAME: Final = "Lambda-Extension-Name"
EXTENSION_ID: Final = "Lambda-Extension-Identifier"
EXTENSION_EVENT_ID: Final = "Lambda-Extension-Event-Identifier"
EXTENSION_ERROR_TYPE: Final = "Lambda-Extension-Function-Error-Type"

JSON_TYPE: Final = "application/json"
TRACING_TYPE: Final = "X-Amzn-Trace-Id"

MAX_PAYLOAD_BYTES: Final = 6 * 1024 * 1024 + 100
"""What a buffered request or response may hold. AWS: "Lambda quotas", Invocation payload."""

MAX_STREAMED_BYTES: Final = 200 * 1024 * 1024
"""What a streamed response may hold for a caller who reads it as a stream; for one who does not,
the buffered limit stands. AWS: "Lambda quotas", Invocation payload."""

MAX_REPORT_BYTES: Final = 1024 * 1024
"""What a registration, a subscription or an error report of an extension may hold, and on managed
instances the error of an invocation."""

MAX_EXTENSIONS: Final = 10
"""External and internal together. AWS: "Lambda quotas"."""

MAX_TIMEOUT: Final = 900.0
"""Seconds. AWS: "Lambda quotas", Function timeout."""

MIN_TIMEOUT: Final = 0.001

INIT_TIMEOUT: Final = 10.0
"""Seconds for an init on demand. AWS: "Understanding the Lambda execution environment lifecycle",
Init phase."""

LONG_INIT_TIMEOUT: Final = 130.0
"""Seconds, at least, for an init that no caller waits for: provisioned, SnapStart, managed."""

RESTORE_TIMEOUT: Final = 10.0
"""Seconds for a restore with its hooks. AWS: "Lambda SnapStart runtime hooks"."""

MAX_CONCURRENCY: Final = 1_600
"""Invocations at once in one environment of a managed instance, at most. AWS API reference,
"LambdaManagedInstancesCapacityProviderConfig"."""

MANAGED_CONCURRENCY: Final = 16
"""The same when nothing is said."""

BYTES_PER_MB: Final = 1024 * 1024

MEMORY_MB: Final = (128, 10_240)
"""AWS: "Lambda quotas", Function memory allocation."""

MAX_ENVIRONMENT_BYTES: Final = 4 * 1024
"""All names and values together. AWS: "Lambda quotas", Environment variables."""

MAX_CLIENT_CONTEXT_BYTES: Final = 3_583
"""Of the base64 form. AWS API reference, "Invoke"."""

LOG_TAIL_BYTES: Final = 4 * 1024
"""AWS API reference, "Invoke", LogResult."""

SCHEMA_VERSIONS: Final = ("2022-07-01", "2022-12-13", "2025-01-29")
"""AWS: "Lambda Telemetry API Event schema reference"."""

MANAGED_SCHEMA_VERSIONS: Final = ("2025-01-29",)
"""Those that managed instances know. AWS: "Lambda Telemetry API Event schema reference"."""

LOGS_SCHEMA_VERSIONS: Final = ("2020-08-15", "2021-03-18")
"""AWS: "Using the Lambda Logs API", Subscribe; the first is the default."""

SANDBOX_HOSTS: Final = ("sandbox.localdomain", "sandbox")
"""Names of the environment itself, in a telemetry destination."""
