"""The page on fidelity names tests that are there, and every test of the contract is on it."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "fidelity.rst"


class FidelityTest(unittest.TestCase):
    def setUp(self) -> None:
        self.page = PAGE.read_text()
        self.tests = {
            name
            for path in TESTS.rglob("test_*.py")
            for name in re.findall(r"def (test_\w+)\(", path.read_text())
        }

    def test_every_test_that_it_names_is_there(self) -> None:
        named = re.findall(r"\.(test_[a-z0-9_]+\*?)``", self.page)
        self.assertGreater(len(named), 150)
        for name in named:
            with self.subTest(name):
                if name.endswith("*"):
                    self.assertTrue(any(one.startswith(name[:-1]) for one in self.tests))
                else:
                    self.assertIn(name, self.tests)

    def test_every_statement_has_a_row(self) -> None:
        rows = set(re.findall(r"^   \* - ([A-Z]+-\d+)$", self.page, re.MULTILINE))
        numbered = re.findall(r"\btest_(rt|ex|te|lc|env|log|ric)_(\d\d+)_", " ".join(self.tests))
        shown = {f"{kind.upper()}-{number}" for kind, number in numbered}
        self.assertEqual(shown - rows, set())


if __name__ == "__main__":
    unittest.main()
