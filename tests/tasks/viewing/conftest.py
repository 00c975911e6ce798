"""A job with thirty nights that were watched, the newest of which is live."""

from __future__ import annotations

import pytest

from pipeline.tasks import Workspace
from tests.meter_readings.job import JOB
from tests.monitoring_year.year import write_year

LAST = "2024-03-09"
ORDINARY = "2024-02-20"
"""A night on which nothing was beyond its limits."""


@pytest.fixture
def watched(workspace: Workspace) -> Workspace:
    """The lake and the Redis of the job."""
    write_year(workspace, JOB, last=LAST, nights=30, category="<b>bold</b>")
    return workspace
