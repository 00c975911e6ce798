"""Jobs with a release gate, and nights that breach it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.job import Job, ReleaseGate
from pipeline.tasks import Workspace
from tests.tasks.conftest import Served
from tests.tasks.nights import land_again

LIMITS = {"max_lost": 0.05, "max_flipped": 0.4, "max_shift": 0.5, "min_segment": 20}
LOST = 30


def gate_job(job: Job, **limits: Any) -> Job:
    """The same job, compared by region, with decisions from 12 kWh on, and a release gate."""
    gate = ReleaseGate(**{**LIMITS, **limits})
    return job.model_copy(update={"segments": ("region",), "decision_threshold": 12.0, "release_gate": gate})


def with_gate(served: Served, **limits: Any) -> Served:
    """What is served, and the job with a release gate from now on."""
    return replace(served, job=gate_job(served.job, **limits))


def make_lossy(workspace: Workspace, partition: str) -> None:
    """Upstream delivers the night again without 30 of the 80 meters in the north: too few to break the suite."""
    land_again(workspace, "meters", partition, lose_meters)


def lose_meters(table: pa.Table) -> pa.Table:
    is_north = np.array(table["region"].to_pylist()) == "north"
    return table.filter(pa.array(~(is_north & (np.cumsum(is_north) <= LOST))))
