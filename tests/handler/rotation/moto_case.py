"""The base class of tests that speak to moto's server through boto3, where both are installed."""

from __future__ import annotations

import importlib.util
import io
import logging
import unittest
import urllib.request
import zipfile
from functools import cached_property
from typing import Any, ClassVar
from unittest import mock

from tests.support import PATIENCE

_MISSING = [name for name in ("boto3", "moto", "flask") if not importlib.util.find_spec(name)]


@unittest.skipIf(_MISSING, f"not installed: {', '.join(_MISSING)}")
class MotoTest(unittest.TestCase):
    """``self.client`` is boto3's, at a Secrets Manager that has no secrets yet."""

    server: ClassVar[Any]
    client: Any

    @classmethod
    def setUpClass(cls) -> None:
        from moto.core.config import default_user_config  # noqa: PLC0415 - it may not be there
        from moto.server import ThreadedMotoServer  # noqa: PLC0415

        # Functions are kept, and answer something, without Docker.
        simple = mock.patch.dict(default_user_config, {"lambda": {"use_docker": False}})
        cls.enterClassContext(simple)
        requests = logging.getLogger("werkzeug")
        cls.addClassCleanup(requests.setLevel, requests.level)
        requests.setLevel(logging.ERROR)
        cls.server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self) -> None:
        reset = urllib.request.Request(f"{self._address()}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset, timeout=PATIENCE).close()
        self.client = self.connect("secretsmanager")
        super().setUp()

    def connect(self, service: str) -> Any:
        import boto3  # noqa: PLC0415

        client = boto3.client(
            service,
            endpoint_url=self._address(),
            region_name="us-east-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="example",
        )
        self.addCleanup(client.close)
        return client

    def _address(self) -> str:
        host, port = self.server.get_host_and_port()
        return f"http://{host}:{port}"

    def begin_rotation(self, secret_id: str, token: str) -> None:
        """RotateSecret, with a function that exists and does nothing."""
        self.client.rotate_secret(
            SecretId=secret_id,
            ClientRequestToken=token,
            RotationLambdaARN=self.function,
            RotationRules={"AutomaticallyAfterDays": 30},
        )

    @cached_property
    def function(self) -> str:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as written:
            written.writestr("app.py", "def handler(event, context): pass")
        trust = '{"Version": "2012-10-17", "Statement": []}'
        role = self.connect("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)
        function = self.connect("lambda").create_function(
            FunctionName="rotate",
            Runtime="python3.12",
            Role=role["Role"]["Arn"],
            Handler="app.handler",
            Code={"ZipFile": archive.getvalue()},
        )
        arn: str = function["FunctionArn"]
        return arn
