"""Modules of a project, written to files and imported by the tests of what their code means."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

Write = Callable[..., ModuleType]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """A function that writes modules into a folder of their own, imports the one called ``rows`` and returns it."""
    before = set(sys.modules)
    numbers = itertools.count()

    def forget() -> None:
        for name in set(sys.modules) - before:
            if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None)):
                del sys.modules[name]

    def write_modules(**sources: str) -> ModuleType:
        forget()
        folder = tmp_path / str(next(numbers))
        for name, source in sources.items():
            path = folder / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        monkeypatch.syspath_prepend(str(folder))
        return importlib.import_module("rows")

    yield write_modules
    forget()
