"""Which versions of which libraries a fitted estimator depends on, and whether those that are here will do."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from pipeline.stores.model_code import list_modules

_ALWAYS = ("scikit-learn", "numpy", "scipy", "joblib", "pandas")
_READ_OLDER_PICKLES = frozenset({"numpy", "scipy", "joblib", "pandas"})
_PYTHON = "python"
_NOT_INSTALLED = "not installed"


def list_library_versions(estimator: Any = None) -> dict[str, str]:
    """Versions of Python and of the libraries that a model's bytes and scores depend on, by distribution.

    Args:
        estimator: every distribution is included whose modules a pickle of it names.
    """
    packages = {module.partition(".")[0] for module in list_modules(estimator)} - set(sys.stdlib_module_names)
    named = {name for package in packages for name in _find_distributions().get(package, ())}
    return find_versions([_PYTHON, *sorted({*_ALWAYS, *named})])


def find_versions(names: list[str]) -> dict[str, str]:
    """The versions that are here; ``python`` is Python's own."""
    return {name: platform.python_version() if name == _PYTHON else _find_version(name) for name in names}


def find_unfit_library(made_with: Mapping[str, str], here: Mapping[str, str]) -> str | None:
    """Name of a library that cannot stand in for the one that a model was made with; None if all can.

    scikit-learn promises nothing about reading another minor version's estimators, and who wrote a transformer mostly
    promised nothing at all: so their minor versions must be the same.  NumPy, SciPy, joblib and pandas read what older
    ones have pickled: a major version will do, and golden rows tell whether the scores are the same.
    """
    for name, version in made_with.items():
        if name != _PYTHON and _take_promised(name, version) != _take_promised(name, here[name]):
            return name
    return None


def _take_promised(name: str, version: str) -> list[str]:
    return version.split(".")[: 1 if name in _READ_OLDER_PICKLES else 2]


def _find_version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return _NOT_INSTALLED


@cache
def _find_distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()
