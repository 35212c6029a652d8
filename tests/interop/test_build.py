"""The builder: what it builds, when it builds again, and what it says when it can't."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

from tests.interop import build
from tests.interop.build import Program

COPY = [[sys.executable, "-c", "open('built', 'a').write(open('source').read())"]]


class BuildTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.source = folder / "sources" / "small" / "source"
        self.source.parent.mkdir(parents=True)
        self.source.write_text("one")
        self.enterContext(mock.patch.object(build, "SOURCES", folder / "sources"))
        self.enterContext(mock.patch.object(build, "CACHE", folder / "cache"))

    def program(self, steps: Sequence[Sequence[str]] = COPY, **facts: Any) -> Program:
        return Program("small", steps=steps, **facts)

    def built(self, program: Program) -> str:
        return (program.folder / "built").read_text()

    def test_it_is_built_in_a_copy_of_its_sources(self) -> None:
        program = self.program()
        self.assertEqual(program.lacking(), "small is not built: make interop")
        self.assertRegex(program.build(), r"built in \d+ s")
        self.assertIsNone(program.lacking())
        self.assertEqual(self.built(program), "one")
        self.assertEqual([path.name for path in self.source.parent.iterdir()], ["source"])

    def test_it_is_not_built_twice(self) -> None:
        program = self.program()
        program.build()
        self.assertEqual(program.build(), "nothing to do")
        self.assertEqual(self.built(program), "one")

    def test_it_is_built_again_when_a_source_has_changed(self) -> None:
        program = self.program()
        program.build()
        self.source.write_text("two")
        self.assertFalse(program.is_built())
        program.build()
        self.assertEqual(self.built(program), "two")

    def test_it_is_built_again_when_the_steps_have_changed(self) -> None:
        self.program().build()
        self.assertFalse(self.program([*COPY, *COPY]).is_built())

    def test_a_source_that_is_gone_is_gone_from_the_copy(self) -> None:
        program = self.program(keeps=("kept",))
        other = self.source.with_name("other")
        other.write_text("")
        program.build()
        (program.folder / "kept").mkdir()
        other.unlink()
        program.build()
        left = {path.name for path in program.folder.iterdir()}
        self.assertEqual(left, {"source", "built", "kept", ".built"})

    def test_a_step_that_fails_leaves_it_unbuilt(self) -> None:
        self.program().build()
        self.source.write_text("two")
        program = self.program([["false"]])
        with self.assertRaises(subprocess.CalledProcessError):
            program.build()
        self.assertFalse(program.is_built())

    def test_a_tool_that_is_missing_is_named(self) -> None:
        for use in ("runs_with", "builds_with"):
            with self.subTest(use):
                program = self.program(**{use: ("no-such-tool",)})
                self.assertEqual(program.lacking(), "no-such-tool is not installed")
                self.assertEqual(program.build(), "not built: no-such-tool is not installed")

    def test_what_built_it_may_be_gone_when_it_runs(self) -> None:
        self.program().build()
        self.assertIsNone(self.program(builds_with=("no-such-tool",)).lacking())

    def test_a_tool_that_is_too_old_is_named_with_both_versions(self) -> None:
        tool = sys.executable
        program = self.program(builds_with=(tool,), least={tool: (1000, 1)})
        found = "{}.{}".format(*sys.version_info)
        self.assertEqual(program.build(), f"not built: {tool} is {found}, 1000.1 is needed")

    def test_one_that_has_no_steps_runs_where_it_lies(self) -> None:
        program = self.program([])
        self.assertIsNone(program.lacking())
        self.assertEqual(program.folder, self.source.parent)

    def test_only_a_step_that_failed_is_a_failure_of_all(self) -> None:
        programs = {
            "wanting": self.program(builds_with=("no-such-tool",)),
            "failing": self.program([["false"]]),
        }
        with mock.patch.dict(build.PROGRAMS, programs), contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(build.main(["wanting"]), 0)
            self.assertEqual(build.main(["failing", "wanting"]), 1)

    def checked(self, **programs: Program) -> tuple[int, str]:
        """The exit status of a check of these, and what it printed."""
        told = io.StringIO()
        with (
            mock.patch.dict(build.PROGRAMS, programs, clear=True),
            contextlib.redirect_stdout(told),
        ):
            return build.check(), told.getvalue()

    def test_a_check_passes_over_what_is_built(self) -> None:
        self.program().build()
        self.assertEqual(self.checked(small=self.program()), (0, ""))

    def test_a_check_names_what_wants_a_tool(self) -> None:
        program = self.program(builds_with=("no-such-tool",))
        told = "small: skipped, no-such-tool is not installed\n"
        self.assertEqual(self.checked(small=program), (0, told))

    def test_a_check_names_what_wants_a_newer_tool(self) -> None:
        program = self.program(least={sys.executable: (1000, 1)})
        status, told = self.checked(small=program)
        self.assertEqual(status, 0)
        self.assertRegex(told, r"^small: skipped, .* is 3\.\d+, 1000\.1 is needed\n$")

    def test_a_check_fails_for_what_has_its_tools_and_was_not_built(self) -> None:
        wanting = self.program(builds_with=("no-such-tool",))
        failing = self.program([["false"]])
        with self.assertRaises(subprocess.CalledProcessError):
            failing.build()
        status, told = self.checked(failing=failing, wanting=wanting)
        self.assertEqual(status, 1)
        self.assertIn("failing: failed to build, though its tools are here\n", told)
        self.assertIn("wanting: skipped, no-such-tool is not installed\n", told)


class PageTest(unittest.TestCase):
    """The page on reliability has the versions that are built."""

    def setUp(self) -> None:
        page = (build.SOURCES.parents[2] / "docs" / "reliability.rst").read_text()
        self.told = dict(re.findall(r"^(\S+) +(\d+\.\d+\.\d+) ", page, re.MULTILINE))

    def assert_told(self, client: str, file: str, pattern: str) -> None:
        found = re.search(pattern, (build.SOURCES / file).read_text())
        assert found is not None, file
        self.assertEqual(self.told[client], found[1])

    def test_it_has_those_of_every_program(self) -> None:
        name = "aws-lambda-java-runtime-interface-client"
        self.assert_told("aws-lambda-ric", "node/package.json", r'"aws-lambda-ric": "(.*)"')
        self.assert_told("lambda_runtime", "rust/Cargo.toml", r'lambda_runtime .*"=(.*?)"')
        self.assert_told("lambda-extension", "rust/Cargo.toml", r'lambda-extension = "=(.*)"')
        self.assert_told("github.com/aws/aws-lambda-go", "go/go.mod", r"aws-lambda-go v(.*)")
        self.assert_told(name, "java/pom.xml", rf"{name}</artifactId>\s*<version>(.*)</version>")

    def test_python_s_is_the_one_that_runs_here(self) -> None:
        try:
            installed = metadata.version("awslambdaric")
        except metadata.PackageNotFoundError:
            self.skipTest("awslambdaric is not installed")
        self.assertEqual(self.told["awslambdaric"], installed)


if __name__ == "__main__":
    unittest.main()
