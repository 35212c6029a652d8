"""loading: each way a handler's name can fail to lead to a function."""

from __future__ import annotations

import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from lambda_sim.handler.failure import ErrorReport, Fault
from lambda_sim.handler.loading import add_function_folders, load


class TestLoading(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())).resolve()
        self.enterContext(mock.patch.object(sys, "path", [str(self.folder), *sys.path]))
        self.enterContext(mock.patch.dict(sys.modules))
        self.enterContext(mock.patch.object(sys, "dont_write_bytecode", True))

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def assert_fault(self, name: str, error_type: str, message: str) -> Fault:
        with self.assertRaisesRegex(Fault, message) as caught:
            load(name)
        self.assertEqual(error_type, caught.exception.error_type)
        return caught.exception

    def test_a_function_is_found_in_a_module(self) -> None:
        self.write("flat_one.py", "def handler(event, context): return event + 1")
        self.assertEqual(2, load("flat_one.handler")(1, None))

    def test_packages_are_set_off_by_dots_or_slashes(self) -> None:
        self.write("deep/er/one.py", "def handler(event, context): return __name__")
        for name in ("deep.er.one.handler", "deep/er/one.handler", "deep/er.one.handler"):
            with self.subTest(name):
                self.assertEqual("deep.er.one", load(name)(None, None))

    def test_a_name_without_module_or_function_is_malformed(self) -> None:
        for name in ("handler", ".handler", "module.", ""):
            with self.subTest(name):
                self.assert_fault(name, "Runtime.MalformedHandlerName", f"Bad handler '{name}'")

    def test_a_module_built_into_python_is_a_conflict(self) -> None:
        for name in ("sys.exit", "builtins/x.print"):
            with self.subTest(name):
                message = "Cannot use built-in module"
                self.assert_fault(name, "Runtime.BuiltInModuleConflict", message)

    def test_a_missing_module_is_named(self) -> None:
        message = "Unable to import module 'not/there': No module named 'not'"
        self.assert_fault("not/there.handler", "Runtime.ImportModuleError", message)

    def test_a_missing_import_of_the_module_is_named(self) -> None:
        self.write("needs_more.py", "import surely_not_installed")
        message = "Unable to import module 'needs_more': No module named 'surely_not_installed'"
        self.assert_fault("needs_more.handler", "Runtime.ImportModuleError", message)

    def test_a_syntax_error_has_its_place_for_a_stack_trace(self) -> None:
        self.write("wrong.py", "x = 1\ndef handler(:\n")
        error_type = "Runtime.UserCodeSyntaxError"
        fault = self.assert_fault("wrong.handler", error_type, "Syntax error in module 'wrong'")
        place = f'  File "{self.folder}/wrong.py" Line 2\n    def handler(:\n'
        self.assertEqual([place], list(fault.stack_trace))

    def test_a_missing_function_is_named(self) -> None:
        self.write("empty_one.py", "")
        message = "Handler 'handler' missing on module 'empty_one'"
        self.assert_fault("empty_one.handler", "Runtime.HandlerNotFound", message)

    def test_an_exception_of_the_module_comes_through_as_it_is(self) -> None:
        self.write("unlucky.py", "class NoDatabase(Exception): pass\nraise NoDatabase('down')")
        try:
            load("unlucky.handler")
        except Exception as error:
            report = ErrorReport.from_exception(error)
        self.assertEqual(("NoDatabase", "down"), report[:2])
        self.assertIn("unlucky.py", report.stack_trace[-1])

    def test_a_module_may_end_the_process(self) -> None:
        self.write("leaver.py", "import sys\nsys.exit(7)")
        with self.assertRaises(SystemExit) as caught:
            load("leaver.handler")
        self.assertEqual(7, caught.exception.code)


class TestFunctionFolders(unittest.TestCase):
    def setUp(self) -> None:
        self.enterContext(mock.patch.object(sys, "path", ["/elsewhere"]))

    def test_the_task_root_comes_before_the_current_folder(self) -> None:
        with tempfile.TemporaryDirectory() as root:
            add_function_folders({"LAMBDA_TASK_ROOT": root})
        self.assertEqual([root, os.getcwd(), "/elsewhere"], sys.path)

    def test_a_task_root_that_is_not_there_is_left_out(self) -> None:
        add_function_folders({"LAMBDA_TASK_ROOT": "/surely/not/there"})
        self.assertEqual([os.getcwd(), "/elsewhere"], sys.path)
