"""A night whose shards are worked on by several processes gives the same bytes as one that works on them in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import BadInputError
from pipeline.job import Job
from pipeline.settings import Settings
from pipeline.tasks import Workspace, open_workspace, parallel
from tests.tasks.nights import LIVE, run_until_scored


@pytest.fixture(autouse=True)
def _every_row_is_worth_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "ROWS_WORTH_A_PROCESS", 1)


def spread(workspace: Workspace, backend: str) -> Workspace:
    """The same workspace, whose shards go to other processes."""
    return open_workspace(workspace.settings.model_copy(update={"parallel": backend}), workspace.clock)


def list_files(workspace: Workspace) -> dict[str, bytes]:
    """Everything in the lake that stages have made."""
    root = Path(workspace.settings.lake)
    return {
        str(path.relative_to(root)): path.read_bytes()
        for folder in ("stages", "tiles")
        for path in sorted((root / folder).rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def spread_work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was worked on by other processes, by the name of the function."""
    names: list[str] = []
    original = parallel._spread

    def note(settings: Settings, work: Any, runs: Any, return_as: str = "list") -> Iterator[Any]:
        names.append(work.args[0].func.__name__)
        return original(settings, work, runs, return_as)

    monkeypatch.setattr(parallel, "_spread", note)
    return names


def test_a_night_over_processes_gives_the_same_bytes(
    trained_home: Path, open_copy: Callable[[Path], Workspace], job: Job, spread_work: list[str]
) -> None:
    alone, together = open_copy(trained_home), spread(open_copy(trained_home), "processes:2")
    first = run_until_scored(alone, job, LIVE)
    assert spread_work == []
    second = run_until_scored(together, job, LIVE)
    assert {"_validate_shard", "_build_shard", "_score_shard"} <= set(spread_work)
    assert list_files(together) == list_files(alone)
    for stage in first:
        assert second[stage].get("output") == first[stage].get("output")
    assert second["score"]["profile"] == first["score"]["profile"]


def test_a_shard_that_is_refused_elsewhere_is_refused_with_the_same_words(
    trained_home: Path, open_copy: Callable[[Path], Workspace], job: Job
) -> None:
    errors = []
    for backend in ("inline", "processes:2"):
        workspace = spread(open_copy(trained_home), backend)
        narrow = job.model_copy(update={"score_range": (0.0, 0.5)})
        with pytest.raises(BadInputError) as caught:
            run_until_scored(workspace, narrow, LIVE)
        parts = caught.value.to_json()
        assert "0 not finite" in parts.pop("found"), "of whichever shard failed first"
        assert "finite scores from 0.0 to 0.5" in parts.pop("expected")
        errors.append(parts)
    assert errors[0] == errors[1]
    assert errors[0]["problem"] == "model 1 gave scores that may not be published"
