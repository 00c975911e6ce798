"""The job ``rides`` with a release gate that nothing but the same night passes, and that asks."""

from __future__ import annotations

from pipeline.job import Job, ReleaseGate
from tests.dags.jobs.rides import JOB as RIDES

JOB = Job.model_validate(
    {
        **RIDES.model_dump(),
        "name": "gated_rides",
        "release_gate": ReleaseGate(max_shift=0.0, on_breach="ask", approvers=("admin", "Anonymous")).model_dump(),
    }
)
