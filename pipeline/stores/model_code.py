"""Which code of the project a fitted estimator consists of, beside its numbers.

A pickle names classes and functions and holds none of their code: where that is the project's own, it can change while
the model's file stays the same.  Libraries are told of by their versions.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from pipeline.digests import LIBRARY_FOLDERS, digest_all, digest_bytes, digest_code, digest_declared_code
from pipeline.errors import DeclarationError
from pipeline.pickled_parts import visit_parts

_OWN_PACKAGES = ("pipeline", "features")


def digest_estimator_code(estimator: Any, own: str = "pipeline") -> dict[str, str]:
    """Digest by module, of every module of the project whose classes or functions a pickle of ``estimator`` names.

    Args:
        own: top-level package of the job's model, which counts as the project's though it be installed like a library.

    Raises:
        DeclarationError: some of its code is in the program that was started, which another program cannot import.
    """
    modules = list_modules(estimator)
    if "__main__" in modules:
        raise DeclarationError(
            "the model's code cannot be found again",
            expected="classes and functions in modules that can be imported",
            found="some that are defined in the program that was started, __main__",
            next_step="move them into a module, and name that in the job's declaration",
        )
    return {module: digest_module(module) for module in sorted(modules) if _is_project(module, own)}


def list_modules(estimator: Any) -> set[str]:
    """Every module whose classes or functions a pickle of ``estimator`` names, base classes included."""
    modules: set[str] = set()

    def keep(part: Any) -> None:
        classes = (part if isinstance(part, type) else type(part)).__mro__
        names = [getattr(part, "__module__", None), *(kind.__module__ for kind in classes)]
        modules.update(name for name in names if isinstance(name, str))

    visit_parts(estimator, keep)
    return modules


def digest_module(module: str) -> str:
    """Digest of what a module does, and of what it imports of the job's code.

    Raises:
        ModuleNotFoundError: it is not here.
    """
    origin = _find_source(module)
    if origin is None:
        raise ModuleNotFoundError(f"no module {module}")
    if origin.suffix != ".py":
        return digest_bytes(origin.read_bytes())
    return digest_all([digest_code(module), digest_declared_code(module)])


def _is_project(module: str, own: str) -> bool:
    package = module.split(".", maxsplit=1)[0]
    if package in sys.stdlib_module_names:
        return False
    origin = _find_source(module)
    return origin is not None and (package in {*_OWN_PACKAGES, own} or LIBRARY_FOLDERS.isdisjoint(origin.parts))


def _find_source(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ModuleNotFoundError, ValueError):  # ValueError: a module that was made by a program and not from a file
        return None
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
