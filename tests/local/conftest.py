"""A home folder whose processes are ended after the test, whatever it left running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.local.processes import end_marked


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "home"
    folder.mkdir()
    yield folder
    end_marked(folder, grace_seconds=0.1)
