"""What the pages show in Python is Python, and the names they import are there."""

from __future__ import annotations

import ast
import textwrap
import unittest
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst"))]
MARK = ".. code-block:: python"


def blocks(page: Path) -> Iterator[str]:
    """The indented text below each mark."""
    lines = iter(page.read_text().splitlines())
    for line in lines:
        if line.strip() == MARK:
            block = []
            for inner in lines:
                if inner and not inner.startswith(" "):
                    break
                block.append(inner)
            yield textwrap.dedent("\n".join(block))


def imported(code: str) -> Iterator[tuple[str, str]]:
    """Modules of ours, and what is imported from them."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lambda_sim"):
            yield from ((str(node.module), alias.name) for alias in node.names)


class DocsTest(unittest.TestCase):
    def test_every_block_is_python_and_imports_what_is_there(self) -> None:
        seen = 0
        for page in PAGES:
            for code in blocks(page):
                with self.subTest(page.name, code=code[:60]):
                    for module, name in imported(code):
                        if not hasattr(import_module(module), name):
                            import_module(f"{module}.{name}")
                        seen += 1
        self.assertGreater(seen, 5)


if __name__ == "__main__":
    unittest.main()
