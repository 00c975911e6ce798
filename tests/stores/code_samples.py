"""Modules of a project that changes while a test runs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from pipeline.digests import digest_code, digest_declared_code

SCALER = """
from sklearn.base import BaseEstimator, TransformerMixin

class Scale(TransformerMixin, BaseEstimator):
    def fit(self, rows, labels=None):
        return self

    def transform(self, rows):
        return rows * 2

def halve(rows):
    return rows / 2
"""


class Project:
    """A folder of modules that can be imported while it is open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, text: str) -> None:
        """Write a module and forget what was known of it, as in a new process."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        _forget_digests()

    def add(self, name: str, text: str = SCALER) -> ModuleType:
        """Write a module and import it."""
        self.write(name, text)
        return importlib.import_module(name)

    def forget(self, name: str) -> None:
        """Remove a module, from memory too."""
        self._path(name).unlink()
        del sys.modules[name]
        _forget_digests()

    def _path(self, name: str) -> Path:
        return self._folder / (name.replace(".", "/") + ".py")


def _forget_digests() -> None:
    for known in (digest_code, digest_declared_code):
        known.cache_clear()
    importlib.invalidate_caches()


@contextmanager
def open_project(folder: Path) -> Iterator[Project]:
    modules = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield Project(folder)
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - modules:
            if str(getattr(sys.modules[name], "__file__", None)).startswith(str(folder)):
                del sys.modules[name]
        _forget_digests()
