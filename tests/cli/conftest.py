"""The command line on a lake that was prepared once, in this process."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.application import run
from pipeline.settings import Settings
from tests.conftest import make_settings
from tests.tasks.conftest import landed_home, prepare, scored_home, trained_home, validated_home
from tests.tasks.kept import Kept, put_back

__all__ = ["landed_home", "prepare", "scored_home", "trained_home", "validated_home"]

JOB = "meter_readings"


@dataclass(frozen=True)
class Answer:
    """What a command left: its exit code and both streams."""

    code: int
    out: str
    error: str

    @property
    def json(self) -> Any:
        """The one JSON document on the output stream."""
        return json.loads(self.out)


Nightjar = Callable[..., Answer]
UseKept = Callable[[Kept], Any]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scored_home: Path, redis_url: str) -> Path:
    """A home with a champion and a night that only has to be published, named by variables."""
    home = tmp_path / "home"
    shutil.copytree(scored_home, home)
    for name, value in make_settings(home, redis_url).to_environment().items():
        monkeypatch.setenv(name, value)
    return home


@pytest.fixture
def use_kept(environment: Path) -> UseKept:
    """Have the home, and what Redis holds, as it was kept; what was made then."""

    def use(kept: Kept) -> Any:
        shutil.rmtree(environment)
        put_back(kept, Settings.from_environment())
        return kept.made

    return use


@pytest.fixture
def nightjar(environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Nightjar:
    """Run a command as the shell would."""

    def call(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["nightjar", *arguments])
        capsys.readouterr()
        code = run()
        return Answer(code, *capsys.readouterr())

    return call
