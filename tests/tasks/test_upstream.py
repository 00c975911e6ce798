"""Landing what a job's own upstream makes."""

from __future__ import annotations

from datetime import date

import pytest

from pipeline.errors import DeclarationError
from pipeline.job import Job
from pipeline.tasks import Workspace, land_upstream

FIRST, LAST = date(2024, 2, 25), date(2024, 2, 27)


def test_every_source_of_every_day_is_landed_once(workspace: Workspace, job: Job) -> None:
    progress: list[tuple[int, int]] = []
    landed = land_upstream(workspace, job, FIRST, LAST, lambda done, total: progress.append((done, total)))
    assert (landed["landed"], landed["present"]) == (7, 0), "tariffs come on Mondays only"
    assert progress == [(1, 3), (2, 3), (3, 3)]
    assert workspace.deliveries.partitions("meters") == ["2024-02-25", "2024-02-26", "2024-02-27"]
    assert workspace.deliveries.partitions("tariffs") == ["2024-02-26"]
    again = land_upstream(workspace, job, FIRST, LAST)
    assert (again["landed"], again["present"], again["rows"]) == (0, 7, landed["rows"])


def test_a_job_without_an_upstream_says_so(workspace: Workspace, job: Job) -> None:
    with pytest.raises(DeclarationError, match="no upstream of its own") as caught:
        land_upstream(workspace, job.model_copy(update={"upstream": None}), FIRST, LAST)
    assert caught.value.job == job.name
