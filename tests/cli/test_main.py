"""The command's status, where something exits on its way."""

from __future__ import annotations

import unittest
from contextlib import redirect_stderr
from io import StringIO
from unittest import mock

from lambda_sim.cli import main


class TestExits(unittest.TestCase):
    def ended(self, code: object) -> tuple[int, str]:
        """The status, and what was said, when something exited with this."""
        with (
            mock.patch("lambda_sim.cli.parse", side_effect=SystemExit(code)),
            redirect_stderr(StringIO()) as err,
        ):
            return main([]), err.getvalue()

    def test_a_status_is_handed_on(self) -> None:
        for code, status in ((None, 0), (0, 0), (2, 2)):
            self.assertEqual((status, ""), self.ended(code))

    def test_anything_else_is_said_and_a_failure_as_in_python(self) -> None:
        self.assertEqual((1, "could not flush\n"), self.ended("could not flush"))
        self.assertEqual((1, "\n"), self.ended(""))
        self.assertEqual((1, "2.5\n"), self.ended(2.5))
