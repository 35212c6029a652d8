"""The credentials of a SnapStart function, which are fetched: a snapshot's would have expired.

AWS: *Activating and managing Lambda SnapStart*; *Container credential provider*, of the SDKs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from lambda_sim.model import protocol
from lambda_sim.model.variables import Credentials
from lambda_sim.wire import rendering
from lambda_sim.wire.application import Call, Route
from lambda_sim.wire.rendering import Answer

LIFETIME = timedelta(hours=6)
"""How long they are said to hold; SDKs fetch new ones before."""


class CredentialsApi:
    """The endpoint that ``AWS_CONTAINER_CREDENTIALS_FULL_URI`` names.

    :param token: what ``AWS_CONTAINER_AUTHORIZATION_TOKEN`` says.
    :param now: seconds since the epoch.
    """

    def __init__(self, credentials: Credentials, token: str, now: Callable[[], float]) -> None:
        self._credentials = credentials
        self._token = token
        self._now = now

    def routes(self) -> list[Route]:
        return [Route("GET", protocol.CREDENTIALS_API, self.get)]

    def get(self, call: Call) -> Answer:
        import hmac  # noqa: PLC0415 - it brings OpenSSL, and only snapshots need it

        given = call.header("HTTP_AUTHORIZATION") or ""
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            told = b"cannot get credentials for the provided token\n"
            return rendering.answer(404, told, "text/plain; charset=utf-8")
        expiration = datetime.fromtimestamp(self._now(), UTC) + LIFETIME
        return rendering.json_answer(
            200,
            {
                "AccessKeyId": self._credentials.access_key_id,
                "SecretAccessKey": self._credentials.secret_access_key,
                "Token": self._credentials.session_token,
                "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        )
