"""A lake and a Redis with a dozen watched nights in them, and what is exported of them."""

from __future__ import annotations

import pytest

from pipeline.job import Job
from pipeline.tasks import Workspace
from tests.exporter.nights import write_nights
from tests.meter_readings.job import JOB


@pytest.fixture
def job() -> Job:
    """The second job."""
    return JOB


@pytest.fixture
def watched(workspace: Workspace, job: Job) -> Workspace:
    """A workspace with a dozen watched nights."""
    write_nights(workspace, job)
    return workspace
