"""The house's plan, redrawn from its imports: they only go down."""

from __future__ import annotations

import ast
import subprocess
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "lambda_sim"

FLOORS = (
    ("version",),
    ("model", "errors", "refusals", "sync", "streams", "closing"),
    ("lifecycle", "telemetry"),
    ("wire", "process"),
    ("conductor", "router", "evidence", "simulator"),
    ("testing", "cli"),
)
GROUND = ("closing", "model", "errors", "refusals", "streams", "sync", "version")
ONE_FLAT = ("simulator", "conductor", "router", "evidence")
"""Rooms of one floor that may know each other."""

ONLY_IN = {
    "werkzeug": {"wire"},
    "psutil": {"process", "testing", "handler"},  # the handler house where the kernel says nothing
    "http.client": {"telemetry"},
}
THREAD_WORDS = ("Thread(", "Condition(", "Timer(", "RLock(", "Semaphore(", "Event(")


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in ("__init__", "__main__"):
            yield parts[0], path


class FloorsTest(unittest.TestCase):
    def test_imports_go_down(self) -> None:
        floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
        for room, path in files():
            if room == "handler":
                continue
            for name in imports(path):
                if not name.startswith("lambda_sim."):
                    continue
                other = room_of(name)
                if other == room or other not in floor:
                    continue
                together = {room, other} <= set(ONE_FLAT) or {room, other} <= set(GROUND)
                with self.subTest(path.name, imports=name):
                    self.assertTrue(floor[other] < floor[room] or together)

    def test_the_handler_house_stands_on_the_ground_alone(self) -> None:
        for room, path in files():
            if room == "handler":
                for name in imports(path):
                    if name.startswith("lambda_sim."):
                        self.assertIn(room_of(name), ("handler", *GROUND), path.name)

    def test_libraries_stay_in_their_rooms(self) -> None:
        for room, path in files():
            for name in imports(path):
                for library, rooms in ONLY_IN.items():
                    if name == library or name.startswith(f"{library}."):
                        self.assertIn(room, rooms, f"{path.name} imports {name}")

    def test_only_sync_makes_threads_and_conditions(self) -> None:
        for _, path in files():
            if path.name == "sync.py":
                continue
            source = path.read_text()
            for word in THREAD_WORDS:
                self.assertNotIn(f"threading.{word}", source, path.name)

    def test_every_file_has_a_door_sign(self) -> None:
        for _, path in files():
            tree = ast.parse(path.read_text())
            self.assertTrue(ast.get_docstring(tree), f"{path} has no docstring")

    def test_the_handler_pulls_in_no_simulator(self) -> None:
        code = (
            "import sys, lambda_sim.handler\n"
            "strays = {'werkzeug', 'psutil', 'attrs', 'attr', 'lambda_sim.simulator'}\n"
            "print(sorted(strays & set(sys.modules)))"
        )
        found = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=PACKAGE.parent,
        )
        self.assertEqual(found.stdout.strip(), "[]")

    def test_every_public_name_is_there(self) -> None:
        import lambda_sim  # noqa: PLC0415
        import lambda_sim.testing  # noqa: PLC0415

        for module in (lambda_sim, lambda_sim.testing):
            self.assertEqual(list(module.__all__), sorted(module.__all__, key=_as_ruff_sorts))
            for name in module.__all__:
                self.assertIsNotNone(getattr(module, name))
        with self.assertRaises(AttributeError):
            _ = lambda_sim.Nonsense


def _as_ruff_sorts(name: str) -> tuple[bool, str]:
    return (not name.isupper(), name)


if __name__ == "__main__":
    unittest.main()
