"""From a handler's name to what it names: ``package.module.function``."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from .failure import Fault

__all__ = ["add_function_folders", "load"]


def add_function_folders(environ: Mapping[str, str]) -> None:
    """Put the function's code first on ``sys.path``: LAMBDA_TASK_ROOT, then the current folder.

    AWS: *Working with .zip file archives for Python Lambda functions*, Runtime search path.
    """
    folders = [environ.get("LAMBDA_TASK_ROOT", ""), os.getcwd()]
    for folder in reversed(folders):
        if os.path.isdir(folder):
            sys.path.insert(0, folder)


def load(name: str) -> Callable[..., Any]:
    """Import the module and return the function; folders may be set off by slashes.

    What the module itself raises comes through, and ``sys.exit`` in it ends the process, which
    Lambda then reports as ``Runtime.ExitError``.

    :raises Fault: with the ``error_type`` Lambda gives it: ``Runtime.MalformedHandlerName``,
        ``BuiltInModuleConflict``, ``ImportModuleError``, ``UserCodeSyntaxError`` or
        ``HandlerNotFound``.

    AWS: *Define Lambda function handler in Python*.
    """
    module_name, _, function_name = name.rpartition(".")
    if not module_name or not function_name:
        why = "expected module.function"
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': {why}")
    module = _import(module_name)
    try:
        function: Callable[..., Any] = getattr(module, function_name)
    except AttributeError as error:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", message) from error
    return function


def _import(name: str) -> object:
    dotted = name.replace("/", ".")
    if dotted.split(".")[0] in sys.builtin_module_names:
        message = f"Cannot use built-in module {name} as a handler module"
        raise Fault("Runtime.BuiltInModuleConflict", message)
    try:
        return importlib.import_module(dotted)
    except ImportError as error:
        message = f"Unable to import module '{name}': {error}"
        raise Fault("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        # The error has no frame of its own in the author's file: its place stands in for one.
        place = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        message = f"Syntax error in module '{name}': {error}"
        raise Fault("Runtime.UserCodeSyntaxError", message, [place]) from error
