"""The variables a child gets."""

from __future__ import annotations

import os
import tempfile
import unittest
from unittest import mock

from lambda_sim.model import variables
from lambda_sim.model.config import SimulatorConfig
from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process import child_environment, surroundings

OUTER = {
    "PATH": "/home/dev/venv/bin:/usr/bin",
    "HOME": "/home/dev",
    "TMPDIR": "/home/dev/tmp",
    "AWS_ACCESS_KEY_ID": "the developer's",
    "AWS_PROFILE": "production",
    "PYTHONPATH": "/home/dev/code",
}


def config(**fields: object) -> ProcessConfig:
    return ProcessConfig("bootstrap", ProcessRole.RUNTIME, **fields)  # type: ignore[arg-type]


class EnvironmentTest(unittest.TestCase):
    def setUp(self) -> None:
        self.variables = variables.runtime_variables(SimulatorConfig(), "127.0.0.1:9001")

    def test_of_the_developers_variables_only_the_allowed_ones_are_taken_over(self) -> None:
        self.assertEqual(child_environment({}, config(), OUTER), {"TMPDIR": "/home/dev/tmp"})

    def test_lambdas_variables_win_over_the_developers_and_the_configs_over_both(self) -> None:
        made = child_environment(
            {"TMPDIR": "/tmp", "A": "1", "B": "1"}, config(env={"B": "2"}), OUTER
        )
        self.assertEqual(made, {"TMPDIR": "/tmp", "A": "1", "B": "2"})

    def test_the_default_paths_are_still_those_of_the_model(self) -> None:
        for name, default in surroundings.LAMBDA_PATHS.items():
            self.assertEqual(self.variables[name], default)
        self.assertEqual(self.variables["LAMBDA_TASK_ROOT"], surroundings.TASK_ROOT)

    def test_the_developers_path_comes_before_lambdas_default(self) -> None:
        made = child_environment(self.variables, config(), OUTER)
        self.assertEqual(
            made["PATH"],
            "/home/dev/venv/bin:/usr/bin:/var/lang/bin:/usr/local/bin:/bin:/opt/bin",
        )

    def test_without_a_path_of_the_developers_lambdas_default_stays(self) -> None:
        made = child_environment(self.variables, config(), {})
        self.assertEqual(made["PATH"], self.variables["PATH"])

    def test_a_path_that_the_function_sets_stays_as_it_is(self) -> None:
        made = child_environment(self.variables | {"PATH": "/mine"}, config(), OUTER)
        self.assertEqual(made["PATH"], "/mine")

    def test_a_path_that_the_process_sets_stays_as_it_is(self) -> None:
        made = child_environment(self.variables, config(env={"PATH": "/mine"}), OUTER)
        self.assertEqual(made["PATH"], "/mine")

    def test_libraries_are_looked_for_where_the_developer_has_them_first(self) -> None:
        made = child_environment(self.variables, config(), {"LD_LIBRARY_PATH": "/conda/lib"})
        self.assertTrue(made["LD_LIBRARY_PATH"].startswith("/conda/lib:/var/lang/lib:"))

    def test_the_task_root_is_where_the_process_runs(self) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch("lambda_sim.process.surroundings.TASK_ROOT", "/no/such/task"),
        ):
            given = self.variables | {"LAMBDA_TASK_ROOT": "/no/such/task"}
            made = child_environment(given, config(cwd=folder), OUTER)
            self.assertEqual(made["LAMBDA_TASK_ROOT"], folder)
            made = child_environment(given, config(), OUTER)
            self.assertEqual(made["LAMBDA_TASK_ROOT"], os.getcwd())

    def test_the_task_root_stays_lambdas_where_it_exists(self) -> None:
        with mock.patch("os.path.isdir", return_value=True):
            made = child_environment(self.variables, config(), OUTER)
        self.assertEqual(made["LAMBDA_TASK_ROOT"], "/var/task")

    def test_an_extension_gets_no_task_root(self) -> None:
        given = variables.extension_variables(SimulatorConfig(), "127.0.0.1:9001")
        self.assertNotIn("LAMBDA_TASK_ROOT", child_environment(given, config(), OUTER))


if __name__ == "__main__":
    unittest.main()
