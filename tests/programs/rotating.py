"""Rotates a password that lies in the file named by PASSWORD_FILE."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lambda_sim.handler import as_entrypoint
from lambda_sim.handler.rotation import RotationHandler, SecretContainer

Secret = SecretContainer[dict[str, Any]]


class RotateFile(RotationHandler[Path, dict[str, Any]]):
    def setup(self) -> Path:
        return Path(os.environ["PASSWORD_FILE"])

    def create(self, shared: Path, current: Secret) -> Secret:
        return current.evolve(password=self.generate_password())

    def set(self, shared: Path, current: Secret, pending: Secret) -> None:
        shared.write_text(pending.data["password"])

    def test(self, shared: Path, pending: Secret) -> None:
        if shared.read_text() != pending.data["password"]:
            raise PermissionError(f"{pending.data['password']} is wrong")


handler = as_entrypoint(RotateFile())
