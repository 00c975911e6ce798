"""Which top-level modules a machine would lack that had only what scoring needs installed."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SERVING = ("numpy", "pandas", "pyarrow", "pydantic", "fsspec", "joblib", "scikit-learn")
"""Distributions that loading and scoring import by themselves."""

_OWN = "nightjar"


def list_refused(named: Iterable[str], storage: str) -> list[str]:
    """Top-level modules of every installed distribution that scoring does not need.

    Args:
        named: distributions that the model's metadata names; those that Nightjar needs for other work than scoring,
            such as MLflow, are not granted by that.
        storage: top-level module of the lake's file system.
    """
    providers = importlib.metadata.packages_distributions()
    granted = {canonicalize_name(name) for name in named} - (_list_own_requirements() - set(SERVING))
    needed = _close({*SERVING, *granted, *map(canonicalize_name, providers.get(storage, ()))})
    return sorted(
        module
        for module, distributions in providers.items()
        if module not in sys.stdlib_module_names and needed.isdisjoint(map(canonicalize_name, distributions))
    )


def _close(names: set[str]) -> set[str]:
    """The distributions, and what they require in turn."""
    closed: set[str] = {_OWN}  # of which scoring imports a part, and which requires everything
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in closed:
            closed.add(name)
            waiting += [canonicalize_name(needed.name) for needed in _list_requirements(name) if _applies(needed)]
    return closed


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def _list_own_requirements() -> set[str]:
    """What Nightjar requires, extras included."""
    return {canonicalize_name(requirement.name) for requirement in _list_requirements(_OWN)}


def _list_requirements(distribution: str) -> list[Requirement]:
    try:
        return [Requirement(line) for line in importlib.metadata.requires(distribution) or ()]
    except importlib.metadata.PackageNotFoundError:
        return []
