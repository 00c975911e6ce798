"""What belongs to the standard library or to an installed package, and by which name it is known there."""

from __future__ import annotations

import functools
import sys
from types import FunctionType
from typing import Any

from features.code.sources import file_of_module, is_installed, locate_module


def is_library(module: str, project: frozenset[str]) -> bool:
    """Whether a module, by name, is none of the project's.

    Args:
        project: top-level packages that are the project's wherever they are installed.
    """
    root = module.partition(".")[0]
    if root in project:
        return False
    loaded = sys.modules.get(module)
    if loaded is not None:
        file = file_of_module(loaded)
        return file is not None and is_installed(file) if file or module == "__main__" else True
    if module != root:
        return is_library(root, project)
    file = locate_module(root)
    return root in sys.stdlib_module_names if file is None else is_installed(file)


def name_in_library(value: Any, project: frozenset[str]) -> str | None:
    """The qualified name of what a library offers, None for all else, such as a library's wrapper of our function."""
    module = getattr(value, "__module__", None) or type(value).__module__
    name = getattr(value, "__qualname__", getattr(value, "__name__", None))
    written = value.__globals__.get("__name__") if isinstance(value, FunctionType) else module
    if not isinstance(module, str) or not isinstance(name, str) or not isinstance(written, str):
        return None
    if not is_library(module, project) or not is_library(written, project):
        return None
    if isinstance(value, type) or _look_up(module, name) is value or _is_offered(value, name, project):
        return f"{module}.{name}"
    return None


def _look_up(module: str, name: str) -> Any:
    return functools.reduce(lambda found, part: getattr(found, part, None), name.split("."), sys.modules.get(module))


def _is_offered(value: Any, name: str, project: frozenset[str]) -> bool:
    """Whether any module of a library has it: NumPy calls every ufunc its own."""
    modules = [module for module, loaded in list(sys.modules.items()) if _has(loaded, name, value)]
    return any(is_library(module, project) for module in modules)


def _has(module: Any, name: str, value: Any) -> bool:
    return getattr(module, "__dict__", {}).get(name) is value
