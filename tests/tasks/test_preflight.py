"""Whether there is room in the lake, before a release is loaded."""

from __future__ import annotations

import shutil

import pytest

from pipeline.errors import UnavailableError
from pipeline.tasks import Workspace
from pipeline.tasks.preflight import LEAST_FREE, check_space
from tests.meter_readings.job import JOB
from tests.tasks.conftest import Served


def test_a_night_that_fits_passes_with_its_numbers(served: Served) -> None:
    found = check_space(served.workspace, served.job, 240)
    disk = shutil.disk_usage(served.workspace.settings.home)
    assert found["total"] == disk.total
    assert LEAST_FREE < found["needed"] < LEAST_FREE + 240 * 1000


def test_a_night_that_does_not_fit_is_refused_with_numbers(served: Served) -> None:
    with pytest.raises(UnavailableError, match=r"[\d,]+ bytes free for a night of 1,000,000,000,000 rows"):
        check_space(served.workspace, served.job, 10**12)


def test_before_the_first_release_only_the_least_is_asked_for(landed: Workspace) -> None:
    assert check_space(landed, JOB, 10**12)["needed"] == LEAST_FREE


def test_scores_that_retention_took_are_not_measured(served: Served) -> None:
    address = served.first["score"]["output"]
    served.workspace.lake.remove(f"stages/{served.job.name}/score/{address}")
    fresh = Workspace(served.workspace.settings, served.workspace.clock)
    assert check_space(fresh, served.job, 10**12)["needed"] == LEAST_FREE
